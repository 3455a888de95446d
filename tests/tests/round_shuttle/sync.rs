//! The primitives of `cachekit/src/engine/flight/sync.rs`, from shuttle.

use std::sync::{PoisonError, Weak};

pub(super) use shuttle::sync::MutexGuard;
pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use shuttle::thread::{Thread, current as current_thread};
pub(super) use shuttle::thread_local;

pub(super) fn process_number() -> u32 {
    1
}

pub(super) const COUNTERS: usize = 4;

shuttle::lazy_static! {
    static ref NOW: AtomicU64 = AtomicU64::new(0);
}

/// Moves the time on, in milliseconds.
pub(super) fn advance(millis: u64) {
    NOW.fetch_add(millis, Ordering::SeqCst);
}

/// The milliseconds since the start of the program.
pub(super) fn since_start() -> u64 {
    NOW.load(Ordering::SeqCst)
}

pub(super) trait Expire: Send + Sync {
    fn expire(&self);
}

pub(super) struct Alarm;

/// A second may be over at any moment, as far as the other threads can tell.
pub(super) fn after_a_stall(what: Weak<dyn Expire>) -> Alarm {
    shuttle::thread::spawn(move || {
        shuttle::thread::yield_now();
        if let Some(what) = what.upgrade() {
            what.expire();
        }
    });
    Alarm
}

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
