//! After a miss: wait for the one who computes, or become it. Written once, over [`Io`].

use std::any::Any;
use std::sync::Arc;

use cachekit_backends::{KeyBytes, combine};

use super::policy::{Entry, Opened, Policy};
use super::probe::{Call, Pending, Way, look_again};
use super::target::{LocalKey, SharedKey};
use super::{Evidence, Lead as Flight, Seen};
use crate::flight::{Role, Waited};
use crate::link::{AsyncIo, Fetch, Io, Link, SyncIo, ready};
use crate::memo::finish::Ticket;
use crate::stats::Event;

/// What a call that missed does next.
pub enum Lead<P: Policy> {
    /// Nothing: here is the value.
    Done(P::Output),
    /// Compute it.
    Compute(Ticket<P>),
}

/// How one round of looking and joining ended.
enum Round<T> {
    /// A stored value, or somebody's who computed it meanwhile.
    Value(T),
    Compute(Option<Flight>),
    /// The store changed; look again.
    Again,
}

impl<P: Policy, S: Fn(&P::Output) -> bool> Pending<P, S> {
    /// Goes on, blocking the thread.
    pub fn lead(self) -> Lead<P> {
        ready(self.lead_over(SyncIo))
    }

    /// Goes on as a task.
    pub async fn lead_async(self) -> Lead<P> {
        self.lead_over(AsyncIo).await
    }

    async fn lead_over<D: Io>(self, io: D) -> Lead<P> {
        let Self { call, stale_if, .. } = self;
        if !matches!(call.way, Way::Bypass) && call.inner().functions.get(call.function.number).first_time() {
            call.function.used_with(call.cache);
        }
        // A reader that joined a flight may find the entry stale that it joined for; asked only about stored values.
        let fresh = |stored: P::Stored| Some(P::output(stored)).filter(|output| !stale_if(output));
        loop {
            let round = match &call.way {
                Way::Bypass => Round::Compute(None),
                Way::Local(key) => local_round::<P, D>(io, &call, key, &fresh).await,
                Way::Shared(key) => shared_round::<P, D>(io, &call, key, &fresh).await,
            };
            match round {
                Round::Value(output) => return Lead::Done(output),
                Round::Compute(flight) => return Lead::Compute(Ticket::new(call, flight)),
                Round::Again => {}
            }
        }
    }
}

async fn local_round<P: Policy, D: Io>(
    io: D,
    call: &Call,
    key: &LocalKey,
    fresh: &impl Fn(P::Stored) -> Option<P::Output>,
) -> Round<P::Output> {
    let inner = call.inner();
    let store = &inner.local;
    let since = inner.flights.completions(&key.bytes);
    // Before the look: a value born now is deleted by whatever deletes what the look finds.
    let evidence =
        Evidence::Birth { function: call.function.number, instance: key.instance, at: store.now() };
    if !call.refresh {
        if let Some(output) = look_again::<P::Stored>(store, key.digest, &key.bytes).and_then(fresh) {
            call.count(Event::Hit);
            return Round::Value(output);
        }
    }
    join::<P, D>(io, call, &key.bytes, evidence, since).await
}

async fn shared_round<P: Policy, D: Io>(
    io: D,
    call: &Call,
    key: &SharedKey,
    fresh: &impl Fn(P::Stored) -> Option<P::Output>,
) -> Round<P::Output> {
    let inner = call.inner();
    let Some(link) = &inner.link else { return Round::Compute(None) };
    let flight_key = KeyBytes::new(key.entry.as_bytes());
    let since = inner.flights.completions(&flight_key);
    let (entry, seen) = fetch(io, call, link, key).await;
    if let (false, Some(bytes), Some(seen)) = (call.refresh, entry, seen) {
        let at = Entry { key: &key.entry, now: inner.clock.now(), life: None, generation: seen.generation };
        match P::open(&at, &bytes) {
            Opened::Value(stored) => {
                if let Some(output) = fresh(stored) {
                    call.count(Event::Hit);
                    return Round::Value(output);
                }
            }
            Opened::Gone => {}
            Opened::Unreadable => call.count(Event::Error),
        }
    }
    join::<P, D>(io, call, &flight_key, Evidence::Seen(seen), since).await
}

/// Reads an entry with its versions; goes on without, if the backend fails.
async fn fetch<D: Io>(io: D, call: &Call, link: &Arc<Link>, key: &SharedKey) -> (Option<Vec<u8>>, Option<Seen>) {
    let op = Fetch { entry: key.entry.clone(), versions: key.versions.clone() };
    match io.call(link, op).await {
        Ok(fetched) => {
            let seen = fetched.token.map(|token| Seen { generation: combine(&fetched.versions), token });
            (fetched.entry, seen)
        }
        Err(error) => {
            call.count(Event::Error);
            link.report("a memoized function goes on", &error);
            (None, None)
        }
    }
}

async fn join<P: Policy, D: Io>(
    io: D,
    call: &Call,
    key: &KeyBytes,
    evidence: Evidence,
    since: u64,
) -> Round<P::Output> {
    let inner = call.inner();
    if call.refresh || !call.single_flight {
        if !call.refresh {
            call.count(Event::Miss);
        }
        return Round::Compute(Some(inner.flights.register(key, evidence)));
    }
    let joinable = |theirs: &Evidence, ours: &Evidence| theirs.serves(ours, &inner.local);
    match inner.flights.join(key, evidence, joinable, Some(since)) {
        Role::Recheck => Round::Again,
        Role::Lead(flight) | Role::Alone(flight) => {
            call.count(Event::Miss);
            Round::Compute(Some(flight))
        }
        Role::Wait(wait) => match io.wait(wait).await {
            Waited::Value(value) => match shared_value::<P::Stored>(&value) {
                Some(stored) => {
                    call.count(Event::Miss);
                    call.count(Event::Coalesced);
                    Round::Value(P::output(stored))
                }
                None => Round::Compute(None),
            },
            // It failed or isn't to be stored: everybody for himself. Still registered, so that a deletion is seen.
            Waited::Released => {
                call.count(Event::Miss);
                Round::Compute(Some(inner.flights.register(key, evidence)))
            }
            Waited::Again => Round::Again,
        },
    }
}

fn shared_value<T: Clone + 'static>(value: &Arc<dyn Any + Send + Sync>) -> Option<T> {
    value.downcast_ref::<T>().cloned()
}
