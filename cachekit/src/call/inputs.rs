//! The inputs of a round beside its place: an engine, and the options that decide how an entry is computed and stored.

use std::time::Duration;

use cachekit_backends::simple::{Hook, Left, Look};
use cachekit_backends::{Ttl, ttl_millis};
use tracing::Instrument as _;

use super::freshness::Windows;
use super::look::{may_take_near, survived};
use super::place::Place;
use super::span;
use crate::engine::flight::{Candidate, Key, Role, Table, Wait, Waited};
use crate::engine::remote::{Budget, Io, say_given_up};
use crate::engine::stats::Event;
use crate::engine::{Content, Engine, Hold, Lead, LocalTable, Snapshot};

/// One call.
pub(crate) struct Call<'a> {
    pub(crate) engine: Hold<'a, Engine>,
    /// The number whose counters count.
    pub(crate) function: u32,
    /// The time to live of a new entry.
    pub(crate) life: Ttl,
    /// Whether it was set by the function's name, and so wins over `timeout = |value| ..`.
    pub(crate) life_by_name: bool,
    /// The greatest part by which it is shortened at random.
    pub(crate) jitter: f64,
    /// When a value is served while it is computed anew.
    pub(crate) windows: Windows,
    /// Compute and overwrite, whatever is stored.
    pub(crate) refresh: bool,
    /// Wait for a computation of the same entry that is under way.
    pub(crate) single_flight: bool,
    /// Wait for other processes too, and take over after so long without a renewal.
    pub(crate) fleet: Option<Duration>,
    /// The time that it has spent on the backend.
    pub(crate) budget: Budget,
}

impl<'a> Call<'a> {
    pub(crate) fn count(&self, event: Event) {
        self.engine.count_of(self.function, event);
    }

    /// Whether the computation of an entry has failed a moment ago, so that it isn't to be tried again while there is a value to
    /// be served.
    pub(super) fn holds_back(&self, key: &Key) -> bool {
        self.engine.throttle.holds(key.of_computation(), self.engine.clock.monotonic())
    }

    /// Notes that the computation of an entry has failed.
    pub(super) fn hold_back(&self, key: &Key) {
        let pause = ttl_millis(self.windows.retry_after);
        self.engine.throttle.hold(key.of_computation(), self.engine.clock.monotonic(), pause);
    }

    /// Whether this call computes by itself whatever is stored: the backend can't be asked, and this process keeps nothing in front
    /// of it. Such a call needs no key: it stores nothing, and no call waits for it. Counts and logs the miss.
    pub(crate) fn is_cut_off(&self) -> bool {
        let Some(remote) = &self.engine.remote else { return false };
        let may_be_here = self.engine.near().is_some() || !may_take_near();
        let Some(refusal) = (if may_be_here { None } else { remote.refusal() }) else { return false };
        survived(self, remote, &refusal);
        self.count(Event::Miss);
        true
    }

