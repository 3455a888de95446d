//! Generations: how `clear` works on a server that can't list its keys.
//!
//! Every server has one item for each key prefix of a cache, with random numbers in it: one since when the item exists, and one
//! for each prefix that was cleared, since when. The numbers of the prefixes that a key begins with make up the key's
//! generation, which is a part of its name on the wire. `clear` replaces one number, and all names under the prefix are others
//! from then on. Every operation reads the item in the same round trip, ahead of its actions under the names that it knew, and
//! runs them again if the names have changed. If the item is lost, a new one has a new first number: all keys miss, and no
//! deleted value comes back.

use xxhash_rust::xxh3::xxh3_64;

use crate::random::random_u128;
use crate::{Error, ErrorKind, Result};

const MAGIC: &[u8; 4] = b"ckg1";
/// The most prefixes that are kept apart. A cache clears one.
const MOST: usize = 256;
/// The most bytes of an item.
const MOST_BYTES: usize = 64 << 10;

/// The numbers of one server's item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generations {
    raw: Vec<u8>,
    first: u64,
    cleared: Vec<(Vec<u8>, u64)>,
}

impl Generations {
    /// Numbers that were never used.
    pub(super) fn fresh() -> Self {
        Self::new(random_u64(), Vec::new())
    }

    fn new(first: u64, cleared: Vec<(Vec<u8>, u64)>) -> Self {
        let mut raw = [&MAGIC[..], &first.to_le_bytes()].concat();
        for (prefix, number) in &cleared {
            // Checked by `cleared` to be far less.
            raw.extend_from_slice(&u32::try_from(prefix.len()).unwrap_or(u32::MAX).to_le_bytes());
            raw.extend_from_slice(prefix);
            raw.extend_from_slice(&number.to_le_bytes());
        }
        Self { raw, first, cleared }
    }

    /// The bytes of the item.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Reads an item; none if it holds something else.
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        if raw.len() > MOST_BYTES {
            return None;
        }
        let rest = raw.strip_prefix(MAGIC)?;
        let (first, mut rest) = rest.split_first_chunk::<8>()?;
        let mut cleared = Vec::new();
        while !rest.is_empty() {
            let (len, tail) = rest.split_first_chunk::<4>()?;
            let (prefix, tail) = tail.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
            let (number, tail) = tail.split_first_chunk::<8>()?;
            cleared.push((prefix.to_vec(), u64::from_le_bytes(*number)));
            rest = tail;
        }
        Some(Self { raw: raw.to_vec(), first: u64::from_le_bytes(*first), cleared })
    }

    /// The generation of a key.
    pub(super) fn of(&self, key: &str) -> u64 {
        let numbers = self.cleared.iter().filter(|(prefix, _)| key.as_bytes().starts_with(prefix));
        numbers.fold(self.first, |sum, (_, number)| {
            let (mut bytes, number) = ([0; 16], number.to_le_bytes());
            bytes[..8].copy_from_slice(&sum.to_le_bytes());
            bytes[8..].copy_from_slice(&number);
            xxh3_64(&bytes)
        })
    }

    /// Returns these with another generation for keys that begin with `prefix`.
    pub(super) fn cleared(&self, prefix: &str) -> Result<Self> {
        if prefix.is_empty() {
            return Ok(Self::fresh());
        }
        // Keys with a longer prefix have this one too.
        let longer = |(other, _): &&(Vec<u8>, u64)| !other.starts_with(prefix.as_bytes());
        let mut cleared: Vec<_> = self.cleared.iter().filter(longer).cloned().collect();
        cleared.push((prefix.into(), random_u64()));
        let next = Self::new(self.first, cleared);
        if next.cleared.len() > MOST || next.raw.len() > MOST_BYTES {
            return Err(Error::new(
                ErrorKind::Full,
                "too many different prefixes were cleared on memcached, which keeps a number for each: clear a shorter prefix \
                 that they begin with",
            ));
        }
        Ok(next)
    }
}

fn random_u64() -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "a half is as random as the whole")]
    let random = random_u128() as u64;
    random
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clearing_changes_what_begins_with_the_prefix_and_nothing_else() {
        let before = Generations::fresh();
        let after = before.cleared("app|").unwrap();
        assert_ne!(after.of("app|x"), before.of("app|x"));
        assert_eq!(after.of("app2|x"), before.of("app2|x"));
        let again = after.cleared("app|").unwrap();
        assert_ne!(again.of("app|x"), after.of("app|x"));
        assert_eq!(again.raw.len(), after.raw.len(), "one number a prefix");
        assert_ne!(again.cleared("").unwrap().of("other"), again.of("other"));
    }

    #[test]
    fn a_shorter_prefix_takes_the_place_of_longer_ones() {
        let mut generations = Generations::fresh();
        for i in 0..MOST {
            generations = generations.cleared(&format!("a{i}.")).unwrap();
        }
        assert_eq!(generations.cleared("b").unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(generations.cleared("a").unwrap().cleared.len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_junk_is_refused(
            prefixes in prop::collection::vec("\\PC{1,9}", 0..5),
            junk in prop::collection::vec(any::<u8>(), 0..60),
            key in "\\PC{0,12}",
        ) {
            let mut generations = Generations::fresh();
            for prefix in &prefixes {
                let next = generations.cleared(prefix).unwrap();
                prop_assert_eq!(next.of(&key) != generations.of(&key), key.starts_with(prefix.as_str()));
                generations = next;
            }
            prop_assert_eq!(Generations::parse(generations.raw()), Some(generations));
            let mut hostile = MAGIC.to_vec();
            hostile.extend(&junk);
            prop_assert!(Generations::parse(&junk).is_none());
            let _ = Generations::parse(&hostile);
        }
    }
}
