use std::sync::Arc;

use super::entries::Entries;
use super::entry::Entry;

/// Some of a store's entries, with what their owner needs to know to reclaim expired ones.
pub(super) struct Shard {
    pub(super) entries: Entries,
    /// No entry expires before this; `u64::MAX` while none expires.
    pub(super) next_expiry: u64,
    pub(super) writes_since_sweep: usize,
    /// The store's sequence before the last sweep: what was deleted since is still here.
    pub(super) swept: u64,
}

impl Shard {
    pub(super) fn new(capacity: Option<usize>) -> Self {
        Self { entries: Entries::new(capacity), next_expiry: u64::MAX, writes_since_sweep: 0, swept: 0 }
    }

    /// Removes what is `dead`, as of the sequence `now`; returns it, to be dropped outside of the lock.
    pub(super) fn sweep(&mut self, now: u64, dead: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let mut next = u64::MAX;
        let removed = self.entries.retain(|entry| {
            let keep = !dead(entry);
            if keep {
                next = next.min(entry.expiry);
            }
            keep
        });
        self.next_expiry = next;
        self.swept = now;
        self.writes_since_sweep = 0;
        removed
    }
}
