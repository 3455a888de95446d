//! The bridge to backends that only block: a pool of threads, with a time limit for who waits.
//!
//! A job that hangs keeps its thread; nobody waits for it beyond the limit, and the breaker keeps more from coming.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cachekit_backends::{Error, ErrorKind, Result};
use parking_lot::{Condvar, Mutex};

/// The most threads there are; more jobs wait in a queue, and time out there if they must.
const MOST_THREADS: usize = 64;
/// How long an idle thread stays.
const IDLE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static POOL: Pool =
    Pool { state: Mutex::new(State { jobs: VecDeque::new(), threads: 0, idle: 0 }), work: Condvar::new() };

fn spawn(job: Job) -> Result<()> {
    let mut state = POOL.state.lock();
    state.jobs.push_back(job);
    if state.idle >= state.jobs.len() {
        POOL.work.notify_one();
        return Ok(());
    }
    if state.threads < MOST_THREADS {
        match std::thread::Builder::new().name("cachekit-io".into()).spawn(work) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => {
                state.jobs.pop_back();
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "no thread could be started for the cache's backend",
                )
                .with_source(error));
            }
            Err(_) => {}
        }
    }
    Ok(())
}

fn work() {
    let mut state = POOL.state.lock();
    loop {
        while let Some(job) = state.jobs.pop_front() {
            // A backend that panics must not end the thread; whoever waits is told by the job's end.
            parking_lot::MutexGuard::unlocked(&mut state, || {
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            });
        }
        state.idle += 1;
        let timed_out = POOL.work.wait_for(&mut state, IDLE).timed_out();
        state.idle -= 1;
        if timed_out && state.jobs.is_empty() {
            state.threads -= 1;
            return;
        }
    }
}

/// Where a job leaves its result.
struct Cell<T> {
    slot: Mutex<Slot<T>>,
    done: Condvar,
}

enum Slot<T> {
    Waiting(Option<Waker>),
    Done(Result<T>),
    Taken,
}

/// Completes a cell when the job ends, however it ends.
struct Completer<T>(Arc<Cell<T>>);

impl<T> Completer<T> {
    fn is_awaited(&self) -> bool {
        matches!(*self.0.slot.lock(), Slot::Waiting(_))
    }

    fn complete(&self, result: Result<T>) {
        let mut slot = self.0.slot.lock();
        if let Slot::Waiting(waker) = &mut *slot {
            let waker = waker.take();
            *slot = Slot::Done(result);
            drop(slot);
            self.0.done.notify_all();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        self.complete(Err(Error::new(ErrorKind::Other, "the cache's backend panicked")));
    }
}

fn start<T: Send + 'static>(job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<Arc<Cell<T>>> {
    let cell = Arc::new(Cell { slot: Mutex::new(Slot::Waiting(None)), done: Condvar::new() });
    let completer = Completer(Arc::clone(&cell));
    spawn(Box::new(move || {
        // Who waited for it was told that it is late: done now, it could overwrite what came after it.
        if completer.is_awaited() {
            completer.complete(job());
        }
    }))?;
    Ok(cell)
}

fn late(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("the cache's backend did not answer within {limit:?}"))
}

/// Runs a job on the pool and blocks for its result, at most `limit`.
pub(super) fn run_blocking<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let cell = start(job)?;
    let until = Instant::now() + limit;
    let mut slot = cell.slot.lock();
    loop {
        match std::mem::replace(&mut *slot, Slot::Taken) {
            Slot::Done(result) => return result,
            waiting => *slot = waiting,
        }
        if cell.done.wait_until(&mut slot, until).timed_out() {
            return match std::mem::replace(&mut *slot, Slot::Taken) {
                Slot::Done(result) => result,
                _ => Err(late(limit)),
            };
        }
    }
}

/// Runs a job on the pool; a future of its result, at most `limit` later.
pub(super) async fn run<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let cell = start(job)?;
    alarm::at(Instant::now() + limit, Arc::downgrade(&cell) as std::sync::Weak<dyn alarm::Expire>);
    Pending { cell, limit }.await
}

/// The result of a future that may hang, at most `limit` later.
pub(super) async fn within<T: Send + 'static>(
    limit: Duration,
    answer: impl Future<Output = Result<T>>,
) -> Result<T> {
    let cell = Arc::new(Cell { slot: Mutex::new(Slot::Waiting(None)), done: Condvar::new() });
    alarm::at(Instant::now() + limit, Arc::downgrade(&cell) as std::sync::Weak<dyn alarm::Expire>);
    let (mut answer, mut late) = (pin!(answer), Pending { cell, limit });
    poll_fn(move |context| match answer.as_mut().poll(context) {
        Poll::Pending => Pin::new(&mut late).poll(context),
        ready @ Poll::Ready(_) => ready,
    })
    .await
}

