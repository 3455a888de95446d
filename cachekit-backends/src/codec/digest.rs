//! Digests of an encoding: one in which the order of the parts of a map does not count, one in which no order counts.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as Read, MapAccess, SeqAccess, Visitor};
use xxhash_rust::xxh3::xxh3_128;

use super::{Fault, de};

/// Digests of a value's encoding. In neither the order of a map's entries counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodingDigest {
    /// The order of a sequence counts.
    pub ordered: u128,
    /// The order of a sequence, as which a set is encoded too, does not count.
    pub unordered: u128,
}

/// Returns the digests of a value's encoding.
pub(super) fn of(bytes: &[u8]) -> Result<EncodingDigest, Fault> {
    let mut input = de::Deserializer::new(bytes);
    let digest = input.deserialize_any(Digest)?;
    input.end().map(|()| digest)
}

impl EncodingDigest {
    /// The digests of a value of a kind without parts.
    fn of(kind: u8, bytes: &[u8]) -> Self {
        let digest = tagged(kind, bytes);
        Self { ordered: digest, unordered: digest }
    }

    /// The digests of a value of a kind with one part, or a key with its value.
    fn around(kind: u8, parts: &[Self]) -> Self {
        let digest = |of: fn(&Self) -> u128| {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| of(part).to_le_bytes()).collect();
            tagged(kind, &bytes)
        };
        Self { ordered: digest(|part| part.ordered), unordered: digest(|part| part.unordered) }
    }

    fn add(&mut self, part: Self) {
        self.ordered = self.ordered.wrapping_add(part.ordered);
        self.unordered = self.unordered.wrapping_add(part.unordered);
    }
}

/// The digest of a value of a kind.
fn tagged(kind: u8, bytes: &[u8]) -> u128 {
    xxh3_128(&[&[kind], bytes].concat())
}

/// Reads a value and returns its digests.
#[derive(Clone, Copy)]
struct Digest;

impl<'de> DeserializeSeed<'de> for Digest {
    type Value = EncodingDigest;

    fn deserialize<D: Read<'de>>(self, input: D) -> Result<EncodingDigest, D::Error> {
        input.deserialize_any(self)
    }
}

/// Declares the visits of scalars, each with the number of its kind.
macro_rules! scalars {
    ($($visit:ident($type:ty) = $kind:literal;)*) => {$(
        fn $visit<E>(self, value: $type) -> Result<EncodingDigest, E> {
            Ok(EncodingDigest::of($kind, &value.to_le_bytes()))
        }
    )*};
}

impl<'de> Visitor<'de> for Digest {
    type Value = EncodingDigest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars! {
        visit_u64(u64) = 1;
        visit_i64(i64) = 2;
        visit_u128(u128) = 3;
        visit_i128(i128) = 4;
        visit_f32(f32) = 5;
        visit_f64(f64) = 6;
    }

    fn visit_bool<E>(self, value: bool) -> Result<EncodingDigest, E> {
        Ok(EncodingDigest::of(7, &[value.into()]))
    }

    fn visit_str<E>(self, value: &str) -> Result<EncodingDigest, E> {
        Ok(EncodingDigest::of(8, value.as_bytes()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<EncodingDigest, E> {
        Ok(EncodingDigest::of(9, value))
    }

    fn visit_unit<E>(self) -> Result<EncodingDigest, E> {
        Ok(EncodingDigest::of(10, &[]))
    }

    fn visit_none<E>(self) -> Result<EncodingDigest, E> {
        Ok(EncodingDigest::of(10, &[]))
    }

    fn visit_some<D: Read<'de>>(self, input: D) -> Result<EncodingDigest, D::Error> {
        Ok(EncodingDigest::around(11, &[input.deserialize_any(self)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<EncodingDigest, A::Error> {
        let mut sum = EncodingDigest { ordered: 0, unordered: 0 };
        while let Some(part) = parts.next_element_seed(self)? {
            let EncodingDigest { ordered, unordered } = EncodingDigest::around(12, &[part]);
            sum.ordered = tagged(12, &[sum.ordered.to_le_bytes(), ordered.to_le_bytes()].concat());
            sum.unordered = sum.unordered.wrapping_add(unordered);
        }
        Ok(EncodingDigest::around(13, &[sum]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<EncodingDigest, A::Error> {
        let mut sum = EncodingDigest { ordered: 0, unordered: 0 };
        while let Some((key, value)) = parts.next_entry_seed(self, self)? {
            sum.add(EncodingDigest::around(14, &[key, value]));
        }
        Ok(EncodingDigest::around(15, &[sum]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::{EncodingDigest, of};
    use serde::Serialize;

    fn digest<T: Serialize + ?Sized>(value: &T) -> EncodingDigest {
        let mut bytes = Vec::new();
        encode(value, &mut bytes).unwrap();
        of(&bytes).unwrap()
    }

    /// Whether two values are equal with all orders, and without those of sequences.
    fn same<A: Serialize, B: Serialize>(one: &A, other: &B) -> (bool, bool) {
        let (one, other) = (digest(one), digest(other));
        (one.ordered == other.ordered, one.unordered == other.unordered)
    }

    const EQUAL: (bool, bool) = (true, true);
    const REORDERED: (bool, bool) = (false, true);
    const OTHER: (bool, bool) = (false, false);

    #[test]
    fn the_order_of_entries_never_counts_that_of_elements_in_one_digest_and_all_else_in_both() {
        let map = |pairs: &[(&'static str, u8)]| indexed(pairs);
        assert_eq!(same(&map(&[("a", 1), ("b", 2)]), &map(&[("b", 2), ("a", 1)])), EQUAL);
        assert_eq!(same(&map(&[("a", 1), ("b", 2)]), &map(&[("a", 2), ("b", 1)])), OTHER);
        assert_eq!(same(&[vec![1u16, 300], vec![2]], &[vec![2], vec![300u16, 1]]), REORDERED);
        assert_eq!(same(&[vec![1u16, 300], vec![2]], &[vec![2], vec![1u16, 300]]), REORDERED);
        assert_eq!(same(&Some([1u16, 300]), &Some([300u16, 1])), REORDERED);
        assert_eq!(same(&[1u16, 1, 300], &[1u16, 300, 300]), OTHER, "how often a part occurs counts");
        assert_eq!(same(&[vec![1u16], vec![2]], &[vec![1u16, 2], vec![]]), OTHER);
        assert_eq!(same(&Some(None::<u8>), &None::<Option<u8>>), OTHER);
        assert_eq!(same(&Some(Some(None::<u8>)), &Some(Some(None::<u8>))), EQUAL);
        assert_eq!((same(&0.0f64, &-0.0f64), same(&f64::NAN, &f64::NAN)), (OTHER, EQUAL));
        assert_eq!((same(&"1", &1), same(&(), &0), same(&u128::MAX, &u64::MAX)), (OTHER, OTHER, OTHER));
        assert_eq!(same(&[1u8, 2], &[2u8, 1]), REORDERED, "a set of bytes is encoded so too");
        assert!(of(&[0xc1]).is_err(), "no encoding");
    }

    /// A map whose parts are written in this order.
    fn indexed(pairs: &[(&'static str, u8)]) -> impl Serialize + use<> {
        struct Pairs(Vec<(&'static str, u8)>);
        impl Serialize for Pairs {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_map(self.0.iter().copied())
            }
        }
        Pairs(pairs.to_vec())
    }
}
