//! A runtime of our own, on one thread: for the cluster's blocking calls, and for futures that are polled by something else than
//! tokio. Started at the first need.

#[cfg(feature = "redis-cluster")]
use std::{
    future::Future,
    sync::mpsc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

use crate::{Error, ErrorKind, Result};

static HANDLE: Mutex<Option<Handle>> = Mutex::new(None);

/// Where to spawn.
///
/// # Errors
/// [`ErrorKind::Unavailable`] if the system gives no thread.
pub(super) fn handle() -> Result<Handle> {
    let mut slot = HANDLE.lock();
    if let Some(handle) = &*slot {
        return Ok(handle.clone());
    }
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, "no thread could be started for Redis").with_source(error)
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("cachekit-redis".into()).spawn(run).map_err(failed)?;
    *slot = Some(handle.clone());
    Ok(handle)
}

/// Blocks until a future is done there, or its deadline is well over; none then, or if it panicked.
#[cfg(feature = "redis-cluster")]
pub(super) fn block_on<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
    deadline: Instant,
) -> Result<Option<T>> {
    /// The future keeps its deadline by itself; this is for the case that it can't.
    const GRACE: Duration = Duration::from_millis(50);
    let (sender, receiver) = mpsc::sync_channel(1);
    handle()?.spawn(async move {
        // Nobody may wait any more.
        let _ = sender.send(future.await);
    });
    let left = deadline.saturating_duration_since(Instant::now());
    Ok(receiver.recv_timeout(left + GRACE).ok())
}
