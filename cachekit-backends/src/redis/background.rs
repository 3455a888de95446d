//! Futures on the runtime of our own, for the cluster's blocking calls.

use std::future::Future;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::Result;
use crate::net::own;

/// Blocks until a future is done there, or its deadline is well over; none then, or if it panicked.
pub(super) fn block_on<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
    deadline: Instant,
) -> Result<Option<T>> {
    /// The future keeps its deadline by itself; this is for the case that it can't.
    const GRACE: Duration = Duration::from_millis(50);
    let (sender, receiver) = mpsc::sync_channel(1);
    own()?.spawn(async move {
        // Nobody may wait any more.
        let _ = sender.send(future.await);
    });
    let left = deadline.saturating_duration_since(Instant::now());
    Ok(receiver.recv_timeout(left + GRACE).ok())
}
