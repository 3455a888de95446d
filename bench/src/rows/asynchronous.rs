//! Hits of an async function, polled once without a runtime: all entrants are ready at once.

use std::convert::Infallible;

use cached::macros::{cached, concurrent_cached};

use super::hits::{self, triple};
use super::peers::{CACHET, Cachet, ready};
use super::{CAPACITY, KEYS, LIFE, quick};
use crate::measure::{Contest, Random};
use crate::report::{Check, Row};

const SYNC: &str = "ours, sync";
const CACHED: &str = "cached async, max_size + ttl_secs";

#[cachekit::memoize(timeout = 3600)]
async fn ours(x: u64) -> u64 {
    triple(x)
}

#[cached]
async fn unbounded(x: u64) -> u64 {
    triple(x)
}

#[cached(max_size = 10_000, ttl_secs = 3600)]
async fn bounded(x: u64) -> u64 {
    triple(x)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
async fn concurrent(x: u64) -> u64 {
    triple(x)
}

pub fn rows() -> Vec<Row> {
    let keys = Random(4).shuffled(KEYS);
    let key = |i: u64| keys[(i % KEYS) as usize];
    let moka = moka::future::Cache::builder().max_capacity(CAPACITY).time_to_live(LIFE).build();
    let quick = quick();
    let cachet = Cachet::new(CAPACITY);
    let contest = Contest::new()
        .enter("ours", |i| ready(ours(key(i))))
        .enter(SYNC, |i| hits::ours(key(i)))
        .enter("cached async, unbounded without time", |i| ready(unbounded(key(i))))
        .enter(CACHED, |i| ready(bounded(key(i))))
        .enter("concurrent_cached async, max_size + ttl_secs", |i| ready(concurrent(key(i))))
        .enter(CACHET, |i| cachet.get(key(i)))
        .enter("moka future get_with", |i| ready(moka.get_with(key(i), async { triple(key(i)) })))
        .enter("quick_cache async", |i| {
            ready(quick.get_or_insert_async(&key(i), async { Ok::<_, Infallible>(triple(key(i))) }))
        });
    let rounds = contest.run();
    let above = rounds.median("ours") - rounds.median(SYNC);
    vec![Row::nanos("hit, `async fn(u64) -> u64`", &rounds, &[SYNC]).faster(&rounds, CACHED, 0.25).check(
        Check {
            goal: "≤ 3 ns above our sync hit".into(),
            measured: format!("{above:+.1} ns"),
            ok: above <= 3.0,
        },
    )]
}
