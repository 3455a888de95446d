//! Hits of functions of numbers and of texts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use cached::macros::{cached, concurrent_cached};
use memoize::memoize;
use quick_cache::Equivalent;

use super::peers::{AMALGAM, Amalgam, CACHET, Cachet, PAPAYA, Papaya};
use super::{CAPACITY, KEYS, moka, quick};
use crate::measure::{Contest, Random, Rounds};
use crate::report::Row;

pub const BOUNDED: &str = "cached, max_size + ttl_secs";
pub const UNBOUNDED: &str = "cached, unbounded without time";
pub const MUTEX: &str = "bare Mutex<HashMap>";
pub const LOCAL: &str = "bare thread-local HashMap";

pub fn triple(x: u64) -> u64 {
    x.wrapping_mul(3)
}

#[cachekit::memoize(timeout = 3600)]
pub fn ours(x: u64) -> u64 {
    triple(x)
}

#[cached]
pub fn cached_unbounded(x: u64) -> u64 {
    triple(x)
}

#[cached(max_size = 10_000)]
pub fn cached_sized(x: u64) -> u64 {
    triple(x)
}

#[cached(max_size = 10_000, ttl_secs = 3600)]
pub fn cached_bounded(x: u64) -> u64 {
    triple(x)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
pub fn concurrent_bounded(x: u64) -> u64 {
    triple(x)
}

#[memoize(SharedCache, Capacity: 10_000, TimeToLive: Duration::from_secs(3600))]
pub fn memoize_shared_bounded(x: u64) -> u64 {
    triple(x)
}

#[memoize(SharedCache)]
pub fn memoize_shared(x: u64) -> u64 {
    triple(x)
}

#[memoize]
pub fn memoize_local(x: u64) -> u64 {
    triple(x)
}

pub fn numbers() -> Vec<Row> {
    let keys = Random(1).shuffled(KEYS);
    let key = |i: u64| keys[(i % KEYS) as usize];

    let row = |title: &str, rounds: &Rounds| {
        Row::nanos(title, rounds, &[MUTEX, LOCAL]).fastest(1.0).faster(rounds, BOUNDED, 0.25)
    };
    vec![
        row("hit, `fn(u64) -> u64`, 1,024 keys", &contest(key)),
        row("hit, `fn(u64) -> u64`, one key", &contest(|_| 7)),
    ]
}

fn contest(key: impl Fn(u64) -> u64 + Copy) -> Rounds {
    let (moka, quick) = (moka(), quick());
    let (papaya, cachet, amalgam) = (Papaya::new(), Cachet::new(CAPACITY), Amalgam::new());
    let shared = Mutex::new(HashMap::new());
    thread_local!(static MAP: RefCell<HashMap<u64, u64>> = RefCell::default());
    Contest::new()
        .enter("ours", |i| ours(key(i)))
        .enter(UNBOUNDED, |i| cached_unbounded(key(i)))
        .enter("cached, max_size", |i| cached_sized(key(i)))
        .enter(BOUNDED, |i| cached_bounded(key(i)))
        .enter("concurrent_cached, max_size + ttl_secs", |i| concurrent_bounded(key(i)))
        .enter("memoize, shared", |i| memoize_shared(key(i)))
        .enter("memoize, shared, capacity + time", |i| memoize_shared_bounded(key(i)))
        .enter("memoize, per thread", |i| memoize_local(key(i)))
        .enter("moka get_with", |i| moka.get_with(key(i), || triple(key(i))))
        .enter("quick_cache", |i| quick.get_or_insert_with(&key(i), || Ok::<_, Infallible>(triple(key(i)))))
        .enter(PAPAYA, |i| papaya.get(key(i)))
        .enter(CACHET, |i| cachet.get(key(i)))
        .enter(AMALGAM, |i| amalgam.get(key(i)))
        .enter(MUTEX, |i| *shared.lock().unwrap().entry(key(i)).or_insert_with(|| triple(key(i))))
        .enter(LOCAL, |i| MAP.with_borrow_mut(|map| *map.entry(key(i)).or_insert_with(|| triple(key(i)))))
        .run()
}

fn same(a: &str, b: &str) -> bool {
    a == b
}

#[cachekit::memoize(timeout = 3600)]
fn ours_texts(user: &str, role: &str) -> bool {
    same(user, role)
}

#[cached]
fn cached_texts_unbounded(user: &str, role: &str) -> bool {
    same(user, role)
}

#[cached(max_size = 10_000, ttl_secs = 3600)]
fn cached_texts(user: &str, role: &str) -> bool {
    same(user, role)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
fn concurrent_texts(user: &str, role: &str) -> bool {
    same(user, role)
}

#[memoize]
fn memoize_texts(user: String, role: String) -> bool {
    same(&user, &role)
}

#[memoize(SharedCache)]
fn memoize_texts_shared(user: String, role: String) -> bool {
    same(&user, &role)
}

#[derive(Hash)]
struct Pair<'a>(&'a str, &'a str);

impl Equivalent<(String, String)> for Pair<'_> {
    fn equivalent(&self, key: &(String, String)) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

pub fn texts() -> Vec<Row> {
    vec![
        texts_row("hit, `fn(&str, &str) -> bool`, 1,024 keys", |i| (i % KEYS) as usize),
        texts_row("hit, `fn(&str, &str) -> bool`, one key", |_| 7),
    ]
}

fn texts_row(title: &str, pick: impl Fn(u64) -> usize + Copy) -> Row {
    let all: Vec<(String, String)> = Random(2)
        .shuffled(KEYS)
        .iter()
        .map(|n| (format!("user-{:04}@example.org", n / 8), format!("role-{}", n % 8)))
        .collect();
    let key = |i: u64| {
        let (user, role) = &all[pick(i)];
        (user.as_str(), role.as_str())
    };
    let owned = |i: u64| {
        let (user, role) = key(i);
        (user.to_string(), role.to_string())
    };
    let (moka, quick) = (moka(), quick());
    let map = Mutex::new(HashMap::new());
    let rounds = Contest::new()
        .enter("ours", |i| ours_texts(key(i).0, key(i).1))
        .enter(UNBOUNDED, |i| cached_texts_unbounded(key(i).0, key(i).1))
        .enter(BOUNDED, |i| cached_texts(key(i).0, key(i).1))
        .enter("concurrent_cached, max_size + ttl_secs", |i| concurrent_texts(key(i).0, key(i).1))
        .enter("memoize, per thread (owned arguments)", |i| {
            memoize_texts(key(i).0.to_string(), key(i).1.to_string())
        })
        .enter("memoize, shared (owned arguments)", |i| {
            memoize_texts_shared(key(i).0.to_string(), key(i).1.to_string())
        })
        .enter("moka get_with", |i| moka.get_with(owned(i), || same(key(i).0, key(i).1)))
        .enter("quick_cache, borrowed pair", |i| {
            let (user, role) = key(i);
            quick.get(&Pair(user, role)).unwrap_or_else(|| {
                let value = same(user, role);
                quick.insert(owned(i), value);
                value
            })
        })
        .enter(MUTEX, |i| *map.lock().unwrap().entry(owned(i)).or_insert_with(|| same(key(i).0, key(i).1)))
        .run();
    Row::nanos(title, &rounds, &[MUTEX]).fastest(0.75)
}
