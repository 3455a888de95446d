//! Hits of large values: what a hit costs above its key should be a clone and no more.

use std::convert::Infallible;
use std::sync::Arc;

use cached::macros::cached;
use serde::{Deserialize, Serialize};

use super::hits::{self, BOUNDED};
use super::{KEYS, moka, quick};
use crate::measure::{Contest, Random};
use crate::report::Row;

const NUMBER: &str = "our u64 hit";
const CLONE: &str = "bare clone";
/// How often each key is called before anything is measured: the first hits of the first values are checked for clones that share,
/// each on a thread of its own.
const CHECKED: u64 = 16;

/// 1 KiB.
#[derive(Clone, Serialize, Deserialize)]
struct Page([[u64; 16]; 8]);

fn page(x: u64) -> Page {
    Page([[x; 16]; 8])
}

fn shared_page(x: u64) -> Arc<Page> {
    Arc::new(page(x))
}

#[cachekit::memoize(timeout = 3600)]
fn ours(x: u64) -> Page {
    page(x)
}

#[cachekit::memoize(timeout = 3600, local)]
fn ours_shared(x: u64) -> Arc<Page> {
    shared_page(x)
}

#[cached(max_size = 10_000, ttl_secs = 3600)]
fn cached_page(x: u64) -> Page {
    page(x)
}

#[cached(max_size = 10_000, ttl_secs = 3600)]
fn cached_shared(x: u64) -> Arc<Page> {
    shared_page(x)
}

pub fn rows() -> Vec<Row> {
    vec![
        row("hit, `fn(u64) -> [u8; 1024]`-sized struct", page, ours, cached_page, 1.0),
        row("hit, `fn(u64) -> Arc<…>` of it", shared_page, ours_shared, cached_shared, 0.7),
    ]
}

fn row<T: Clone + Send + Sync + 'static>(
    title: &str,
    compute: impl Fn(u64) -> T + Copy,
    ours: impl Fn(u64) -> T,
    cached: impl Fn(u64) -> T,
    limit: f64,
) -> Row {
    let keys = Random(5).shuffled(KEYS);
    let key = |i: u64| keys[(i % KEYS) as usize];
    let values: Vec<T> = (0..KEYS).map(compute).collect();
    let (moka, quick) = (moka(), quick());
    let mut contest = Contest::new()
        .enter("ours", |i| ours(key(i)))
        .enter(NUMBER, |i| hits::ours(key(i)))
        .enter(CLONE, |i| values[key(i) as usize].clone())
        .enter(BOUNDED, |i| cached(key(i)))
        .enter("moka get_with", |i| moka.get_with(key(i), || compute(key(i))))
        .enter("quick_cache", |i| quick.get_or_insert_with(&key(i), || Ok::<_, Infallible>(compute(key(i)))));
    contest.fill(CHECKED * KEYS);
    let rounds = contest.run();
    Row::nanos(title, &rounds, &[NUMBER, CLONE]).fastest(limit)
}
