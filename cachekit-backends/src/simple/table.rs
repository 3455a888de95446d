use std::sync::OnceLock;

/// Buckets double in size, so that 27 of them hold every index there can be.
const BUCKETS: usize = 28;
const FIRST: u32 = 32;

/// A table that grows and never moves: an index is looked up with two loads and no lock.
///
/// The layout is that of the `boxcar` crate: bucket `k` holds `32 × 2^k` slots and is allocated at the first need.
pub struct SlotTable<T> {
    buckets: [OnceLock<Box<[T]>>; BUCKETS],
}

impl<T: Default> SlotTable<T> {
    /// An empty table. Allocates nothing.
    pub const fn new() -> Self {
        Self { buckets: [const { OnceLock::new() }; BUCKETS] }
    }

    /// The slot of an index, made by `Default` if it is new.
    ///
    /// # Panics
    /// Never: each `u32` below `u32::MAX - 32` has a bucket, and indices are handed out one by one.
    #[inline]
    pub fn get(&self, index: u32) -> &T {
        let (bucket, offset, len) = locate(index);
        &self.buckets[bucket].get_or_init(|| (0..len).map(|_| T::default()).collect())[offset]
    }

    /// The slots that exist, with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.buckets
            .iter()
            .filter_map(OnceLock::get)
            .flat_map(|slots| slots.iter())
            .zip(0..)
            .map(|(s, i)| (i, s))
    }
}

impl<T: Default> Default for SlotTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
// Below 2^33, and a table of that size is out of reach of a 32-bit platform.
#[allow(clippy::cast_possible_truncation)]
fn locate(index: u32) -> (usize, usize, usize) {
    let shifted = u64::from(index) + u64::from(FIRST);
    let bucket = shifted.ilog2() - FIRST.ilog2();
    let len = u64::from(FIRST) << bucket;
    (bucket as usize, (shifted - len) as usize, len as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_index_has_its_own_slot() {
        let table = SlotTable::<AtomicU32>::new();
        for i in 0..1000 {
            table.get(i).store(i + 1, Ordering::Relaxed);
        }
        for i in 0..1000 {
            assert_eq!(table.get(i).load(Ordering::Relaxed), i + 1);
        }
        let seen: Vec<u32> = table.iter().take(1000).map(|(_, s)| s.load(Ordering::Relaxed)).collect();
        assert_eq!(seen, (1..=1000).collect::<Vec<_>>());
        assert_eq!(locate(u32::MAX - FIRST).0, BUCKETS - 2);
    }
}
