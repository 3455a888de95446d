//! The writer that finds out whether a key may leave the process.

use std::hash::Hasher;

use super::KeyWriter;

/// Finds out whether a part of a key is valid in this process only, such as an address. Ignores all that is fed.
#[derive(Default)]
pub struct Scout(bool);

impl Scout {
    /// Whether any part of what is fed is valid in this process only.
    #[inline]
    pub fn finds(feed: impl FnOnce(&mut Self)) -> bool {
        let mut scout = Self::default();
        feed(&mut scout);
        scout.0
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0 |= other.0;
    }
}

impl Hasher for Scout {
    fn finish(&self) -> u64 {
        0
    }
    #[inline]
    fn write(&mut self, _: &[u8]) {}
}

impl KeyWriter for Scout {
    type Unordered = Self;

    #[inline]
    fn write_delimited(&mut self, _: &[u8]) {}
    #[inline]
    fn write_collected(&mut self, collected: Self) {
        self.merge(&collected);
    }
    #[inline]
    fn scout(&mut self) -> Option<&mut bool> {
        Some(&mut self.0)
    }
}
