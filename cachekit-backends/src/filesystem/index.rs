//! The entries of the directory that this process knows: enough to find the next victim in logarithmic time.
//!
//! Its own writes are noted at once, those of other processes when the sweep comes by. It may be wrong about others'
//! files, so a victim is looked at again, under its lock, before it goes.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::Id;
use super::layout::Head;

#[derive(Clone, Copy, Debug)]
struct Known {
    written: u64,
    expiry: u64,
}

/// Known entries by name, by age and by expiry: about 150 bytes each.
#[derive(Debug, Default)]
pub(super) struct Index {
    known: BTreeMap<Id, Known>,
    by_age: BTreeSet<(u64, Id)>,
    /// Only those that expire.
    by_expiry: BTreeSet<(u64, Id)>,
}

impl Index {
    /// Notes an entry as it was just written or seen.
    pub(super) fn note(&mut self, id: Id, head: &Head) {
        self.forget(id);
        self.known.insert(id, Known { written: head.written, expiry: head.expiry });
        self.by_age.insert((head.written, id));
        if head.expiry != 0 {
            self.by_expiry.insert((head.expiry, id));
        }
    }

    /// Forgets an entry that is gone.
    pub(super) fn forget(&mut self, id: Id) {
        if let Some(known) = self.known.remove(&id) {
            self.by_age.remove(&(known.written, id));
            self.by_expiry.remove(&(known.expiry, id));
        }
    }

    /// The entry to give up for a new one: an expired one, else the one written longest ago.
    pub(super) fn victim(&self, now: u64) -> Option<Id> {
        self.expired(now).or_else(|| self.by_age.first().map(|&(_, id)| id))
    }

    /// An expired entry.
    pub(super) fn expired(&self, now: u64) -> Option<Id> {
        self.by_expiry.first().filter(|(expiry, _)| now >= *expiry).map(|&(_, id)| id)
    }

    /// How many entries are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// When an entry was written, as far as is known.
    pub(super) fn written(&self, id: Id) -> Option<u64> {
        self.known.get(&id).map(|known| known.written)
    }

    /// The entries of a subfolder that need no second look: known, and with time left; in ascending order.
    pub(super) fn fresh(&self, stripe: u8, now: u64) -> Vec<Id> {
        let fresh = |known: &Known| known.expiry == 0 || now < known.expiry;
        self.in_stripe(stripe).filter(|(_, known)| fresh(known)).map(|(&id, _)| id).collect()
    }

    /// Forgets the entries of a subfolder that are not in the list, which is in ascending order.
    pub(super) fn keep_only(&mut self, stripe: u8, present: &[Id]) {
        let gone = |id: &Id| present.binary_search(id).is_err();
        let gone: Vec<Id> = self.in_stripe(stripe).map(|(&id, _)| id).filter(gone).collect();
        for id in gone {
            self.forget(id);
        }
    }

    fn in_stripe(&self, stripe: u8) -> impl Iterator<Item = (&Id, &Known)> {
        let first = Id::from(stripe) << 120;
        self.known.range(first..=first | (Id::MAX >> 8))
    }
}
