//! Untrusted bytes: no panic, no overflow of the stack, no allocation beyond what the bytes warrant.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{bytes, decode, encode};

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Any {
    Unit,
    List(Vec<Any>),
    Map(HashMap<String, Any>),
    Nested(Option<Option<Box<Any>>>),
    Struct { a: u8, b: Vec<String>, c: (u8, char), d: Option<()> },
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Chain(Option<Box<Chain>>);

fn chain(len: usize) -> Chain {
    (1..len).fold(Chain(None), |chain, _| Chain(Some(Box::new(chain))))
}

fn list(depth: usize) -> Any {
    (1..depth).fold(Any::Unit, |inner, _| Any::List(vec![inner]))
}

/// An element that must not be asked for.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Never;

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a container was begun that can't be there")
    }
}

#[test]
fn a_declared_length_beyond_the_input_is_refused_before_anything_is_made() {
    // Array, map, string, byte string and extension of 2^32 - 1.
    for head in [0xdd, 0xdf, 0xdb, 0xc6, 0xc9] {
        let bomb = [&[head, 0xff, 0xff, 0xff, 0xff][..], &[0; 64]].concat();
        assert!(decode::<Vec<[u64; 32]>>(&bomb).is_err());
        assert!(decode::<Vec<Never>>(&bomb).is_err());
        assert!(decode::<BTreeMap<Never, u8>>(&bomb).is_err());
        assert!(decode::<HashMap<u8, [u64; 32]>>(&bomb).is_err());
        assert!(decode::<String>(&bomb).is_err());
        assert!(decode::<IgnoredAny>(&bomb).is_err());
    }
}

#[test]
fn a_size_hint_is_at_most_what_the_input_holds() {
    use serde::de::{Deserializer as _, SeqAccess, Visitor};
    struct Hint<'a>(&'a Cell<Option<usize>>);
    impl<'de> Visitor<'de> for Hint<'_> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a sequence")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            assert_eq!(seq.size_hint(), Some(9));
            // This element takes all of the input.
            seq.next_element::<String>()?;
            self.0.set(seq.size_hint());
            Ok(())
        }
    }
    let input = [&[0xdc, 0, 9, 0xaa][..], b"abcdefghij"].concat();
    let hint = Cell::new(None);
    let read = super::super::de::Deserializer::new(&input).deserialize_seq(Hint(&hint));
    assert!(read.is_err(), "eight elements are missing");
    assert_eq!(hint.get(), Some(0));
}

#[test]
fn depth_is_limited_on_both_sides() {
    assert_eq!(decode::<Any>(&bytes(&list(127))).unwrap(), list(127));
    assert!(encode(&list(200), &mut Vec::new()).is_err());
    for head in [0x91, 0x81] {
        let bomb = vec![head; 1_000_000];
        assert!(decode::<IgnoredAny>(&bomb).is_err());
        assert!(decode::<Any>(&bomb).is_err());
    }
    let bomb = b"\x81\xa4List\x91".repeat(100_000);
    assert!(decode::<Any>(&bomb).is_err());
}

#[test]
fn a_chain_of_somes_that_takes_no_bytes_ends() {
    assert_eq!(decode::<Chain>(&bytes(&chain(100))).unwrap(), chain(100));
    assert!(encode(&chain(300), &mut Vec::new()).is_err());
    assert!(decode::<Chain>(&[1]).is_err());
    assert!(decode::<Chain>(&[0xd4, 1, 0xff]).is_err());
}

#[test]
fn bytes_left_over_are_refused() {
    for mut bytes in [bytes(&1), bytes(&"x"), bytes(&Some(None::<u8>)), bytes(&vec![1, 2])] {
        bytes.push(0xc0);
        assert!(decode::<IgnoredAny>(&bytes).is_err(), "{bytes:02x?}");
    }
    assert!(decode::<IgnoredAny>(&[]).is_err());
}

#[test]
fn extensions_of_others_are_refused() {
    assert!(decode::<Option<u8>>(&[0xd4, 1, 0]).is_err());
    assert!(decode::<Option<u8>>(&[0xd5, 1, 1, 1]).is_err());
    assert!(decode::<IgnoredAny>(&[0xd4, 9, 0]).is_err());
    assert!(decode::<i128>(&[0xd4, 3, 0]).is_err());
    assert!(decode::<IgnoredAny>(&[0xc1]).is_err());
}

#[test]
fn a_failed_encoding_leaves_the_buffer_as_it_was() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no way"))
        }
    }
    let mut out = vec![1, 2, 3];
    let error = encode(&("text", Fails), &mut out).unwrap_err();
    assert_eq!(out, [1, 2, 3]);
    assert_eq!(error.kind(), crate::ErrorKind::Codec);
    assert!(error.to_string().contains("no way"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
        let _ = decode::<Any>(&bytes);
        let _ = decode::<Chain>(&bytes);
        let _ = decode::<IgnoredAny>(&bytes);
        let _ = decode::<Option<Option<u8>>>(&bytes);
        let _ = decode::<Vec<(u128, Vec<u8>, char)>>(&bytes);
    }

    #[test]
    fn a_damaged_value_is_a_value_or_an_error(at: prop::sample::Index, by: u8, depth in 1usize..20) {
        let nested = Any::Nested(Some(Some(Box::new(list(depth)))));
        let inner = Any::Struct { a: 1, b: vec!["x".into()], c: (2, 'c'), d: Some(()) };
        let mut bytes = bytes(&vec![nested, inner]);
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        let _ = decode::<Vec<Any>>(&bytes);
        let _ = decode::<Vec<Any>>(&bytes[..at]);
    }
}
