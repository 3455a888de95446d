//! Metrics by the facade [`metrics`](https://docs.rs/metrics), for any recorder: Prometheus, OpenTelemetry, `StatsD`.
//!
//! Histograms are recorded as computations and operations of the backend end. Everything else cachekit counts by itself, and
//! [`publish`] hands the counts over: call it when the metrics are asked for, or at an interval. So a hit costs what it costs
//! without this feature.
//!
//! The label `cache` is the key prefix without its colon, `function` the name of a memoized function (`cache-object` for the methods
//! of a [`Cache`](crate::Cache) and for fragments, `pages` for whole responses). No key is ever a label.
//!
//! | metric | kind | labels | meaning |
//! |---|---|---|---|
//! | `cache.gets` | counter | `cache`, `function`, `result` | lookups: `hit`, `stale` (served past the timeout), `miss` |
//! | `cache.puts` | counter | `cache`, `function` | values stored |
//! | `cache.errors` | counter | `cache`, `function` | errors that calls went on without |
//! | `cache.waits` | counter | `cache`, `function`, `result` | ends of waits for another call's computation: `shared` (its value), `given_up`, `dropped` (the caller was) |
//! | `cache.computations.active` | gauge | `cache`, `function` | computations under way |
//! | `cache.computation.duration` | histogram, seconds | `cache`, `function` | time of bodies that returned |
//! | `cache.saved.duration` | gauge, seconds | `cache`, `function` | time that bodies would have taken: calls that had a value, times the mean of those that computed |
//! | `cache.deletions` | counter | `cache` | deletions, of one entry or of many at once |
//! | `cache.size`, `cache.bytes` | gauge | `cache` | entries and their bytes, where they are known: not on a server |
//! | `cache.evictions` | counter | `cache`, `cause` | entries that made room for others (`size`) and that were reclaimed after their time (`expired`), where it is known |
//! | `cache.near.size` | gauge | `cache` | values of the near tier |
//! | `cache.near.serving` | gauge | `cache` | near tiers that serve: 0 or 1 for one cache |
//! | `cache.breaker.open` | gauge | `cache`, `backend` | circuit breakers that are open: 0 or 1 for one cache |
//! | `cache.operation.duration` | histogram, seconds | `cache`, `backend`, `operation`, `outcome` | time of the backend's operations: `ok`, `error` |
//! | `cache.operation.errors` | counter | `cache`, `backend`, `operation`, `kind` | their errors, by [`ErrorKind`](crate::ErrorKind) |
//!
//! An exporter of Prometheus text writes them as `cache_gets_total` and `cache_computation_duration_seconds`.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use crate::engine::Engine;
use crate::engine::meter::{Meter, engines};
use crate::engine::stats::{Counters, FunctionStats};

/// Hands the counts of all caches of this process to the recorder that is installed.
///
/// Costs about a microsecond a function. Caches with one key prefix are added up.
///
/// ```
/// // With a recorder, such as that of `metrics-exporter-prometheus`: before its text is made.
/// cachekit::metrics::publish();
/// ```
pub fn publish() {
    describe();
    let mut functions: BTreeMap<(String, String), Measured> = BTreeMap::new();
    let mut caches: BTreeMap<String, CacheTotals> = BTreeMap::new();
    for engine in engines() {
        for (name, counters, meter) in engine.measured() {
            let label = (engine.label().to_owned(), name);
            functions.entry(label).or_default().add(counters, meter);
        }
        caches.entry(engine.label().to_owned()).or_default().add(&engine);
    }
    for (label, cache) in caches {
        cache.publish(&label);
    }
    for ((cache, function), measured) in functions {
        measured.publish(&cache, &function);
    }
}

/// The counts of a function.
#[derive(Default)]
struct Measured {
    counted: FunctionStats,
    active: u64,
    computed: u64,
    took: Duration,
}

