use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::deadline;

/// A year: longer than any process waits, and can be added to any moment.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The time limits, shared by all drivers of a store.
pub(super) struct Limits {
    operation_nanos: AtomicU64,
    /// How long making a connection may take.
    pub(super) connect: Duration,
    /// How long a computation may take and still be stored.
    pub(super) lease: Duration,
}

impl Limits {
    pub(super) fn new(operation: Duration, connect: Duration, lease: Duration) -> Self {
        let limits = Self {
            operation_nanos: AtomicU64::new(0),
            connect: connect.min(LONGEST),
            lease: lease.min(LONGEST),
        };
        limits.set_operation(operation);
        limits
    }

    pub(super) fn set_operation(&self, limit: Duration) {
        let limit = limit.min(LONGEST);
        self.operation_nanos.store(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns when an operation that begins now must be over.
    pub(super) fn deadline(&self) -> Instant {
        deadline::from_now(self.operation())
    }

    /// How long an operation may take.
    pub(super) fn operation(&self) -> Duration {
        Duration::from_nanos(self.operation_nanos.load(Ordering::Relaxed))
    }

    /// Returns when a connection that is begun now must be made.
    pub(super) fn connect_by(&self, deadline: Instant) -> Instant {
        (Instant::now() + self.connect).min(deadline)
    }
}
