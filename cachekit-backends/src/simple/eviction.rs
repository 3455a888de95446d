//! Which entry goes when a table is full: S3-FIFO (Yang et al., SOSP 2023), its main queue as a clock over the slots.
//!
//! A newcomer stands in a short queue. At its end it leaves, unless it was used meanwhile: then it is one of the others,
//! around which a hand goes that evicts the first entry without uses and takes one use from each that it passes. A key
//! that comes back soon after its eviction skips the queue. A use is a mark on the entry, so that a hit takes no lock and
//! moves nothing; scans pass through the short queue and leave the others alone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::entry::Entry;
use super::ghosts::Ghosts;

pub(super) type Slots = [Option<Arc<Entry>>];

/// The share of a table that newcomers have: one in so many. `quick_cache` gives them as much.
const YOUNG_SHARE: usize = 33;
/// The most newcomers: the removal of one looks through all.
const MOST_YOUNG: usize = 512;
/// The most entries that the hand passes for one eviction, so that an insert has a bound.
const MOST_STEPS: usize = 64;

pub(super) struct Eviction {
    capacity: usize,
    /// The slots of the newcomers, the oldest first.
    young: VecDeque<u32>,
    hand: usize,
    ghosts: Ghosts,
}

impl Eviction {
    /// Of a table of at least one entry.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), young: VecDeque::new(), hand: 0, ghosts: Ghosts::default() }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    fn most_young(&self) -> usize {
        (self.capacity / YOUNG_SHARE).clamp(1, MOST_YOUNG)
    }

    /// An entry has come into a slot.
    pub(super) fn entered(&mut self, slots: &Slots, slot: u32) {
        let Some(entry) = at(slots, slot) else { return };
        if self.ghosts.take(entry.digest) {
            return;
        }
        // A table that is not full yet keeps its newcomers.
        while self.young.len() > self.most_young()
            && let Some(oldest) = self.young.pop_front()
        {
            grow_up(slots, oldest);
        }
        entry.set_young(true);
        self.young.push_back(slot);
    }

    /// An entry leaves its slot for another reason than eviction.
    pub(super) fn leaves(&mut self, entry: &Entry, slot: u32) {
        if entry.is_young()
            && let Some(at) = self.young.iter().position(|&young| young == slot)
        {
            self.young.remove(at);
        }
    }

    /// Many entries have left.
    pub(super) fn left(&mut self, slots: &Slots) {
        self.young.retain(|&slot| at(slots, slot).is_some());
    }

    /// The slot whose entry is to go, of a full table. No queue holds it any more.
    pub(super) fn victim(&mut self, slots: &Slots) -> Option<u32> {
        let slot = self.victim_of_young(slots).or_else(|| self.victim_of_hand(slots))?;
        if let Some(entry) = at(slots, slot) {
            self.ghosts.put(entry.digest, self.capacity);
        }
        Some(slot)
    }

    /// The slots of the newcomers.
    #[cfg(test)]
    pub(super) fn newcomers(&self) -> Vec<u32> {
        self.young.iter().copied().collect()
    }

    fn victim_of_young(&mut self, slots: &Slots) -> Option<u32> {
        // Where all are newcomers, the hand would find nothing.
        while self.young.len() > self.most_young() || self.young.len() == self.capacity {
            let slot = self.young.pop_front()?;
            if at(slots, slot)?.uses() == 0 {
                return Some(slot);
            }
            grow_up(slots, slot);
        }
        None
    }

    fn victim_of_hand(&mut self, slots: &Slots) -> Option<u32> {
        let mut least: Option<(u8, usize)> = None;
        let mut steps = 0;
        // Twice around meets every entry, whichever of them are newcomers.
        for _ in 0..2 * slots.len() {
            let slot = if self.hand < slots.len() { self.hand } else { 0 };
            self.hand = slot + 1;
            let Some(entry) = slots.get(slot)?.as_ref().filter(|entry| !entry.is_young()) else { continue };
            let uses = entry.uses();
            if least.is_none_or(|(fewest, _)| uses < fewest) {
                least = Some((uses, slot));
            }
            steps += 1;
            if uses == 0 || steps == MOST_STEPS {
                break;
            }
            entry.set_uses(uses - 1);
        }
        // There are fewer slots than that.
        least.and_then(|(_, slot)| u32::try_from(slot).ok())
    }
}

/// The entry in a slot.
#[inline]
pub(super) fn at(slots: &Slots, slot: u32) -> Option<&Arc<Entry>> {
    slots.get(slot as usize)?.as_ref()
}

/// Makes a newcomer one of the others.
fn grow_up(slots: &Slots, slot: u32) {
    if let Some(entry) = at(slots, slot) {
        entry.set_young(false);
        entry.set_uses(0);
    }
}
