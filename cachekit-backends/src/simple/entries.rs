use std::sync::Arc;

use hashbrown::HashTable;

use super::entry::Entry;
use super::eviction::{Eviction, at};

/// The entries of a shard, looked up by the digest of their keys, as many as it may hold.
///
/// An entry stays in its slot for as long as it is there, and the order of the slots is the order of eviction.
pub(super) struct Entries {
    /// The slots by digest.
    index: HashTable<u32>,
    slots: Vec<Option<Arc<Entry>>>,
    /// Slots without an entry.
    vacant: Vec<u32>,
    /// None where everything is kept.
    eviction: Option<Eviction>,
    /// How many were put out for want of room.
    evictions: u64,
}

impl Entries {
    /// At most so many entries; as many as come, if it isn't said. Allocates nothing.
    pub(super) fn new(capacity: Option<usize>) -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            vacant: Vec::new(),
            eviction: capacity.map(Eviction::new),
            evictions: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The entry of a digest that `is` the one.
    #[inline]
    pub(super) fn find(&self, digest: u64, is: impl Fn(&Entry) -> bool) -> Option<&Arc<Entry>> {
        let slots = &*self.slots;
        let slot =
            self.index.find(digest, |&slot| at(slots, slot).is_some_and(|e| e.digest == digest && is(e)))?;
        at(slots, *slot)
    }

    /// All entries, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.slots.iter().flatten()
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Puts an entry in, in the place of its key's, or of one that the eviction policy names if there is no room. What
    /// it displaces is returned, to be dropped outside of the lock.
    pub(super) fn insert(&mut self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        if let Some(old) = self.replace(&entry) {
            return Some(old);
        }
        let full = self.eviction.as_ref().is_some_and(|eviction| self.len() >= eviction.capacity());
        let evicted = if full { self.evict() } else { None };
        let slot = self.enter(entry);
        if let Some(eviction) = &mut self.eviction {
            eviction.entered(&self.slots, slot);
        }
        evicted
    }

    /// Gives an entry a slot, and makes it known.
    fn enter(&mut self, entry: Arc<Entry>) -> u32 {
        let digest = entry.digest;
        let slot = self.fill(entry);
        let slots = &*self.slots;
        self.index.insert_unique(digest, slot, |&slot| at(slots, slot).map_or(0, |entry| entry.digest));
        slot
    }

    /// Puts an entry in the place of its key's, if there is one.
    fn replace(&mut self, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
        let slots = &*self.slots;
        let &slot = self
            .index
            .find(entry.digest, |&slot| at(slots, slot).is_some_and(|old| old.has_key_of(entry)))?;
        let place = self.slots.get_mut(slot as usize)?;
        let old = place.replace(Arc::clone(entry))?;
        entry.set_young(old.is_young());
        entry.set_uses(old.uses());
        old.leave();
        Some(old)
    }

    fn fill(&mut self, entry: Arc<Entry>) -> u32 {
        if let Some(slot) = self.vacant.pop()
            && let Some(place) = self.slots.get_mut(slot as usize)
        {
            *place = Some(entry);
            return slot;
        }
        self.slots.push(Some(entry));
        // 2^32 entries of a hundred bytes are beyond any memory.
        #[allow(clippy::cast_possible_truncation)]
        let slot = (self.slots.len() - 1) as u32;
        slot
    }

    fn evict(&mut self) -> Option<Arc<Entry>> {
        let slot = self.eviction.as_mut()?.victim(&self.slots)?;
        let entry = self.empty(slot)?;
        if let Ok(place) = self.index.find_entry(entry.digest, |&known| known == slot) {
            place.remove();
        }
        self.evictions += 1;
        Some(entry)
    }

    /// Takes the entry out of a slot.
    fn empty(&mut self, slot: u32) -> Option<Arc<Entry>> {
        let entry = self.slots.get_mut(slot as usize)?.take()?;
        entry.leave();
        self.vacant.push(slot);
        Some(entry)
    }

    /// Removes the entry of a digest that `is` the one; the caller drops it after the lock.
    pub(super) fn remove(&mut self, digest: u64, is: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        let slots = &*self.slots;
        let known = self
            .index
            .find_entry(digest, |&slot| at(slots, slot).is_some_and(|e| e.digest == digest && is(e)));
        let (slot, _) = known.ok()?.remove();
        let entry = self.empty(slot)?;
        if let Some(eviction) = &mut self.eviction {
            eviction.leaves(&entry, slot);
        }
        Some(entry)
    }

    /// Removes what is not to be kept; returns it, to be dropped outside of the lock.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let Self { index, slots, vacant, eviction, .. } = self;
        let mut removed = Vec::new();
        index.retain(|&mut slot| {
            let Some(place) = slots.get_mut(slot as usize) else { return false };
            let Some(entry) = place.take_if(|entry| !keep(entry)) else { return true };
            entry.leave();
            vacant.push(slot);
            removed.push(entry);
            false
        });
        if let Some(eviction) = eviction {
            eviction.left(slots);
        }
        self.shrink();
        removed
    }

    /// Gives back what a burst needed. Where there is a bound, it bounds this as well.
    fn shrink(&mut self) {
        if self.index.len() >= self.slots.len() / 4 || self.eviction.is_some() && !self.is_empty() {
            return;
        }
        for entry in self.take().slots.into_iter().flatten() {
            self.enter(entry);
        }
    }

    /// Removes all, and gives the memory back.
    pub(super) fn drain(&mut self) -> Vec<Arc<Entry>> {
        let all: Vec<_> = self.take().slots.into_iter().flatten().collect();
        for entry in &all {
            entry.leave();
        }
        all
    }

    /// The slots of the entries that are newcomers, and the slots that stand in their queue.
    #[cfg(test)]
    pub(super) fn newcomers(&self) -> (Vec<u32>, Vec<u32>) {
        let young = |slot: &u32| at(&self.slots, *slot).is_some_and(|entry| entry.is_young());
        let marked = (0..).take(self.slots.len()).filter(young).collect();
        let mut queue = self.eviction.as_ref().map_or_else(Vec::new, Eviction::newcomers);
        queue.sort_unstable();
        (marked, queue)
    }

    /// How many slots there are, with and without an entry.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.slots.len()
    }

    fn take(&mut self) -> Self {
        let mut empty = Self::new(self.eviction.as_ref().map(Eviction::capacity));
        empty.evictions = self.evictions;
        std::mem::replace(self, empty)
    }
}
