//! After a miss: wait for the one who computes, or become it. Written once, over [`Io`].

use std::sync::Arc;

use cachekit_backends::{Error, Token, combine};

use super::policy::{Opened, Place, Policy};
use super::probe::{Call, Pending, Way, look_again};
use super::target::{LocalKey, SharedKey};
use super::{Evidence, Lead as Flight, Seen};
use crate::cache::Inner;
use crate::flight::{Key, Role, Waited};
use crate::link::{AsyncIo, Fetch, Io, Link, SyncIo, TokenOf, ready};
use crate::memo::finish::Ticket;
use crate::stats::Event;

/// What a call that missed does next.
pub enum Lead<R> {
    /// Nothing: here is the value.
    Done(R),
    /// Compute it.
    Compute(Ticket),
}

/// How often a caller looks again because the computation under way has seen another state than it: the computation may
/// have stored in between. If it still has, something was deleted, and the caller computes anew.
const PATIENCE: usize = 2;

/// How one round of looking and joining ended.
enum Round<T> {
    /// A stored value, or somebody's who computed it meanwhile.
    Value(T),
    Compute(Option<Flight<'static>>),
    /// The store changed; look again.
    Again,
}

impl<F> Pending<F> {
    /// Goes on, blocking the thread.
    pub fn lead<R>(self, policy: &Policy<R>) -> Lead<R>
    where
        F: Fn(&R) -> bool,
    {
        match self.at_once() {
            Some(flight) => Lead::Compute(Ticket::new(self.call, Some(flight))),
            None => ready(self.lead_over(SyncIo, policy)),
        }
    }

    /// Goes on as a task.
    pub async fn lead_async<R>(self, policy: &Policy<R>) -> Lead<R>
    where
        F: Fn(&R) -> bool,
    {
        match self.at_once() {
            Some(flight) => Lead::Compute(Ticket::new(self.call, Some(flight))),
            None => self.lead_over(AsyncIo, policy).await,
        }
    }

    /// The common miss in process: nobody computes the key, nor has since it was looked for. Short, because a function that
    /// is cheap to compute is judged by it.
    fn at_once(&self) -> Option<Flight<'static>> {
        let call = &self.call;
        let (Way::Local(key), Some(since), true) = (&call.way, self.since, call.single_flight) else {
            return None;
        };
        let inner = call.inner();
        // After the look that missed, but before the computation, which is what counts.
        let evidence =
            Evidence::Birth { function: call.function.number, instance: key.instance, at: inner.local.now() };
        let flight = inner.flights.lead_at_once(&key.key, evidence, since);
        if flight.is_some() {
            // Makes the function known as one of the cache, too.
            call.function.count(inner, Event::Miss);
        }
        flight
    }

    async fn lead_over<R, D: Io>(self, io: D, policy: &Policy<R>) -> Lead<R>
    where
        F: Fn(&R) -> bool,
    {
        let Self { call, stale_if, .. } = self;
        if !matches!(call.way, Way::Bypass) {
            call.note_use();
        }
        let fresh = |output: &R| !stale_if(output);
        let mut patience = PATIENCE;
        loop {
            let round = match &call.way {
                Way::Bypass => Round::Compute(None),
                Way::Local(key) => local_round(io, &call, policy, key, &fresh).await,
                Way::Shared(key) => shared_round(io, &call, policy, key, &fresh, patience > 0).await,
            };
            match round {
                Round::Value(output) => return Lead::Done(output),
                Round::Compute(flight) => return Lead::Compute(Ticket::new(call, flight)),
                Round::Again => patience = patience.saturating_sub(1),
            }
        }
    }
}

async fn local_round<R, D: Io>(
    io: D,
    call: &Call,
    policy: &Policy<R>,
    key: &LocalKey,
    fresh: &impl Fn(&R) -> bool,
) -> Round<R> {
    let inner = call.inner();
    let store = &inner.local;
    let since = inner.flights.completions(&key.key);
    // Before the look: a value born now is deleted by whatever deletes what the look finds.
    let evidence =
        Evidence::Birth { function: call.function.number, instance: key.instance, at: store.now() };
    if !call.refresh
        && let Some(output) = look_again(store, policy, &key.key).filter(fresh)
    {
        call.count(Event::Hit);
        return Round::Value(output);
    }
    join(io, call, policy, &key.key, evidence, since, false).await
}

