//! The threads of one cache, for a backend that blocks, and those of all caches for computations in the background.
//!
//! Each cache has threads of its own, at most `pool_size`: a backend that hangs takes these and no other cache's. They are
//! started when they are needed and end when they are idle.

use std::collections::VecDeque;
use std::mem;
// The standard library's, for the reason given in `alarm`: idle threads wait in them.
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cachekit_backends::{Error, ErrorKind, PerProcess, Result};

/// How long an idle thread stays.
const IDLE: Duration = Duration::from_secs(5);
/// A queue of at least this length is searched for abandoned jobs.
const LONG_QUEUE: usize = 64;

/// An operation with a place for its result.
pub(crate) trait Job: Send {
    /// Whether the caller still waits. A caller that was told "timeout" does not: the operation, run now, could overwrite
    /// the effects of later ones.
    fn is_awaited(&self) -> bool;
    fn run(self: Box<Self>);
}

pub(crate) struct Pool {
    name: &'static str,
    most: usize,
    threads: PerProcess<Arc<Threads>>,
}

struct Threads {
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Box<dyn Job>>,
    threads: usize,
    idle: usize,
    /// The length of the queue at which it is searched next, if that is a long one.
    search_at: usize,
}

impl Pool {
    /// A pool of at most `most` threads of a name. Starts none.
    pub(crate) fn new(name: &'static str, most: usize) -> Arc<Self> {
        Arc::new(Self { name, most, threads: PerProcess::new() })
    }

    fn threads(&self) -> &Arc<Threads> {
        let (name, most) = (self.name, self.most);
        self.threads.get(|| Arc::new(Threads { name, most, state: Mutex::default(), work: Condvar::new() }))
    }

    /// Queues a job.
    ///
    /// # Errors
    /// If the pool has no thread and can't start one.
    pub(crate) fn spawn(&self, job: Box<dyn Job>) -> Result<()> {
        let threads = self.threads();
        let mut state = threads.lock();
        state.jobs.push_back(job);
        let abandoned = state.take_abandoned();
        let result = threads.assign(&mut state);
        drop(state);
        // A job holds a share of the backend, whose destructor may run any code.
        drop(abandoned);
        result
    }
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assign(self: &Arc<Self>, state: &mut State) -> Result<()> {
        if state.idle >= state.jobs.len() {
            self.work.notify_one();
            return Ok(());
        }
        if state.threads < self.most {
            let threads = Arc::clone(self);
            match std::thread::Builder::new().name(self.name.into()).spawn(move || threads.work()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    state.jobs.pop_back();
                    return Err(
                        Error::new(ErrorKind::Unavailable, "no thread could be started").with_source(error)
                    );
                }
                // The job waits for one of the threads that run.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            while let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A backend that panics must not end the thread. The caller hears of it when the job is dropped.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.run()));
                state = self.lock();
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, IDLE);
            let (guard, wait) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            if wait.timed_out() && state.jobs.is_empty() {
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
        if self.jobs.len() < self.search_at.max(LONG_QUEUE) {
            return Vec::new();
        }
        let (awaited, abandoned): (Vec<_>, Vec<_>) =
            mem::take(&mut self.jobs).into_iter().partition(|job| job.is_awaited());
        self.jobs = awaited.into();
        self.search_at = self.jobs.len() * 2;
        abandoned
    }
}

#[cfg(test)]
impl Pool {
    /// The number of threads, and of jobs that no thread has begun.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.threads().lock();
        (state.threads, state.jobs.len())
    }
}
