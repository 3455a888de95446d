//! The option `each`: a call for several ids, each of which has an entry of its own.

mod handle;
mod ids;
mod keys;
mod shape;

use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

pub use handle::{EachOf, Sharing};
pub use ids::{Again, IdAs, Ids, Like, id_as, ids_of};
pub use keys::{EachKey, Keys, OneKey, PrimesEach, TracesEach};
pub use shape::{Batch, BatchOf, EntryOf};

use super::Op;
use super::function::Function;
use super::life::Lifespan;
use super::options::{Joining, Options, StaleIf};
use crate::call::Place;
use crate::call::batch::Batch as Round;
use crate::call::policy::Policy;
use crate::call::verdict::Verdict;
use crate::engine::remote::{AsyncIo, BlockingIo, Io, RateLimit, ready};
use crate::engine::stats::Event;
use shape::Split;

/// The ids of a call, each once, with its key.
struct Listed<R, V> {
    /// The place of each id in what follows.
    places: Vec<usize>,
    /// Each once, by its first place in the list.
    firsts: Vec<usize>,
    entries: Vec<Place>,
    /// None without an id.
    form: Option<Form<R, V>>,
}

/// The form in which the values of ids are stored, the same for all entries of a call.
struct Form<R, V> {
    policy: Policy<R>,
    open: fn(R) -> Option<V>,
    close: fn(Option<V>) -> Option<R>,
}

impl<R, V> Listed<R, V> {
    fn new<I>(ids: &[I], key: impl Fn(&I) -> EachKey<R, V>) -> Self {
        let mut listed = Self { places: Vec::new(), firsts: Vec::new(), entries: Vec::new(), form: None };
        // By the digests, which are keyed: ids can't be chosen so that many are equal.
        let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, id) in ids.iter().enumerate() {
            let EachKey { place, policy, open, close, .. } = key(id);
            listed.form.get_or_insert(Form { policy, open, close });
            let same = known.entry(place.key().digest).or_default();
            let found = same.iter().find(|&&known| listed.entries[known].key() == place.key());
            let number = found.copied().unwrap_or_else(|| {
                same.push(listed.entries.len());
                listed.entries.push(place);
                listed.firsts.push(at);
                listed.entries.len() - 1
            });
            listed.places.push(number);
        }
        listed
    }
}

/// A call that has asked its options, and has yet to look its entries up.
pub struct PendingEach<B: Batch, I, R, F> {
    function: &'static Function,
    ids: Vec<I>,
    stale_if: F,
    state: State<R, B::Value>,
    returns: PhantomData<fn() -> B>,
}

enum State<R, V> {
    /// The call only computes.
    Bypass,
    /// There is no id.
    Empty,
    Round(Box<Begun<R, V>>),
}

/// A round, with the places of the ids in it.
struct Begun<R, V> {
    places: Vec<usize>,
    firsts: Vec<usize>,
    form: Form<R, V>,
    round: Round<'static, R>,
}

/// Begins a call. `key` makes the key of an id.
pub fn each<B, I, R, U, Q, F, T, J, G>(
    of: EachOf,
    ids: Vec<I>,
    op: Op,
    options: Options<U, Q, F, T, J, G>,
    key: impl Fn(&I) -> EachKey<R, B::Value>,
) -> PendingEach<B, I, R, F>
where
    B: Batch,
    U: FnOnce() -> bool,
    Q: FnOnce() -> bool,
    T: Lifespan,
    J: Joining,
{
    let Options { unless, refresh_if, stale_if, life, joining, .. } = options;
    let EachOf { own: function, entries, cache } = of;
    let mut pending = PendingEach { function, ids, stale_if, state: State::Bypass, returns: PhantomData };
    // Before the cache is looked at, which would bind it.
    if op == Op::Uncached || unless() {
        return pending;
    }
    if pending.ids.is_empty() {
        pending.state = State::Empty;
        return pending;
    }
    if !(function.is_cached(cache) && entries.is_cached(cache)) {
        return pending;
    }
    let engine = cache.engine();
    // A deletion by name must know this cache.
    function.note_use(engine);
    entries.note_use(engine);
    let refresh = op == Op::Refresh || refresh_if();
    let (life, life_by_name) = life.life().steered(function, entries, engine);
    let join = joining.join();
    let call = life.call(engine, function, life_by_name, refresh, join);
    let limit = join.flight_timeout.unwrap_or(engine.flight_timeout);
    let Listed { places, firsts, entries, form } = Listed::new(&pending.ids, key);
    if let Some(form) = form {
        let round = Round::new(call, form.policy, entries, limit);
        pending.state = State::Round(Box::new(Begun { places, firsts, form, round }));
    }
    pending
}

