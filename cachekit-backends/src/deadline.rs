//! The deadline of the operation that runs on this thread, where its caller has set one.
//!
//! A backend that keeps time limits by itself asks [`from_now`] when an operation begins. It then returns in the time that the
//! whole call has left, which may be less than one operation may take, or more for a large value.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The bytes of values for which an operation may take a second more.
const BYTES_A_SECOND: u64 = 64 << 20;
/// Added to now where the clock can't count to the deadline.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

thread_local! {
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static EXTENSION: RefCell<Option<Arc<Extension>>> = const { RefCell::new(None) };
}

/// The further time that an operation has for the values that it reads, or the entries that it removes.
#[derive(Debug, Default)]
pub struct Extension(AtomicU64);

impl Extension {
    /// Returns the further time so far.
    pub fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Adds further time.
    pub(crate) fn grow(&self, time: Duration) {
        let more = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// A deadline that is put off by the growth of an [`Extension`].
#[cfg(feature = "redis-cluster")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moving<'a> {
    first: Instant,
    extension: &'a Extension,
    before: Duration,
}

#[cfg(feature = "redis-cluster")]
impl<'a> Moving<'a> {
    /// The growth counts from now on.
    pub(crate) fn new(first: Instant, extension: &'a Extension) -> Self {
        Self { first, extension, before: extension.get() }
    }

    /// Returns the deadline as it is now.
    pub(crate) fn get(self) -> Instant {
        self.first + self.extension.get().saturating_sub(self.before)
    }
}

/// Returns the time that so many bytes of values may take beyond the time limit of an operation.
pub fn for_bytes(bytes: usize) -> Duration {
    let bytes = bytes as u64;
    let nanos = (bytes % BYTES_A_SECOND) * 1_000_000_000 / BYTES_A_SECOND;
    Duration::from_secs(bytes / BYTES_A_SECOND) + Duration::from_nanos(nanos)
}

/// Returns the moment so long from now, or one in a year.
pub fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + FAR)
}

/// Returns when an operation that begins now must be over: at the deadline that its caller set, or else after `limit`.
pub fn from_now(limit: Duration) -> Instant {
    UNTIL.with(Cell::get).unwrap_or_else(|| after(limit))
}

/// Returns how long an operation that begins now may take: see [`from_now`].
pub fn left(limit: Duration) -> Duration {
    UNTIL.with(Cell::get).map_or(limit, |until| until.saturating_duration_since(Instant::now()))
}

/// Runs the beginning of an operation that must be over at `until`.
pub fn with<T>(until: Instant, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Instant>);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNTIL.with(|cell| cell.set(self.0));
        }
    }
    let _restore = Restore(UNTIL.with(|cell| cell.replace(Some(until))));
    work()
}

/// Gives the operation of this thread the further time for a value of so many bytes that it is about to read. Without effect
/// where the thread's caller does not wait with a time limit.
pub fn extend_for(bytes: usize) {
    extend_by(for_bytes(bytes));
}

/// Gives the operation of this thread so much further time, as [`extend_for`] does.
pub fn extend_by(time: Duration) {
    EXTENSION.with_borrow(|extension| {
        if let Some(extension) = extension.as_deref() {
            extension.grow(time);
        }
    });
}

/// Runs an operation whose caller, on another thread, waits longer by what [`extend_for`] adds.
pub fn extending<T>(extension: &Arc<Extension>, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<Extension>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            EXTENSION.with(|cell| drop(cell.replace(self.0.take())));
        }
    }
    let _restore = Restore(EXTENSION.with(|cell| cell.replace(Some(Arc::clone(extension)))));
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_four_mebibytes_take_a_second() {
        assert_eq!(for_bytes(0), Duration::ZERO);
        assert_eq!(for_bytes(32 << 20), Duration::from_millis(500));
        assert_eq!(for_bytes(192 << 20), Duration::from_secs(3));
        assert!(for_bytes(usize::MAX) > Duration::from_secs(1));
    }

    #[test]
    fn the_deadline_of_the_caller_counts_and_ends_with_its_work() {
        let long = Duration::from_secs(60);
        let until = Instant::now();
        with(until, || {
            assert_eq!((from_now(long), left(long)), (until, Duration::ZERO));
        });
        assert!(from_now(long) > until);
        assert_eq!(left(long), long);
    }

    #[test]
    fn an_extension_counts_for_the_work_that_asks() {
        extend_for(1 << 30);
        let extension = Arc::new(Extension::default());
        extending(&extension, || extend_for(128 << 20));
        extend_for(1 << 30);
        assert_eq!(extension.get(), Duration::from_secs(2));
    }
}
