//! Which of several servers holds a key.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998): each server draws a
/// number for the key, and the one with the highest holds it. If one of n servers goes, its keys move and no others.
///
/// The numbers are XXH3 of the key, seeded with XXH3 of the server's name as it is configured: the same in every process
/// and build.
#[derive(Debug)]
pub(super) struct Ring(Vec<u64>);

impl Ring {
    pub(super) fn new(names: impl IntoIterator<Item: AsRef<str>>) -> Self {
        Self(names.into_iter().map(|name| xxh3_64(name.as_ref().as_bytes())).collect())
    }

    /// Returns the place of the key's server in the list.
    pub(super) fn place(&self, key: &str) -> usize {
        if self.0.len() < 2 {
            return 0;
        }
        let draw = |&(_, seed): &(usize, &u64)| (xxh3_64_with_seed(key.as_bytes(), *seed), *seed);
        self.0.iter().enumerate().max_by_key(draw).map_or(0, |(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["a:11211", "b:11211", "c:11211", "d:11211", "/run/e.sock"];

    #[test]
    fn losing_a_server_moves_its_keys_only_and_about_evenly() {
        for lost in NAMES {
            let left: Vec<&str> = NAMES.into_iter().filter(|name| *name != lost).collect();
            let (all, fewer) = (Ring::new(NAMES), Ring::new(left.iter().copied()));
            let mut moved = 0;
            for i in 0..5_000 {
                let key = format!("key {i}");
                let (before, after) = (NAMES[all.place(&key)], left[fewer.place(&key)]);
                moved += usize::from(before != after);
                assert!(before == after || before == lost, "{key} moved from {before} to {after}");
            }
            assert!((800..1_200).contains(&moved), "{moved} of 5,000 moved");
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter_and_places_never_change() {
        let (ring, mut backwards) = (Ring::new(NAMES), NAMES);
        backwards.reverse();
        let turned = Ring::new(backwards);
        for i in 0..100 {
            let key = format!("key {i}");
            assert_eq!(NAMES[ring.place(&key)], backwards[turned.place(&key)]);
        }
        // If this changes, a rolling update of a fleet loses its cache and its deletions.
        let places: Vec<usize> = (0..12).map(|i| ring.place(&format!("key {i}"))).collect();
        assert_eq!(places, [2, 1, 1, 4, 3, 4, 1, 2, 1, 0, 4, 0]);
    }
}
