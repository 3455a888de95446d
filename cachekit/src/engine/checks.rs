//! Which stores of a function are checked: for values that do not come back equal, and for values whose clones share.

use std::sync::atomic::{AtomicU8, Ordering};

/// How many stores of a function are checked in a release build. A debug build checks all.
const FIRST: u8 = 8;
/// The state of a function that had a value which failed: all later stores are checked.
const FAILED: u8 = u8::MAX;

/// Which stores of a function are checked.
#[derive(Debug, Default)]
pub(crate) struct Checks(AtomicU8);

impl Checks {
    /// Whether the next store is checked.
    pub(crate) fn is_due(&self) -> bool {
        match self.0.load(Ordering::Relaxed) {
            FAILED => true,
            FIRST.. => cfg!(debug_assertions),
            done => {
                // If another thread was faster, one store more is checked.
                let _ = self.0.compare_exchange(done, done + 1, Ordering::Relaxed, Ordering::Relaxed);
                true
            }
        }
    }

    /// Whether a value has failed.
    pub(crate) fn have_failed(&self) -> bool {
        self.0.load(Ordering::Relaxed) == FAILED
    }

    /// Notes a value that failed; true at the first one.
    pub(crate) fn failed(&self) -> bool {
        self.0.swap(FAILED, Ordering::Relaxed) != FAILED
    }
}

#[cfg(test)]
mod tests {
    use super::{Checks, FIRST};

    #[test]
    fn the_first_stores_are_checked_and_all_after_a_failure() {
        let checks = Checks::default();
        assert!((0..FIRST).all(|_| checks.is_due()));
        assert_eq!(checks.is_due(), cfg!(debug_assertions));
        assert!(!checks.have_failed());
        assert!(checks.failed(), "the first one");
        assert!(checks.have_failed());
        assert!(!checks.failed());
        assert!((0..=u8::MAX).all(|_| checks.is_due()));
    }
}
