//! Tokio runtimes: whether the caller's will do, and one of our own for where it won't.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::catch_unwind;
use std::sync::LazyLock;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Id};

use crate::{Error, ErrorKind, Result};

/// The most runtimes that are remembered.
const MOST: usize = 256;

/// A runtime of this process, on one thread that waits for sockets and timers: for futures that something else than tokio polls, or a
/// runtime without drivers. Started at the first need.
///
/// # Errors
/// [`ErrorKind::Unavailable`] if the system gives no thread.
pub(crate) fn own() -> Result<Handle> {
    static OWN: Mutex<Option<Handle>> = Mutex::new(None);
    let mut slot = OWN.lock();
    if let Some(handle) = &*slot {
        return Ok(handle.clone());
    }
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, "no thread could be started to talk to the cache's server")
            .with_source(error)
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("cachekit-net".into()).spawn(run).map_err(failed)?;
    *slot = Some(handle.clone());
    Ok(handle)
}

/// Whether a runtime can wait for sockets and timers, as with `enable_all`. Tried once for each runtime, then remembered.
pub(crate) fn suits(runtime: &Handle) -> bool {
    static KNOWN: LazyLock<Mutex<HashMap<Id, bool>>> = LazyLock::new(Mutex::default);
    thread_local!(static LAST: Cell<Option<(Id, bool)>> = const { Cell::new(None) });
    let id = runtime.id();
    if let Some((_, suits)) = LAST.get().filter(|(last, _)| *last == id) {
        return suits;
    }
    let known = KNOWN.lock().get(&id).copied();
    let suits = known.unwrap_or_else(|| {
        let suits = attempt(runtime);
        let mut known = KNOWN.lock();
        // Ids are never used again: what goes here is asked again or gone.
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(id, suits);
        suits
    });
    LAST.set(Some((id, suits)));
    suits
}

/// There is no other way to ask a runtime for its drivers than to use them, which panics without.
fn attempt(runtime: &Handle) -> bool {
    let attempt = || {
        let _inside = runtime.enter();
        // Made and dropped, not waited for.
        drop(tokio::time::sleep(std::time::Duration::ZERO));
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0))?;
        socket.set_nonblocking(true)?;
        tokio::net::UdpSocket::from_std(socket).map(drop)
    };
    // A socket that the system refuses says nothing about the runtime.
    catch_unwind(attempt).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_runtime_with_both_drivers_suits() {
        let bare = Builder::new_current_thread;
        let mut builders = [bare(), bare(), bare(), bare()];
        builders[1].enable_time();
        builders[2].enable_io();
        builders[3].enable_all();
        let runtimes = builders.map(|mut builder| builder.build().unwrap());
        for _ in 0..2 {
            let suits = runtimes.each_ref().map(|runtime| suits(runtime.handle()));
            assert_eq!(suits, [false, false, false, true]);
        }
        assert!(suits(&own().unwrap()));
    }
}
