//! A value that comes back equals the stored one.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{bytes, decode, same};

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Unit;

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Newtype<T>(T);

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Kinds<T> {
    Unit,
    Newtype(T),
    Tuple(T, T),
    Empty(),
    Struct { a: T, r#type: u8 },
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
#[serde(untagged)]
enum Untagged<T> {
    Unit,
    Some { wrapped: T },
    Value(T),
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
#[serde(tag = "kind")]
enum Internal<T> {
    Unit,
    Struct { a: T },
    Newtype(Flat<T>),
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
#[serde(tag = "kind", content = "content")]
enum Adjacent<T> {
    Unit,
    Newtype(T),
    Tuple(T, u8),
    Struct { a: T },
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Flat<T> {
    first: u8,
    #[serde(flatten)]
    inner: Inner<T>,
    #[serde(flatten)]
    rest: BTreeMap<String, u32>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Inner<T> {
    value: T,
    other: Option<T>,
}

fn flat<T>(value: T, other: Option<T>) -> Flat<T> {
    Flat { first: 1, inner: Inner { value, other }, rest: [("x".into(), 7)].into() }
}

/// The same values in every place that a value can have.
macro_rules! everywhere {
    ($($value:expr),* $(,)?) => {$({
        let value = || $value;
        same(value());
        same(Some(value()));
        same(Some(Some(value())));
        same(vec![value(), value()]);
        same(BTreeMap::from([(1, value())]));
        same((value(), 1, value()));
        same(Newtype(value()));
        same(Some(Newtype(Some(Newtype(value())))));
        same(Kinds::Newtype(value()));
        same(Kinds::Tuple(value(), value()));
        same(Some(Kinds::Struct { a: value(), r#type: 2 }));
        same(Untagged::Some { wrapped: value() });
        same(Internal::Struct { a: value() });
        same(Internal::Newtype(flat(value(), None)));
        same(Adjacent::Newtype(value()));
        same(Adjacent::Tuple(value(), 1));
        same(Some(Adjacent::Struct { a: value() }));
        same(flat(value(), Some(value())));
        same(vec![Some(flat(value(), None)), None]);
    })*};
}

#[test]
fn a_some_around_nothing_stays_a_some() {
    everywhere!(
        None::<u8>,
        Some(None::<u8>),
        Some(Some(None::<u8>)),
        Some(Some(Some(1u8))),
        (),
        Some(()),
        Some(Some(())),
        None::<()>,
        Some(None::<()>),
        Some(Newtype(None::<Newtype<Option<()>>>)),
        Some(Newtype(Some(Newtype(None::<()>)))),
        vec![Some(None), Some(Some(())), None],
        Some(Unit),
        Some(vec![None::<u8>]),
    );
    same(Some(Untagged::<u8>::Unit));
    same(Some(Some(Untagged::<u8>::Unit)));
    assert_ne!(bytes(&Some(None::<u8>)), bytes(&None::<Option<u8>>));
}

#[test]
fn an_ordinary_some_is_plain() {
    assert_eq!(bytes(&Some(Some(5))), bytes(&5));
    assert_eq!(bytes(&Some("x")), bytes(&"x"));
}

#[test]
fn every_scalar_comes_back_from_every_place() {
    everywhere!(
        false,
        u8::MAX,
        i8::MIN,
        -33i16,
        u16::MAX,
        i32::MIN,
        i64::MIN,
        u64::MAX,
        f32::MIN_POSITIVE,
        f64::INFINITY,
        'ß',
        '\0',
        String::new(),
        "naïve 🦀".repeat(9000),
        Duration::new(1, 999_999_999),
        IpAddr::from([127, 0, 0, 1]),
        Ipv6Addr::LOCALHOST,
    );
    for wide in [0, 1, i128::MIN, -1, i128::from(i64::MIN) - 1, i128::from(u64::MAX), i128::MAX] {
        same(wide);
        same(vec![Some(wide)]);
    }
    same([u128::MAX, 0, u128::from(u64::MAX) + 1]);
    for bits in [f64::NAN.to_bits(), 0x7ff0_0000_0000_0001, 0xfff8_dead_beef_0001, (-0.0f64).to_bits()] {
        let back: f64 = decode(&bytes(&f64::from_bits(bits))).unwrap();
        assert_eq!(back.to_bits(), bits);
    }
}

#[test]
fn every_shape_comes_back_from_every_place() {
    everywhere!(
        Unit,
        Kinds::<u8>::Unit,
        Kinds::<u8>::Empty(),
        Kinds::Struct { a: vec![1u8], r#type: 1 },
        Internal::<u8>::Unit,
        Adjacent::<u8>::Unit,
        Untagged::Value(3),
        ((), (1u8,), (1u8, "x".to_owned())),
        [[1u8, 2], [3, 200]],
        Result::<u8, String>::Err("x".into()),
        BTreeMap::from([((1, 'a'), vec![1]), ((2, 'b'), vec![])]),
        BTreeMap::from([(Some(None), 1), (Some(Some(2)), 2), (None, 3)]),
        BTreeMap::from([(vec![1u8], 'a'), (vec![], 'b')]),
        BTreeSet::from([-1, 70_000]),
        Box::new(VecDeque::from(["x".to_owned()])),
    );
    same(HashMap::from([("k".to_owned(), 1.5)]));
    same((0..70_000).collect::<Vec<u32>>());
    same((0..70_000).map(|i| (i, i)).collect::<BTreeMap<u32, u32>>());
    same((0..20).map(Kinds::Newtype).collect::<Vec<_>>());
}

#[test]
fn sequences_of_bytes_come_back_from_every_place() {
    everywhere!(
        Vec::<u8>::new(),
        vec![7u8],
        vec![0u8, 127, 128, 255],
        vec![9u8; 300],
        [1u8, 200, 3],
        VecDeque::from([1u8, 255]),
        vec![Newtype(200u8), Newtype(1)],
        vec![Some(200u8), None],
        (1u8, 2u8),
        (1u8, 2u8, "not only bytes".to_owned(), 255u8),
        vec![Untagged::Value(200u8), Untagged::Unit, Untagged::Value(3)],
    );
    same(vec![1u8; 70_000]);
}

#[test]
fn byte_strings_and_sequences_of_bytes_read_as_each_other() {
    struct Bin(Vec<u8>);
    impl Serialize for Bin {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.serialize_bytes(&self.0)
        }
    }
    impl<'de> Deserialize<'de> for Bin {
        fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            struct Only;
            impl serde::de::Visitor<'_> for Only {
                type Value = Bin;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a byte string")
                }
                fn visit_bytes<E>(self, v: &[u8]) -> Result<Bin, E> {
                    Ok(Bin(v.to_vec()))
                }
            }
            d.deserialize_bytes(Only)
        }
    }
    let data = vec![1, 200, 3];
    assert_eq!(decode::<Bin>(&bytes(&Bin(data.clone()))).unwrap().0, data);
    assert_eq!(decode::<Bin>(&bytes(&data)).unwrap().0, data);
    assert_eq!(decode::<Vec<u8>>(&bytes(&Bin(data.clone()))).unwrap(), data);
    // Both kinds survive serde's buffer.
    assert_eq!(decode::<Flat<Bin>>(&bytes(&flat(Bin(data.clone()), None))).unwrap().inner.value.0, data);
}

#[test]
fn a_wrong_announcement_of_length_does_no_harm() {
    struct Liar(Option<usize>, usize);
    impl Serialize for Liar {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut seq = s.serialize_seq(self.0)?;
            (0..self.1).try_for_each(|i| seq.serialize_element(&(i + 1000)))?;
            seq.end()
        }
    }
    for announced in [None, Some(0), Some(15), Some(16), Some(70_000)] {
        for real in [0, 15, 16, 70_000] {
            let back: Vec<usize> = decode(&bytes(&Liar(announced, real))).unwrap();
            assert_eq!(back, (1000..real + 1000).collect::<Vec<_>>());
        }
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Tree {
    Unit,
    Nothing(()),
    Empty(Option<()>),
    Number(i64),
    Wide(i128),
    Text(String),
    Bytes(Vec<u8>),
    Nested(Option<Option<Option<Box<Tree>>>>),
    List(Vec<Option<Tree>>),
    Map(BTreeMap<Option<Option<u8>>, Tree>),
    Pair(Box<Tree>, Option<Box<Tree>>),
    Struct { a: Option<Box<Tree>>, b: Option<Option<()>> },
    Loose(Box<Untagged<Tree>>),
    Flat(Box<Flat<Option<Option<bool>>>>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Unit),
        Just(Tree::Nothing(())),
        any::<Option<()>>().prop_map(Tree::Empty),
        any::<i64>().prop_map(Tree::Number),
        // Not beyond 64 bits, where serde's own buffer gives up (`Loose`).
        any::<i64>().prop_map(|v| Tree::Number(v >> 32)),
        ".*".prop_map(Tree::Text),
        any::<Vec<u8>>().prop_map(Tree::Bytes),
        (any::<Option<Option<bool>>>(), any::<Option<Option<Option<bool>>>>())
            .prop_map(|(a, b)| Tree::Flat(Box::new(flat(a, b)))),
    ];
    leaf.prop_recursive(6, 64, 5, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            proptest::option::of(proptest::option::of(proptest::option::of(boxed.clone())))
                .prop_map(Tree::Nested),
            proptest::collection::vec(proptest::option::of(inner.clone()), 0..5).prop_map(Tree::List),
            proptest::collection::btree_map(any::<Option<Option<u8>>>(), inner.clone(), 0..5)
                .prop_map(Tree::Map),
            (boxed.clone(), proptest::option::of(boxed.clone())).prop_map(|(a, b)| Tree::Pair(a, b)),
            (proptest::option::of(boxed), any::<Option<Option<()>>>())
                .prop_map(|(a, b)| Tree::Struct { a, b }),
            inner.clone().prop_map(|v| Tree::Loose(Box::new(Untagged::Value(v)))),
            inner.prop_map(|v| Tree::Loose(Box::new(Untagged::Some { wrapped: v }))),
        ]
    })
}

proptest! {
    #[test]
    fn any_tree_comes_back(tree in tree()) {
        let back: Tree = decode(&bytes(&tree)).unwrap();
        prop_assert_eq!(back, tree);
    }

    #[test]
    fn any_wide_integers_come_back(a: i128, b: u128, n in 0u32..128) {
        let value = (a >> n, b >> n);
        prop_assert_eq!(decode::<(i128, u128)>(&bytes(&value)).unwrap(), value);
    }
}
