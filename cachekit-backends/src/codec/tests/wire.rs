//! The bytes themselves: stored values of older builds must stay readable.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;

use super::bytes;

#[derive(Serialize)]
struct Point {
    x: Option<i32>,
    y: Vec<u8>,
}

#[derive(Serialize)]
enum Shape {
    Dot,
    At(Point),
    Line(u16, u16),
}

#[test]
fn the_format_does_not_change() {
    assert_eq!(bytes(&None::<u8>), [0xc0]);
    assert_eq!(bytes(&Some(None::<u8>)), [0xd4, 1, 1]);
    assert_eq!(bytes(&Some(Some(()))), [0xd4, 1, 2]);
    assert_eq!(bytes(&[1u8, 200, 3]), [0xc7, 3, 2, 1, 200, 3]);
    assert_eq!(bytes(&u128::MAX), [&[0xd8, 4][..], &[0xff; 16]].concat());
    assert_eq!(bytes(&i128::MIN), [&[0xd8, 3, 0x80][..], &[0; 15]].concat());
    assert_eq!(bytes(&Shape::Dot), b"\xa3Dot");
    assert_eq!(bytes(&Shape::Line(1, 300)), b"\x81\xa4Line\x92\x01\xcd\x01\x2c");
    assert_eq!(
        bytes(&Shape::At(Point { x: Some(-1), y: vec![7] })),
        b"\x81\xa2At\x82\xa1x\xff\xa1y\xd4\x02\x07"
    );
}

#[test]
fn a_sequence_of_bytes_takes_a_byte_each() {
    assert!(bytes(&vec![255u8; 100_000]).len() < 100_010);
}

fn by_rmp_serde(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    value
        .serialize(&mut rmp_serde::Serializer::new(&mut out).with_struct_map().with_human_readable())
        .unwrap();
    out
}

type Sample = (bool, i64, u64, f32, f64, char, String, Vec<Option<u32>>, BTreeMap<i16, Vec<i8>>);

proptest! {
    /// Apart from our extensions it is the MessagePack that other libraries write.
    #[test]
    fn what_needs_no_extension_is_plain_messagepack(sample: Sample, n in 0u32..64) {
        let plain = (sample.1 >> n, sample.2 >> n, sample);
        prop_assert_eq!(bytes(&plain), by_rmp_serde(&plain));
    }
}
