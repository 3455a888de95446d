//! The keys of ids, for calls and for the macros that name a function.

use std::future::Future;
use std::marker::PhantomData;

use cachekit_backends::Result;

use super::super::function::{Async, Blocking, Function, Handle};
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
    pub(super) cache: Cache,
    pub(super) place: Place,
    pub(super) policy: Policy<R>,
    pub(super) open: fn(R) -> Option<V>,
    pub(super) close: fn(Option<V>) -> Option<R>,
}

impl<R, V> EachKey<R, V> {
    /// The key of a call for one id, as one of those of a call that returns `B`.
    pub fn of<B: Batch<Value = V>>(key: Key<R, impl Sized>) -> Self
    where
        R: EntryOf<V>,
    {
        let Key { function, cache, place, policy, .. } = key;
        Self { function, cache, place, policy, open: R::open, close: R::close }
    }
}

impl<M> Handle<M> {
    /// The handle of a function whose entries another one shares, for that one.
    #[must_use]
    pub fn shared<O>(Handle { site, scope, cache, .. }: Handle<O>) -> Self {
        Self { site, scope, cache, mode: PhantomData }
    }
}

/// The keys of the ids of a call that returns `B`, for deletion and `peek!`.
pub struct Keys<B: Batch, R, M> {
    each: Vec<EachKey<R, B::Value>>,
    join: Join<B>,
    mode: PhantomData<M>,
}

/// Puts the values of all ids together.
type Join<B> = Box<dyn Fn(Vec<Option<<B as Batch>::Value>>) -> Option<B> + Send>;

/// What `prime!` would take for a call of one id.
#[diagnostic::on_unimplemented(
    message = "`prime!` stores one value, and this function has an entry for each id",
    label = "the value of several ids",
    note = "prime the function for one id whose entries are shared (`of = function`), or call `refresh!`"
)]
pub trait PrimesEach {}

/// What `traced!` would take for a call of one id.
#[diagnostic::on_unimplemented(
    message = "`traced!` tells where one value comes from, and a call of this function has one for each id",
    label = "several ids",
    note = "trace the function for one id whose entries are shared (`of = function`), or use `stats!`"
)]
pub trait TracesEach {}

/// What `explain!` would explain of a call of one id.
#[diagnostic::on_unimplemented(
    message = "`explain!` explains one entry, and a call of this function has one for each id",
    label = "explains one entry",
    note = "explain the function for one id whose entries are shared (`of = function`)"
)]
pub trait ExplainsEach {}

impl<B: Batch, R, M> Keys<B, R, M> {
    /// The keys of these ids.
    pub fn new<I>(ids: Vec<I>, key: impl Fn(&I) -> EachKey<R, B::Value>) -> Self
    where
        B: BatchOf<I>,
        I: Send + 'static,
    {
        let each = ids.iter().map(key).collect();
        let join = move |values: Vec<Option<B::Value>>| {
            let places: Vec<usize> = (0..ids.len()).collect();
            B::join(&ids, &places, values)
        };
        Self { each, join: Box::new(join), mode: PhantomData }
    }

    pub(in crate::memo) fn cache(&self) -> Option<&Cache> {
        self.each.first().map(|key| &key.cache)
    }

    pub(in crate::memo) async fn delete_over<D: Io>(self, io: D) -> Result<()> {
        let mut keys = self.each.into_iter();
        let Some(first) = keys.next() else { return Ok(()) };
        first.function.check()?;
        let engine = first.cache.engine();
        let places: Vec<Place> = std::iter::once(first.place).chain(keys.map(|key| key.place)).collect();
        for _ in &places {
            engine.count_deletion(&first.function.name);
        }
        delete_each(io, engine, places).await
    }

    async fn peek_over<D: Io>(self, io: D) -> Result<Option<B>> {
        let Self { each, join, .. } = self;
        let Some(first) = each.first() else { return Ok(join(Vec::new())) };
        first.function.check()?;
        let places: Vec<&Place> = each.iter().map(|key| &key.place).collect();
        let found =
            peek_many(io, first.cache.engine(), first.function.number, &places, &first.policy).await?;
        // Where one is missing, the call would compute.
        let Some(found) = found.into_iter().collect::<Option<Vec<R>>>() else { return Ok(None) };
        Ok(join(found.into_iter().map(first.open).collect()))
    }
}

impl<B: Batch, R> Keys<B, R, Blocking> {
    /// Deletes the entries of these ids.
    pub fn delete(self) -> Result<()> {
        ready(self.delete_over(BlockingIo))
    }

    /// Returns the stored values of these ids, if all of them have one.
    pub fn peek(self) -> Result<Option<B>> {
        ready(self.peek_over(BlockingIo))
    }
}

impl<B: Batch, R> Keys<B, R, Async> {
    /// Deletes the entries of these ids.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.delete_over(AsyncIo)
    }

    /// Returns the stored values of these ids, if all of them have one.
    pub fn peek(self) -> impl Future<Output = Result<Option<B>>> + Send {
        self.peek_over(AsyncIo)
    }
}

impl<B: Batch, R, M> Keys<B, R, M> {
    /// Refuses.
    pub fn explain(self)
    where
        B: ExplainsEach,
    {
    }
}
