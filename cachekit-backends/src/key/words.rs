//! Keys as a few words: numbers, and texts that are short, exactly. A table whose keys are words compares them at a glance.
#![expect(clippy::inline_always, reason = "the way of every hit, which folds all of it")]

use std::hash::Hasher;

use super::KeyWriter;
use super::unordered::KeyedSum;

/// The [`CacheKey::WORDS`](super::CacheKey::WORDS) of a type whose values aren't words.
pub const NO_WORDS: usize = usize::MAX;

/// The words of a text: its bytes, up to [`LONGEST_TEXT`], and their number in the last byte.
pub(super) const TEXT_WORDS: usize = 4;
const LONGEST_TEXT: usize = 8 * TEXT_WORDS - 1;

/// How many words of the front of a key are a text, and the text. None if they are too few, or no text.
pub fn text_of_words(words: &[u64]) -> Option<(usize, String)> {
    let text = unpack(words.first_chunk()?)?;
    Some((TEXT_WORDS, String::from_utf8(text).ok()?))
}

/// Puts a key into `K` words. Two keys of one type have the same words if and only if they feed the same bytes, provided that
/// the type's [`CacheKey::WORDS`](super::CacheKey::WORDS) are at most `K`.
pub struct Words<const K: usize> {
    filled: [u64; K],
    len: usize,
    fits: bool,
}

impl<const K: usize> Words<K> {
    /// Returns the words of what is fed; none if it holds a longer text than there is room for.
    #[inline(always)]
    pub fn of(feed: impl FnOnce(&mut Self)) -> Option<[u64; K]> {
        let mut words = Self { filled: [0; K], len: 0, fits: true };
        feed(&mut words);
        words.fits.then_some(words.filled)
    }

    /// Returns the words of what is fed, without those that it did not fill; none as above.
    pub fn list_of(feed: impl FnOnce(&mut Self)) -> Option<Vec<u64>> {
        let mut words = Self { filled: [0; K], len: 0, fits: true };
        feed(&mut words);
        words.fits.then(|| words.filled[..words.len].to_vec())
    }

    #[inline(always)]
    fn put(&mut self, word: u64) {
        match self.filled.get_mut(self.len) {
            Some(place) => {
                *place = word;
                self.len += 1;
            }
            None => self.fits = false,
        }
    }
}

/// Returns the bytes of a short text as words. Two loads that overlap take what isn't a whole word.
#[inline(always)]
fn pack(text: &[u8]) -> [u64; TEXT_WORDS] {
    let len = text.len();
    let word = |at: usize| {
        text.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    let half = |at: usize| {
        text.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
    };
    // The last word and the one before it may overlap: with the length beside them they say the same as the bytes do.
    let [a, b, c, d] = match len {
        0 => [0; TEXT_WORDS],
        1..=3 => {
            let byte = |at: usize| text.get(at).copied().map_or(0, u64::from);
            [byte(0) | byte(len / 2) << 8 | byte(len - 1) << 16, 0, 0, 0]
        }
        4..=8 => [half(0) | half(len - 4) << 32, 0, 0, 0],
        9..=16 => [word(0), word(len - 8), 0, 0],
        17..=24 => [word(0), word(8), word(len - 8), 0],
        // The last seven bytes, so that the eighth is left for the length.
        _ => [word(0), word(8), word(16), word(len - 8) >> 8],
    };
    [a, b, c, d | (len as u64) << 56]
}

/// Returns the bytes of a text from what [`pack`] made of it.
fn unpack([a, b, c, d]: &[u64; TEXT_WORDS]) -> Option<Vec<u8>> {
    let len = usize::try_from(d >> 56).ok().filter(|len| *len <= LONGEST_TEXT)?;
    let mut text = vec![0; len];
    let mut put = |at: usize, bytes: &[u8]| text[at..at + bytes.len()].copy_from_slice(bytes);
    let [first, second, third, last] = [a, b, c, d].map(|word| word.to_le_bytes());
    match len {
        0 => {}
        1..=3 => {
            for (at, byte) in [0, len / 2, len - 1].into_iter().zip(first) {
                put(at, &[byte]);
            }
        }
        4..=8 => {
            put(0, &first[..4]);
            put(len - 4, &first[4..]);
        }
        9..=16 => {
            put(0, &first);
            put(len - 8, &second);
        }
        17..=24 => {
            put(0, &first);
            put(8, &second);
            put(len - 8, &third);
        }
        _ => {
            put(0, &first);
            put(8, &second);
            put(16, &third);
            put(len - 7, &last[..7]);
        }
    }
    Some(text)
}

impl<const K: usize> Hasher for Words<K> {
    fn finish(&self) -> u64 {
        0
    }
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) {
        self.write_delimited(bytes);
    }
    #[inline(always)]
    fn write_u8(&mut self, i: u8) {
        self.put(i.into());
    }
    #[inline(always)]
    fn write_u16(&mut self, i: u16) {
        self.put(i.into());
    }
    #[inline(always)]
    fn write_u32(&mut self, i: u32) {
        self.put(i.into());
    }
    #[inline(always)]
    fn write_u64(&mut self, i: u64) {
        self.put(i);
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "both halves are put")]
    fn write_u128(&mut self, i: u128) {
        self.put(i as u64);
        self.put((i >> 64) as u64);
    }
    #[inline(always)]
    fn write_usize(&mut self, i: usize) {
        self.put(i as u64);
    }
}

