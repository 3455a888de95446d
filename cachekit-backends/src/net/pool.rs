//! The pool of connections of blocking callers.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use r2d2::{ManageConnection, NopErrorHandler, PooledConnection};
use scheduled_thread_pool::ScheduledThreadPool;

use crate::process::PerProcess;

/// A connection that was not used for so long is closed: a firewall may have forgotten it.
pub(crate) const IDLE: Duration = Duration::from_secs(60);
/// A connection is closed at this age, so that changed names and balancers in front of servers are noticed.
const AGE: Duration = Duration::from_secs(30 * 60);

/// The thread that makes empty places and closes idle connections, for all pools of the process.
fn housekeeping() -> Arc<ScheduledThreadPool> {
    static THREAD: PerProcess<Arc<ScheduledThreadPool>> = PerProcess::new();
    let make = || {
        Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("cachekit-pool").build())
    };
    Arc::clone(THREAD.get(make))
}

/// A place for a connection. r2d2 hands out places, and a caller with an empty one connects by itself: within its own
/// deadline, and with the real error. (r2d2 would connect on its own thread, without a time limit, and keep the error. Its
/// test at the checkout ignores the deadline, so it is off.)
struct Slot<C>(Option<Kept<C>>);

struct Kept<C> {
    connection: C,
    epoch: u64,
    used: Instant,
}

struct Slots<C>(std::marker::PhantomData<fn() -> C>);

impl<C: Send + 'static> ManageConnection for Slots<C> {
    type Connection = Slot<C>;
    type Error = Infallible;

    fn connect(&self) -> Result<Slot<C>, Infallible> {
        Ok(Slot(None))
    }

    fn is_valid(&self, _: &mut Slot<C>) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Slot<C>) -> bool {
        false
    }
}

/// At most `size` connections to one server, each used by one caller at a time. The one used last is used next. A process
/// that was forked has connections of its own.
pub(crate) struct Pool<C: Send + 'static> {
    size: u32,
    slots: PerProcess<r2d2::Pool<Slots<C>>>,
    /// Raised when a connection was found dead: all from before are dead as well, or soon will be.
    epoch: AtomicU64,
}

impl<C: Send + 'static> Pool<C> {
    /// Connects to nothing yet, and starts no thread.
    pub(crate) fn new(size: usize) -> Self {
        let size = u32::try_from(size).unwrap_or(u32::MAX).max(1);
        Self { size, slots: PerProcess::new(), epoch: AtomicU64::new(0) }
    }

    fn slots(&self) -> &r2d2::Pool<Slots<C>> {
        self.slots.get(|| {
            r2d2::Pool::builder()
                .max_size(self.size)
                .min_idle(Some(0))
                .test_on_check_out(false)
                .max_lifetime(Some(AGE))
                .idle_timeout(Some(IDLE))
                .error_handler(Box::new(NopErrorHandler))
                .thread_pool(housekeeping())
                .build_unchecked(Slots(std::marker::PhantomData))
        })
    }

    /// Waits for the right to a connection; none if there is none before the deadline.
    pub(crate) fn permit(&self, deadline: Instant) -> Option<Permit<C>> {
        let slots = self.slots();
        // A connection that is free takes no look at the clock.
        let wait = || slots.get_timeout(deadline.saturating_duration_since(Instant::now())).ok();
        let slot = slots.try_get().or_else(wait)?;
        Some(Permit { slot, epoch: self.epoch() })
    }

    /// The number that [`forget`](Self::forget) raises.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Closes all connections that were kept up to an epoch, each when it is met. Does nothing in a later epoch.
    pub(crate) fn forget(&self, epoch: u64) {
        let _ = self.epoch.compare_exchange(epoch, epoch + 1, Ordering::AcqRel, Ordering::Relaxed);
    }
}

impl<C: Send + 'static> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("size", &self.size).finish_non_exhaustive()
    }
}

/// The right to one connection, until it is dropped.
pub(crate) struct Permit<C: Send + 'static> {
    slot: PooledConnection<Slots<C>>,
    epoch: u64,
}

impl<C: Send + 'static> Permit<C> {
    /// The pool's epoch when the permit was given.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Takes the connection that was kept here, if it is still of use as far as the pool knows.
    pub(crate) fn take(&mut self) -> Option<C> {
        let kept = self.slot.0.take()?;
        (kept.epoch == self.epoch && kept.used.elapsed() < IDLE).then_some(kept.connection)
    }

    /// Keeps a connection after an exchange without any fault.
    pub(crate) fn keep(&mut self, connection: C) {
        self.slot.0 = Some(Kept { connection, epoch: self.epoch, used: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn no_checkout_waits_beyond_its_deadline_and_the_last_connection_is_the_next() {
        let pool = Pool::new(2);
        let (mut one, mut two) = (pool.permit(soon()).unwrap(), pool.permit(soon()).unwrap());
        let begin = Instant::now();
        assert!(pool.permit(begin + Duration::from_millis(20)).is_none());
        assert!(begin.elapsed() < Duration::from_secs(10));
        assert!(one.take().is_none() && two.take().is_none());
        one.keep(1);
        two.keep(2);
        drop(two);
        drop(one);
        assert_eq!(pool.permit(soon()).unwrap().take(), Some(1));
    }

    #[test]
    fn what_is_forgotten_is_closed_when_it_is_met() {
        let pool = Pool::new(1);
        let keep = |value| {
            let mut permit = pool.permit(soon()).unwrap();
            permit.keep(value);
            permit
        };
        let old = keep(1);
        pool.forget(old.epoch());
        pool.forget(old.epoch());
        drop(old);
        assert_eq!(pool.epoch(), 1, "once for all that were given before");
        assert_eq!(pool.permit(soon()).unwrap().take(), None);
        drop(keep(2));
        pool.forget(pool.epoch());
        assert_eq!(pool.permit(soon()).unwrap().take(), None);
    }
}
