//! Closed loops of several callers: threads that block, or tasks. As in the other rows every round runs each entrant once,
//! in another order.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::measure::Rounds;

const ROUNDS: usize = 41;
/// How long an entrant is busy in a round.
const ROUND: Duration = Duration::from_millis(20);

/// Which caller calls, and how often it called before.
#[derive(Clone, Copy)]
pub struct Call {
    pub caller: usize,
    pub nth: u64,
}

type Blocking<'a> = Box<dyn Fn(Call) + Sync + 'a>;
type Task = Pin<Box<dyn Future<Output = u64> + Send>>;
/// Makes the task of a caller, which calls until it is told to stop.
type Tasks = Box<dyn Fn(usize, u64, Arc<AtomicBool>) -> Task>;

enum Kind<'a> {
    Blocking(Blocking<'a>),
    Tasks(&'a Runtime, Tasks),
    /// Says by itself how many calls in a second there were.
    Other(Box<dyn Fn() -> f64 + 'a>),
}

/// Entrants, and how many calls each caller has behind it.
pub struct Load<'a> {
    callers: usize,
    entrants: Vec<(&'static str, Kind<'a>, AtomicU64)>,
}

impl<'a> Load<'a> {
    pub fn new(callers: usize) -> Self {
        Self { callers, entrants: Vec::new() }
    }

    /// Adds an entrant of threads.
    pub fn threads(mut self, name: &'static str, once: impl Fn(Call) + Sync + 'a) -> Self {
        self.entrants.push((name, Kind::Blocking(Box::new(once)), AtomicU64::new(0)));
        self
    }

    /// Adds an entrant of tasks.
    pub fn tasks<F>(
        mut self,
        name: &'static str,
        runtime: &'a Runtime,
        once: impl Fn(Call) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tasks = move |caller, from, stop: Arc<AtomicBool>| -> Task {
            let once = once.clone();
            Box::pin(async move {
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    once(Call { caller, nth: from + count }).await;
                    count += 1;
                }
                count
            })
        };
        self.entrants.push((name, Kind::Tasks(runtime, Box::new(tasks)), AtomicU64::new(0)));
        self
    }

    /// Adds an entrant that measures by itself, with one caller.
    pub fn other(mut self, name: &'static str, rate: impl Fn() -> f64 + 'a) -> Self {
        self.entrants.push((name, Kind::Other(Box::new(rate)), AtomicU64::new(0)));
        self
    }

    /// Calls in a second, of all callers together.
    pub fn run(self) -> Rounds {
        self.rounds(|entrant| self.rate(entrant))
    }

    /// The quantity that a meter counts for each call.
    pub fn run_metered(self, meter: impl Fn() -> f64) -> Rounds {
        self.rounds(|entrant| {
            let before = meter();
            let (calls, _) = self.turn(entrant);
            (meter() - before) / calls
        })
    }

    fn rounds(&self, sample: impl Fn(usize) -> f64) -> Rounds {
        // Connections are made, and keys stored.
        (0..self.entrants.len()).for_each(|entrant| _ = sample(entrant));
        let mut samples = vec![Vec::with_capacity(ROUNDS); self.entrants.len()];
        for round in 0..ROUNDS {
            for turn in 0..self.entrants.len() {
                let entrant = (round + turn) % self.entrants.len();
                samples[entrant].push(sample(entrant));
            }
        }
        Rounds::of(self.entrants.iter().map(|entrant| entrant.0).zip(samples).collect())
    }

    fn rate(&self, entrant: usize) -> f64 {
        let (calls, spent) = self.turn(entrant);
        calls / spent.as_secs_f64()
    }

    /// The calls of one round of an entrant, and its time.
    fn turn(&self, entrant: usize) -> (f64, Duration) {
        let (_, kind, before) = &self.entrants[entrant];
        let from = before.load(Ordering::Relaxed);
        let (most, calls, spent) = match kind {
            Kind::Blocking(once) => self.threads_run(from, once),
            Kind::Tasks(runtime, tasks) => self.tasks_run(from, runtime, tasks),
            Kind::Other(rate) => return (rate(), Duration::from_secs(1)),
        };
        before.store(from + most, Ordering::Relaxed);
        (calls as f64, spent)
    }

    /// The most calls of one caller, those of all, and the time.
    fn threads_run(&self, from: u64, once: &Blocking<'_>) -> (u64, u64, Duration) {
        let (begin, stop) = (Barrier::new(self.callers + 1), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..self.callers)
                .map(|caller| {
                    let (begin, stop) = (&begin, &stop);
                    scope.spawn(move || {
                        begin.wait();
                        let mut count = 0;
                        while !stop.load(Ordering::Relaxed) {
                            once(Call { caller, nth: from + count });
                            count += 1;
                        }
                        count
                    })
                })
                .collect();
            begin.wait();
            let start = Instant::now();
            std::thread::sleep(ROUND);
            stop.store(true, Ordering::Relaxed);
            let counts =
                running.into_iter().map(|thread| thread.join().expect("a caller that doesn't panic"));
            summed(counts, start)
        })
    }

    fn tasks_run(&self, from: u64, runtime: &Runtime, tasks: &Tasks) -> (u64, u64, Duration) {
        let stop = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let running: Vec<_> =
            (0..self.callers).map(|caller| runtime.spawn(tasks(caller, from, Arc::clone(&stop)))).collect();
        std::thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
        let counts =
            running.into_iter().map(|task| runtime.block_on(task).expect("a task that doesn't panic"));
        summed(counts, start)
    }
}

fn summed(counts: impl Iterator<Item = u64>, start: Instant) -> (u64, u64, Duration) {
    let (most, all) = counts.fold((0, 0), |(most, all), count| (count.max(most), all + count));
    (most, all, start.elapsed())
}
