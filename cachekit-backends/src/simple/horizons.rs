//! Horizons: the moments of a store's sequence before which what belongs to a key, an instance or a tag, is deleted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

/// The least number of horizons at which they are reclaimed.
const FEW: usize = 4096;

/// A horizon for each key. Their number is bounded: with the one that reaches the bound, the store is swept.
pub(super) struct Horizons<K> {
    map: RwLock<HashMap<K, u64, RandomState>>,
    most: AtomicUsize,
}

impl<K> Default for Horizons<K> {
    fn default() -> Self {
        Self { map: RwLock::default(), most: AtomicUsize::new(FEW) }
    }
}

impl<K: Copy + Eq + Hash> Horizons<K> {
    /// Raises a horizon to a moment. Returns whether there are as many horizons as there may be.
    ///
    /// `added` is called first if the key had none. `moment` takes the moment and makes it the last deletion of the store. Both run
    /// under the lock, so that [`begin_reclaim`](Self::begin_reclaim) sees the horizons of all moments until its own.
    pub(super) fn raise(&self, key: K, added: impl FnOnce(), moment: impl FnOnce() -> u64) -> bool {
        let mut map = self.map.write();
        let at = map.entry(key).or_insert_with(|| {
            added();
            0
        });
        *at = moment().max(*at);
        map.len() >= self.most.load(Ordering::Relaxed)
    }

    /// Whether what belongs to one of the keys and was born then is deleted.
    pub(super) fn is_deleted<'k>(&self, keys: impl IntoIterator<Item = &'k K>, birth: u64) -> bool
    where
        K: 'k,
    {
        // Recursive: a caller may hold the lock for reading further out.
        let map = self.map.read_recursive();
        keys.into_iter().any(|key| map.get(key).is_some_and(|&horizon| birth < horizon))
    }

    /// Begins to reclaim all present horizons. `each` has to keep anything older from being stored from now on. Returns the moment
    /// until which they are reclaimed; none if there are none.
    pub(super) fn begin_reclaim(
        &self,
        mut each: impl FnMut(K, u64),
        now: impl FnOnce() -> u64,
    ) -> Option<u64> {
        let map = self.map.read();
        map.iter().for_each(|(&key, &at)| each(key, at));
        (!map.is_empty()).then(now)
    }

    /// Drops the horizons that a full sweep has made needless, unless they rose meanwhile; `dropped` is called for each. A store
    /// of `entries` may have a quarter as many horizons before the next sweep, which so costs a deletion four looks at entries.
    pub(super) fn end_reclaim(&self, until: u64, entries: usize, dropped: impl Fn(K)) {
        let mut map = self.map.write();
        map.retain(|&key, &mut at| {
            let keep = at > until;
            if !keep {
                dropped(key);
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
