//! The thread that reclaims expired entries of stores that nobody writes to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::store::SimpleStore;
use crate::Clock;

/// The shortest and the longest time between two sweeps.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);

struct Watched {
    stores: Mutex<(Vec<Weak<SimpleStore>>, bool)>,
    wake: Condvar,
}

static WATCHED: Watched = Watched { stores: Mutex::new((Vec::new(), false)), wake: Condvar::new() };

/// Sweeps a store from time to time for as long as it lives. One thread for all stores; it ends with the last of them.
pub(super) fn watch(store: &Arc<SimpleStore>) {
    let mut guard = WATCHED.stores.lock();
    let (stores, running) = &mut *guard;
    stores.push(Arc::downgrade(store));
    if !*running {
        // Without a thread, writes and lookups still reclaim what they meet.
        *running = std::thread::Builder::new().name("cachekit-sweep".into()).spawn(run).is_ok();
    }
}

fn run() {
    let mut guard = WATCHED.stores.lock();
    loop {
        guard.0.retain(|store| store.strong_count() > 0);
        if guard.0.is_empty() {
            guard.1 = false;
            return;
        }
        let stores: Vec<_> = guard.0.iter().filter_map(Weak::upgrade).collect();
        let pause = parking_lot::MutexGuard::unlocked(&mut guard, move || sweep(stores));
        WATCHED.wake.wait_for(&mut guard, pause);
    }
}

/// Sweeps the stores that have something expired; how long to pause until one may have again.
fn sweep(stores: Vec<Arc<SimpleStore>>) -> Duration {
    let real = Clock::system();
    let mut pause = LONGEST;
    for store in stores {
        // Values are dropped there, which is the user's code: if it panics, the next sweep goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if store.needs_sweep() {
                store.sweep();
            }
        }));
        let left = store.next_expiry().saturating_sub(real.monotonic());
        pause = pause.min(Duration::from_millis(left));
    }
    pause.max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simple::Draft;
    use crate::{KeyBytes, ManualClock};

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    #[test]
    fn a_value_whose_drop_panics_does_not_end_the_sweeping_thread() {
        let clock = ManualClock::new();
        let store = SimpleStore::new(0, clock.clock());
        let expiry = clock.clock().monotonic() + 1;
        let draft =
            Draft { digest: 1, bytes: KeyBytes::new(b"k"), expiry, birth: 1, instance: 0, function: 1 };
        assert!(store.insert(SimpleStore::entry(draft, Bomb), || true));
        clock.advance(Duration::from_millis(1));
        sweep(vec![Arc::clone(&store)]);
        assert!(store.is_empty());
    }
}
