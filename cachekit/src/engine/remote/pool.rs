//! The threads of one cache, for a backend that blocks.
//!
//! Each cache has threads of its own, at most `pool_size`: a backend that hangs takes these and no other cache's. They are
//! started when they are needed and end when they are idle.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::{Error, ErrorKind, Result};
use parking_lot::{Condvar, Mutex, MutexGuard};

/// How long an idle thread stays.
const IDLE: Duration = Duration::from_secs(5);
/// A queue of at least this length is searched for abandoned jobs.
const LONG_QUEUE: usize = 64;

/// An operation with a place for its result.
pub(super) trait Job: Send {
    /// Whether the caller still waits. A caller that was told "timeout" does not: the operation, run now, could overwrite
    /// the effects of later ones.
    fn is_awaited(&self) -> bool;
    fn run(self: Box<Self>);
}

pub(super) struct Pool {
    most: usize,
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    jobs: VecDeque<Box<dyn Job>>,
    threads: usize,
    idle: usize,
    /// The length of the queue at which it is searched next.
    search_at: usize,
}

impl Pool {
    /// A pool of at most `most` threads. Starts none.
    pub(super) fn new(most: usize) -> Arc<Self> {
        let state = State { jobs: VecDeque::new(), threads: 0, idle: 0, search_at: LONG_QUEUE };
        Arc::new(Self { most, state: Mutex::new(state), work: Condvar::new() })
    }

    /// Queues a job.
    ///
    /// # Errors
    /// If the pool has no thread and can't start one.
    pub(super) fn spawn(self: &Arc<Self>, job: Box<dyn Job>) -> Result<()> {
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        let abandoned = state.take_abandoned();
        let result = self.assign(&mut state);
        drop(state);
        // A job holds a share of the backend, whose destructor may run any code.
        drop(abandoned);
        result
    }

    fn assign(self: &Arc<Self>, state: &mut State) -> Result<()> {
        if state.idle >= state.jobs.len() {
            self.work.notify_one();
            return Ok(());
        }
        if state.threads < self.most {
            let pool = Arc::clone(self);
            match std::thread::Builder::new().name("cachekit-io".into()).spawn(move || pool.work()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    state.jobs.pop_back();
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        "no thread could be started for the cache's backend",
                    )
                    .with_source(error));
                }
                // The job waits for one of the threads that run.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            while let Some(job) = state.jobs.pop_front() {
                // A backend that panics must not end the thread. The caller hears of it when the job is dropped.
                MutexGuard::unlocked(&mut state, || {
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.run()));
                });
            }
            state.idle += 1;
            let timed_out = self.work.wait_for(&mut state, IDLE).timed_out();
            state.idle -= 1;
            if timed_out && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

impl State {
    /// Takes the jobs out whose callers have left, if the queue has grown. Otherwise a backend that hangs for good would
    /// make it grow with each call. Costs, on average, one look a job.
    fn take_abandoned(&mut self) -> Vec<Box<dyn Job>> {
        if self.jobs.len() < self.search_at {
            return Vec::new();
        }
        let (awaited, abandoned): (Vec<_>, Vec<_>) =
            mem::take(&mut self.jobs).into_iter().partition(|job| job.is_awaited());
        self.jobs = awaited.into();
        self.search_at = (self.jobs.len() * 2).max(LONG_QUEUE);
        abandoned
    }
}

#[cfg(test)]
impl Pool {
    /// The number of threads, and of jobs that no thread has begun.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.threads, state.jobs.len())
    }
}
