//! Deletion by tag: the horizon of each deleted tag, and the form of entries that carry tags.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::horizons::Horizons;
use super::values::Entry;

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
        let (key, inner) = (entry.bytes().clone(), Arc::clone(&entry));
        let (checked, left) = (AtomicU64::new(birth), AtomicBool::new(false));
        Entry::around(key, &inner, bytes, Self { entry, tags: tags.into(), checked, left })
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

/// The horizons of deleted tags: what carries the tag and was born before is deleted.
#[derive(Default)]
pub(super) struct TagHorizons {
    horizons: Horizons<u64>,
    /// The last deletion of a tag: what was born later needs no look at the others.
    latest: AtomicU64,
    /// Values born before this are not stored: the horizons that would tell whether they may be were reclaimed.
    floor: AtomicU64,
}

impl TagHorizons {
    /// Deletes what carries a tag; see [`Horizons::raise`].
    pub(super) fn raise(&self, tag: u64, moment: impl FnOnce() -> u64) -> bool {
        let moment = || {
            let at = moment();
            self.latest.fetch_max(at, Ordering::SeqCst);
            at
        };
        self.horizons.raise(tag, || (), moment)
    }

    /// Whether a value with these tags may be stored, or taken from the computation that began at `birth`.
    pub(super) fn admits(&self, tags: &[u64], birth: u64) -> bool {
        if tags.is_empty() || birth >= self.latest.load(Ordering::SeqCst) {
            return true;
        }
        // The floor last: it rose before a horizon went that the look at the map didn't find.
        !self.horizons.is_deleted(tags, birth) && birth >= self.floor.load(Ordering::SeqCst)
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
        if self.horizons.is_deleted(&tagged.tags, checked) || tagged.left.load(Ordering::Acquire) {
            return false;
        }
        tagged.checked.fetch_max(latest, Ordering::Relaxed);
        true
    }

    /// Whether a sweep takes an entry out.
    pub(super) fn dooms(&self, tagged: &Tagged) -> bool {
        self.horizons.is_deleted(&tagged.tags, tagged.checked.load(Ordering::Relaxed))
    }

    /// Begins to reclaim all present horizons: from now on nothing older is stored under tags. Returns the moment until which
    /// they are reclaimed; none if there are none.
    pub(super) fn begin_reclaim(&self, now: impl FnOnce() -> u64) -> Option<u64> {
        let admit_no_older = |_, at| _ = self.floor.fetch_max(at, Ordering::SeqCst);
        self.horizons.begin_reclaim(admit_no_older, now)
    }

    /// Drops those that a full sweep has made needless; see [`Horizons::end_reclaim`].
    pub(super) fn end_reclaim(&self, until: u64, entries: usize) {
        self.horizons.end_reclaim(until, entries, |_| ());
    }

    pub(super) fn any(&self) -> bool {
        self.horizons.any()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.horizons.len()
    }
}
