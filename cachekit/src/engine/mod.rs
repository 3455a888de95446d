//! A bound cache: the in-process store, the backend, the table of flights and the counters.
//!
//! The lowest floor. It knows keys, bytes and numbers; functions, requests and templates are above it.

mod alarm;
pub(crate) mod background;
mod bind;
mod checks;
mod events;
pub(crate) mod fleet;
pub(crate) mod flight;
mod hold;
mod local;
pub(crate) mod meter;
pub(crate) mod near;
#[cfg(any(feature = "tower", feature = "minijinja"))]
mod remembered;
pub(crate) mod remote;
mod snapshot;
pub(crate) mod stats;
mod throttle;

use std::collections::BTreeMap;
#[cfg(feature = "testing")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cachekit_backends::simple::{SlotTable, Tables};
use cachekit_backends::{Clock, FunctionConfig, KeyBytes, NamedOptions, Timeout, Usage};

pub(crate) use checks::Checks;
pub(crate) use hold::Hold;
pub(crate) use local::{Bound, Content, InProcess, LocalTable, LocalTables, Needs};
pub(crate) use snapshot::{RemoteState, Snapshot};

use flight::Key;
#[cfg(feature = "metrics")]
use meter::Meter;
use near::Near;
#[cfg(any(feature = "tower", feature = "minijinja"))]
use remembered::Remembered;
use remote::Remote;
use stats::{CacheStats, Counters, Event};
use throttle::Throttle;

/// The in-process store. The floors above name it by this alias, so that a model checker can put its own in its place.
pub(crate) type LocalStore = Tables;
/// The right to compute an entry of an engine.
pub(crate) type Lead<'a> = flight::Lead<'a, Snapshot>;
/// The right to compute an entry in process, without a state that has to be kept in mind.
pub(crate) type Claimed<'a> = flight::ClaimedLead<'a>;
/// The computations under way of an engine.
pub(crate) type Flights = flight::Flights<Snapshot>;

/// The number of the cache object among the functions.
pub(crate) const OBJECT: u32 = 0;
/// The number of the whole responses that `web::CacheLayer` stores.
#[cfg(feature = "tower")]
pub(crate) const PAGES: u32 = 1;
/// The number of the first memoized function of the process.
pub(crate) const FIRST_FUNCTION: u32 = 2;

/// A bound cache.
pub(crate) struct Engine {
    /// Precedes each key on the backend.
    pub(crate) prefix: String,
    pub(crate) allow_flush: bool,
    pub(crate) default_timeout: Timeout,
    /// The greatest part by which a TTL is shortened at random.
    pub(crate) jitter: f64,
    /// The longest wait for the computation of another call.
    pub(crate) flight_timeout: Duration,
    /// The options that functions have by their names.
    pub(crate) named: NamedOptions,
    /// The options that functions have by their policies.
    pub(crate) policies: BTreeMap<String, FunctionConfig>,
    pub(crate) clock: Clock,
    /// The in-process entries: all of them for `simple`, those of `local` functions for other backends.
    pub(crate) local: Arc<LocalStore>,
    /// The backend; none for `simple`.
    pub(crate) remote: Option<Arc<Remote>>,
    /// The backend keeps nothing (`null`).
    pub(crate) discards: bool,
    pub(crate) flights: Arc<Flights>,
    /// The refreshes that failed.
    pub(crate) throttle: Throttle,
    /// The versions that responses and fragments depended on.
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    pub(crate) remembered: Remembered,
    /// The counters of each function, by its number.
    pub(crate) functions: SlotTable<Used>,
    /// The counters of the cache object.
    pub(crate) own: Counters,
    /// The computations of the cache object and of fragments.
    #[cfg(feature = "metrics")]
    pub(crate) own_meter: Meter,
    /// Which stores of the cache object are checked.
    pub(crate) own_checks: Checks,
    /// How many computations have begun, for tests.
    #[cfg(feature = "testing")]
    computed: AtomicU64,
}

/// A function's use of one engine.
#[derive(Default)]
pub(crate) struct Used {
    pub(crate) counters: Counters,
    registered: AtomicBool,
    tables: LocalTables,
    checks: Checks,
    sharing: Checks,
    #[cfg(feature = "metrics")]
    meter: Meter,
    name: OnceLock<&'static str>,
}

impl Used {
    /// Notes the name of the function.
    pub(crate) fn named(&self, name: &'static str) {
        let _ = self.name.set(name);
    }

    /// Runs `register` unless it has run. Two threads at once may both run it; neither returns before it has.
    pub(crate) fn registered_by(&self, register: impl FnOnce()) {
        if !self.registered.load(Ordering::Acquire) {
            register();
            self.registered.store(true, Ordering::Release);
        }
    }
}

impl Engine {
    /// The values that this process keeps in front of its backend, if it does.
    pub(crate) fn near(&self) -> Option<&Near> {
        self.remote.as_ref()?.near()
    }