impl Measured {
    fn add(&mut self, counters: &Counters, meter: &Meter) {
        self.counted.add(counters.function());
        self.active += meter.active();
        let (computed, took) = meter.computed();
        self.computed += computed;
        self.took += took;
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
    fn publish(self, cache: &str, function: &str) {
        let FunctionStats { hits, misses, stores, errors, coalesced, given_up, abandoned, stale, .. } =
            self.counted;
        let labels = || [("cache", cache.to_owned()), ("function", function.to_owned())];
        let with = |name: &'static str, result: &'static str, count: u64| {
            let [cache, function] = labels();
            counter!(name, &[cache, function, ("result", result.to_owned())]).absolute(count);
        };
        with("cache.gets", "hit", hits);
        with("cache.gets", "stale", stale);
        with("cache.gets", "miss", misses);
        with("cache.waits", "shared", coalesced);
        with("cache.waits", "given_up", given_up);
        with("cache.waits", "dropped", abandoned);
        counter!("cache.puts", &labels()).absolute(stores);
        counter!("cache.errors", &labels()).absolute(errors);
        gauge!("cache.computations.active", &labels()).set(self.active as f64);
        if self.computed > 0 {
            let mean = self.took.as_secs_f64() / self.computed as f64;
            gauge!("cache.saved.duration", &labels()).set(mean * (hits + stale + coalesced) as f64);
        }
    }
}

/// The counts of the caches with one key prefix.
#[derive(Default)]
struct CacheTotals {
    deletions: u64,
    bytes: u64,
    /// None where they aren't known.
    entries: Option<u64>,
    evictions: Option<u64>,
    expirations: Option<u64>,
    /// By backend, how many circuit breakers are open.
    open: BTreeMap<String, u32>,
    /// The values of near tiers, and how many tiers serve.
    near: Option<(usize, u32)>,
}

impl CacheTotals {
    fn add(&mut self, engine: &Engine) {
        let stats = engine.stats();
        self.deletions += stats.deletions;
        self.bytes += stats.bytes;
        let sum =
            |total: Option<u64>, one: Option<u64>| one.map_or(total, |one| Some(total.unwrap_or(0) + one));
        self.entries = sum(self.entries, stats.entries);
        self.evictions = sum(self.evictions, stats.evictions);
        self.expirations = sum(self.expirations, stats.expirations);
        let Some(remote) = &engine.remote else { return };
        *self.open.entry(remote.name().to_string()).or_default() += u32::from(remote.is_open());
        if let Some(near) = remote.near() {
            let (entries, serving) = self.near.get_or_insert_default();
            *entries += near.len();
            *serving += u32::from(near.serves());
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn publish(self, cache: &str) {
        let label = || cache.to_owned();
        counter!("cache.deletions", "cache" => label()).absolute(self.deletions);
        if let Some(entries) = self.entries {
            gauge!("cache.size", "cache" => label()).set(entries as f64);
            gauge!("cache.bytes", "cache" => label()).set(self.bytes as f64);
        }
        for (cause, count) in [("size", self.evictions), ("expired", self.expirations)] {
            if let Some(count) = count {
                counter!("cache.evictions", "cache" => label(), "cause" => cause).absolute(count);
            }
        }
        for (backend, open) in self.open {
            gauge!("cache.breaker.open", "cache" => label(), "backend" => backend).set(f64::from(open));
        }
        if let Some((entries, serving)) = self.near {
            gauge!("cache.near.size", "cache" => label()).set(entries as f64);
            gauge!("cache.near.serving", "cache" => label()).set(f64::from(serving));
        }
    }
}

fn describe() {
    for (name, text) in [
        ("cache.gets", "Lookups, by their result"),
        ("cache.puts", "Values stored"),
        ("cache.errors", "Errors that calls went on without"),
        ("cache.waits", "Waits for the computation of another call, by their end"),
        ("cache.deletions", "Deletions, of one entry or of many at once"),
        ("cache.evictions", "Entries that were removed, to make room or after their time"),
        ("cache.operation.errors", "Failed operations of the backend, by their kind"),
    ] {
        describe_counter!(name, text);
    }
    for (name, unit, text) in [
        ("cache.computations.active", Unit::Count, "Computations under way"),
        ("cache.saved.duration", Unit::Seconds, "Time that computations would have taken without the cache"),
        ("cache.size", Unit::Count, "Entries"),
        ("cache.bytes", Unit::Bytes, "Bytes that the entries count"),
        ("cache.near.size", Unit::Count, "Values in the near tier"),
        ("cache.near.serving", Unit::Count, "1 while the near tier serves"),
        ("cache.breaker.open", Unit::Count, "1 while the circuit breaker is open"),
    ] {
        describe_gauge!(name, unit, text);
    }
    for (name, text) in [
        ("cache.computation.duration", "Time of computations"),
        ("cache.operation.duration", "Time of the backend's operations"),
    ] {
        describe_histogram!(name, Unit::Seconds, text);
    }
}
