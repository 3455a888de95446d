use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

/// The deletions of one function in one store, as moments of the store's sequence.
///
/// Each entry carries its birth: the sequence as it was before its computation began. A deletion takes the next number of
/// the sequence and raises a horizon to it, in one write, however many entries there are; an entry born before the horizon
/// is never returned.
#[derive(Debug, Default)]
pub struct FunctionState {
    /// Entries born before this are deleted.
    horizon: AtomicU64,
    /// How many horizons of single instances there are; while it is 0 a hit needn't look.
    instances: AtomicU64,
    /// Values born before this are not stored: the horizons that would tell whether they may be were reclaimed.
    floor: AtomicU64,
}

impl FunctionState {
    /// Deletes all that was born before `now`.
    pub(super) fn raise(&self, now: u64) {
        self.horizon.fetch_max(now, Ordering::SeqCst);
    }

    /// Whether the whole function was deleted since `birth`.
    #[inline]
    pub fn is_deleted(&self, birth: u64) -> bool {
        birth < self.horizon.load(Ordering::Acquire)
    }

    /// Whether single instances have horizons.
    #[inline]
    pub(super) fn has_instances(&self) -> bool {
        self.instances.load(Ordering::Acquire) != 0
    }

    /// Whether a value born then may still be stored.
    pub(super) fn admits(&self, birth: u64) -> bool {
        birth >= self.floor.load(Ordering::SeqCst) && !self.is_deleted(birth)
    }
}

/// An instance's keyed digest, folded, as every entry carries it. Two instances of one number would only cost each other
/// a miss.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct InstanceNumber(u32);

impl InstanceNumber {
    // The upper half is in it.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn of(digest: u64) -> Self {
        Self((digest >> 32 ^ digest) as u32)
    }
}

/// A function, and an instance of the type that it is a method of.
type Instance = (u32, InstanceNumber);

/// The horizons of single instances.
#[derive(Default)]
pub(super) struct InstanceHorizons(RwLock<HashMap<Instance, u64, RandomState>>);

impl InstanceHorizons {
    pub(super) fn raise(&self, state: &FunctionState, function: u32, instance: InstanceNumber, now: u64) {
        let mut map = self.0.write();
        let at = map.entry((function, instance)).or_insert_with(|| {
            state.instances.fetch_add(1, Ordering::SeqCst);
            0
        });
        *at = now.max(*at);
    }

    pub(super) fn is_deleted(&self, function: u32, instance: InstanceNumber, birth: u64) -> bool {
        // Recursive: the caller may hold the read lock of a shard, and a clone of a key under it may come here again.
        self.0.read_recursive().get(&(function, instance)).is_some_and(|&horizon| birth < horizon)
    }

    /// Begins to reclaim all present horizons: from now on nothing older is stored for their functions.
    pub(super) fn begin_reclaim<'a>(&self, state: impl Fn(u32) -> &'a FunctionState) -> Vec<(Instance, u64)> {
        let all: Vec<_> = self.0.read().iter().map(|(&key, &at)| (key, at)).collect();
        for &((function, _), at) in &all {
            state(function).floor.fetch_max(at, Ordering::SeqCst);
        }
        all
    }

    /// Drops the horizons that a full sweep has made needless, unless they rose meanwhile.
    pub(super) fn end_reclaim<'a>(
        &self,
        swept: &[(Instance, u64)],
        state: impl Fn(u32) -> &'a FunctionState,
    ) {
        let mut map = self.0.write();
        for &(key, at) in swept {
            if map.get(&key) == Some(&at) {
                map.remove(&key);
                state(key.0).instances.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    pub(super) fn any(&self) -> bool {
        !self.0.read_recursive().is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.read().len()
    }
}
