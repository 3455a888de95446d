//! Hit for miss: pages whose responses can't be stored, so that nobody waits for one of them.

use std::collections::HashMap;

use parking_lot::Mutex;

/// How long a page is remembered, in milliseconds.
const MEMORY: u64 = 120_000;
/// The most pages that are remembered.
const MOST: usize = 4096;

/// Pages by the digest of their key, and until when they are remembered. Two pages of one digest only cost each other the
/// waiting.
#[derive(Default)]
pub(super) struct Uncacheable(Mutex<HashMap<u64, u64>>);

impl Uncacheable {
    pub(super) fn holds(&self, digest: u64, now: u64) -> bool {
        self.0.lock().get(&digest).is_some_and(|&until| now < until)
    }

    pub(super) fn add(&self, digest: u64, now: u64) {
        let mut all = self.0.lock();
        if all.len() >= MOST {
            all.retain(|_, until| now < *until);
        }
        if all.len() < MOST {
            all.insert(digest, now.saturating_add(MEMORY));
        }
    }

    pub(super) fn remove(&self, digest: u64) {
        self.0.lock().remove(&digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_forgotten_and_never_too_many() {
        let pages = Uncacheable::default();
        pages.add(1, 0);
        assert!(pages.holds(1, MEMORY - 1) && !pages.holds(1, MEMORY) && !pages.holds(2, 0));
        pages.remove(1);
        assert!(!pages.holds(1, 0));
        for digest in 0..2 * MOST as u64 {
            pages.add(digest, 0);
        }
        assert_eq!(pages.0.lock().len(), MOST);
        pages.add(1 << 40, MEMORY);
        assert_eq!(pages.0.lock().len(), 1, "those whose time is over make room");
    }
}