impl<const K: usize> KeyWriter for Words<K> {
    type Unordered = KeyedSum;

    #[inline(always)]
    fn write_delimited(&mut self, bytes: &[u8]) {
        let fits = bytes.len() <= LONGEST_TEXT;
        self.fits &= fits;
        // As many words in both cases, so that the compiler knows where those are that follow.
        for word in if fits { pack(bytes) } else { [0; TEXT_WORDS] } {
            self.put(word);
        }
    }

    /// Its end is in its length.
    #[inline(always)]
    fn write_text(&mut self, text: &str) {
        self.write_delimited(text.as_bytes());
    }

    fn write_collected(&mut self, _: KeyedSum) {
        self.fits = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{CacheKey, Recorder};

    fn words<T: CacheKey>(key: &T) -> Option<[u64; 16]> {
        assert!(T::WORDS <= 16);
        let words = Words::<16>::of(|words| key.cache_key(words))?;
        assert!(words[T::WORDS..].iter().all(|word| *word == 0), "it fills more than its type says");
        Some(words)
    }

    fn recorded<T: CacheKey>(key: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        key.cache_key(&mut Recorder::new(&mut bytes));
        bytes
    }

    fn agree<T: CacheKey>(one: &T, other: &T) {
        if let (Some(a), Some(b)) = (words(one), words(other)) {
            assert_eq!(a == b, recorded(one) == recorded(other));
        }
    }

    #[test]
    fn texts_that_differ_in_a_byte_or_in_their_length_have_different_words() {
        for len in 0..40 {
            let text = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEF"[..len].to_owned();
            assert_eq!(words(&text).is_some(), len <= LONGEST_TEXT);
            if let Some(words) = words(&text) {
                assert_eq!(text_of_words(&words), Some((TEXT_WORDS, text.clone())));
            }
            for at in 0..len {
                let mut other = text.clone();
                other.replace_range(at..=at, "#");
                agree(&text, &other);
            }
            for other in 0..40 {
                agree(&text, &"a".repeat(other));
                agree(&"\0".repeat(len), &"\0".repeat(other));
            }
        }
    }

    proptest! {
        #[test]
        fn keys_have_the_same_words_if_they_feed_the_same_bytes(
            one in any::<(u8, Option<i32>, bool, char)>(),
            other in any::<(u8, Option<i32>, bool, char)>(),
            texts in ("[ab]{0,3}", "[ab]{0,3}", "[ab]{0,3}", "[ab]{0,3}"),
            results in any::<(Result<u64, u8>, Result<u64, u8>)>(),
            numbers in any::<(u128, u128, f64, f64, i64, i64)>(),
        ) {
            agree(&one, &other);
            agree(&one, &one.clone());
            let (a, b, c, d) = texts;
            agree(&(a.as_str(), b), &(c.as_str(), d));
            agree(&results.0, &results.1);
            agree(&(numbers.0, numbers.2, numbers.4), &(numbers.1, numbers.3, numbers.5));
        }
    }

    #[test]
    fn types_with_code_of_a_user_or_without_a_bound_have_no_words() {
        struct Users;
        impl CacheKey for Users {
            fn cache_key<W: KeyWriter>(&self, _writer: &mut W) {}
        }
        fn has_words<T: CacheKey>() -> bool {
            T::WORDS != NO_WORDS
        }
        assert!(has_words::<(u8, &str, Option<f64>)>());
        assert!(!has_words::<(u8, Users)>() && !has_words::<Option<&Users>>() && !has_words::<Vec<u8>>());
    }
}
