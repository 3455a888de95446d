//! Keys as they stand on the wire.

use sha2::{Digest, Sha256};

use crate::base32;
use crate::key::push_base32;

/// The most bytes that memcached takes.
const MOST: usize = 250;
/// Begins every key that isn't a cache's own text; a key of a cache that begins so is replaced by its hash.
const MARK: u8 = b'#';

/// A key that is legal on the wire: 1 to 250 bytes of printable ASCII without spaces. There is no other way to name an item
/// to the protocol core, so that no key can carry protocol syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::memcached) struct WireKey(String);

impl WireKey {
    pub(in crate::memcached) fn as_str(&self) -> &str {
        &self.0
    }

    /// `key@generation`, or `#SHA-256@generation` of a key that can't be written as it is. Two keys never share one: what
    /// begins with `#` is always hashed, and the generation has a fixed length.
    pub(in crate::memcached) fn of(key: &str, generation: u64) -> Self {
        /// The letters of a generation.
        const LETTERS: usize = 13;
        let mut text = String::with_capacity(MOST);
        if is_plain(key) && key.len() + 1 + LETTERS <= MOST {
            text.push_str(key);
        } else {
            text.push(char::from(MARK));
            text.push_str(&hashed(key));
        }
        text.push('@');
        push_base32(&mut text, &generation.to_be_bytes());
        Self(text)
    }

    /// The item that holds the [generations](super::generation) of what begins with a prefix.
    pub(in crate::memcached) fn of_generation(prefix: &str) -> Self {
        let readable = is_plain(prefix) && prefix.len() <= 200;
        // The first form has a `=`, which base32 has not.
        Self(if readable {
            format!("#generation={prefix}")
        } else {
            format!("#generation@{}", hashed(prefix))
        })
    }

    /// A part of a value that is split.
    pub(in crate::memcached) fn of_chunk(id: u128, number: u32) -> Self {
        Self(format!("#chunk={}.{number}", base32(&id.to_be_bytes())))
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.as_bytes()[0] != MARK && key.bytes().all(|b| b.is_ascii_graphic())
}

fn hashed(key: &str) -> String {
    base32(&Sha256::digest(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_legal(key: &WireKey) -> bool {
        (1..=MOST).contains(&key.0.len()) && key.0.bytes().all(|b| b.is_ascii_graphic())
    }

    #[test]
    fn what_is_legal_stays_readable_and_the_rest_is_hashed() {
        assert!(WireKey::of("shop:|f:abc", 7).as_str().starts_with("shop:|f:abc@"));
        for odd in ["", "a b", "a\r\nflush_all", "é", "\0", "#x", &"x".repeat(251), &"x".repeat(237)] {
            let key = WireKey::of(odd, 7);
            assert!(key.as_str().starts_with('#') && is_legal(&key), "{odd:?}: {key:?}");
        }
        assert_eq!(WireKey::of(&"x".repeat(236), 7).as_str().len(), MOST);
    }

    #[test]
    fn a_key_that_reads_like_a_hashed_one_is_not_it() {
        let hashed = WireKey::of("a b", 7);
        let forged = hashed.as_str().split_once('@').unwrap().0;
        assert_ne!(WireKey::of(forged, 7), hashed);
    }

    proptest! {
        #[test]
        fn keys_are_legal_and_differ_where_the_texts_do(
            a in "\\PC{0,300}|[ -~]{0,260}|#generation=.{0,9}|\\p{Any}*",
            b in "\\PC{0,300}|[ -~]{0,260}|#[a-z2-7]{52}",
            generation: u64,
        ) {
            let (x, y) = (WireKey::of(&a, generation), WireKey::of(&b, generation));
            prop_assert!(is_legal(&x) && is_legal(&y) && is_legal(&WireKey::of_generation(&a)));
            prop_assert_eq!(x == y, a == b);
            prop_assert_ne!(&x, &WireKey::of_generation(&b));
            prop_assert_ne!(&x, &WireKey::of(&a, generation.wrapping_add(1)));
        }
    }
}
