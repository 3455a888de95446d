//! Hit ratios: the same requests to caches of the same size, and to one that knows the future.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use cached::{Cached, LruCache};
use cachekit::{Cache, Config};

use crate::measure::Random;
use crate::report::{Check, Row};

/// How many keys the Zipf distribution is over.
const KEYS: u64 = 100_000;
const REQUESTS: usize = 1_000_000;
/// One request in ten is of a scan, in runs of this length: a walk through keys that no other request asks for.
const SCAN: usize = 2_000;
const SCANNED: u64 = 50_000;

static MISSES: AtomicU64 = AtomicU64::new(0);

fn compute(key: u64) -> u64 {
    MISSES.fetch_add(1, Ordering::Relaxed);
    key
}

/// A memoized function with a cache of its own: what is measured is the path of a program, not the bare table.
macro_rules! ours {
    ($($name:ident, $cache:ident, $threshold:literal;)*) => {$(
        static $cache: LazyLock<Cache> = LazyLock::new(|| {
            Cache::open(Config::simple().threshold($threshold)).expect("a configuration without mistakes")
        });
        #[cachekit::memoize(timeout = 3600, cache = $cache)]
        fn $name(key: u64) -> u64 {
            compute(key)
        }
    )*};
}

ours! {
    ours_09_1, OURS_09_1, 1_000;
    ours_09_10, OURS_09_10, 10_000;
    ours_10_1, OURS_10_1, 1_000;
    ours_10_10, OURS_10_10, 10_000;
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (exponent, small, large) in
        [(0.9, ours_09_1 as fn(u64) -> u64, ours_09_10 as fn(u64) -> u64), (1.0, ours_10_1, ours_10_10)]
    {
        let trace = trace(exponent);
        for (percent, capacity, ours) in [(1, 1_000, small), (10, 10_000, large)] {
            rows.push(row(
                &format!("hit ratio, Zipf {exponent:.1} with scans, capacity {percent} %"),
                &trace,
                capacity,
                ours,
            ));
        }
    }
    rows
}

fn row(title: &str, trace: &[u64], capacity: usize, ours: fn(u64) -> u64) -> Row {
    MISSES.store(0, Ordering::Relaxed);
    for &key in trace {
        black_box(ours(key));
    }
    let ours = 100.0 * (1.0 - MISSES.load(Ordering::Relaxed) as f64 / trace.len() as f64);

    let misses = Cell::new(0u64);
    let miss = |key: u64| {
        misses.set(misses.get() + 1);
        key
    };
    let percent = |ask: &mut dyn FnMut(u64) -> u64| {
        misses.set(0);
        for &key in trace {
            black_box(ask(key));
        }
        100.0 * (1.0 - misses.get() as f64 / trace.len() as f64)
    };
    let moka = moka::sync::Cache::builder().max_capacity(capacity as u64).build();
    let moka = percent(&mut |key| moka.get_with(key, || miss(key)));
    let quick = quick_cache::sync::Cache::new(capacity);
    let quick = percent(&mut |key| match quick.get_or_insert_with(&key, || Ok::<_, Infallible>(miss(key))) {
        Ok(value) => value,
    });
    let mut lru = LruCache::builder().max_size(capacity).build().expect("a size above 0");
    let lru = percent(&mut |key| *lru.cache_get_or_set_with(key, || miss(key)));

    let against = |name: &str, theirs: f64| Check {
        goal: format!("≥ {name} − 0.5 points"),
        measured: format!("{:+.2}", ours - theirs),
        ok: ours >= theirs - 0.5,
    };
    Row {
        title: title.into(),
        unit: "%",
        more: true,
        ours,
        peers: vec![("moka".into(), moka), ("quick_cache".into(), quick), ("cached, LRU".into(), lru)],
        references: vec![("Belady's bound".into(), belady(trace, capacity))],
        checks: vec![against("moka", moka), against("quick_cache", quick)],
    }
}

fn trace(exponent: f64) -> Vec<u64> {
    let mut total = 0.0;
    let sums: Vec<f64> = (1..=KEYS)
        .map(|rank| {
            total += (rank as f64).powf(-exponent);
            total
        })
        .collect();
    let mut random = Random(7);
    let names = random.shuffled(KEYS);
    let mut scanned = 0;
    (0..REQUESTS)
        .map(|at| {
            if at / SCAN % 10 == 9 {
                scanned += 1;
                return KEYS + scanned % SCANNED;
            }
            let point = random.fraction() * total;
            names[sums.partition_point(|&sum| sum < point).min(sums.len() - 1)]
        })
        .collect()
}

/// Keeps what is asked for soonest, the request at hand included.
fn belady(trace: &[u64], capacity: usize) -> f64 {
    let mut next = vec![usize::MAX; trace.len()];
    let mut seen = HashMap::new();
    for (at, key) in trace.iter().enumerate().rev() {
        next[at] = seen.insert(*key, at).unwrap_or(usize::MAX);
    }
    let mut kept = BTreeSet::new();
    let mut hits = 0u64;
    for (at, &key) in trace.iter().enumerate() {
        hits += u64::from(kept.remove(&(at, key)));
        kept.insert((next[at], key));
        if kept.len() > capacity {
            kept.pop_last();
        }
    }
    100.0 * hits as f64 / trace.len() as f64
}
