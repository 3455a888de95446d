//! How a value becomes part of a key: the [`CacheKey`] trait, and the writers that its implementations feed.

mod impls;
mod local;
mod stable;
mod unordered;

#[cfg(test)]
mod tests;

use std::hash::Hasher;

pub use local::{KeyBytes, KeyHasher, KeySecret, Matcher, Recorder};
pub use stable::{StableWriter, base32};

/// A value that can be part of a key.
///
/// Equal values feed equal bytes on every platform, and the bytes of two different values of a type are never one a prefix
/// of the other, so that parts put one after another stay apart. Implemented for the types of the standard library
/// (floats by their bits: `0.0` and `-0.0` differ, as functions can tell them apart; all NaN are one), and by
/// `#[derive(CacheKey)]`.
///
/// Implement it by hand by feeding the parts that matter, each by its own `cache_key`:
///
/// ```
/// use cachekit_backends::{CacheKey, KeyWriter};
///
/// struct User { id: u64, last_seen: std::time::Instant }
///
/// impl CacheKey for User {
///     fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
///         self.id.cache_key(writer); // who it is, not when it was seen
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be part of a cache key",
    label = "this can't be part of a cache key",
    note = "implement `Hash` for it, derive `cachekit::CacheKey`, or leave the argument out with `ignore(..)`"
)]
pub trait CacheKey {
    /// Whether feeding runs only code of the standard library and of cachekit, which can't call back into a cache. Such
    /// keys are compared in place, under the lock of their shard; others are compared outside of it.
    #[doc(hidden)]
    const TRUSTED: bool = false;

    /// Feeds this value into a writer.
    fn cache_key<W: KeyWriter>(&self, writer: &mut W);

    /// Feeds the items of a slice, without its length; bytes go in by one write.
    #[doc(hidden)]
    #[inline]
    fn cache_key_slice<W: KeyWriter>(items: &[Self], writer: &mut W)
    where
        Self: Sized,
    {
        for item in items {
            item.cache_key(writer);
        }
    }
}

/// Where a key's parts go: a [`Hasher`], so that what has only `Hash` can be fed as well. Sealed.
///
/// Integers of the platform's width count as 64 bits, in little-endian order.
pub trait KeyWriter: Hasher + sealed::Sealed + Sized {
    /// Whether the key leaves the process, so that only what is the same in every process may go in.
    const SHARED: bool = false;

    /// Feeds a collection whose order means nothing: equal content gives equal bytes.
    fn write_unordered<I>(&mut self, items: I)
    where
        I: ExactSizeIterator,
        I::Item: CacheKey;
}

mod sealed {
    /// Only the writers of this crate.
    pub trait Sealed {}
    impl Sealed for super::KeyHasher {}
    impl Sealed for super::Matcher<'_> {}
    impl Sealed for super::Recorder<'_> {}
    impl Sealed for super::StableWriter {}
}
