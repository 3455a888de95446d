//! Hits of a method. Of the peers `memoize` can't annotate one, and `cached` leaves `self` out of the key unless told.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;

use cached::macros::cached;

use super::hits::MUTEX;
use super::{KEYS, moka, quick};
use crate::measure::{Contest, Random};
use crate::report::{Check, Row};

const BOUNDED_BY_HAND: &str = "cached, key by hand, max_size + ttl_secs";
const BY_HASH: &str = "ours, receiver with Hash and Debug";

#[derive(cachekit::CacheKey)]
struct Person {
    id: u64,
}

#[derive(Debug, Hash)]
struct Stranger {
    id: u64,
}

fn text(id: u64, n: u32) -> String {
    format!("{id}-{n}")
}

impl Person {
    #[cachekit::memoize(timeout = 3600)]
    fn label(&self, n: u32) -> String {
        text(self.id, n)
    }

    #[cached(in_impl = true, key = "(u64, u32)", convert = { (self.id, n) })]
    fn unbounded(&self, n: u32) -> String {
        text(self.id, n)
    }

    #[cached(in_impl = true, key = "(u64, u32)", convert = { (self.id, n) }, max_size = 10_000, ttl_secs = 3600)]
    fn bounded(&self, n: u32) -> String {
        text(self.id, n)
    }
}

impl Stranger {
    #[cachekit::memoize(timeout = 3600)]
    fn label(&self, n: u32) -> String {
        text(self.id, n)
    }
}

pub fn rows() -> Vec<Row> {
    vec![
        row("hit, `fn(&self, u32) -> String`, 1,024 keys", |i| (i % KEYS) as usize),
        row("hit, `fn(&self, u32) -> String`, one key", |_| 7),
    ]
}

fn row(title: &str, pick: impl Fn(u64) -> usize + Copy) -> Row {
    let people: Vec<Person> = (0..8).map(|id| Person { id }).collect();
    let strangers: Vec<Stranger> = (0..8).map(|id| Stranger { id }).collect();
    let keys = Random(3).shuffled(KEYS);
    let key = |i: u64| {
        let n = keys[pick(i)];
        ((n % 8) as usize, (n / 8) as u32)
    };
    let pair = |i: u64| (people[key(i).0].id, key(i).1);
    let compute = |i: u64| text(pair(i).0, pair(i).1);
    let (moka, quick) = (moka(), quick());
    let map = Mutex::new(HashMap::new());
    let clone = "bare clone of the String";
    let values: Vec<String> = (0..KEYS).map(compute).collect();
    let rounds = Contest::new()
        .enter("ours", |i| people[key(i).0].label(key(i).1))
        .enter("cached, key by hand, unbounded without time", |i| people[key(i).0].unbounded(key(i).1))
        .enter(BOUNDED_BY_HAND, |i| people[key(i).0].bounded(key(i).1))
        .enter("moka get_with, key by hand", |i| moka.get_with(pair(i), || compute(i)))
        .enter("quick_cache, key by hand", |i| {
            quick.get_or_insert_with(&pair(i), || Ok::<_, Infallible>(compute(i)))
        })
        .enter(MUTEX, |i| map.lock().unwrap().entry(pair(i)).or_insert_with(|| compute(i)).clone())
        .enter(BY_HASH, |i| strangers[key(i).0].label(key(i).1))
        .enter(clone, |i| values[pick(i)].clone())
        .run();
    let row = Row::nanos(title, &rounds, &[MUTEX, BY_HASH, clone]);
    let above = rounds.median("ours") - rounds.median(clone);
    row.faster(&rounds, BOUNDED_BY_HAND, 0.5).check(Check {
        goal: "≤ 10 ns above the bare clone".into(),
        measured: format!("{above:+.1} ns"),
        ok: above <= 10.0,
    })
}
