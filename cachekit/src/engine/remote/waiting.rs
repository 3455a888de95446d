//! Operations with a time limit: a caller waits for one on the pool, or for a future, no longer than that.
//!
//! A job that hangs keeps its thread. Its caller leaves at the limit, and the breaker keeps further callers away.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
// The standard library's, for the reason given in `alarm`.
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cachekit_backends::deadline::Extension;
use cachekit_backends::{Error, ErrorKind, Result, deadline};

use super::pool::{Job, Pool};
use crate::engine::alarm::{self, Alarm, Expire};

/// The place for a result, shared by the caller and the operation.
struct Cell<T> {
    slot: Mutex<Slot<T>>,
    done: Condvar,
    /// When the caller leaves.
    until: Instant,
    /// The further time that the operation asks for.
    extension: Arc<Extension>,
}

enum Slot<T> {
    /// The caller waits.
    Waiting(Option<Waker>),
    Done(Result<T>),
    /// The caller has the result, or has left.
    Taken,
}

impl<T> Cell<T> {
    fn new(limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            slot: Mutex::new(Slot::Waiting(None)),
            done: Condvar::new(),
            until: deadline::after(limit),
            extension: Arc::default(),
        })
    }

    /// When the caller leaves, with what the operation has asked for until now.
    fn until(&self) -> Instant {
        self.until.checked_add(self.extension.get()).unwrap_or(self.until)
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the result for the caller, unless the caller has left.
    fn complete(&self, result: Result<T>) {
        let mut slot = self.lock();
        if let Slot::Waiting(waker) = &mut *slot {
            let waker = waker.take();
            *slot = Slot::Done(result);
            drop(slot);
            self.done.notify_all();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T: Send> Expire for Cell<T> {
    fn expire(&self) {
        let mut slot = self.lock();
        if let Slot::Waiting(waker) = &mut *slot {
            let waker = waker.take();
            // Otherwise the caller is woken to set another alarm.
            if self.until() <= Instant::now() {
                *slot = Slot::Taken;
            }
            drop(slot);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// An operation on its way through the pool. Dropped without a result, by a panic, it leaves an error.
struct Pooled<T, F> {
    cell: Arc<Cell<T>>,
    work: Option<F>,
}

impl<T: Send + 'static, F: FnOnce() -> Result<T> + Send> Job for Pooled<T, F> {
    fn is_awaited(&self) -> bool {
        matches!(*self.cell.lock(), Slot::Waiting(_))
    }

    fn run(mut self: Box<Self>) {
        if self.is_awaited()
            && let Some(work) = self.work.take()
        {
            let result = deadline::extending(&self.cell.extension, work);
            self.cell.complete(result);
        }
    }
}

impl<T, F> Drop for Pooled<T, F> {
    fn drop(&mut self) {
        self.cell.complete(Err(Error::new(ErrorKind::Other, "the cache's backend panicked")));
    }
}

fn start<T: Send + 'static>(
    pool: &Arc<Pool>,
    limit: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<Arc<Cell<T>>> {
    let cell = Cell::new(limit);
    pool.spawn(Box::new(Pooled { cell: Arc::clone(&cell), work: Some(work) }))?;
    Ok(cell)
}

fn late(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("the cache's backend did not answer within {limit:?}"))
}

/// Runs a job on the pool and blocks for its result, at most `limit`.
pub(super) fn run_blocking<T: Send + 'static>(
    pool: &Arc<Pool>,
    limit: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let cell = start(pool, limit, work)?;
    let mut slot = cell.lock();
    loop {
        let left = cell.until().saturating_duration_since(Instant::now());
        if left.is_zero() || !matches!(*slot, Slot::Waiting(_)) {
            break;
        }
        let waited = cell.done.wait_timeout(slot, left);
        slot = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    match mem::replace(&mut *slot, Slot::Taken) {
        Slot::Done(result) => result,
        _ => Err(late(limit)),
    }
}

/// Runs a job on the pool. The future ends at `limit` at the latest.
pub(super) async fn run<T: Send + 'static>(
    pool: &Arc<Pool>,
    limit: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let cell = start(pool, limit, work)?;
    Pending::new(cell, limit).await
}

/// Returns the result of a future that may hang, at `limit` at the latest.
pub(super) async fn within<T: Send + 'static>(
    limit: Duration,
    answer: impl Future<Output = Result<T>>,
) -> Result<T> {
    let (mut answer, mut late) = (pin!(answer), Pending::new(Cell::new(limit), limit));
    poll_fn(move |context| match answer.as_mut().poll(context) {
        Poll::Pending => Pin::new(&mut late).poll(context),
        ready @ Poll::Ready(_) => ready,
    })
    .await
}

/// A caller that is a task.
struct Pending<T> {
    cell: Arc<Cell<T>>,
    limit: Duration,
    /// Goes off at the time beside it.
    alarm: (Instant, Alarm),
}

impl<T: Send + 'static> Pending<T> {
    fn new(cell: Arc<Cell<T>>, limit: Duration) -> Self {
        let alarm = Self::alarm(&cell);
        Self { cell, limit, alarm }
    }

    fn alarm(cell: &Arc<Cell<T>>) -> (Instant, Alarm) {
        let until = cell.until();
        (until, alarm::at(until, Arc::downgrade(cell) as Weak<dyn Expire>))
    }
}

impl<T: Send + 'static> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Wakers are foreign code: cloned before the lock is taken, and the one that is replaced dropped after it.
        let waker = context.waker().clone();
        let mut slot = self.cell.lock();
        let before = match &mut *slot {
            Slot::Waiting(before) => {
                let before = before.replace(waker);
                drop(slot);
                drop(before);
                if self.alarm.0 < self.cell.until() {
                    self.alarm = Self::alarm(&self.cell);
                }
                return Poll::Pending;
            }
            done => mem::replace(done, Slot::Taken),
        };
        drop(slot);
        match before {
            Slot::Done(result) => Poll::Ready(result),
            _ => Poll::Ready(Err(late(self.limit))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::Wake;

    const AMPLE: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(20);

    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => break result,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    #[test]
    fn a_hung_job_is_left_behind_and_others_go_on() {
        let pool = Pool::new("cachekit-io", 2);
        let (release, hang) = mpsc::channel::<()>();
        let error = run_blocking(&pool, SHORT, move || {
            let _ = hang.recv();
            Ok(())
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(run_blocking(&pool, AMPLE, || Ok(7)).unwrap(), 7);
        drop(release);
    }

    #[test]
    fn a_pool_has_no_more_threads_than_it_may_and_no_more_jobs_than_are_awaited() {
        let pool = Pool::new("cachekit-io", 2);
        let (release, hang) = mpsc::channel::<()>();
        let hang = Arc::new(Mutex::new(hang));
        let (began, begins) = mpsc::channel();
        for _ in 0..2 {
            let (hang, began) = (Arc::clone(&hang), began.clone());
            let job = move || {
                began.send(()).unwrap();
                let _ = hang.lock().unwrap().recv();
                Ok(())
            };
            start(&pool, AMPLE, job).unwrap();
            begins.recv().unwrap();
        }
        for _ in 0..500 {
            let late = run_blocking(&pool, Duration::ZERO, || -> Result<()> { panic!("a thread was free") });
            assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
            let (threads, jobs) = pool.size();
            assert!(threads == 2 && jobs <= 64, "{threads} threads, {jobs} jobs");
        }
        assert_eq!(block_on(run(&pool, SHORT, || Ok(7))).unwrap_err().kind(), ErrorKind::Timeout);
        drop(release);
        assert_eq!(block_on(run(&pool, AMPLE, || Ok(7))).unwrap(), 7, "its threads are free again");
    }

    #[test]
    fn a_job_whose_caller_has_left_before_it_begins_is_not_run() {
        let cell = Cell::new(Duration::ZERO);
        let job = Box::new(Pooled {
            cell: Arc::clone(&cell),
            work: Some(|| -> Result<()> { panic!("it was run") }),
        });
        assert!(job.is_awaited());
        cell.expire();
        assert!(!job.is_awaited());
        job.run();
    }

    #[test]
    fn a_future_that_hangs_is_left_at_the_limit() {
        let error = block_on(within::<()>(SHORT, std::future::pending())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(block_on(within(AMPLE, std::future::ready(Ok(7)))).unwrap(), 7);
    }

    /// The job asks for more time after the limit, then returns well beyond it.
    #[test]
    fn a_job_has_the_further_time_that_it_asks_for() {
        let job = || {
            deadline::extend_for(640 << 20);
            // The limit is in real time, which the job has to exceed.
            std::thread::sleep(SHORT * 5);
            Ok(7)
        };
        let pool = Pool::new("cachekit-io", 1);
        assert_eq!(run_blocking(&pool, SHORT, job).unwrap(), 7);
        assert_eq!(block_on(run(&pool, SHORT, job)).unwrap(), 7);
    }

    #[test]
    fn a_panic_is_an_error() {
        let pool = Pool::new("cachekit-io", 1);
        for _ in 0..2 {
            let result = run_blocking::<()>(&pool, AMPLE, || panic!("on purpose"));
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Other);
        }
    }
}
