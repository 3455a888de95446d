//! Hits of two threads at once.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::{Barrier, Mutex};
use std::time::Instant;

use super::hits::{self, BOUNDED, MUTEX, UNBOUNDED, triple};
use super::{KEYS, moka, quick};
use crate::measure::{Random, Rounds, median};
use crate::report::{Check, Row};

const ROUNDS: usize = 41;
/// Hits of each thread in a round.
const HITS: u64 = 100_000;
const ALONE: &str = "memoize, per thread (shares nothing)";

type Hit<'a> = Box<dyn Fn(u64) -> u64 + Sync + 'a>;

pub fn rows() -> Vec<Row> {
    let keys = Random(6).shuffled(KEYS);
    vec![
        row("two threads, one hot key", |_| 7),
        // The threads walk through the keys from different places.
        row("two threads, uniform over 1,024 keys", |i| keys[(i % KEYS) as usize]),
    ]
}

fn row(title: &str, key: impl Fn(u64) -> u64 + Copy + Sync) -> Row {
    let (moka, quick) = (moka(), quick());
    let map = Mutex::new(HashMap::new());
    let entrants: Vec<(&str, Hit<'_>)> = vec![
        ("ours", Box::new(move |i| ours_loop(i, key))),
        (UNBOUNDED, Box::new(move |i| repeat(i, |i| hits::cached_unbounded(key(i))))),
        (BOUNDED, Box::new(move |i| repeat(i, |i| hits::cached_bounded(key(i))))),
        (
            "concurrent_cached, max_size + ttl_secs",
            Box::new(move |i| repeat(i, |i| hits::concurrent_bounded(key(i)))),
        ),
        ("memoize, shared", Box::new(move |i| repeat(i, |i| hits::memoize_shared(key(i))))),
        ("moka get_with", Box::new(|i| repeat(i, |i| moka.get_with(key(i), || triple(key(i)))))),
        (
            "quick_cache",
            Box::new(|i| {
                repeat(i, |i| quick.get_or_insert_with(&key(i), || Ok::<_, Infallible>(triple(key(i)))).unwrap_or(0))
            }),
        ),
        (ALONE, Box::new(move |i| repeat(i, |i| hits::memoize_local(key(i))))),
        (MUTEX, Box::new(|i| repeat(i, |i| *map.lock().unwrap().entry(key(i)).or_insert_with(|| triple(key(i)))))),
    ];
    let mut one = vec![Vec::new(); entrants.len()];
    let mut two = vec![Vec::new(); entrants.len()];
    for round in 0..ROUNDS {
        for turn in 0..entrants.len() {
            let who = (round + turn) % entrants.len();
            one[who].push(throughput(1, &entrants[who].1));
            two[who].push(throughput(2, &entrants[who].1));
        }
    }
    let scaling = median(one[0].iter().zip(&two[0]).map(|(one, two)| two / one).collect());
    let rounds = Rounds::of(entrants.iter().map(|(name, _)| *name).zip(two).collect());
    let mut row = Row::millions(title, &rounds, &[ALONE, MUTEX]);
    row.references.push(("ours, one thread".into(), median(one.swap_remove(0))));
    let best = row.best().map_or(0.0, |(_, value)| *value);
    let ahead = row.ours / best;
    row.check(Check::at_least(scaling, 1.8, "one thread")).check(Check::at_least(ahead, 1.0, "the best peer"))
}

fn ours_loop(start: u64, key: impl Fn(u64) -> u64) -> u64 {
    repeat(start, |i| hits::ours(key(i)))
}

/// The hits of one thread, in one call that is not virtual.
#[inline]
fn repeat(start: u64, once: impl Fn(u64) -> u64) -> u64 {
    (0..HITS).fold(0, |sum, i| black_box(sum ^ once(black_box(start + i))))
}

/// Millions of hits in a second, of all threads together.
fn throughput(threads: u64, hits: &Hit<'_>) -> f64 {
    let barrier = Barrier::new(threads as usize);
    let spans: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    // Tables of the thread's own are filled before.
                    black_box(hits(thread * KEYS / 2));
                    barrier.wait();
                    let start = Instant::now();
                    black_box(hits(thread * KEYS / 2));
                    (start, Instant::now())
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let start = spans.iter().map(|(start, _)| *start).min().unwrap();
    let end = spans.iter().map(|(_, end)| *end).max().unwrap();
    (threads * HITS) as f64 / (end - start).as_secs_f64() / 1e6
}
