//! The primitives of `cachekit/src/engine/flight/sync.rs`, from shuttle.

use std::sync::PoisonError;

pub(super) use shuttle::sync::MutexGuard;
pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use shuttle::thread::{Thread, current as current_thread};
pub(super) use shuttle::thread_local;

pub(super) fn process_number() -> u32 {
    1
}

pub(super) const COUNTERS: usize = 4;

/// Time stands still: a wait ends when it is woken.
pub(super) fn park_timeout(_: std::time::Duration) {
    shuttle::thread::park();
}

#[derive(Default)]
pub(super) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

macro_rules! process_wide {
    ($(#[$meta:meta])* static $name:ident: $type:ty = $init:expr;) => {
        shuttle::lazy_static! { $(#[$meta])* static ref $name: $type = $init; }
    };
}
pub(super) use process_wide;
