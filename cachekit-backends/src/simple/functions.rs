use std::sync::atomic::{AtomicU64, Ordering};

use super::horizons::Horizons;

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
pub(super) type Instance = (u32, InstanceNumber);

/// The horizons of single instances.
#[derive(Default)]
pub(super) struct InstanceHorizons(Horizons<Instance>);

impl InstanceHorizons {
    /// Deletes what an instance of a function has; see [`Horizons::raise`].
    pub(super) fn raise(
        &self,
        state: &FunctionState,
        function: u32,
        instance: InstanceNumber,
        moment: impl FnOnce() -> u64,
    ) -> bool {
        let added = || _ = state.instances.fetch_add(1, Ordering::SeqCst);
        self.0.raise((function, instance), added, moment)
    }

    pub(super) fn is_deleted(&self, function: u32, instance: InstanceNumber, birth: u64) -> bool {
        self.0.is_deleted(&[(function, instance)], birth)
    }

    /// Begins to reclaim all present horizons: from now on nothing older is stored for their functions. Returns the moment
    /// until which they are reclaimed; none if there are none.
    pub(super) fn begin_reclaim<'a>(
        &self,
        state: impl Fn(u32) -> &'a FunctionState,
        now: impl FnOnce() -> u64,
    ) -> Option<u64> {
        let admit_no_older = |(function, _): Instance, at| {
            state(function).floor.fetch_max(at, Ordering::SeqCst);
        };
        self.0.begin_reclaim(admit_no_older, now)
    }

    /// Drops those that a full sweep has made needless; see [`Horizons::end_reclaim`].
    pub(super) fn end_reclaim<'a>(
        &self,
        until: u64,
        state: impl Fn(u32) -> &'a FunctionState,
        entries: usize,
    ) {
        self.0.end_reclaim(until, entries, |(function, _)| {
            state(function).instances.fetch_sub(1, Ordering::SeqCst);
        });
    }

    pub(super) fn any(&self) -> bool {
        self.0.any()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &Horizons<Instance> {
        &self.0
    }
}
