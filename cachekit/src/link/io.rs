//! The two drivers: one blocks the thread, one waits as a task. Everything above is written once, as async functions over
//! [`Io`]; over [`SyncIo`] such a function never waits and is done at the first poll.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cachekit_backends::{Backend, Result};

use super::{Link, Operation, pool};
use crate::flight::{Wait, Waited};

pub(crate) trait Io: Copy + Send + Sync + 'static {
    /// Runs an operation, through the breaker and within the time limit.
    fn call<O: Operation>(self, link: &Arc<Link>, op: O) -> impl Future<Output = Result<O::Out>> + Send;
    /// Waits for somebody else's computation.
    fn wait(self, wait: Wait) -> impl Future<Output = Waited> + Send;
}

/// Blocks the calling thread.
#[derive(Clone, Copy)]
pub(crate) struct SyncIo;

/// Waits as a task, on whatever executor polls it.
#[derive(Clone, Copy)]
pub(crate) struct AsyncIo;

impl Io for SyncIo {
    async fn call<O: Operation>(self, link: &Arc<Link>, op: O) -> Result<O::Out> {
        link.breaker.admit()?;
        let result = if link.capabilities.bounded || link.capabilities.discards {
            op.run(&*link.backend)
        } else {
            let backend = Arc::clone(&link.backend);
            pool::run_blocking(link.limit, move || op.run(&*backend))
        };
        link.settle(result)
    }

    async fn wait(self, wait: Wait) -> Waited {
        wait.wait()
    }
}

impl Io for AsyncIo {
    async fn call<O: Operation>(self, link: &Arc<Link>, op: O) -> Result<O::Out> {
        link.breaker.admit()?;
        let result = if link.capabilities.discards {
            op.run(&*link.backend)
        } else if let Some(backend) = link.backend.asynchronous() {
            let answer = op.run_async(backend);
            if link.capabilities.bounded { answer.await } else { pool::within(link.limit, answer).await }
        } else {
            let backend = Arc::clone(&link.backend);
            pool::run(link.limit, move || op.run(&*backend as &dyn Backend)).await
        };
        link.settle(result)
    }

    async fn wait(self, wait: Wait) -> Waited {
        wait.await
    }
}

/// The result of a future over [`SyncIo`].
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        // `SyncIo` blocks inside of the poll, so that the first one is the last one.
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}
