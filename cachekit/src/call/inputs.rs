//! The inputs of a round beside its place: an engine, and the options that decide how an entry is computed and stored.

use cachekit_backends::Ttl;

use super::freshness::Windows;
use super::place::Place;
use crate::engine::flight::{Key, Role};
use crate::engine::remote::Budget;
use crate::engine::stats::Event;
use crate::engine::{Engine, Hold, Lead, Snapshot};

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
    /// The time that it has spent on the backend.
    pub(crate) budget: Budget,
}

impl<'a> Call<'a> {
    pub(crate) fn count(&self, event: Event) {
        self.engine.count_of(self.function, event);
    }

    /// Starts a computation that no other call waits for.
    pub(super) fn register(&self, key: &Key, snapshot: Snapshot) -> Lead<'a> {
        match &self.engine {
            Hold::Borrowed(engine) => engine.flights.register(key, snapshot),
            Hold::Shared(engine) => engine.flights.register(key, snapshot).holding(&engine.flights),
        }
    }

    /// Joins the computation of an entry, or starts it.
    pub(super) fn join(
        &self,
        place: &Place,
        snapshot: Snapshot,
        since: Option<u64>,
        patient: bool,
    ) -> Role<'a, Snapshot> {
        let (key, tags) = (place.key(), place.local_tags());
        let joinable = |theirs: &Snapshot, ours: &Snapshot| theirs.serves(ours, &self.engine.local, tags);
        match &self.engine {
            Hold::Borrowed(engine) => engine.flights.join(key, snapshot, joinable, since, patient),
            Hold::Shared(engine) => {
                engine.flights.join(key, snapshot, joinable, since, patient).holding(&engine.flights)
            }
        }
    }

    /// Starts a computation, if none is under way and none has ended `since` the look that missed.
    pub(super) fn lead_at_once(&self, key: &Key, snapshot: Snapshot, since: u64) -> Option<Lead<'a>> {
        match &self.engine {
            Hold::Borrowed(engine) => engine.flights.lead_at_once(key, snapshot, since),
            Hold::Shared(engine) => {
                let lead = engine.flights.lead_at_once(key, snapshot, since)?;
                Some(lead.holding(&engine.flights))
            }
        }
    }
}