impl<B, I, R, F> PendingEach<B, I, R, F>
where
    B: BatchOf<I>,
    I: Clone,
    F: StaleIf<R>,
{
    /// The rest of the call: `body` computes the values of some of the ids. Blocks the thread.
    pub fn finish<V: Into<Verdict>>(self, judge: impl Fn(&R) -> V, body: impl Fn(Vec<I>) -> B) -> B {
        let body = &body;
        ready(self.run(BlockingIo, judge, |some| async move { body(some) }))
    }

    /// The same as a task. On the heap, as the rest of every call that may miss.
    pub fn finish_async<V: Into<Verdict>, W: Future<Output = B>>(
        self,
        judge: impl Fn(&R) -> V,
        body: impl Fn(Vec<I>) -> W,
    ) -> Pin<Box<impl Future<Output = B>>> {
        Box::pin(self.run(AsyncIo, judge, body))
    }

    async fn run<D: Io, V: Into<Verdict>, W: Future<Output = B>>(
        self,
        io: D,
        judge: impl Fn(&R) -> V,
        body: impl Fn(Vec<I>) -> W,
    ) -> B {
        let Self { function, ids, stale_if, state, .. } = self;
        let begun = match state {
            State::Bypass => return body(ids).await,
            State::Empty => {
                return match B::join(&ids, &[], Vec::new()) {
                    Some(nothing) => nothing,
                    None => body(ids).await,
                };
            }
            State::Round(begun) => begun,
        };
        let Begun { places, firsts, form, mut round } = *begun;
        let serves = |value: &R| !stale_if.is_stale(value);
        while !round.is_done() {
            round.claim(io, &serves).await;
            let claims = round.claims();
            if !claims.is_empty() {
                let some: Vec<I> = claims.iter().map(|&number| ids[firsts[number]].clone()).collect();
                let computed = round.run(body(some.clone())).await;
                match computed.split(&some) {
                    Split::Values(values) => {
                        let values = values.into_iter().map(form.close).collect();
                        round.settle(io, values, &judge).await;
                    }
                    Split::Failed(failed) => {
                        if !round.fail(io).await {
                            return failed;
                        }
                    }
                    Split::Misfit(misfit) => {
                        round.release();
                        round.count(Event::Error);
                        say_misfit(function);
                        return if some.len() == ids.len() { misfit } else { body(ids).await };
                    }
                }
            }
            round.wait(io).await;
        }
        let values = round.values().into_iter().map(|value| value.and_then(form.open)).collect();
        match B::join(&ids, &places, values) {
            Some(batch) => batch,
            // The function whose entries they are has none for an id of which this one needs a value.
            None => body(ids).await,
        }
    }
}

/// Logs a list of another length than that of the ids, at most one in a second.
#[cold]
fn say_misfit(function: &Function) {
    static LOGS: RateLimit = RateLimit::new();
    if LOGS.admits() {
        tracing::warn!(
            target: "cachekit",
            "`{}` has returned a list of another length than that of the ids it was called with, so it isn't known which value is \
             whose: none is stored, and the call runs the body with all of its ids; return one value for each id, or a map",
            function.name,
        );
    }
}
