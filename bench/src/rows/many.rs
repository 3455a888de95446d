//! Hits of more keys than a thread keeps for itself, so that the shared tables answer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{LazyLock, Mutex};

use cached::macros::cached;
use cachekit::{Cache, Config};

use super::hits::{BOUNDED, MUTEX, UNBOUNDED, triple};
use crate::measure::{Contest, Random};
use crate::report::Row;

const MANY: u64 = 16_384;
/// Room for all, wherever they fall.
const ROOM: usize = 40_000;

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

#[cached(max_size = 40_000, ttl_secs = 3600)]
fn cached_bounded(x: u64) -> u64 {
    triple(x)
}

pub fn rows() -> Vec<Row> {
    let keys = Random(9).shuffled(MANY);
    let key = |i: u64| keys[(i % MANY) as usize];
    let moka = moka::sync::Cache::builder().max_capacity(ROOM as u64).time_to_live(super::LIFE).build();
    let quick = quick_cache::sync::Cache::new(ROOM);
    let shared = Mutex::new(HashMap::new());
    let rounds = Contest::new()
        .enter("ours", |i| ours(key(i)))
        .enter(UNBOUNDED, |i| cached_unbounded(key(i)))
        .enter(BOUNDED, |i| cached_bounded(key(i)))
        .enter("moka get_with", |i| moka.get_with(key(i), || triple(key(i))))
        .enter("quick_cache", |i| quick.get_or_insert_with(&key(i), || Ok::<_, Infallible>(triple(key(i)))))
        .enter(MUTEX, |i| *shared.lock().unwrap().entry(key(i)).or_insert_with(|| triple(key(i))))
        .run();
    vec![Row::nanos("hit, `fn(u64) -> u64`, 16,384 keys, more than a thread keeps", &rounds, &[MUTEX])]
}
