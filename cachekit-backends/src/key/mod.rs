//! How a value becomes part of a key: the [`CacheKey`] trait, and the writers that its implementations feed.

mod bytes;
mod ecosystem;
mod form;
mod hashed;
mod impls;
mod local;
mod record;
mod scout;
mod stable;
mod type_name;
mod unordered;
mod words;

#[cfg(test)]
mod tests;

use std::hash::Hasher;

pub use bytes::KeyBytes;
pub use form::{feed_debug, feed_serialize};
pub use hashed::feed_hash;
pub(crate) use local::fold;
pub use local::{KeyHasher, KeySecret};
pub use record::{Matcher, Recorder};
pub use scout::Scout;
#[cfg(feature = "memcached")]
pub(crate) use stable::push_base32;
pub use stable::{StableWriter, base32};
pub use type_name::{is_of_std, names_closure};
pub use words::{NO_WORDS, Words, text_of_words};

use type_name::holds_address;
use unordered::Unordered;

/// A value that can be part of a key.
///
/// Equal values feed equal bytes on every platform, and the bytes of two different values of a type are never one a prefix
/// of the other, so that parts put one after another stay apart. Implemented for the types of the standard library, as
/// exactly as a function can tell their values apart: floats by their bits (`0.0` and `-0.0` differ, all NaN are one), paths
/// by their bytes (`a/b` and `a//b` differ, though they are equal). `#[derive(CacheKey)]` implements it for yours.
///
/// Implement it by hand by feeding the parts that matter, each by its own `cache_key`. `write` of the [`Hasher`] feeds bytes
/// with their length; integers are fed without one.
///
/// ```
/// use cachekit_backends::{CacheKey, KeyWriter};
///
/// struct User { id: u64, last_seen: std::time::Instant }
///
/// impl CacheKey for User {
///     fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
///         self.id.cache_key(writer); // `last_seen` is no part of the identity
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be part of a cache key",
    label = "this can't be part of a cache key",
    note = "derive `cachekit::CacheKey` for it, leave the argument out with `ignore(..)`, choose what stands for the arguments \
            with `key = expr`, or let its `Debug` text stand for it with `debug(..)`"
)]
pub trait CacheKey {
    /// How many words a value fills at most that is fed into [`Words`]: then they tell all values of the type apart.
    #[doc(hidden)]
    const WORDS: usize = NO_WORDS;

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

/// The destination of a key's parts: a [`Hasher`], so that a type which has only `Hash` can be fed as well. Sealed.
///
/// All writers follow one rule, so that a key in the process and a shared one tell the same arguments apart:
/// `write` feeds the length of its bytes, then the bytes; integers are fed by their bytes alone. A shared key takes integers
/// in little-endian order, and those of the platform's width as 64 bits.
pub trait KeyWriter: Hasher + sealed::Sealed + Sized {
    /// Whether the key leaves the process, so that only what is the same in every process may go in.
    const SHARED: bool = false;

    /// How a collection without an order is fed.
    #[doc(hidden)]
    type Unordered: Unordered;

    /// Feeds bytes without their length, where the parts around them tell where they end.
    #[doc(hidden)]
    fn write_delimited(&mut self, bytes: &[u8]);

    /// Feeds a text. No byte of UTF-8 is 0xff, so it ends the text.
    #[doc(hidden)]
    #[inline]
    fn write_text(&mut self, text: &str) {
        self.write_delimited(text.as_bytes());
        self.write_u8(0xff);
    }

    /// Feeds a collection without an order, all entries of which have been added.
    #[doc(hidden)]
    fn write_collected(&mut self, collected: Self::Unordered);

    /// Of a [`Scout`], its answer, which a part that is valid in this process only sets. Other writers have none.
    #[doc(hidden)]
    #[inline]
    fn scout(&mut self) -> Option<&mut bool> {
        None
    }

    /// Feeds a collection whose order means nothing: equal content gives equal bytes.
    fn write_unordered<I>(&mut self, items: I)
    where
        I: ExactSizeIterator,
        I::Item: CacheKey,
    {
        let mut collected = Self::Unordered::default();
        for item in items {
            let mut writer = collected.entry();
            item.cache_key(&mut writer);
            collected.add(writer);
        }
        self.write_collected(collected);
    }
}

mod sealed {
    /// Only the writers of this crate.
    pub trait Sealed {}
    impl Sealed for super::KeyHasher {}
    impl Sealed for super::Matcher<'_> {}
    impl Sealed for super::Recorder<'_> {}
    impl Sealed for super::Scout {}
    impl Sealed for super::StableWriter {}
    impl Sealed for super::unordered::EntryHasher {}
    impl<const K: usize> Sealed for super::Words<K> {}
}
