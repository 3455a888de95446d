//! Work on a value that may wait for a lock which the caller itself holds, and so is done on a thread of its own.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long the work may take before it counts as one that waits for a lock.
const PATIENCE: Duration = Duration::from_secs(2);

/// The result of work on a thread of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aside<T> {
    Done(T),
    /// It panicked, or no thread could be started.
    Failed,
    /// It has not ended in time. It goes on, and its result is dropped.
    Blocked,
}

enum State<T> {
    Queued,
    Running,
    Ended(Option<T>),
}

/// The state of the work, and its changes.
struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> Slot<T> {
    fn set(&self, state: State<T>) {
        *self.state.lock() = state;
        self.changed.notify_all();
    }
}

/// Runs the work on a thread of its own, and waits for its result for two seconds from when it has begun.
pub(super) fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Aside<T> {
    within(PATIENCE, work)
}

fn within<T: Send + 'static>(patience: Duration, work: impl FnOnce() -> T + Send + 'static) -> Aside<T> {
    let slot = Arc::new(Slot { state: Mutex::new(State::Queued), changed: Condvar::new() });
    let theirs = Arc::clone(&slot);
    let run = move || {
        theirs.set(State::Running);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        theirs.set(State::Ended(result.ok()));
    };
    if thread::Builder::new().name("cachekit-check".into()).spawn(run).is_err() {
        return Aside::Failed;
    }
    let mut state = slot.state.lock();
    slot.changed.wait_while(&mut state, |state| matches!(state, State::Queued));
    slot.changed.wait_while_for(&mut state, |state| matches!(state, State::Running), patience);
    match &mut *state {
        State::Ended(result) => result.take().map_or(Aside::Failed, Aside::Done),
        State::Queued | State::Running => Aside::Blocked,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::{Aside, aside, within};

    #[test]
    fn work_that_waits_for_a_lock_of_its_caller_is_blocked_and_ends_later() {
        assert_eq!(aside(|| 7), Aside::Done(7));
        assert_eq!(aside(|| -> u8 { std::panic::resume_unwind(Box::new(())) }), Aside::Failed);
        let lock = Arc::new(Mutex::new(0));
        let theirs = Arc::clone(&lock);
        let held = lock.lock();
        assert_eq!(within(Duration::from_millis(1), move || *theirs.lock() += 1), Aside::Blocked);
        drop(held);
        while *lock.lock() == 0 {
            std::thread::yield_now();
        }
    }
}