async fn shared_round<R, D: Io>(
    io: D,
    call: &Call,
    policy: &Policy<R>,
    key: &SharedKey,
    fresh: &impl Fn(&R) -> bool,
    patient: bool,
) -> Round<R> {
    let inner = call.inner();
    let Some(link) = &inner.link else { return Round::Compute(None) };
    let flight_key = inner.flight_key(&key.entry);
    let since = inner.flights.completions(&flight_key);
    let fetch = Fetch { entry: key.entry.clone(), versions: key.versions.clone() };
    let fetched = io.call(link, fetch).await;
    #[cfg(feature = "tower")]
    if let Some(version) = key.versions.first() {
        let seen = fetched.as_ref().ok().and_then(|fetched| fetched.versions.first().copied());
        super::part::saw(call.function, inner, version, seen);
    }
    let seen = match fetched {
        Ok(fetched) => {
            let generation = combine(&fetched.versions);
            if let (false, Some(bytes)) = (call.refresh, &fetched.entry) {
                let at = Place { key: &key.entry, now: inner.clock.now(), life: None, generation };
                match policy.open(&at, bytes) {
                    Opened::Value(output) if fresh(&output) => {
                        call.count(Event::Hit);
                        return Round::Value(output);
                    }
                    Opened::Value(_) | Opened::Gone => {}
                    Opened::Unreadable => call.count(Event::Error),
                }
            }
            token(io, call, link, key, fetched.token).await.map(|token| Seen::new(generation, token))
        }
        Err(error) => {
            gone_on(call, link, &error);
            None
        }
    };
    join(io, call, policy, &flight_key, Evidence::Seen(seen), since, patient && seen.is_some()).await
}

/// The state of the entry's key, if the look at the entry didn't bring it. It is taken before the computation, which is
/// all that counts; a hit doesn't need it.
async fn token<D: Io>(
    io: D,
    call: &Call,
    link: &Arc<Link>,
    key: &SharedKey,
    known: Option<Token>,
) -> Option<Token> {
    if known.is_some() {
        return known;
    }
    match io.call(link, TokenOf { key: key.entry.clone() }).await {
        Ok(token) => Some(token),
        Err(error) => {
            gone_on(call, link, &error);
            None
        }
    }
}

fn gone_on(call: &Call, link: &Link, error: &Error) {
    call.count(Event::Error);
    link.report("a memoized function goes on", error);
}

async fn join<R, D: Io>(
    io: D,
    call: &Call,
    policy: &Policy<R>,
    key: &Key,
    evidence: Evidence,
    since: u64,
    patient: bool,
) -> Round<R> {
    let inner = call.inner();
    if call.refresh || !call.single_flight {
        if !call.refresh {
            call.count(Event::Miss);
        }
        return Round::Compute(Some(register(inner, key, evidence)));
    }
    match role(inner, key, evidence, since, patient) {
        Role::Recheck => Round::Again,
        Role::Lead(flight) | Role::Alone(flight) => {
            call.count(Event::Miss);
            Round::Compute(Some(flight))
        }
        Role::Wait(wait) => match io.wait(wait).await {
            Waited::Value(value) => match policy.take(&*value) {
                Some(output) => {
                    call.count(Event::Miss);
                    call.count(Event::Coalesced);
                    Round::Value(output)
                }
                None => Round::Compute(None),
            },
            // It failed or isn't to be stored: everybody for himself. Still registered, so that a deletion is seen.
            Waited::Released => {
                call.count(Event::Miss);
                Round::Compute(Some(register(inner, key, evidence)))
            }
            Waited::Again => Round::Again,
        },
    }
}

// Without the type of the value, these and all that they need are compiled with cachekit, and not in each program.

fn register(inner: &'static Inner, key: &Key, evidence: Evidence) -> Flight<'static> {
    inner.flights.register(key, evidence)
}

fn role(
    inner: &'static Inner,
    key: &Key,
    evidence: Evidence,
    since: u64,
    patient: bool,
) -> Role<'static, Evidence> {
    let joinable = |theirs: &Evidence, ours: &Evidence| theirs.serves(ours, &inner.local);
    // Who has waited for a backend in vain doesn't wait for it again.
    let since = (!matches!(evidence, Evidence::Seen(None))).then_some(since);
    inner.flights.join(key, evidence, joinable, since, patient)
}