struct Pending<T> {
    cell: Arc<Cell<T>>,
    limit: Duration,
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Wakers are foreign code: cloned before the lock is taken, and the one that is replaced dropped after it.
        let waker = context.waker().clone();
        let mut slot = self.cell.slot.lock();
        let before = match &mut *slot {
            Slot::Waiting(before) => {
                let before = before.replace(waker);
                drop(slot);
                drop(before);
                return Poll::Pending;
            }
            done => std::mem::replace(done, Slot::Taken),
        };
        drop(slot);
        match before {
            Slot::Done(result) => Poll::Ready(result),
            _ => Poll::Ready(Err(late(self.limit))),
        }
    }
}

impl<T: Send> alarm::Expire for Cell<T> {
    fn expire(&self) {
        let mut slot = self.slot.lock();
        if let Slot::Waiting(waker) = &mut *slot {
            let waker = waker.take();
            *slot = Slot::Taken;
            drop(slot);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// One thread that ends waits at their time.
mod alarm {
    use std::collections::BTreeMap;
    use std::sync::Weak;
    use std::time::{Duration, Instant};

    use parking_lot::{Condvar, Mutex};

    pub(super) trait Expire: Send + Sync {
        fn expire(&self);
    }

    struct Alarms {
        at: BTreeMap<(Instant, u64), Weak<dyn Expire>>,
        count: u64,
        running: bool,
    }

    static ALARMS: Mutex<Alarms> = Mutex::new(Alarms { at: BTreeMap::new(), count: 0, running: false });
    static CHANGED: Condvar = Condvar::new();

    pub(super) fn at(when: Instant, whom: Weak<dyn Expire>) {
        let mut alarms = ALARMS.lock();
        alarms.count += 1;
        let id = alarms.count;
        let first = alarms.at.keys().next().is_none_or(|(at, _)| when < *at);
        alarms.at.insert((when, id), whom);
        if !alarms.running {
            // Without a thread the limit isn't kept, but nothing is lost.
            alarms.running = std::thread::Builder::new().name("cachekit-alarm".into()).spawn(run).is_ok();
        } else if first {
            CHANGED.notify_one();
        }
    }

    fn run() {
        let mut alarms = ALARMS.lock();
        loop {
            let now = Instant::now();
            let later = alarms.at.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut alarms.at, later);
            parking_lot::MutexGuard::unlocked(&mut alarms, || {
                due.into_values().filter_map(|whom| whom.upgrade()).for_each(|whom| whom.expire());
            });
            let next = alarms.at.keys().next().map(|(at, _)| *at);
            let timed_out = match next {
                Some(at) => {
                    CHANGED.wait_until(&mut alarms, at);
                    false
                }
                None => CHANGED.wait_for(&mut alarms, Duration::from_secs(5)).timed_out(),
            };
            if timed_out && alarms.at.is_empty() {
                alarms.running = false;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_hung_job_is_left_behind_and_others_go_on() {
        let (release, hang) = mpsc::channel::<()>();
        let limit = Duration::from_millis(20);
        let error = run_blocking(limit, move || {
            let _ = hang.recv();
            Ok(())
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(run_blocking(Duration::from_secs(10), || Ok(7)).unwrap(), 7);
        drop(release);
    }

    #[test]
    fn a_job_whose_time_is_over_before_it_begins_is_not_done() {
        let cell = Arc::new(Cell { slot: Mutex::new(Slot::Waiting(None)), done: Condvar::new() });
        let completer = Completer::<()>(Arc::clone(&cell));
        assert!(completer.is_awaited());
        alarm::Expire::expire(&*cell);
        assert!(!completer.is_awaited());
    }

    #[test]
    fn a_future_that_hangs_is_left_at_the_limit() {
        use std::task::Wake;

        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut hung = pin!(within::<()>(Duration::from_millis(20), std::future::pending()));
        let error = loop {
            match hung.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => break result.unwrap_err(),
                Poll::Pending => std::thread::park(),
            }
        };
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let answer = within(Duration::from_secs(10), std::future::ready(Ok(7)));
        let mut answer = pin!(answer);
        assert!(matches!(answer.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(7))));
    }

    #[test]
    fn a_panic_is_an_error() {
        let result = run_blocking::<()>(Duration::from_secs(10), || panic!("on purpose"));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Other);
    }
}
