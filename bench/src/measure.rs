//! Interleaved batches: every round runs one short batch of each entrant, in another order, so that whatever else the
//! machine does falls on all of them alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long a batch takes at least: so long that it weighs little what the others have left in the processor's caches.
const BATCH: Duration = Duration::from_millis(1);
/// How many batches of a size are tried before it is known whether they take long enough.
const WARM_UPS: usize = 3;
/// How many batches each entrant runs.
const ROUNDS: usize = 201;

/// Several ways to do the same thing.
pub struct Contest<'a> {
    entrants: Vec<Entrant<'a>>,
    rounds: usize,
}

struct Entrant<'a> {
    name: &'static str,
    batch: Box<dyn FnMut(u64) + 'a>,
}

/// The result of a contest: for each entrant, its rounds.
pub struct Rounds(Vec<(&'static str, Vec<f64>)>);

impl<'a> Contest<'a> {
    pub fn new() -> Self {
        Self { entrants: Vec::new(), rounds: ROUNDS }
    }

    /// Sets another number of rounds.
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Adds an entrant; `once` is told how often it ran before.
    pub fn enter<T>(mut self, name: &'static str, mut once: impl FnMut(u64) -> T + 'a) -> Self {
        let mut ran = 0;
        let batch = Box::new(move |count| {
            for _ in 0..count {
                black_box(once(black_box(ran)));
                ran += 1;
            }
        });
        self.entrants.push(Entrant { name, batch });
        self
    }

    /// Lets each entrant run so often before anything is measured: once for each key.
    pub fn fill(&mut self, count: u64) {
        self.entrants.iter_mut().for_each(|entrant| (entrant.batch)(count));
    }

    /// Warms up and measures; nanoseconds per run.
    pub fn run(mut self) -> Rounds {
        let sizes: Vec<u64> = self.entrants.iter_mut().map(Entrant::warm_up).collect();
        let mut samples = vec![Vec::with_capacity(self.rounds); sizes.len()];
        for round in 0..self.rounds {
            for turn in 0..sizes.len() {
                let entrant = (round + turn) % sizes.len();
                let spent = self.entrants[entrant].time(sizes[entrant]);
                samples[entrant].push(spent.as_nanos() as f64 / sizes[entrant] as f64);
            }
        }
        Rounds(self.entrants.iter().map(|entrant| entrant.name).zip(samples).collect())
    }
}

impl Entrant<'_> {
    fn time(&mut self, count: u64) -> Duration {
        let start = Instant::now();
        (self.batch)(count);
        start.elapsed()
    }

    /// Runs until caches, branches and tables are warm; the size of a batch.
    fn warm_up(&mut self) -> u64 {
        self.time(2048);
        let mut size = 1;
        while self.fastest(size) < BATCH {
            size *= 2;
        }
        size
    }

    /// The shortest of several batches. One that was delayed once, by the start of a thread for instance, would be taken for one of
    /// enough calls, and a batch of a few calls measures the cold caches that the other entrants have left.
    fn fastest(&mut self, count: u64) -> Duration {
        (0..WARM_UPS).map(|_| self.time(count)).min().unwrap_or_default()
    }
}

impl Rounds {
    /// Rounds that were measured in another way.
    pub fn of(samples: Vec<(&'static str, Vec<f64>)>) -> Self {
        Self(samples)
    }

    fn samples(&self, name: &str) -> &[f64] {
        let found = self.0.iter().find(|(other, _)| *other == name);
        &found.unwrap_or_else(|| panic!("`{name}` was not measured")).1
    }

    /// Every number as something else: rates as times, for instance.
    pub fn map(&self, to: impl Fn(f64) -> f64) -> Self {
        let samples = |samples: &Vec<f64>| samples.iter().map(|&sample| to(sample)).collect();
        Self(self.0.iter().map(|(name, all)| (*name, samples(all))).collect())
    }

    /// The median of an entrant's rounds.
    pub fn median(&self, name: &str) -> f64 {
        median(self.samples(name).to_vec())
    }

    /// The median of the ratios of the same round: what disturbed a round disturbed both sides of it.
    pub fn ratio(&self, name: &str, to: &str) -> f64 {
        median(self.samples(name).iter().zip(self.samples(to)).map(|(a, b)| a / b).collect())
    }

    /// The entrants and their medians.
    pub fn medians(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.0.iter().map(|(name, samples)| (*name, median(samples.clone())))
    }
}

/// The median.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A repeatable source of numbers (SplitMix64).
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The numbers below `count` in random order.
    pub fn shuffled(&mut self, count: u64) -> Vec<u64> {
        let mut all: Vec<u64> = (0..count).collect();
        for i in (1..all.len()).rev() {
            all.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
        all
    }
}
