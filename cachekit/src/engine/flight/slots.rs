//! The flights of one shard, by the digests of their keys.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::state::Node;

/// A larger table frees its memory once it is empty.
const KEPT: usize = 64;

/// Flights by digest.
///
/// Digests are hashes under a secret of the process. Should two keys have the same one nevertheless, they share a slot: at
/// most one of them has a flight that others join, by its exact key, and a deletion of one invalidates the flights of both.
pub(super) struct Slots<K, E> {
    /// A flight that is alone in its slot. Mostly there is no other one in the shard, and no table is needed.
    first: Option<(u64, Current<K, E>)>,
    rest: HashMap<u64, Slot<K, E>, BuildHasherDefault<Unhashed>>,
}

/// The flights of a digest.
pub(super) struct Slot<K, E> {
    current: Option<Current<K, E>>,
    /// Flights that no caller joins (any more), by address; here so that a deletion finds them. Seldom any.
    others: BTreeMap<usize, Node>,
}

/// The flight of a key that callers join.
pub(super) struct Current<K, E> {
    pub(super) key: K,
    pub(super) snapshot: E,
    pub(super) flight: Node,
}

impl<K, E> Default for Slots<K, E> {
    fn default() -> Self {
        Self { first: None, rest: HashMap::default() }
    }
}

impl<K, E> Slots<K, E> {
    /// The flight that callers join, if there is one.
    pub(super) fn current(&self, digest: u64) -> Option<&Current<K, E>> {
        match &self.first {
            Some((first, current)) if *first == digest => Some(current),
            _ => self.rest.get(&digest)?.current.as_ref(),
        }
    }

    /// Whether there is no flight at all.
    #[inline]
    pub(super) fn is_vacant(&self, digest: u64) -> bool {
        self.first.as_ref().is_none_or(|(first, _)| *first != digest)
            && (self.rest.is_empty() || !self.rest.contains_key(&digest))
    }

    /// Adds a flight for callers to join where there [is none](Self::is_vacant).
    #[inline]
    pub(super) fn begin(&mut self, digest: u64, current: Current<K, E>) {
        if self.first.is_none() {
            self.first = Some((digest, current));
        } else {
            self.rest.insert(digest, Slot { current: Some(current), others: BTreeMap::new() });
        }
    }

    /// Lets callers join a flight. The flight that they joined until now lands for those callers.
    pub(super) fn replace(&mut self, digest: u64, current: Current<K, E>) {
        if self.is_vacant(digest) {
            return self.begin(digest, current);
        }
        let slot = self.slot(digest);
        if let Some(older) = slot.current.replace(current) {
            slot.add_other(older.flight);
        }
    }

    /// Has no caller join the current flight of a digest any more. Its leader may still end it, and a deletion finds it.
    #[cold]
    pub(super) fn close(&mut self, digest: u64) {
        let slot = self.slot(digest);
        if let Some(current) = slot.current.take() {
            slot.add_other(current.flight);
        }
    }

    /// Adds a flight that no caller joins.
    pub(super) fn add_other(&mut self, digest: u64, flight: Node) {
        self.slot(digest).add_other(flight);
    }

    /// A slot with room for several.
    fn slot(&mut self, digest: u64) -> &mut Slot<K, E> {
        let first = self.first.take_if(|(first, _)| *first == digest);
        let slot = self.rest.entry(digest).or_default();
        if let Some((_, current)) = first {
            slot.current = Some(current);
        }
        slot
    }

    /// Removes and returns all flights.
    pub(super) fn take(&mut self, digest: u64) -> Option<Slot<K, E>> {
        if let Some((_, current)) = self.first.take_if(|(first, _)| *first == digest) {
            return Some(Slot { current: Some(current), others: BTreeMap::new() });
        }
        let slot = self.rest.remove(&digest);
        self.give_memory_back();
        slot
    }

    /// Removes a flight, if it is still there.
    #[inline]
    pub(super) fn remove(&mut self, digest: u64, flight: &Node) -> Option<Node> {
        match &self.first {
            Some((first, current)) if *first == digest => {
                let found = Arc::ptr_eq(&current.flight, flight);
                if found { self.first.take().map(|(_, current)| current.flight) } else { None }
            }
            _ => self.remove_from_rest(digest, flight),
        }
    }

    fn remove_from_rest(&mut self, digest: u64, flight: &Node) -> Option<Node> {
        let slot = self.rest.get_mut(&digest)?;
        let removed = slot.remove(flight);
        if slot.is_empty() {
            self.rest.remove(&digest);
            self.give_memory_back();
        }
        removed
    }

    fn give_memory_back(&mut self) {
        if self.rest.is_empty() && self.rest.capacity() > KEPT {
            self.rest = HashMap::default();
        }
    }

    /// Invalidates all flights.
    pub(super) fn invalidate(&self) {
        if let Some((_, current)) = &self.first {
            current.flight.invalidate();
        }
        self.rest.values().for_each(Slot::invalidate);
    }

    /// How many flights there are, and for how many there is room beside the first one.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let rest: usize = self.rest.values().map(|slot| slot.flights().count()).sum();
        (usize::from(self.first.is_some()) + rest, self.rest.capacity())
    }
}

impl<K, E> Default for Slot<K, E> {
    fn default() -> Self {
        Self { current: None, others: BTreeMap::new() }
    }
}

impl<K, E> Slot<K, E> {
    fn add_other(&mut self, flight: Node) {
        self.others.insert(Arc::as_ptr(&flight).addr(), flight);
    }

    fn remove(&mut self, flight: &Node) -> Option<Node> {
        if let Some(current) = self.current.take_if(|current| Arc::ptr_eq(&current.flight, flight)) {
            return Some(current.flight);
        }
        self.others.remove(&Arc::as_ptr(flight).addr())
    }

    fn is_empty(&self) -> bool {
        self.current.is_none() && self.others.is_empty()
    }

    fn flights(&self) -> impl Iterator<Item = &Node> {
        self.current.iter().map(|current| &current.flight).chain(self.others.values())
    }

    pub(super) fn invalidate(&self) {
        self.flights().for_each(|flight| flight.invalidate());
    }
}

/// Returns a digest as it is.
#[derive(Default)]
pub(super) struct Unhashed(u64);

impl Hasher for Unhashed {
    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }

    fn write(&mut self, bytes: &[u8]) {
        // For completeness; keys are `u64`.
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
