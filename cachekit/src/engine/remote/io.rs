//! The two drivers: one blocks the thread, one waits as a task. The floors above are written once, as async functions over
//! [`Io`]. Over [`BlockingIo`] such a function is ready at its first poll.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cachekit_backends::{Backend, Result, deadline};

use super::{Budget, Operation, RateLimit, Remote, waiting};
use crate::engine::flight::{STALL, Wait, Waited};
use crate::engine::near::{Change, Near, announce, learn, restore};

pub(crate) trait Io: Copy + Send + Sync + 'static {
    /// Runs an operation, through the breaker and within the time that its call has left. Tells no near tier of it.
    fn carry_out<O: Operation>(
        self,
        remote: &Arc<Remote>,
        budget: &Budget,
        op: O,
    ) -> impl Future<Output = Result<O::Out>> + Send;
    /// The same, and tells the near tiers of a change: a deletion has ended when none serves what was there before.
    fn call_within<O: Operation>(
        self,
        remote: &Arc<Remote>,
        budget: &Budget,
        op: O,
    ) -> impl Future<Output = Result<O::Out>> + Send {
        async move {
            let change = op.change();
            if change == Change::None {
                return self.carry_out(remote, budget, op).await;
            }
            // Boxed, or a read would have room for it.
            Box::pin(announced(self, remote, budget, change, op)).await
        }
    }
    /// Runs an operation that is the only one of its call.
    fn call<O: Operation>(self, remote: &Arc<Remote>, op: O) -> impl Future<Output = Result<O::Out>> + Send {
        async move { self.call_within(remote, &Budget::default(), op).await }
    }
    /// Waits for another call's computation. Returns none if that takes longer than `limit`, or if the task that computes has
    /// lost its place.
    fn wait(self, wait: Wait, limit: Duration) -> impl Future<Output = Option<Waited>> + Send;
    /// Lets so much time pass.
    fn pause(self, time: Duration) -> impl Future<Output = ()> + Send;
}

async fn announced<D: Io, O: Operation>(
    io: D,
    remote: &Arc<Remote>,
    budget: &Budget,
    change: Change,
    op: O,
) -> Result<O::Out> {
    if O::FORGETS {
        // It removes the registrations as well: they are read before.
        learn(io, remote, budget).await.map_err(|error| error.in_operation(O::NAME))?;
    }
    let result = io.carry_out(remote, budget, op).await;
    if result.is_err() {
        // It may have been made nevertheless.
        remote.near().into_iter().for_each(Near::empty);
        return result;
    }
    // A deletion that took its time, as that of a large directory, has been made: its tiers are told all the same.
    let own = Budget::default();
    let budget = if change == Change::Deletion { &own } else { budget };
    if O::FORGETS {
        restore(io, remote, budget).await.map_err(|error| error.in_operation(O::NAME))?;
    }
    announce(io, remote, budget, change).await.map_err(|error| error.in_operation(O::NAME))?;
    result
}

/// Blocks the calling thread.
#[derive(Clone, Copy)]
pub(crate) struct BlockingIo;

/// Waits as a task, on any executor.
#[derive(Clone, Copy)]
pub(crate) struct AsyncIo;

impl Io for BlockingIo {
    async fn carry_out<O: Operation>(self, remote: &Arc<Remote>, budget: &Budget, op: O) -> Result<O::Out> {
        let spending = remote.admit(budget, &op)?;
        let limit = spending.limit;
        let result = if remote.capabilities.bounded || remote.capabilities.discards {
            match remote.deadline::<O>(limit) {
                Some(until) => deadline::with(until, || op.run(&*remote.backend)),
                None => op.run(&*remote.backend),
            }
        } else {
            let backend = Arc::clone(&remote.backend);
            waiting::run_blocking(&remote.pool, limit, move || op.run(&*backend))
        };
        spending.got::<O>(remote, &result);
        remote.settle::<O>(result)
    }

    async fn wait(self, wait: Wait, limit: Duration) -> Option<Waited> {
        wait.wait_within(limit)
    }

    async fn pause(self, time: Duration) {
        // Nothing tells a caller when it may go on: after another writer changed the key, a random pause keeps the two from
        // colliding again; after a deletion, near tiers serve the old value for no longer than this.
        std::thread::sleep(time);
    }
}

impl Io for AsyncIo {
    async fn carry_out<O: Operation>(self, remote: &Arc<Remote>, budget: &Budget, op: O) -> Result<O::Out> {
        let spending = remote.admit(budget, &op)?;
        let limit = spending.limit;
        let result = if remote.capabilities.discards {
            op.run(&*remote.backend)
        } else if let Some(backend) = remote.backend.asynchronous() {
            let mut answer = op.run_async(backend);
            match (remote.capabilities.bounded, remote.deadline::<O>(limit)) {
                (true, None) => answer.await,
                (true, Some(until)) => {
                    poll_fn(|context| deadline::with(until, || answer.as_mut().poll(context))).await
                }
                (false, _) => Box::pin(waiting::within(limit, answer)).await,
            }
        } else {
            let backend = Arc::clone(&remote.backend);
            Box::pin(waiting::run(&remote.pool, limit, move || op.run(&*backend as &dyn Backend))).await
        };
        spending.got::<O>(remote, &result);
        remote.settle::<O>(result)
    }

    async fn wait(self, mut wait: Wait, limit: Duration) -> Option<Waited> {
        let began = Instant::now();
        loop {
            let rest = limit.saturating_sub(began.elapsed());
            if rest.is_zero() || wait.is_lost() {
                return None;
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
pub(crate) fn say_given_up() {
    static LOGS: RateLimit = RateLimit::new();
    if LOGS.admits() {
        tracing::warn!(
            target: "cachekit",
            "a call no longer waits for the computation of its value by another call, and computes it: the other one takes \
             longer than `flight_timeout`, or its task is not polled",
        );
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
