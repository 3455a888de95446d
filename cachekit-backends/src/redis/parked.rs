//! The transport that blocks the thread over the one of tasks, for a cluster: only the library's asynchronous side asks several
//! nodes at once and can be stopped at a deadline.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::error::Server;
use super::limits::Limits;
use super::multiplexed::Multiplexed;
use super::transport::{Failure, Transport};
use super::wire::{Batch, Reply};

pub(super) struct Parked(pub(super) Arc<Multiplexed>);

impl Transport for Parked {
    fn limits(&self) -> &Limits {
        self.0.limits()
    }

    fn server(&self) -> &Server {
        self.0.server()
    }

    fn is_scattered(&self) -> bool {
        true
    }

    fn epoch(&self) -> u64 {
        self.0.epoch()
    }

    fn forget(&self) {
        self.0.forget();
    }

    async fn exchange(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        block_on(self.0.exchange(batch, deadline), deadline)
            .unwrap_or_else(|| Err(Failure::Final(self.server().timeout("the reply"))))
    }
}

/// Polls a future on this thread until it is done, or its deadline is well over.
fn block_on<T>(future: impl Future<Output = T>, deadline: Instant) -> Option<T> {
    /// The future keeps its deadline by itself; this is for the case that it can't.
    const GRACE: Duration = Duration::from_millis(50);
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut future, end) = (pin!(future), deadline + GRACE);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}
