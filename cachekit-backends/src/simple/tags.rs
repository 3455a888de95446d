//! Deletion by tag: the horizon of each deleted tag, and the form of entries that carry tags.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::values::{Entry, Weight};

/// An entry with the tags that it is deleted by. A function whose entries have tags keeps all of them in this form, so that a
/// lookup of any other function doesn't meet it.
pub struct Tagged {
    entry: Arc<Entry>,
    /// Keyed digests. Two tags of one digest would only cost each other a miss.
    tags: Box<[u64]>,
    /// Whether tags were deleted since is known up to this moment of the store's sequence. At first the birth.
    checked: AtomicU64,
    /// It is no longer in its table, so the horizons may be reclaimed that would tell whether it is deleted.
    left: AtomicBool,
}

impl Tagged {
    /// An entry to be stored, whose computation began at `birth`.
    pub fn entry(entry: Arc<Entry>, tags: &[u64], birth: u64) -> Arc<Entry> {
        let bytes = (size_of::<Self>() + size_of_val(tags)) as u64;
        let weight = Weight { bytes: entry.weight().saturating_add(bytes), exact: entry.may_be_pinned() };
        let key = entry.bytes().clone();
        let (checked, left) = (AtomicU64::new(birth), AtomicBool::new(false));
        Entry::new(key, weight, Self { entry, tags: tags.into(), checked, left })
    }

    /// The entry as it is without tags. Whether it is deleted is asked of [`Tables::serves`](super::Tables::serves).
    pub fn untagged(&self) -> &Entry {
        &self.entry
    }

    /// Notes that it leaves its table. Called under the table's lock, which a sweep takes before it reclaims horizons.
    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::Release);
    }
}

/// The least number of horizons at which they are reclaimed.
const FEW: usize = 4096;

/// The horizons of deleted tags, as moments of the store's sequence: what carries the tag and was born before is deleted.
/// Their number is bounded: with the one that reaches the bound, the store is swept.
pub(super) struct TagHorizons {
    map: RwLock<HashMap<u64, u64, RandomState>>,
    /// The last deletion of a tag: what was born later needs no look at the map.
    latest: AtomicU64,
    /// Values born before this are not stored: the horizons that would tell whether they may be were reclaimed.
    floor: AtomicU64,
    most: AtomicUsize,
}

impl Default for TagHorizons {
    fn default() -> Self {
        Self {
            map: RwLock::default(),
            latest: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            most: AtomicUsize::new(FEW),
        }
    }
}

impl TagHorizons {
    /// Deletes what carries a tag. `moment` takes the next number of the sequence; it runs under the lock, so that
    /// [`begin_reclaim`](Self::begin_reclaim) sees the horizons of all moments until its own. Returns whether there are as many
    /// horizons as there may be.
    pub(super) fn raise(&self, tag: u64, moment: impl FnOnce() -> u64) -> bool {
        let mut map = self.map.write();
        let at = moment();
        map.insert(tag, at);
        self.latest.fetch_max(at, Ordering::SeqCst);
        map.len() >= self.most.load(Ordering::Relaxed)
    }

    fn is_deleted(&self, tags: &[u64], birth: u64) -> bool {
        // Recursive: a caller may hold the lock for reading further out.
        let map = self.map.read_recursive();
        tags.iter().any(|tag| map.get(tag).is_some_and(|&horizon| birth < horizon))
    }

    /// Whether a value with these tags may be stored, or taken from the computation that began at `birth`.
    pub(super) fn admits(&self, tags: &[u64], birth: u64) -> bool {
        if tags.is_empty() || birth >= self.latest.load(Ordering::SeqCst) {
            return true;
        }
        // The floor last: it rose before a horizon went that the look at the map didn't find.
        !self.is_deleted(tags, birth) && birth >= self.floor.load(Ordering::SeqCst)
    }

    /// Whether no tag of an entry was deleted since its birth.
    pub(super) fn serves(&self, tagged: &Tagged) -> bool {
        // Before the look at the map, which then has all horizons until this one.
        let latest = self.latest.load(Ordering::SeqCst);
        let checked = tagged.checked.load(Ordering::Relaxed);
        if checked >= latest {
            return true;
        }
        // After the look: a horizon is reclaimed only once the entries that it deletes have left.
        if self.is_deleted(&tagged.tags, checked) || tagged.left.load(Ordering::Acquire) {
            return false;
        }
        tagged.checked.fetch_max(latest, Ordering::Relaxed);
        true
    }

    /// Whether a sweep takes an entry out.
    pub(super) fn dooms(&self, tagged: &Tagged) -> bool {
        self.is_deleted(&tagged.tags, tagged.checked.load(Ordering::Relaxed))
    }

    /// Begins to reclaim all present horizons: from now on nothing older is stored under tags. Returns the moment until which
    /// they are reclaimed; none if there are none.
    pub(super) fn begin_reclaim(&self, now: impl FnOnce() -> u64) -> Option<u64> {
        let map = self.map.read();
        let last = map.values().max()?;
        self.floor.fetch_max(*last, Ordering::SeqCst);
        Some(now())
    }

    /// Drops the horizons that a full sweep has made needless, unless they rose meanwhile. A store of `entries` may have a
    /// quarter as many horizons before the next sweep, which so costs a deletion four looks at entries.
    pub(super) fn end_reclaim(&self, until: u64, entries: usize) {
        let mut map = self.map.write();
        map.retain(|_, &mut at| at > until);
        map.shrink_to(FEW);
        self.most.store(map.len() + FEW.max(entries / 4), Ordering::Relaxed);
    }

    pub(super) fn any(&self) -> bool {
        !self.map.read_recursive().is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.map.read().len()
    }
}
