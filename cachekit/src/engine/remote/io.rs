//! The two drivers: one blocks the thread, one waits as a task. The floors above are written once, as async functions over
//! [`Io`]. Over [`BlockingIo`] such a function is ready at its first poll.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cachekit_backends::{Backend, Result};

use super::{Operation, Remote, waiting};
use crate::engine::flight::{Wait, Waited};

pub(crate) trait Io: Copy + Send + Sync + 'static {
    /// Runs an operation, through the breaker and within the time limit.
    fn call<O: Operation>(self, remote: &Arc<Remote>, op: O) -> impl Future<Output = Result<O::Out>> + Send;
    /// Waits for another call's computation.
    fn wait(self, wait: Wait) -> impl Future<Output = Waited> + Send;
}

/// Blocks the calling thread.
#[derive(Clone, Copy)]
pub(crate) struct BlockingIo;

/// Waits as a task, on any executor.
#[derive(Clone, Copy)]
pub(crate) struct AsyncIo;

impl Io for BlockingIo {
    async fn call<O: Operation>(self, remote: &Arc<Remote>, op: O) -> Result<O::Out> {
        remote.breaker.admit()?;
        let result = if remote.capabilities.bounded || remote.capabilities.discards {
            op.run(&*remote.backend)
        } else {
            let backend = Arc::clone(&remote.backend);
            waiting::run_blocking(&remote.pool, remote.limit, move || op.run(&*backend))
        };
        remote.settle(result)
    }

    async fn wait(self, wait: Wait) -> Waited {
        wait.wait()
    }
}

impl Io for AsyncIo {
    async fn call<O: Operation>(self, remote: &Arc<Remote>, op: O) -> Result<O::Out> {
        remote.breaker.admit()?;
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
        remote.settle(result)
    }

    async fn wait(self, wait: Wait) -> Waited {
        wait.await
    }
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
