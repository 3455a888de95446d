use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

/// The deletions of one function in one store, as moments of the store's sequence.
///
/// Each entry carries its birth: the sequence as it was before its computation began. A deletion takes the next number of
/// the sequence and raises a horizon to it, in one write, however many entries there are; an entry born before the horizon
/// is never returned.
#[derive(Debug, Default)]
pub(super) struct FunctionState {
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
    pub(super) fn is_deleted(&self, birth: u64) -> bool {
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

impl From<InstanceNumber> for u32 {
    fn from(InstanceNumber(number): InstanceNumber) -> Self {
        number
    }
}

/// A function, and an instance of the type that it is a method of.
type Instance = (u32, InstanceNumber);

/// The least number of horizons of single instances at which they are reclaimed.
const FEW: usize = 4096;

/// The horizons of single instances. Their number is bounded: with the one that reaches the bound, the store is swept.
pub(super) struct InstanceHorizons {
    map: RwLock<HashMap<Instance, u64, RandomState>>,
    most: AtomicUsize,
}

impl Default for InstanceHorizons {
    fn default() -> Self {
        Self { map: RwLock::default(), most: AtomicUsize::new(FEW) }
    }
}

impl InstanceHorizons {
    /// Raises a horizon to a moment. Returns whether there are as many horizons as there may be.
    ///
    /// `moment` takes the moment and makes it the last deletion of the store; it runs under the lock, so that
    /// [`begin_reclaim`](Self::begin_reclaim) sees the horizons of all moments until its own.
    pub(super) fn raise(
        &self,
        state: &FunctionState,
        function: u32,
        instance: InstanceNumber,
        moment: impl FnOnce() -> u64,
    ) -> bool {
        let mut map = self.map.write();
        let at = map.entry((function, instance)).or_insert_with(|| {
            state.instances.fetch_add(1, Ordering::SeqCst);
            0
        });
        *at = moment().max(*at);
        map.len() >= self.most.load(Ordering::Relaxed)
    }

    pub(super) fn is_deleted(&self, function: u32, instance: InstanceNumber, birth: u64) -> bool {
        // Recursive: a caller may hold the lock for reading further out.
        self.map.read_recursive().get(&(function, instance)).is_some_and(|&horizon| birth < horizon)
    }

    /// Begins to reclaim all present horizons: from now on nothing older is stored for their functions. Returns the moment
    /// until which they are reclaimed.
    pub(super) fn begin_reclaim<'a>(
        &self,
        state: impl Fn(u32) -> &'a FunctionState,
        now: impl FnOnce() -> u64,
    ) -> u64 {
        let map = self.map.read();
        for (&(function, _), &at) in &*map {
            state(function).floor.fetch_max(at, Ordering::SeqCst);
        }
        now()
    }

    /// Drops the horizons that a full sweep has made needless, unless they rose meanwhile. A store of `entries` may have a
    /// quarter as many horizons before the next sweep, which so costs a deletion four looks at entries.
    pub(super) fn end_reclaim<'a>(
        &self,
        until: u64,
        state: impl Fn(u32) -> &'a FunctionState,
        entries: usize,
    ) {
        let mut map = self.map.write();
        map.retain(|&(function, _), &mut at| {
            let keep = at > until;
            if !keep {
                state(function).instances.fetch_sub(1, Ordering::SeqCst);
            }
            keep
        });
        map.shrink_to(FEW);
        // Beside those that are left: each sweep has some to drop.
        self.most.store(map.len() + FEW.max(entries / 4), Ordering::Relaxed);
    }

    pub(super) fn any(&self) -> bool {
        !self.map.read_recursive().is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.map.read().len()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.map.read().capacity()
    }

    #[cfg(test)]
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}
