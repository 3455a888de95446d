//! The tokio runtime that all connections of tasks live on.

use std::future::{Future, poll_fn};
use std::pin::pin;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

use crate::process::PerProcess;
use crate::{Error, ErrorKind, Result};

/// The most threads for work that blocks: name look-ups, and sockets whose server doesn't accept.
const MOST_BLOCKING: usize = 32;

/// Returns the runtime of this process, on one thread that waits for sockets and timers. Started at the first need.
///
/// It is ours, and never the caller's: a runtime doesn't tell whether it has drivers but by panicking where they are missing,
/// connections would end with the runtime that happened to make them, and other executors have none.
///
/// # Errors
/// [`ErrorKind::Unavailable`] if the system gives no thread.
pub(crate) fn runtime() -> Result<Handle> {
    static RUNTIME: PerProcess<Mutex<Option<Handle>>> = PerProcess::new();
    let mut slot = RUNTIME.get(Mutex::default).lock();
    if let Some(handle) = &*slot {
        return Ok(handle.clone());
    }
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, "no thread could be started to talk to the cache's server")
            .with_source(error)
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MOST_BLOCKING)
        .thread_name("cachekit-blocking")
        .build()
        .map_err(failed)?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("cachekit-net".into()).spawn(run).map_err(failed)?;
    *slot = Some(handle.clone());
    Ok(handle)
}

/// Runs a future whose sockets and timers are the [`runtime`]'s. The caller's executor, of any kind, polls it, and the
/// runtime's thread wakes it.
pub(crate) async fn on_runtime<T, E: From<Error>>(
    work: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, E> {
    let runtime = runtime()?;
    let mut work = pin!(work);
    poll_fn(|cx| {
        let _entered = runtime.enter();
        work.as_mut().poll(cx)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::ready;

    #[test]
    fn futures_of_any_executor_have_timers_and_sockets() {
        let work = || {
            on_runtime(async {
                // A timer of the runtime is what this asks for.
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok::<_, Error>(tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.is_ok())
            })
        };
        assert!(ready(work()).unwrap());
        let bare = Builder::new_current_thread().build().unwrap();
        assert!(bare.block_on(work()).unwrap());
    }
}
