//! The two drivers: one blocks the thread, one waits as a task. The floors above are written once, as async functions over
//! [`Io`]. Over [`BlockingIo`] such a function is ready at its first poll.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cachekit_backends::{Backend, Result};

use super::{Operation, RateLimit, Remote, waiting};
use crate::engine::flight::{STALL, Wait, Waited};

pub(crate) trait Io: Copy + Send + Sync + 'static {
    /// Runs an operation, through the breaker and within the time limit.
    fn call<O: Operation>(self, remote: &Arc<Remote>, op: O) -> impl Future<Output = Result<O::Out>> + Send;
    /// Waits for another call's computation. Returns none if that takes longer than `limit`, or if the task that computes has
    /// lost its place; it is logged.
    fn wait(self, wait: Wait, limit: Duration) -> impl Future<Output = Option<Waited>> + Send;
    /// Lets so much time pass.
    fn pause(self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// Blocks the calling thread.
#[derive(Clone, Copy)]
pub(crate) struct BlockingIo;

/// Waits as a task, on any executor.
#[derive(Clone, Copy)]
pub(crate) struct AsyncIo;

impl Io for BlockingIo {
    async fn call<O: Operation>(self, remote: &Arc<Remote>, op: O) -> Result<O::Out> {
        remote.admit::<O>()?;
        let result = if remote.capabilities.bounded || remote.capabilities.discards {
            op.run(&*remote.backend)
        } else {
            let backend = Arc::clone(&remote.backend);
            waiting::run_blocking(&remote.pool, remote.limit, move || op.run(&*backend))
        };
        remote.settle::<O>(result)
    }

    async fn wait(self, wait: Wait, limit: Duration) -> Option<Waited> {
        wait.wait_within(limit).or_else(left)
    }

    async fn pause(self, time: Duration) {
        // Another writer changed the key: a random pause keeps the two from colliding again.
        std::thread::sleep(time);
    }
}

impl Io for AsyncIo {
    async fn call<O: Operation>(self, remote: &Arc<Remote>, op: O) -> Result<O::Out> {
        remote.admit::<O>()?;
        let result = if remote.capabilities.discards {
            op.run(&*remote.backend)
        } else if let Some(backend) = remote.backend.asynchronous() {
            let answer = op.run_async(backend);
            if remote.capabilities.bounded {
                answer.await
            } else {
                waiting::within(remote.limit, answer).await
            }
        } else {
            let backend = Arc::clone(&remote.backend);
            waiting::run(&remote.pool, remote.limit, move || op.run(&*backend as &dyn Backend)).await
        };
        remote.settle::<O>(result)
    }

    async fn wait(self, mut wait: Wait, limit: Duration) -> Option<Waited> {
        let began = Instant::now();
        loop {
            let rest = limit.saturating_sub(began.elapsed());
            if rest.is_zero() || wait.is_lost() {
                return left();
            }
            let ended = async { Ok((&mut wait).await) };
            if let Ok(waited) = waiting::within(rest.min(STALL), ended).await {
                return Some(waited);
            }
        }
    }

    async fn pause(self, time: Duration) {
        let _late = waiting::within::<()>(time, std::future::pending()).await;
    }
}

/// Logs a wait that was given up, at most one in a second.
#[cold]
fn left() -> Option<Waited> {
    static LOGS: RateLimit = RateLimit::new();
    if LOGS.admits() {
        tracing::warn!(
            target: "cachekit",
            "a call no longer waits for the computation of its value by another call, and computes it: the other one takes \
             longer than `flight_timeout`, or its task is not polled",
        );
    }
    None
}

/// Returns the result of a future over [`BlockingIo`].
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        // `BlockingIo` blocks inside of the poll, so that the first one is the last one.
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}
