//! The digest of a key that stays in the process. It copies no argument, and it decides nothing: a
//! [`Matcher`](super::Matcher) compares the key's bytes.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::{FoldHasher, RandomState};

use super::KeyWriter;
use super::unordered::{EntryHasher, KeyedSum};

/// The secret of a store: two hasher states seeded by the operating system.
#[derive(Clone, Default)]
pub struct KeySecret {
    first: RandomState,
    second: RandomState,
}

impl KeySecret {
    /// A fresh secret.
    pub fn new() -> Self {
        Self::default()
    }

    /// A digest of what is fed; 64 bits under the secret.
    #[inline]
    pub fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        let mut hasher = KeyHasher { inner: self.first.build_hasher() };
        feed(&mut hasher);
        hasher.inner.finish()
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
