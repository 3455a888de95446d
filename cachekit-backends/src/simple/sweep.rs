//! The thread that reclaims expired entries of stores that are not written to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::tables::Tables;
use crate::Clock;
use crate::process::{PATIENCE, in_forked_processes, process_number};

/// The shortest and the longest time between two sweeps.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);

struct Watched {
    stores: Vec<Weak<Tables>>,
    /// The process whose thread sweeps them, as long as there is one.
    swept_by: Option<u32>,
    /// Whether forked processes are to start a thread of their own.
    follows_forks: bool,
}

/// Locked for some hundred nanoseconds at a time. A fork may leave it locked, so no wait for it is without an end: then the
/// forked process has no such thread.
static WATCHED: Mutex<Watched> =
    Mutex::new(Watched { stores: Vec::new(), swept_by: None, follows_forks: false });

/// Sweeps a store from time to time for as long as it lives. One thread for all stores; it ends with the last of them.
pub(super) fn watch(store: &Arc<Tables>) {
    // Asked for first: in a forked process this starts the thread, which takes the lock.
    process_number();
    let Some(mut watched) = WATCHED.try_lock_for(PATIENCE) else { return };
    watched.stores.push(Arc::downgrade(store));
    if !std::mem::replace(&mut watched.follows_forks, true) {
        in_forked_processes(resume);
    }
    watched.start();
}

/// Starts the thread anew in a process that was forked.
fn resume() {
    if let Some(mut watched) = WATCHED.try_lock_for(PATIENCE) {
        watched.start();
    }
}

impl Watched {
    fn start(&mut self) {
        let process = process_number();
        if !self.stores.is_empty() && self.swept_by != Some(process) {
            // Without a thread, writes and lookups still reclaim what they meet.
            let spawned = std::thread::Builder::new().name("cachekit-sweep".into()).spawn(run);
            self.swept_by = spawned.is_ok().then_some(process);
        }
    }

    /// The stores that live; none if there are none, when the thread is to end.
    fn living(&mut self) -> Option<Vec<Arc<Tables>>> {
        self.stores.retain(|store| store.strong_count() > 0);
        if self.stores.is_empty() {
            self.swept_by = None;
            return None;
        }
        Some(self.stores.iter().filter_map(Weak::upgrade).collect())
    }
}

fn run() {
    loop {
        let Some(stores) = WATCHED.lock().living() else { return };
        // The pace of the sweeper: an entry has no thread that waits for its end.
        std::thread::sleep(sweep(stores));
    }
}

/// Sweeps the stores that have something expired; how long to pause until one may have again.
fn sweep(stores: Vec<Arc<Tables>>) -> Duration {
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
    use crate::simple::{Entry, ValueCall, Weight};
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
        let tables = Tables::new(0, 0, clock.clock());
        let bytes = KeyBytes::new(b"k");
        let entry = Entry::new(bytes.clone(), Weight { bytes: 1, exact: true }, Bomb);
        let call = ValueCall { digest: 1, bytes, instance: 0 };
        assert!(tables.values(1, false).put(&call, entry, clock.clock().monotonic() + 1, || true));
        clock.advance(Duration::from_millis(1));
        sweep(vec![Arc::clone(&tables)]);
        assert!(tables.is_empty());
    }
}
