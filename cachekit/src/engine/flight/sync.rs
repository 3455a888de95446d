//! The synchronisation primitives of the flights, in one place, so that a test can put a model checker's in theirs.

pub(super) use cachekit_backends::process_number;
pub(super) use parking_lot::Mutex;
pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use std::thread::{Thread, current as current_thread, park_timeout};
pub(super) use std::thread_local;

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
