use std::hash::{BuildHasher, RandomState};

use crate::key::fold;

/// The secret under which the words of a key are hashed; from the operating system, by way of the standard library.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeds([u64; 3]);

impl Seeds {
    pub(super) fn new() -> Self {
        let state = RandomState::new();
        Self([state.hash_one(1), state.hash_one(2), state.hash_one(3) | 1])
    }

    /// The hash of a key. One multiplication for two words and one at the end: a single one is not enough to spread
    /// consecutive numbers evenly.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(super) fn hash<const K: usize>(&self, key: &[u64; K]) -> u64 {
        let Self([first, second, last]) = *self;
        let (pairs, rest) = key.as_chunks::<2>();
        let mut hash = first;
        for &[a, b] in pairs {
            hash = fold(a ^ hash, b ^ second);
        }
        if let &[a] = rest {
            hash = fold(a ^ hash, second);
        }
        fold(hash ^ first, last)
    }
}
