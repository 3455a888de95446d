//! Hits of many keys: of so many that the table is not in the processor's nearest cache, and of more than any of them holds.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{LazyLock, Mutex};

use cached::macros::cached;
use cachekit::{Cache, Config};

use super::hits::{BOUNDED, MUTEX, UNBOUNDED, triple};
use super::peers::{AMALGAM, Amalgam, CACHET, Cachet, PAPAYA, Papaya};
use crate::measure::{Contest, Random};
use crate::report::Row;

/// Room for all, wherever they fall.
const ROOM: usize = 300_000;

static CACHE: LazyLock<Cache> = LazyLock::new(|| {
    Cache::open(Config::simple().threshold(ROOM)).expect("a configuration without mistakes")
});

#[cachekit::memoize(timeout = 3600, cache = CACHE)]
fn ours(x: u64) -> u64 {
    triple(x)
}

#[cached]
fn cached_unbounded(x: u64) -> u64 {
    triple(x)
}

#[cached(max_size = 300_000, ttl_secs = 3600)]
fn cached_bounded(x: u64) -> u64 {
    triple(x)
}

pub fn rows() -> Vec<Row> {
    vec![
        row("hit, `fn(u64) -> u64`, 16,384 keys", 16_384),
        row("hit, `fn(u64) -> u64`, 131,072 keys", 131_072),
    ]
}

fn row(title: &str, many: u64) -> Row {
    let keys = Random(9).shuffled(many);
    let key = |i: u64| keys[(i % many) as usize];
    let moka = moka::sync::Cache::builder().max_capacity(ROOM as u64).time_to_live(super::LIFE).build();
    let quick = quick_cache::sync::Cache::new(ROOM);
    let (papaya, cachet, amalgam) = (Papaya::new(), Cachet::new(ROOM as u64), Amalgam::new());
    let shared = Mutex::new(HashMap::new());
    let mut contest = Contest::new()
        .enter("ours", |i| ours(key(i)))
        .enter(UNBOUNDED, |i| cached_unbounded(key(i)))
        .enter(BOUNDED, |i| cached_bounded(key(i)))
        .enter("moka get_with", |i| moka.get_with(key(i), || triple(key(i))))
        .enter("quick_cache", |i| quick.get_or_insert_with(&key(i), || Ok::<_, Infallible>(triple(key(i)))))
        .enter(PAPAYA, |i| papaya.get(key(i)))
        .enter(CACHET, |i| cachet.get(key(i)))
        .enter(AMALGAM, |i| amalgam.get(key(i)))
        .enter(MUTEX, |i| *shared.lock().unwrap().entry(key(i)).or_insert_with(|| triple(key(i))));
    contest.fill(many);
    let rounds = contest.run();
    Row::nanos(title, &rounds, &[MUTEX]).fastest(1.1).faster(&rounds, BOUNDED, 0.3)
}
