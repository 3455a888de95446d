//! The option `each`: a call for several ids, each of which has an entry of its own.

mod ids;
mod keys;
mod shape;

use std::future::{Future, ready as at_once};
use std::pin::Pin;

pub use ids::{Again, IdAs, Ids, Like, id_as, ids_of};
pub use keys::{EachKey, Keys, PrimesEach, TracesEach};
pub use shape::{Batch, BatchOf, EntryOf};

use super::Op;
use super::function::Function;
use super::life::Lifespan;
use super::lookup::Options;
use crate::cache::Cache;
use crate::call::batch::Batch as Round;
use crate::call::policy::Policy;
use crate::call::store::Verdict;
use crate::call::{Call, Place};
use crate::engine::Hold;
use crate::engine::remote::{AsyncIo, BlockingIo, Budget, Io, RateLimit, ready};
use crate::engine::stats::Event;
use shape::Split;

/// The ids of a call, each once, with its key.
struct Listed<I, R, V> {
    /// As they were given.
    ids: Vec<I>,
    /// The place of each in what follows.
    places: Vec<usize>,
    /// Each once, by its first place in the list.
    firsts: Vec<usize>,
    entries: Vec<Place>,
    of: Option<Of<R, V>>,
}

/// What the keys of a call have in common.
struct Of<R, V> {
    function: &'static Function,
    cache: Cache,
    policy: Policy<R>,
    open: fn(R) -> Option<V>,
    close: fn(Option<V>) -> Option<R>,
}

impl<I, R, V> Listed<I, R, V> {
    fn new(ids: Vec<I>, key: impl Fn(&I) -> EachKey<R, V>) -> Self {
        let mut listed = Self { ids, places: Vec::new(), firsts: Vec::new(), entries: Vec::new(), of: None };
        // By the digests, which are keyed: ids can't be chosen so that many are equal.
        let mut known: std::collections::HashMap<u64, Vec<usize>> = std::collections::HashMap::new();
        for (at, id) in listed.ids.iter().enumerate() {
            let EachKey { place, function, cache, policy, open, close } = key(id);
            listed.of.get_or_insert(Of { function, cache, policy, open, close });
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

/// How the entries of a call are computed and stored.
struct Settings {
    life: super::life::Life,
    refresh: bool,
    single_flight: bool,
    flight_timeout: Option<std::time::Duration>,
}

/// A call of a function that blocks. `key` makes the key of an id, `body` computes some of them.
pub fn each_blocking<B, I, R, U, Q, F, T, G, V>(
    ids: Vec<I>,
    op: Op,
    options: Options<U, Q, F, T, G>,
    key: impl Fn(&I) -> EachKey<R, B::Value>,
    judge: impl Fn(&R) -> V,
    body: impl Fn(Vec<I>) -> B,
) -> B
where
    B: BatchOf<I>,
    I: Clone,
    U: FnOnce() -> bool,
    Q: FnOnce() -> bool,
    F: Fn(&R) -> bool,
    T: Lifespan,
    V: Into<Verdict>,
{
    let body = |some| async { at_once(body(some)).await };
    ready(run(BlockingIo, ids, op, options, key, judge, body))
}

/// The same as a task. On the heap, as the rest of every call that may miss.
pub fn each_task<B, I, R, U, Q, F, T, G, V, W>(
    ids: Vec<I>,
    op: Op,
    options: Options<U, Q, F, T, G>,
    key: impl Fn(&I) -> EachKey<R, B::Value>,
    judge: impl Fn(&R) -> V,
    body: impl Fn(Vec<I>) -> W,
) -> Pin<Box<impl Future<Output = B>>>
where
    B: BatchOf<I>,
    I: Clone,
    U: FnOnce() -> bool,
    Q: FnOnce() -> bool,
    F: Fn(&R) -> bool,
    T: Lifespan,
    V: Into<Verdict>,
    W: Future<Output = B>,
{
    Box::pin(run(AsyncIo, ids, op, options, key, judge, body))
}

async fn run<D: Io, B, I, R, U, Q, F, T, G, V, W>(
    io: D,
    ids: Vec<I>,
    op: Op,
    options: Options<U, Q, F, T, G>,
    key: impl Fn(&I) -> EachKey<R, B::Value>,
    judge: impl Fn(&R) -> V,
    body: impl Fn(Vec<I>) -> W,
) -> B
where
    B: BatchOf<I>,
    I: Clone,
    U: FnOnce() -> bool,
    Q: FnOnce() -> bool,
    F: Fn(&R) -> bool,
    T: Lifespan,
    V: Into<Verdict>,
    W: Future<Output = B>,
{
    let Options { unless, refresh_if, stale_if, life, single_flight, flight_timeout, .. } = options;
    // Before the cache is looked at, which would bind it.
    if op == Op::Uncached || unless() {
        return body(ids).await;
    }
    let Listed { ids, places, firsts, entries, of } = Listed::new(ids, key);
    let Some(of) = of else {
        return match B::join(&ids, &places, Vec::new()) {
            Some(nothing) => nothing,
            None => body(ids).await,
        };
    };
    let engine = of.cache.engine();
    if !of.function.is_cached(&of.cache) {
        return body(ids).await;
    }
    // A deletion by name must know this cache.
    of.function.note_use(engine);
    let refresh = op == Op::Refresh || refresh_if();
    let settings = Settings { life: life.life(), refresh, single_flight, flight_timeout };
    let mut round = settings.round(&of, entries);
    let serves = |value: &R| !stale_if(value);
    while !round.is_done() {
        round.claim(io, &serves).await;
        let claims = round.claims();
        if !claims.is_empty() {
            let some: Vec<I> = claims.iter().map(|&number| ids[firsts[number]].clone()).collect();
            let computed = round.run(body(some.clone())).await;
            match computed.split(&some) {
                Split::Values(values) => {
                    let values = values.into_iter().map(of.close).collect();
                    round.settle(io, values, &judge).await;
                }
                Split::Failed(failed) => {
                    round.release();
                    return failed;
                }
                Split::Misfit(misfit) => {
                    round.release();
                    engine.count_of(of.function.number, Event::Error);
                    say_misfit(of.function);
                    return if some.len() == ids.len() { misfit } else { body(ids).await };
                }
            }
        }
        round.wait(io).await;
    }
    let values = round.values().into_iter().map(|value| value.and_then(of.open)).collect();
    match B::join(&ids, &places, values) {
        Some(batch) => batch,
        // The function whose entries they are has none for an id of which this one needs a value.
        None => body(ids).await,
    }
}

impl Settings {
    fn round<'c, R, V>(&self, of: &'c Of<R, V>, places: Vec<Place>) -> Round<'c, R> {
        let engine = of.cache.engine();
        let (life, life_by_name) = self.life.steered(of.function, engine);
        let call = Call {
            engine: Hold::Borrowed(&**engine),
            function: of.function.number,
            life: life.timeout.resolve(engine.default_timeout),
            life_by_name,
            jitter: life.jitter.unwrap_or(engine.jitter),
            windows: life.windows,
            refresh: self.refresh,
            single_flight: self.single_flight,
            fleet: None,
            budget: Budget::default(),
        };
        let limit = self.flight_timeout.unwrap_or(engine.flight_timeout);
        Round::new(call, of.policy, places, limit)
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