    /// The key of the flights of an entry on the backend.
    pub(crate) fn flight_key(&self, entry: &str) -> Key {
        let digest = self.local.digest(|w| std::hash::Hasher::write(w, entry.as_bytes()));
        Key { digest, bytes: KeyBytes::new(entry.as_bytes()), function: OBJECT }
    }

    /// Counts an event of the cache object.
    pub(crate) fn count(&self, event: Event) {
        self.own.count(event);
        self.tell(OBJECT, event);
    }

    /// Counts an event of a function, or of the cache object.
    pub(crate) fn count_of(&self, function: u32, event: Event) {
        match function {
            OBJECT => self.own.count(event),
            function => self.functions.get(function).counters.count(event),
        }
        self.tell(function, event);
    }

    /// The name of a function, for people.
    pub(crate) fn name_of(&self, function: u32) -> &'static str {
        match function {
            OBJECT => "cache-object",
            #[cfg(feature = "tower")]
            PAGES => "pages",
            function => self.functions.get(function).name.get().copied().unwrap_or("unknown"),
        }
    }

    /// The key prefix without its end, for people.
    #[cfg(feature = "metrics")]
    pub(crate) fn label(&self) -> &str {
        label(&self.prefix)
    }

    /// The measurements of computations.
    #[cfg(feature = "metrics")]
    pub(crate) fn meter_of(&self, function: u32) -> &Meter {
        match function {
            OBJECT => &self.own_meter,
            function => &self.functions.get(function).meter,
        }
    }

    /// How many computations have begun.
    #[cfg(feature = "testing")]
    pub(crate) fn computed(&self) -> u64 {
        self.computed.load(Ordering::SeqCst)
    }

    /// The counts of each function, and of the cache object, by their names.
    #[cfg(feature = "metrics")]
    pub(crate) fn measured(&self) -> impl Iterator<Item = (String, &Counters, &Meter)> {
        let own = (self.name_of(OBJECT).to_owned(), &self.own, &self.own_meter);
        let functions = self.functions.iter();
        std::iter::once(own).chain(
            functions.map(|(number, used)| (self.name_of(number).to_owned(), &used.counters, &used.meter)),
        )
    }

    /// Which stores of a function are checked.
    pub(crate) fn checks_of(&self, function: u32) -> &Checks {
        match function {
            OBJECT => &self.own_checks,
            function => &self.functions.get(function).checks,
        }
    }

    /// Which stores of a function are checked for values whose clones share.
    pub(crate) fn sharing_of(&self, function: u32) -> &Checks {
        &self.functions.get(function).sharing
    }

    /// The sums of all counters.
    pub(crate) fn stats(&self) -> CacheStats {
        let (entries, evictions) = (self.local.len() as u64, self.local.evictions());
        let nothing = Usage::new(Some(0), Some(0)).expirations(Some(0));
        let usage = self.remote.as_ref().map_or(nothing, |remote| remote.usage());
        let mut stats = CacheStats {
            deletions: self.own.sum(Event::Deletion),
            bytes: self.local.bytes() + usage.bytes.unwrap_or(0),
            entries: usage.entries.map(|more| entries + more),
            evictions: usage.evictions.map(|more| evictions + more),
            expirations: usage.expirations.map(|more| self.local.expirations() + more),
            ..CacheStats::default()
        };
        let functions = self.functions.iter().map(|(_, used)| &used.counters);
        for counters in std::iter::once(&self.own).chain(functions) {
            let one = counters.function();
            stats.hits += one.hits;
            stats.near += one.near;
            stats.misses += one.misses;
            stats.stores += one.stores;
            stats.errors += one.errors;
            stats.coalesced += one.coalesced;
            stats.given_up += one.given_up;
            stats.abandoned += one.abandoned;
            stats.stale += one.stale;
        }
        stats
    }
}

/// The prefix of a cache without its end, for people.
#[cfg(feature = "metrics")]
pub(crate) fn label(prefix: &str) -> &str {
    prefix.trim_end_matches(['|', ':'])
}

#[cfg(test)]
mod tests {
    use super::Used;
    use std::sync::mpsc::channel;

    #[test]
    fn no_thread_goes_on_before_a_use_is_registered() {
        let used = Used::default();
        let ((entered, is_in), (go, goes)) = (channel(), channel());
        std::thread::scope(|scope| {
            let used = &used;
            scope.spawn(move || {
                used.registered_by(|| {
                    entered.send(()).unwrap();
                    goes.recv().unwrap();
                });
            });
            is_in.recv().unwrap();
            let mut registered = false;
            used.registered_by(|| registered = true);
            go.send(()).unwrap();
            assert!(registered, "another thread had begun to register it, and had not ended");
        });
        used.registered_by(|| panic!("it is registered"));
    }
}
