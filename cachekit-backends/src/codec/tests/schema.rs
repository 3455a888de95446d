//! A value stored under one shape of a type is never misread under another.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{bytes, decode};

#[track_caller]
fn refused<T: DeserializeOwned + Debug>(stored: &impl Serialize) {
    let read = decode::<T>(&bytes(stored));
    assert_eq!(read.unwrap_err().kind(), crate::ErrorKind::Codec);
}

#[derive(Serialize)]
struct Old {
    id: u32,
    age: u32,
}

const OLD: Old = Old { id: 1, age: 2 };

#[test]
fn reordered_fields_are_found_by_name() {
    #[derive(Deserialize)]
    struct New {
        age: u32,
        id: u32,
    }
    let new: New = decode(&bytes(&OLD)).unwrap();
    assert_eq!((new.id, new.age), (1, 2));
}

#[test]
fn reordered_variants_are_found_by_name() {
    #[derive(Serialize)]
    enum Old {
        A,
        B(u8),
        C { x: u8 },
    }
    #[derive(Deserialize, Debug, PartialEq)]
    enum New {
        C { x: u8 },
        B(u8),
        A,
    }
    let old = (Old::A, Old::B(1), Old::C { x: 2 });
    assert_eq!(decode::<(New, New, New)>(&bytes(&old)).unwrap(), (New::A, New::B(1), New::C { x: 2 }));
}

#[test]
fn a_new_field_is_missing_unless_it_has_a_default() {
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Longer {
        id: u32,
        age: u32,
        name: String,
    }
    #[derive(Deserialize)]
    struct Defaulted {
        id: u32,
        #[serde(default)]
        name: String,
        note: Option<u8>,
    }
    refused::<Longer>(&OLD);
    let new: Defaulted = decode(&bytes(&OLD)).unwrap();
    assert_eq!((new.id, new.name.as_str(), new.note), (1, "", None));
}

#[test]
fn skipped_fields_are_left_out() {
    #[derive(Serialize, Deserialize, PartialEq, Debug, Default)]
    struct Skips {
        #[serde(skip)]
        never: u8,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rarely: Option<u8>,
        always: u8,
    }
    let bytes = bytes(&Skips { never: 1, rarely: None, always: 2 });
    assert_eq!(bytes, b"\x81\xa6always\x02");
    assert_eq!(decode::<Skips>(&bytes).unwrap(), Skips { always: 2, ..Skips::default() });
}

#[test]
fn positions_and_numbers_are_no_names() {
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Pair {
        a: u32,
        b: u32,
    }
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only its shape matters")]
    enum Choice {
        Unit,
        Newtype(u32),
        Struct { a: u32 },
    }
    refused::<Pair>(&(1000, 2000));
    refused::<Pair>(&(1u8, 2u8));
    refused::<Pair>(&BTreeMap::from([(0, 1), (1, 2)]));
    refused::<Choice>(&0);
    refused::<Choice>(&BTreeMap::from([(1, 2)]));
    refused::<Choice>(&BTreeMap::from([(b"Newtype", 2)]));
    refused::<Choice>(&BTreeMap::from([("Struct", (1000,))]));
    refused::<Choice>(&BTreeMap::from([("Newtype", 1), ("Unit", 2)]));
    refused::<Choice>(&BTreeMap::from([("Unit", 1)]));
    refused::<Choice>(&"Newtype");
}

#[test]
fn other_types_are_refused() {
    refused::<u8>(&256);
    refused::<u64>(&-1);
    refused::<u128>(&-1);
    refused::<i128>(&u128::MAX);
    refused::<bool>(&1);
    refused::<String>(&1);
    refused::<String>(&b"abc".to_vec());
    refused::<u32>(&"1");
    refused::<()>(&Some(()));
    refused::<Option<()>>(&Some(Some(())));
    refused::<(u8, u8)>(&(1u8, 2u8, 3u8));
    refused::<(u32, u32)>(&(1000, 2000, 3000));
    refused::<(u32, u32)>(&(1000,));
    refused::<[u8; 3]>(&[1u8; 4]);
}
