//! The tokio driver on other executors.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle};

use crate::{Error, ErrorKind, Result};

/// A runtime of this process for those who have none: one thread that waits for sockets and timers, started at the first
/// need.
fn background() -> Option<&'static Handle> {
    static BACKGROUND: OnceLock<Option<Handle>> = OnceLock::new();
    let start = || {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().ok()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("cachekit-memcached".into());
        thread.spawn(move || runtime.block_on(pending::<()>())).ok()?;
        Some(handle)
    };
    BACKGROUND.get_or_init(start).as_ref()
}

/// Runs a future that needs tokio: on the caller's runtime, or where there is none, polled by the caller's executor and woken by the
/// background's.
pub(in crate::memcached) async fn on_tokio<T>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    if Handle::try_current().is_ok() {
        return work.await;
    }
    let Some(handle) = background() else {
        return Err(Error::new(ErrorKind::Unavailable, "no thread could be started to talk to memcached"));
    };
    let mut work = pin!(work);
    poll_fn(|cx| {
        let _entered = handle.enter();
        work.as_mut().poll(cx)
    })
    .await
}
