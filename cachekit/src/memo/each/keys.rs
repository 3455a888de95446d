//! The keys of ids, for calls and for the macros that name a function.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use cachekit_backends::Result;

use super::super::function::{Async, Blocking, Function};
use super::super::handle::Key;
use super::shape::{Batch, BatchOf, EntryOf};
use crate::cache::Cache;
use crate::call::delete::delete_each;
use crate::call::policy::Policy;
use crate::call::{Place, peek_many};
use crate::engine::remote::{AsyncIo, BlockingIo, Io, ready};

/// The key of one id, whose entries hold values of `V` as a function that returns `R` stores them.
pub struct EachKey<R, V> {
    pub(super) function: &'static Function,
    pub(super) cache: &'static Cache,
    pub(super) place: Place,
    pub(super) policy: Policy<R>,
    pub(super) open: fn(R) -> Option<V>,
    pub(super) close: fn(Option<V>) -> Option<R>,
}

impl<R, V> EachKey<R, V> {
    /// The key of a call for one id, as one of those of a call that returns `B`.
    pub fn of<B: Batch<Value = V>>(key: impl OneKey<Output = R>) -> Self
    where
        R: EntryOf<V>,
    {
        let Key { function, cache, place, policy, .. } = key.one();
        Self { function, cache, place, policy, open: R::open, close: R::close }
    }
}

/// The key of a call for one id.
#[diagnostic::on_unimplemented(
    message = "`of` names a function that has no entry for one id",
    label = "has no entry for one id",
    note = "it is to name a `#[memoize]` function that takes one id in the place of all of them, without `each` and `per_request`"
)]
pub trait OneKey {
    /// The type that the function returns.
    type Output;
    /// Whether the function blocks.
    type Mode;
    /// The key.
    fn one(self) -> Key<Self::Output, Self::Mode>;
}

impl<R, M> OneKey for Key<R, M> {
    type Output = R;
    type Mode = M;
    fn one(self) -> Self {
        self
    }
}

/// The keys of the ids of a call that returns `B`, for deletion and `peek!`. It doesn't name the type that the function for one id
/// returns, which the attribute doesn't know where the entries are another function's.
pub struct Keys<B: Batch, M> {
    /// None without an id.
    of: Option<(&'static Function, Cache)>,
    places: Vec<Place>,
    looks: Looks<B::Value>,
    join: Join<B>,
    mode: PhantomData<M>,
}

/// Puts the values of all ids together.
type Join<B> = Box<dyn Fn(Vec<Option<<B as Batch>::Value>>) -> Option<B> + Send>;

/// The values of all ids; none where one of them has none.
type Found<V> = Result<Option<Vec<Option<V>>>>;

/// Looks for the values of several places, on either driver; none without an id.
struct Looks<V>(Option<(Look<V>, LookTask<V>)>);

type Look<V> = Box<dyn FnOnce(Vec<Place>) -> Found<V> + Send>;
type LookTask<V> = Box<dyn FnOnce(Vec<Place>) -> Pin<Box<dyn Future<Output = Found<V>> + Send>> + Send>;

impl<V: 'static> Looks<V> {
    fn new<R: 'static>(key: Option<&EachKey<R, V>>) -> Self {
        Self(key.map(|key| {
            let EachKey { function, policy, open, .. } = *key;
            let [cache, again] = [key.cache.clone(), key.cache.clone()];
            let blocking: Look<V> =
                Box::new(move |places| ready(look(BlockingIo, function, cache, policy, open, places)));
            let task: LookTask<V> =
                Box::new(move |places| Box::pin(look(AsyncIo, function, again, policy, open, places)));
            (blocking, task)
        }))
    }
}

async fn look<D: Io, R, V>(
    io: D,
    function: &Function,
    cache: Cache,
    policy: Policy<R>,
    open: fn(R) -> Option<V>,
    places: Vec<Place>,
) -> Found<V> {
    function.check()?;
    let places: Vec<&Place> = places.iter().collect();
    let found = peek_many(io, cache.engine(), function.number, &places, &policy).await?;
    // Where one is missing, the call would compute.
    let found = found.into_iter().collect::<Option<Vec<R>>>();
    Ok(found.map(|found| found.into_iter().map(open).collect()))
}

/// The argument that `prime!` would take for a call of one id.
#[diagnostic::on_unimplemented(
    message = "`prime!` stores one value, and this function has an entry for each id",
    label = "the value of several ids",
    note = "prime the function for one id whose entries are shared (`of = function`), or call `refresh!`"
)]
pub trait PrimesEach {}

/// The argument that `traced!` would take for a call of one id.
#[diagnostic::on_unimplemented(
    message = "`traced!` tells where one value comes from, and a call of this function has one for each id",
    label = "several ids",
    note = "trace the function for one id whose entries are shared (`of = function`), or use `stats!`"
)]
pub trait TracesEach {}

/// The call of one id that `explain!` would explain.
#[diagnostic::on_unimplemented(
    message = "`explain!` explains one entry, and a call of this function has one for each id",
    label = "explains one entry",
    note = "explain the function for one id whose entries are shared (`of = function`)"
)]
pub trait ExplainsEach {}

impl<B: Batch, M> Keys<B, M> {
    /// The keys of these ids.
    pub fn new<I, R>(ids: Vec<I>, key: impl Fn(&I) -> EachKey<R, B::Value>) -> Self
    where
        B: BatchOf<I, Value: 'static>,
        I: Send + 'static,
        R: 'static,
    {
        let each: Vec<EachKey<R, B::Value>> = ids.iter().map(key).collect();
        let of = each.first().map(|key| (key.function, key.cache.clone()));
        let looks = Looks::new(each.first());
        let places = each.into_iter().map(|key| key.place).collect();
        let join = move |values: Vec<Option<B::Value>>| {
            let places: Vec<usize> = (0..ids.len()).collect();
            B::join(&ids, &places, values)
        };
        Self { of, places, looks, join: Box::new(join), mode: PhantomData }
    }

    pub(in crate::memo) fn cache(&self) -> Option<&Cache> {
        self.of.as_ref().map(|(_, cache)| cache)
    }

    pub(in crate::memo) async fn delete_over<D: Io>(self, io: D) -> Result<()> {
        let Some((function, cache)) = self.of else { return Ok(()) };
        function.check()?;
        let engine = cache.engine();
        for _ in &self.places {
            engine.count_deletion(&function.name);
        }
        delete_each(io, engine, self.places).await
    }
}

impl<B: Batch> Keys<B, Blocking> {
    /// Deletes the entries of these ids.
    pub fn delete(self) -> Result<()> {
        ready(self.delete_over(BlockingIo))
    }

    /// Returns the stored values of these ids, if all of them have one.
    pub fn peek(self) -> Result<Option<B>> {
        let Self { places, looks, join, .. } = self;
        let Some((look, _)) = looks.0 else { return Ok(join(Vec::new())) };
        Ok(look(places)?.and_then(join))
    }
}

impl<B: Batch> Keys<B, Async> {
    /// Deletes the entries of these ids.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.delete_over(AsyncIo)
    }

    /// Returns the stored values of these ids, if all of them have one.
    pub fn peek(self) -> impl Future<Output = Result<Option<B>>> + Send {
        let Self { places, looks, join, .. } = self;
        let looked = looks.0.map(|(_, look)| look(places));
        async move {
            let Some(looked) = looked else { return Ok(join(Vec::new())) };
            Ok(looked.await?.and_then(join))
        }
    }
}

impl<B: Batch, M> Keys<B, M> {
    /// Refuses.
    pub fn explain(self)
    where
        B: ExplainsEach,
    {
    }
}
