use std::hash::{BuildHasher, RandomState};

use crate::key::fold;

/// The secret under which keys of `K` words are hashed; from the operating system, by way of the standard library.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeds<const K: usize> {
    /// One for each word.
    words: [u64; K],
    last: [u64; 2],
}

impl<const K: usize> Seeds<K> {
    pub(super) fn new() -> Self {
        let state = RandomState::new();
        let words = std::array::from_fn(|at| state.hash_one(at));
        Self { words, last: [state.hash_one(K), state.hash_one(K + 1) | 1] }
    }

    /// The hash of a key. One multiplication for two words, which don't wait for each other, and one at the end: a single one is
    /// not enough to spread consecutive numbers evenly.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(super) fn hash(&self, key: &[u64; K]) -> u64 {
        let Self { words, last: [add, multiply] } = self;
        let mut hash = *add;
        let word = |at: usize| key[at] ^ words[at];
        for at in (0..K).step_by(2) {
            hash ^= if at + 1 < K { fold(word(at), word(at + 1)) } else { fold(word(at), *add) };
        }
        fold(hash, *multiply)
    }
}
