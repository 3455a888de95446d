//! The tables of the in-process store, with [loom]'s primitives in the place of the real ones.
//!
//! [loom]: https://docs.rs/loom

#[path = "../../../cachekit-backends/src/simple/buckets/mod.rs"]
pub(crate) mod buckets;
#[path = "../../../cachekit-backends/src/simple/budget.rs"]
pub(crate) mod budget;
#[path = "../../../cachekit-backends/src/simple/ghosts.rs"]
mod ghosts;

/// The primitives of `cachekit-backends/src/simple/sync.rs`, from loom.
mod sync {
    pub(super) use loom::sync::MutexGuard;
    pub(super) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
    use loom::sync::{RwLockReadGuard, RwLockWriteGuard};

    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }
        pub(super) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no test panics under a lock")
        }
        pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    pub(super) struct RwLock<T>(loom::sync::RwLock<T>);

    impl<T: Default> Default for RwLock<T> {
        fn default() -> Self {
            Self(loom::sync::RwLock::new(T::default()))
        }
    }

    impl<T> RwLock<T> {
        pub(super) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().expect("no test panics under a lock")
        }
        pub(super) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().expect("no test panics under a lock")
        }
    }
}

pub(crate) mod program {
    use std::sync::Arc;

    use super::buckets::{ClaimId, Claimed, Contents, Draft, Right, Subject, Table};
    use super::budget::Budget;
    use crate::Clock;

    /// Hashes are chosen by the tests.
    pub(crate) struct Words;

    impl Contents<1, 2> for Words {
        type Left = ();
        type Exact = ();
        fn hash(&self, [key]: &[u64; 1]) -> u64 {
            *key
        }
        fn weight(&self, _: &[u64; 2]) -> u64 {
            1
        }
        fn leave(&self, _: [u64; 2], (): &mut ()) {}
    }

    /// A table whose values are two words that show whether they belong together.
    pub(crate) struct Program(Table<Words, 1, 2>);

    impl Program {
        pub(crate) fn new(threshold: usize) -> Self {
            Self(Table::new(Words, Clock::default(), Arc::new(Budget::new(threshold, 0)), true))
        }

        /// An empty table whose first buckets were made, because loom doesn't know the lock that makes them.
        pub(crate) fn with_pages() -> Self {
            let table = Self::new(0);
            table.put(0, 0);
            table.remove(0);
            table
        }

        fn subject(key: u64) -> Subject<(), 1> {
            Subject { hash: key, key: [key], exact: (), instance: 1 }
        }

        /// The number that a key's value was made of.
        pub(crate) fn get(&self, key: u64) -> Option<u64> {
            let [value, check] = self.0.get(key, &[key])?;
            assert_eq!(check, !value ^ key, "two words of different values");
            Some(value)
        }

        pub(crate) fn fill(&self, key: u64, value: u64, right: Right, expiry: u64) -> bool {
            let draft =
                Draft { subject: Self::subject(key), value: [value, !value ^ key], weight: 1, expiry };
            self.0.store(right, &draft, || true, &mut ()).stored
        }

        pub(crate) fn put(&self, key: u64, value: u64) {
            assert!(self.fill(key, value, Right::Always, u64::MAX));
        }

        pub(crate) fn claim(&self, key: u64) -> Option<ClaimId> {
            match self.0.claim(Self::subject(key), |_| true, |_| true, || Arc::new(()), &mut ()) {
                Claimed::Yours(id) => Some(id),
                Claimed::Found(_) | Claimed::Busy(_) => None,
            }
        }

        pub(crate) fn remove(&self, key: u64) -> bool {
            self.0.remove(&Self::subject(key), |_| true, || (), &mut ())
        }

        pub(crate) fn delete_all(&self) {
            self.0.delete_all(&mut ());
        }

        pub(crate) fn delete_instance(&self) {
            self.0.delete_instance(1, &mut ());
        }

        pub(crate) fn sweep(&self) {
            self.0.sweep(&mut ());
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len()
        }
    }
}
