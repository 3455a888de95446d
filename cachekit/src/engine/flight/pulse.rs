//! Whether a task that computes is still polled when it is woken.
//!
//! A body that is a future makes progress only while its task is polled. A task may hold it back: it may await another call of
//! the same key before it polls the first one again, and then both wait for ever. So the body's waker notes each wake, and
//! each poll ends the note. A body that was woken and was not polled for [`STALL`] has lost its place: its waiters compute.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

// No schedule of a model checker depends on this lock.
use parking_lot::Mutex;

use super::sync::since_start;

/// How long a body that was woken may stay unpolled.
pub(crate) const STALL: Duration = Duration::from_secs(1);

/// The state of one body.
pub(super) struct Pulse {
    /// When it was woken first since its last poll, in milliseconds since [`since_start`] began, plus one; 0 if it was not.
    pub(super) woken: AtomicU64,
    /// The waker of the body's task. In an `Arc`, because cloning a waker is foreign code, which no lock is held over.
    task: Mutex<Arc<Waker>>,
}

impl Pulse {
    #[inline(never)]
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { woken: AtomicU64::new(0), task: Mutex::new(Arc::new(Waker::noop().clone())) })
    }

    /// Notes that the body is polled, and returns the waker to poll it with.
    #[inline(never)]
    pub(super) fn beat(self: &Arc<Self>, task: &Waker) -> Waker {
        self.woken.store(0, Ordering::SeqCst);
        let known = Arc::clone(&self.task.lock());
        if !known.will_wake(task) {
            let fresh = Arc::new(task.clone());
            let _before = mem::replace(&mut *self.task.lock(), fresh);
        }
        Waker::from(Arc::clone(self))
    }

    /// Whether the body was woken at least [`STALL`] ago and was not polled since.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost_at(since_start())
    }

    pub(super) fn is_lost_at(&self, now: u64) -> bool {
        let woken = self.woken.load(Ordering::SeqCst);
        woken != 0 && u128::from((now + 1).saturating_sub(woken)) >= STALL.as_millis()
    }
}

impl Wake for Pulse {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let _ = self.woken.compare_exchange(0, since_start() + 1, Ordering::SeqCst, Ordering::SeqCst);
        let task = Arc::clone(&self.task.lock());
        task.wake_by_ref();
    }
}
