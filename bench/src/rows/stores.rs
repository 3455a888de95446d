//! Threads that store: two of them at once, and hits beside one.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::hits::{self, BOUNDED, triple};
use super::peers::{CACHET, Cachet};
use super::{CAPACITY, KEYS, moka, quick};
use crate::measure::{Random, Rounds};
use crate::report::{Check, Row};

const ROUNDS: usize = 31;
/// How long a thread is busy in a round: several slices of the scheduler.
const ROUND: Duration = Duration::from_millis(12);
const ALONE: &str = "ours, one thread";

/// Keys that no other row has, and none twice.
static NEXT: AtomicU64 = AtomicU64::new(1 << 50);
/// How many keys a thread takes at a time.
const SHARE: u64 = 1 << 30;

/// Calls the function with so many numbers from one on, in one call that is not virtual.
type Calls<'a> = Box<dyn Fn(u64, u64) -> u64 + Sync + 'a>;

/// As many calls with the numbers themselves, or with those of 1,024 keys.
struct Entrant<'a> {
    name: &'static str,
    stores: Calls<'a>,
    hits: Calls<'a>,
}

fn entrant<'a>(
    name: &'static str,
    call: impl Fn(u64) -> u64 + Copy + Sync + 'a,
    keys: &'a [u64],
) -> Entrant<'a> {
    Entrant {
        name,
        stores: Box::new(move |start, count| {
            (start..start + count).fold(0, |sum, i| black_box(sum ^ call(black_box(i))))
        }),
        hits: Box::new(move |start, count| {
            (start..start + count)
                .fold(0, |sum, i| black_box(sum ^ call(black_box(keys[(i % KEYS) as usize]))))
        }),
    }
}

pub fn rows() -> Vec<Row> {
    let keys = Random(12).shuffled(KEYS);
    let (moka, quick, cachet) = (moka(), quick(), Cachet::new(CAPACITY));
    let entrants = [
        entrant("ours", hits::ours, &keys),
        entrant("cached, max_size", hits::cached_sized, &keys),
        entrant(BOUNDED, hits::cached_bounded, &keys),
        entrant("concurrent_cached, max_size + ttl_secs", hits::concurrent_bounded, &keys),
        entrant("moka get_with", |x| moka.get_with(x, || triple(x)), &keys),
        entrant(
            "quick_cache",
            |x| quick.get_or_insert_with(&x, || Ok::<_, Infallible>(triple(x))).unwrap_or(0),
            &keys,
        ),
        entrant(CACHET, |x| cachet.get(x), &keys),
    ];
    vec![two_stores(&entrants), beside_a_store(&entrants)]
}

fn two_stores(entrants: &[Entrant<'_>]) -> Row {
    let counts: Vec<u64> = entrants.iter().map(|entrant| calibrate(&entrant.stores, fresh)).collect();
    let mut samples = vec![Vec::new(); entrants.len()];
    let mut alone = Vec::new();
    for round in 0..ROUNDS {
        for turn in 0..entrants.len() {
            let at = (round + turn) % entrants.len();
            samples[at].push(stores(2, counts[at], &entrants[at].stores));
            if at == 0 {
                alone.push(stores(1, counts[at], &entrants[at].stores));
            }
        }
    }
    let all = entrants.iter().map(|entrant| entrant.name).zip(samples).chain([(ALONE, alone)]).collect();
    let rounds = Rounds::of(all);
    let above = rounds.ratio("ours", ALONE);
    Row::nanos("miss and store of two threads at once, a store of each", &rounds, &[ALONE])
        .check(Check::at_most(above, 1.5, "one thread alone"))
}

fn beside_a_store(entrants: &[Entrant<'_>]) -> Row {
    let counts: Vec<u64> = entrants.iter().map(|entrant| calibrate(&entrant.hits, || 0)).collect();
    let mut samples = vec![Vec::new(); entrants.len()];
    for round in 0..ROUNDS {
        for turn in 0..entrants.len() {
            let at = (round + turn) % entrants.len();
            samples[at].push(hits_beside(counts[at], &entrants[at]));
        }
    }
    let rounds = Rounds::of(entrants.iter().map(|entrant| entrant.name).zip(samples).collect());
    Row::nanos("hit, `fn(u64) -> u64`, 1,024 keys, beside a thread that stores all the time", &rounds, &[])
        .fastest(1.0)
}

/// A number that begins a share of new ones.
fn fresh() -> u64 {
    NEXT.fetch_add(SHARE, Ordering::Relaxed)
}

/// How many calls fill a round.
fn calibrate(calls: &Calls<'_>, start: impl Fn() -> u64) -> u64 {
    let mut count = 1024;
    loop {
        let (from, began) = (start(), Instant::now());
        black_box(calls(from, count));
        if began.elapsed() >= ROUND {
            return count;
        }
        count *= 2;
    }
}

/// Nanoseconds of a store of each thread, when so many threads store.
fn stores(threads: u64, count: u64, calls: &Calls<'_>) -> f64 {
    let waiting = AtomicU64::new(threads);
    let spent: Vec<Duration> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let waiting = &waiting;
                scope.spawn(move || {
                    let from = fresh();
                    waiting.fetch_sub(1, Ordering::SeqCst);
                    // No thread sleeps, so that all begin at once.
                    while waiting.load(Ordering::SeqCst) > 0 {
                        std::hint::spin_loop();
                    }
                    let began = Instant::now();
                    black_box(calls(from, count));
                    began.elapsed()
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("a thread that doesn't panic")).collect()
    });
    let sum: Duration = spent.iter().sum();
    sum.as_nanos() as f64 / (threads * count) as f64
}

/// Nanoseconds of a hit while another thread stores.
fn hits_beside(count: u64, entrant: &Entrant<'_>) -> f64 {
    let (started, done) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut from = fresh();
            while !done.load(Ordering::Relaxed) {
                black_box((entrant.stores)(from, 64));
                from += 64;
                started.store(true, Ordering::Relaxed);
            }
        });
        while !started.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        // All keys are there, as far as the entrant keeps them.
        black_box((entrant.hits)(0, KEYS));
        let began = Instant::now();
        black_box((entrant.hits)(0, count));
        let spent = began.elapsed();
        done.store(true, Ordering::Relaxed);
        spent.as_nanos() as f64 / count as f64
    })
}
