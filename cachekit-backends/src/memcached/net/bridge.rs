//! The tokio driver on other executors, and on runtimes without drivers.

use std::future::{Future, poll_fn};
use std::pin::pin;

use tokio::runtime::Handle;

use crate::Result;
use crate::net::{own, suits};

/// Runs a future that needs tokio: on the caller's runtime, or where there is none that will do, polled by the caller's executor and
/// woken by the runtime of our own.
pub(in crate::memcached) async fn on_tokio<T>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    if Handle::try_current().is_ok_and(|runtime| suits(&runtime)) {
        return work.await;
    }
    let runtime = own()?;
    let mut work = pin!(work);
    poll_fn(|cx| {
        let _entered = runtime.enter();
        work.as_mut().poll(cx)
    })
    .await
}