    /// Starts a computation that no other call waits for; `snapshot` is that of an entry on the backend.
    pub(super) fn register(&self, place: &Place, snapshot: Snapshot) -> Lead<'a> {
        match place {
            Place::Local { key, instance, table, .. } => {
                let at = self.engine.local.now();
                let mut candidate = Candidate::new(at);
                let claim = table.claim_apart(key, *instance, candidate.begin());
                candidate.lead(self.claims(key, table), claim, Snapshot::Local { at }, false)
            }
            Place::Remote { key, .. } => match &self.engine {
                Hold::Borrowed(engine) => engine.flights.register(key, snapshot),
                Hold::Shared(engine) => engine.flights.register(key, snapshot).holding(&engine.flights),
            },
        }
    }

    /// Joins the computation of an entry, or starts it, if there is no entry in process but the one that the call has `seen`, and
    /// none on the backend was computed `since` the look.
    pub(super) fn join(
        &self,
        place: &Place,
        seen: Option<&Content>,
        snapshot: Snapshot,
        since: Option<u64>,
        patient: bool,
    ) -> Role<'a, Snapshot> {
        match (place, &self.engine) {
            (Place::Local { .. }, _) => self.claim(place, seen),
            (Place::Remote { key, .. }, Hold::Borrowed(engine)) => {
                engine.flights.join(key, snapshot, Snapshot::serves, since, patient)
            }
            (Place::Remote { key, .. }, Hold::Shared(engine)) => {
                engine.flights.join(key, snapshot, Snapshot::serves, since, patient).holding(&engine.flights)
            }
        }
    }

    /// The table of an entry in process, for the end of its claim.
    fn claims(&self, key: &Key, table: &LocalTable) -> Table<'a> {
        let known = match self.engine {
            Hold::Borrowed(engine) => engine.claims(key.function, table),
            Hold::Shared(_) => None,
        };
        known.map_or_else(|| Table::Held(table.claims()), Table::Borrowed)
    }

    /// The common miss in process: there is no entry, and no other call computes it. Short, because it is
    /// the overhead of a function that is cheap to compute.
    pub(crate) fn at_once(&self, place: &Place) -> Option<Lead<'a>> {
        if !matches!(place, Place::Local { .. }) || !self.single_flight || self.refresh {
            return None;
        }
        match self.claim(place, None) {
            Role::Lead(flight) => {
                self.count(Event::Miss);
                Some(flight)
            }
            Role::Wait(_) | Role::Alone(_) | Role::Recheck => None,
        }
    }

    /// Joins or starts the computation of an entry in process.
    pub(super) fn claim(&self, place: &Place, seen: Option<&Content>) -> Role<'a, Snapshot> {
        let Place::Local { key, instance, tags, table } = place else {
            unreachable!("claims are of entries in process")
        };
        let local = &self.engine.local;
        // Before the claim: a deletion of a tag in between must not be missed.
        let at = local.now();
        let mut candidate = Candidate::new(at);
        let may_join = |hook: &Hook| Candidate::may_join(hook, |birth| local.admits(tags, birth));
        let mut left = Left::default();
        match table.claim(key, *instance, seen, may_join, || candidate.begin(), &mut left) {
            Look::Claimed(claim) => {
                let lead = candidate.lead(self.claims(key, table), claim, Snapshot::Local { at }, true);
                lead.drop_inside(left);
                Role::Lead(lead)
            }
            Look::Found(()) => Role::Recheck,
            Look::Busy(hook) => match candidate.wait(hook) {
                Some(wait) => Role::Wait(wait),
                None => Role::Alone(self.register(place, Snapshot::Local { at })),
            },
        }
    }

    /// Whether another look is worth its time. After a look that failed it isn't, nor when the looks together have taken as
    /// long as one operation may: no call waits longer than that for a backend in trouble.
    pub(super) fn may_look_again(&self, snapshot: Snapshot) -> bool {
        match (snapshot, &self.engine.remote) {
            (Snapshot::Local { .. }, _) => true,
            (Snapshot::Remote(Some(_)), Some(remote)) => self.budget.is_left(remote),
            _ => false,
        }
    }

    /// Waits for another call's computation. Returns none if this call gives up.
    pub(super) async fn wait<D: Io>(&self, io: D, wait: Wait, key: &Key, limit: Duration) -> Option<Waited> {
        let mut dropped = Dropped(Some(self));
        let span = span::wait(self, key);
        let waited = io.wait(wait, limit).instrument(span).await;
        dropped.0 = None;
        if waited.is_none() {
            say_given_up();
            self.count(Event::GivenUp);
        }
        waited
    }
}

/// Counts a call that is dropped while it waits.
pub(super) struct Dropped<'c, 'a>(pub(super) Option<&'c Call<'a>>);

impl Drop for Dropped<'_, '_> {
    fn drop(&mut self) {
        if let Some(call) = self.0 {
            call.count(Event::Abandoned);
        }
    }
}
