//! The digest of a key that stays in the process. It copies no argument, and it decides nothing: a
//! [`Matcher`](super::Matcher) compares the key's bytes.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::{FoldHasher, RandomState};

use super::KeyWriter;
use super::unordered::{EntryHasher, KeyedSum};

/// Returns the product of two numbers, folded into one.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The secret of a store: two hasher states seeded by the operating system.
#[derive(Clone)]
pub struct KeySecret {
    first: RandomState,
    second: RandomState,
    /// A digest is folded once more with this. One folded multiplication turns consecutive numbers into nearly an
    /// arithmetic progression, which some secrets spread unevenly; two don't.
    last: [u64; 2],
}

impl Default for KeySecret {
    fn default() -> Self {
        Self::new()
    }
}

impl KeySecret {
    /// A fresh secret.
    pub fn new() -> Self {
        let (first, second) = (RandomState::default(), RandomState::default());
        // Not of `first`: the digest of the key 1 would be 0 under every secret.
        let last = [second.hash_one(1), second.hash_one(2) | 1];
        Self { first, second, last }
    }

    /// A digest of what is fed; 64 bits under the secret.
    #[inline]
    pub fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        let mut hasher = KeyHasher { inner: self.first.build_hasher() };
        feed(&mut hasher);
        let [add, multiply] = self.last;
        fold(hasher.inner.finish() ^ add, multiply)
    }

    /// A writer for one entry of a collection without an order.
    pub(super) fn entry(&self) -> EntryHasher {
        EntryHasher::new(self.first.build_hasher(), self.second.build_hasher())
    }
}

/// Digests a key. The length of bytes is folded in by the hasher itself.
pub struct KeyHasher {
    inner: FoldHasher<'static>,
}

impl Hasher for KeyHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.inner.finish()
    }
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.inner.write(bytes);
    }
    #[inline]
    fn write_u8(&mut self, i: u8) {
        self.inner.write_u8(i);
    }
    #[inline]
    fn write_u16(&mut self, i: u16) {
        self.inner.write_u16(i);
    }
    #[inline]
    fn write_u32(&mut self, i: u32) {
        self.inner.write_u32(i);
    }
    #[inline]
    fn write_u64(&mut self, i: u64) {
        self.inner.write_u64(i);
    }
    #[inline]
    fn write_u128(&mut self, i: u128) {
        self.inner.write_u128(i);
    }
    #[inline]
    fn write_usize(&mut self, i: usize) {
        self.inner.write_usize(i);
    }
}

impl KeyWriter for KeyHasher {
    type Unordered = KeyedSum;

    #[inline]
    fn write_delimited(&mut self, bytes: &[u8]) {
        self.inner.write(bytes);
    }
    fn write_collected(&mut self, collected: KeyedSum) {
        collected.feed(self);
    }
}
