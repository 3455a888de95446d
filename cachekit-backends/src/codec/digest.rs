//! A digest of an encoding that does not depend on the order of the parts of a container.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as Read, MapAccess, SeqAccess, Visitor};
use xxhash_rust::xxh3::xxh3_128;

use super::{Fault, de};

/// Returns the digest of a value's encoding.
pub(super) fn of(bytes: &[u8]) -> Result<u128, Fault> {
    let mut input = de::Deserializer::new(bytes);
    let digest = input.deserialize_any(Digest)?;
    input.end().map(|()| digest)
}

/// The digest of a value of a kind.
fn tagged(kind: u8, bytes: &[u8]) -> u128 {
    xxh3_128(&[&[kind], bytes].concat())
}

/// Reads a value and returns its digest.
#[derive(Clone, Copy)]
struct Digest;

impl<'de> DeserializeSeed<'de> for Digest {
    type Value = u128;

    fn deserialize<D: Read<'de>>(self, input: D) -> Result<u128, D::Error> {
        input.deserialize_any(self)
    }
}

/// Declares the visits of scalars, each with the number of its kind.
macro_rules! scalars {
    ($($visit:ident($type:ty) = $kind:literal;)*) => {$(
        fn $visit<E>(self, value: $type) -> Result<u128, E> {
            Ok(tagged($kind, &value.to_le_bytes()))
        }
    )*};
}

impl<'de> Visitor<'de> for Digest {
    type Value = u128;

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

    fn visit_bool<E>(self, value: bool) -> Result<u128, E> {
        Ok(tagged(7, &[value.into()]))
    }

    fn visit_str<E>(self, value: &str) -> Result<u128, E> {
        Ok(tagged(8, value.as_bytes()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<u128, E> {
        Ok(tagged(9, value))
    }

    fn visit_unit<E>(self) -> Result<u128, E> {
        Ok(tagged(10, &[]))
    }

    fn visit_none<E>(self) -> Result<u128, E> {
        Ok(tagged(10, &[]))
    }

    fn visit_some<D: Read<'de>>(self, input: D) -> Result<u128, D::Error> {
        let inner = input.deserialize_any(self)?;
        Ok(tagged(11, &inner.to_le_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<u128, A::Error> {
        let mut sum = 0u128;
        while let Some(part) = parts.next_element_seed(self)? {
            sum = sum.wrapping_add(tagged(12, &part.to_le_bytes()));
        }
        Ok(tagged(13, &sum.to_le_bytes()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<u128, A::Error> {
        let mut sum = 0u128;
        while let Some((key, value)) = parts.next_entry_seed(self, self)? {
            let pair = [key.to_le_bytes(), value.to_le_bytes()].concat();
            sum = sum.wrapping_add(tagged(14, &pair));
        }
        Ok(tagged(15, &sum.to_le_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{encode, same_encoding};
    use serde::Serialize;

    fn same<A: Serialize, B: Serialize>(one: &A, other: &B) -> bool {
        let bytes = |value: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            value(&mut bytes);
            bytes
        };
        same_encoding(&bytes(&|out| encode(one, out).unwrap()), &bytes(&|out| encode(other, out).unwrap()))
    }

    #[test]
    fn the_order_of_parts_does_not_count_and_all_else_does() {
        let map = |pairs: &[(&'static str, u8)]| indexed(pairs);
        assert!(same(&map(&[("a", 1), ("b", 2)]), &map(&[("b", 2), ("a", 1)])));
        assert!(!same(&map(&[("a", 1), ("b", 2)]), &map(&[("a", 2), ("b", 1)])));
        assert!(same(&[vec![1u16, 300], vec![2]], &[vec![2], vec![300u16, 1]]));
        assert!(!same(&[1u16, 1, 300], &[1u16, 300, 300]), "how often a part occurs counts");
        assert!(!same(&[vec![1u16], vec![2]], &[vec![1u16, 2], vec![]]));
        assert!(!same(&Some(None::<u8>), &None::<Option<u8>>));
        assert!(same(&Some(Some(None::<u8>)), &Some(Some(None::<u8>))));
        assert!(!same(&0.0f64, &-0.0f64) && same(&f64::NAN, &f64::NAN));
        assert!(!same(&"1", &1) && !same(&(), &0) && !same(&u128::MAX, &u64::MAX));
        assert!(!same_encoding(&[0xc1], &[0xc1]), "no encoding");
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
