//! The synchronisation primitives of the flights, in one place, so that a test can put a model checker's in theirs.

use std::sync::{LazyLock, Weak};
use std::time::Instant;

pub(super) use cachekit_backends::process_number;
pub(super) use parking_lot::Mutex;
pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use std::thread::{Thread, current as current_thread, park_timeout};
pub(super) use std::thread_local;

use crate::engine::alarm;
pub(super) use crate::engine::alarm::{Alarm, Expire};

/// Expires something after [`STALL`](super::STALL), unless the alarm is dropped before.
pub(super) fn after_a_stall(what: Weak<dyn Expire>) -> Alarm {
    alarm::at(Instant::now() + super::STALL, what)
}

/// The milliseconds since the first call.
pub(super) fn since_start() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
}

/// The counters of completions. Two keys that share one make each other look twice now and then; so many that it is rare.
/// A model checker, which pays for each, has fewer.
pub(super) const COUNTERS: usize = 1024;

/// A static of the whole process. A model checker makes it anew for each execution.
macro_rules! process_wide {
    ($(#[$meta:meta])* static $name:ident: $type:ty = $init:expr;) => {
        $(#[$meta])*
        static $name: $type = $init;
    };
}
pub(super) use process_wide;
