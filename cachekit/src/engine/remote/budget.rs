//! The time that one call may spend on a backend.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cachekit_backends::{Error, ErrorKind, Result, deadline};

use super::{Operation, Remote};

/// The time that the operations of one call have taken. Together they take no longer than one operation may, and a second
/// more for each 64 MiB of values that they move.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// In nanoseconds, without that of the values' bytes.
    spent: AtomicU64,
}

impl Budget {
    /// Whether a call has time left for another operation.
    pub(crate) fn is_left(&self, remote: &Remote) -> bool {
        !self.left(remote).is_zero()
    }

    fn left(&self, remote: &Remote) -> Duration {
        remote.limit.saturating_sub(Duration::from_nanos(self.spent.load(Ordering::Relaxed)))
    }

    fn spend(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let add = |spent: u64| Some(spent.saturating_add(nanos));
        let _ = self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Adds the time that operations with a budget of their own have taken.
    pub(crate) fn add(&self, other: &Self) {
        self.spend(Duration::from_nanos(other.spent.load(Ordering::Relaxed)));
    }

    /// Begins an operation that is `admitted`. Where it isn't, no clock is read.
    ///
    /// # Errors
    /// If the time is over, and what `admitted` returns.
    pub(super) fn begin<O: Operation>(
        &self,
        remote: &Remote,
        op: &O,
        admitted: impl FnOnce() -> Result<()>,
    ) -> Result<Spending<'_>> {
        let left = self.left(remote);
        if left.is_zero() {
            let limit = remote.limit;
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("the other operations of this call have taken its {limit:?} (`operation_timeout`)"),
            ));
        }
        admitted()?;
        let free = deadline::for_bytes(op.bytes());
        Ok(Spending { budget: self, began: Instant::now(), free, limit: left.saturating_add(free) })
    }
}

/// An operation under way. When it is dropped, its time is spent.
pub(super) struct Spending<'a> {
    budget: &'a Budget,
    began: Instant,
    /// The time for the values' bytes, which is not counted.
    free: Duration,
    /// The longest that the operation may take.
    pub(super) limit: Duration,
}

impl Spending<'_> {
    /// Notes a result.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "only metrics name the backend"))]
    pub(super) fn got<O: Operation>(mut self, remote: &Remote, result: &Result<O::Out>) {
        #[cfg(feature = "metrics")]
        crate::engine::meter::observe(remote, O::NAME, self.began.elapsed(), result);
        if let Ok(out) = result {
            self.free = self.free.saturating_add(deadline::for_bytes(O::bytes_of(out)));
        }
    }
}

impl Drop for Spending<'_> {
    fn drop(&mut self) {
        self.budget.spend(self.began.elapsed().saturating_sub(self.free));
    }
}
