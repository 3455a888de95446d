//! Hits of two threads at once.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::hits::{self, BOUNDED, MUTEX, UNBOUNDED, triple};
use super::peers::{CACHET, Cachet, PAPAYA, Papaya};
use super::{CAPACITY, KEYS, moka, quick};
use crate::measure::{Random, Rounds, median};
use crate::report::{Check, Row};

const ROUNDS: usize = 31;
/// How long each thread is busy in a round: several slices of the scheduler.
const ROUND: Duration = Duration::from_millis(12);
const ALONE: &str = "memoize, per thread (shares nothing)";

/// So many hits from a number on, in one call that is not virtual.
type Hits<'a> = Box<dyn Fn(u64, u64) -> u64 + Sync + 'a>;

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
    let (papaya, cachet) = (Papaya::new(), Cachet::new(CAPACITY));
    let map = Mutex::new(HashMap::new());
    let entrants: Vec<(&str, Hits<'_>)> = vec![
        ("ours", Box::new(move |i, n| repeat(i, n, |i| hits::ours(key(i))))),
        (UNBOUNDED, Box::new(move |i, n| repeat(i, n, |i| hits::cached_unbounded(key(i))))),
        (BOUNDED, Box::new(move |i, n| repeat(i, n, |i| hits::cached_bounded(key(i))))),
        (
            "concurrent_cached, max_size + ttl_secs",
            Box::new(move |i, n| repeat(i, n, |i| hits::concurrent_bounded(key(i)))),
        ),
        ("memoize, shared", Box::new(move |i, n| repeat(i, n, |i| hits::memoize_shared(key(i))))),
        ("moka get_with", Box::new(|i, n| repeat(i, n, |i| moka.get_with(key(i), || triple(key(i)))))),
        (
            "quick_cache",
            Box::new(|i, n| {
                repeat(i, n, |i| {
                    quick.get_or_insert_with(&key(i), || Ok::<_, Infallible>(triple(key(i)))).unwrap_or(0)
                })
            }),
        ),
        (PAPAYA, Box::new(|i, n| repeat(i, n, |i| papaya.get(key(i))))),
        (CACHET, Box::new(|i, n| repeat(i, n, |i| cachet.get(key(i))))),
        (ALONE, Box::new(move |i, n| repeat(i, n, |i| hits::memoize_local(key(i))))),
        (
            MUTEX,
            Box::new(|i, n| {
                repeat(i, n, |i| *map.lock().unwrap().entry(key(i)).or_insert_with(|| triple(key(i))))
            }),
        ),
    ];
    let counts: Vec<u64> = entrants.iter().map(|(_, hits)| calibrate(hits)).collect();
    let mut one = vec![Vec::new(); entrants.len()];
    let mut two = vec![Vec::new(); entrants.len()];
    for round in 0..ROUNDS {
        for turn in 0..entrants.len() {
            let entrant = (round + turn) % entrants.len();
            one[entrant].push(throughput(1, counts[entrant], &entrants[entrant].1));
            two[entrant].push(throughput(2, counts[entrant], &entrants[entrant].1));
        }
    }
    let scaling =
        |entrant: usize| median(one[entrant].iter().zip(&two[entrant]).map(|(one, two)| two / one).collect());
    let alone = entrants.iter().position(|(name, _)| *name == ALONE).map_or(f64::NAN, scaling);
    let ours = scaling(0);
    let rounds = Rounds::of(entrants.iter().map(|(name, _)| *name).zip(two).collect());
    let mut row = Row::millions(title, &rounds, &[ALONE, PAPAYA, MUTEX]);
    row.references.push(("ours, one thread".into(), median(one.swap_remove(0))));
    let best = row.best().map_or(0.0, |(_, value)| *value);
    let ahead = row.ours / best;
    row.check(Check::at_least(ours, 1.8, &format!("one thread (threads that share nothing: {alone:.2})")))
        .check(Check::at_least(ahead, 2.0, "the best peer"))
}

#[inline]
fn repeat(start: u64, count: u64, once: impl Fn(u64) -> u64) -> u64 {
    (0..count).fold(0, |sum, i| black_box(sum ^ once(black_box(start + i))))
}

/// How many hits fill a round.
fn calibrate(hits: &Hits<'_>) -> u64 {
    let mut count = 1024;
    loop {
        let start = Instant::now();
        black_box(hits(0, count));
        if start.elapsed() >= ROUND {
            return count;
        }
        count *= 2;
    }
}

/// Millions of hits in a second, of all threads together.
fn throughput(threads: u64, count: u64, hits: &Hits<'_>) -> f64 {
    let waiting = AtomicU64::new(threads);
    let spans: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let waiting = &waiting;
                scope.spawn(move || {
                    // Tables of the thread's own are filled before.
                    black_box(hits(0, KEYS));
                    // No thread sleeps, so that all begin at once.
                    waiting.fetch_sub(1, Ordering::SeqCst);
                    while waiting.load(Ordering::SeqCst) > 0 {
                        std::hint::spin_loop();
                    }
                    let start = Instant::now();
                    black_box(hits(thread * KEYS / 2, count));
                    (start, Instant::now())
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("a thread that doesn't panic")).collect()
    });
    let start = spans.iter().map(|(start, _)| *start).min().expect("a thread");
    let end = spans.iter().map(|(_, end)| *end).max().expect("a thread");
    (threads * count) as f64 / (end - start).as_secs_f64() / 1e6
}
