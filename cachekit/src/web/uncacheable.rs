//! Hit for miss: pages whose responses can't be stored, so that no request waits for another's.

use parking_lot::Mutex;

/// How long a page is remembered, in milliseconds.
const MEMORY: u64 = 120_000;
/// How many pages are remembered.
const MOST: usize = 4096;

/// A table of fixed size, by the digests of pages. A page that another one displaces, and two pages with one digest, only cost
/// a wait. Clients choose which pages are asked for, so neither the memory nor the time of an operation depends on their
/// number.
#[derive(Default)]
pub(super) struct Uncacheable(Mutex<Vec<Slot>>);

/// A digest, and until when it is remembered.
#[derive(Clone, Copy, Default)]
struct Slot {
    digest: u64,
    until: u64,
}

#[expect(clippy::cast_possible_truncation, reason = "less than `MOST`")]
const fn index(digest: u64) -> usize {
    (digest % MOST as u64) as usize
}

impl Uncacheable {
    pub(super) fn holds(&self, digest: u64, now: u64) -> bool {
        self.0.lock().get(index(digest)).is_some_and(|slot| slot.digest == digest && now < slot.until)
    }

    pub(super) fn add(&self, digest: u64, now: u64) {
        let mut slots = self.0.lock();
        if slots.is_empty() {
            slots.resize(MOST, Slot::default());
        }
        slots[index(digest)] = Slot { digest, until: now.saturating_add(MEMORY) };
    }

    pub(super) fn remove(&self, digest: u64) {
        if let Some(slot) = self.0.lock().get_mut(index(digest)).filter(|slot| slot.digest == digest) {
            slot.until = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_forgotten_and_never_too_many() {
        let pages = Uncacheable::default();
        assert!(!pages.holds(0, 0), "nothing is remembered at first");
        pages.remove(1);
        pages.add(1, 0);
        assert!(pages.holds(1, MEMORY - 1) && !pages.holds(1, MEMORY) && !pages.holds(2, 0));
        pages.remove(1);
        assert!(!pages.holds(1, 0));
        for digest in 0..10 * MOST as u64 {
            pages.add(digest, 0);
            assert!(pages.holds(digest, 0), "a full table takes new pages");
        }
        assert_eq!(pages.0.lock().len(), MOST);
    }
}
