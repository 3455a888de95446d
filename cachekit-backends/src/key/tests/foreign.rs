//! Values that enter a key by `write`, `Hash`, `Debug` and `Serialize`, and keys that don't leave the process.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, hash_map, vec};
use proptest::prelude::*;
use serde::Serialize;
use serde::ser::SerializeSeq as _;

use super::super::{
    CacheKey, KeyWriter, Scout, StableWriter, feed_debug, feed_hash, feed_serialize, holds_address,
    is_of_std, names_closure,
};
use super::{differ, recorded, same, stable};

proptest! {
    /// The rule of all writers, by a `CacheKey` that says nothing about where its bytes end.
    #[test]
    fn each_write_has_its_end(a in [zeros(), zeros(), zeros()], b in [zeros(), zeros(), zeros()]) {
        let parts = |all: &[Vec<u8>; 3]| all.clone().map(|bytes| Written(vec![bytes]));
        let (x, y) = (parts(&a), parts(&b));
        if a == b { same(&Fed(&x), &Fed(&y)) } else { differ(&Fed(&x), &Fed(&y)) }
        let (x, y) = (Lone(Written(a.to_vec())), Lone(Written(b.to_vec())));
        if a == b { same(&x, &y) } else { differ(&x, &y) }
    }

    /// The same for types that have only `Hash`, of which nothing is known about how many writes they make.
    #[test]
    fn hashes_beside_one_another_stay_apart(a in vec(fragments(), 2), b in vec(fragments(), 2)) {
        let parts = |all: &[Vec<Vec<u8>>]| all.iter().cloned().map(|x| Hashed(Written(x))).collect::<Vec<_>>();
        let (x, y) = (parts(&a), parts(&b));
        if a == b { same(&Fed(&x), &Fed(&y)) } else { differ(&Fed(&x), &Fed(&y)) }
    }

    /// And as entries of a collection without an order.
    #[test]
    fn entries_are_told_apart_by_where_their_writes_end(a in fragments(), b in fragments()) {
        let set = |x: &[Vec<u8>]| Lone(Hashed(Written(x.to_vec())));
        if a == b { same(&set(&a), &set(&b)) } else { differ(&set(&a), &set(&b)) }
    }

    #[test]
    fn forms_are_one_key_exactly_if_they_are_equal(a in forms(), b in forms()) {
        if a == b { same(&a, &b) } else { differ(&a, &b) }
        same(&a, &a.clone());
    }

    #[test]
    fn no_form_is_a_prefix_of_another(a in forms(), b in forms()) {
        prop_assert!(a == b || !recorded(&a).starts_with(&recorded(&b)));
    }

    #[test]
    fn debug_texts_beside_one_another_stay_apart(a in ("[ab]{0,2}", "[ab]{0,2}"), b in ("[ab]{0,2}", "[ab]{0,2}")) {
        let pair = |(x, y): &(String, String)| (Printed(x.clone()), Printed(y.clone()));
        if a == b { same(&pair(&a), &pair(&b)) } else { differ(&pair(&a), &pair(&b)) }
    }
}

/// Bytes that differ in their number only.
fn zeros() -> impl Strategy<Value = Vec<u8>> {
    vec(Just(0u8), 0..3)
}

/// Writes of bytes, and a number after each.
fn fragments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(prop::sample::select(vec![0u8, 1, 2, 3]), 0..3), 0..3)
}

/// Feeds its bytes by `Hasher::write` only.
struct Written(Vec<Vec<u8>>);

impl CacheKey for Written {
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        self.0.iter().for_each(|bytes| writer.write(bytes));
    }
}

impl Hash for Written {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for bytes in &self.0 {
            state.write(bytes);
            state.write_u8(bytes.len().try_into().unwrap());
        }
    }
}

struct Hashed(Written);

impl CacheKey for Hashed {
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        feed_hash(&self.0, writer);
    }
}

/// Parts one after another, without anything between them.
struct Fed<'a, T>(&'a [T]);

impl<T: CacheKey> CacheKey for Fed<'_, T> {
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        self.0.iter().for_each(|part| part.cache_key(writer));
    }
}

/// A set of one.
struct Lone<T>(T);

impl<T: CacheKey> CacheKey for Lone<T> {
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        writer.write_unordered(std::iter::once(&self.0));
    }
}

struct Printed(String);

impl std::fmt::Debug for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(c))
    }
}

impl CacheKey for Printed {
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        feed_debug(self, writer);
    }
}

/// One of everything that serde can say.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[expect(clippy::option_option, reason = "its form differs from that of an option")]
enum Shape {
    Unit,
    Newtype(Option<Option<u8>>),
    Tuple(u8, String),
    Struct { a: Vec<Shape>, b: HashMap<u8, Shape> },
    Text(String),
    Character(char),
    Wide(u64),
    Signed(i8),
    Truth(bool),
    Nothing(()),
    Map(BTreeMap<String, u8>),
    Skips(Skips),
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct Skips {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<u8>,
}

impl CacheKey for Shape {
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        feed_serialize(self, writer);
    }
}

fn forms() -> impl Strategy<Value = Shape> {
    let small = || 0u8..2;
    let text = || "[ab]{0,2}";
    let leaf = prop_oneof![
        Just(Shape::Unit),
        prop::option::of(prop::option::of(small())).prop_map(Shape::Newtype),
        (small(), text()).prop_map(|(a, b)| Shape::Tuple(a, b)),
        text().prop_map(Shape::Text),
        prop::char::range('a', 'c').prop_map(Shape::Character),
        (0u64..2).prop_map(Shape::Wide),
        (0i8..2).prop_map(Shape::Signed),
        any::<bool>().prop_map(Shape::Truth),
        Just(Shape::Nothing(())),
        btree_map(text(), small(), 0..3).prop_map(Shape::Map),
        (prop::option::of(small()), prop::option::of(small()))
            .prop_map(|(first, second)| Shape::Skips(Skips { first, second })),
    ];
    leaf.prop_recursive(2, 8, 3, move |inner| {
        (vec(inner.clone(), 0..3), hash_map(small(), inner, 0..3)).prop_map(|(a, b)| Shape::Struct { a, b })
    })
}

#[test]
fn the_form_of_a_map_has_no_order() {
    let map = |items: &mut dyn Iterator<Item = u8>| Shape::Struct {
        a: vec![],
        b: items.map(|n| (n, Shape::Wide(n.into()))).collect(),
    };
    let (one, two) = (map(&mut (0..100)), map(&mut (0..100).rev()));
    let orders = [&one, &two].map(|shape| match shape {
        Shape::Struct { b, .. } => b.keys().copied().collect::<Vec<_>>(),
        _ => unreachable!(),
    });
    assert_ne!(orders[0], orders[1], "the case proves nothing");
    same(&one, &two);
    differ(&one, &map(&mut (1..101)));
}

#[test]
fn a_form_that_fails_ends_there() {
    struct Fails(&'static str, usize);
    impl Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(None)?;
            self.0.chars().take(self.1).try_for_each(|c| list.serialize_element(&c))?;
            if self.1 < self.0.len() {
                return Err(serde::ser::Error::custom("no"));
            }
            list.end()
        }
    }
    impl CacheKey for Fails {
        fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
            assert_eq!(feed_serialize(self, writer), self.1 >= self.0.len());
        }
    }
    same(&Fails("abc", 2), &Fails("abd", 2));
    differ(&Fails("abc", 2), &Fails("ab", 2));
    differ(&Fails("abc", 2), &Fails("abc", 1));
    assert!(!recorded(&Fails("ab", 2)).starts_with(&recorded(&Fails("abc", 1))));
    // Nothing is known about how far a path is before its bytes turn out to be no text, and that it fails is no panic.
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let bad = Path::new(OsStr::from_bytes(b"\xff"));
        assert!(!feed_serialize(bad, &mut StableWriter::new()));
    }
}

#[test]
fn a_scout_finds_what_is_valid_in_this_process_only() {
    struct Inside;
    impl CacheKey for Inside {
        fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
            feed_hash(&std::time::Instant::now(), writer);
        }
    }
    fn finds<T: Hash + std::fmt::Debug>(value: T) -> bool {
        let by_hash = Scout::finds(|scout| feed_hash(&value, scout));
        assert_eq!(by_hash, Scout::finds(|scout| feed_debug(&value, scout)));
        by_hash
    }
    fn function(_: &str) {}
    assert!(finds(function as fn(&str)));
    assert!(finds(Some(function as fn(&'static str))));
    assert!(finds((1u8, [std::ptr::from_ref(&1u8)])));
    assert!(finds(std::ptr::null_mut::<String>()));
    assert!(finds(std::ptr::NonNull::<u8>::dangling()));
    assert!(finds(std::time::Instant::now()));
    assert!(finds(std::thread::current().id()));
    assert!(finds(std::any::TypeId::of::<u8>()));
    assert!(finds(std::mem::discriminant(&Some(1u8))));
    assert!(!finds((1u8, "text", [Some(Duration::ZERO)])));
    assert!(Scout::finds(|scout| vec![(1u8, Some(Inside))].cache_key(scout)));
    assert!(Scout::finds(|scout| Lone(Inside).cache_key(scout)));
    assert!(!Scout::finds(|scout| HashMap::from([(1u8, "a")]).cache_key(scout)));
}

#[test]
fn names_of_types_tell_what_they_can() {
    fn name<T: ?Sized>(_: &T) -> &'static str {
        std::any::type_name::<T>()
    }
    struct Own;
    let of_std = [
        name(&(1u8, "a", [1.5f32; 3])),
        name(&HashMap::<String, Option<Vec<u8>>>::new()),
        name(&(Arc::from("a") as Arc<str>)),
        std::any::type_name::<dyn std::fmt::Debug + Send>(),
        std::any::type_name::<fn(&u8, *const u8) -> bool>(),
        name(Path::new("a")),
    ];
    for name in of_std {
        assert!(is_of_std(name), "{name}");
    }
    let of_others = [
        name(&Own),
        name(&Some(Own)),
        name(&(1u8, vec![Own])),
        name(&name::<u8>),
        name(&|| 1),
        name(&Some(|| 1)),
    ];
    for name in of_others {
        assert!(!is_of_std(name), "{name}");
    }
    assert!(names_closure(name(&|| 1)) && names_closure(name(&Some(|| 1))));
    assert!(names_closure(name(&async {})));
    let inside = || {
        struct Local;
        (name(&Local), name(&vec![Local]))
    };
    assert!(!names_closure(inside().0) && !names_closure(inside().1), "{inside:?}", inside = inside());
    assert!(holds_address("*const u8") && holds_address("my::Wrapper<&*mut u8>"));
    assert!(holds_address("unsafe extern \"C\" fn(u8)") && holds_address("fn()"));
    assert!(
        !holds_address("my::Instant")
            && !holds_address("my::fnord")
            && !holds_address("dyn core::ops::Fn(u8)")
    );
}

/// For the golden file.
pub(super) fn golden_lines() -> [(&'static str, String); 4] {
    let line = |feed: &dyn Fn(&mut StableWriter)| {
        let mut writer = StableWriter::new();
        feed(&mut writer);
        writer.to_text()
    };
    let shape = Shape::Struct {
        a: vec![Shape::Unit, Shape::Newtype(Some(None)), Shape::Tuple(1, "a".into()), Shape::Nothing(())],
        b: HashMap::from([(1, Shape::Signed(-1)), (2, Shape::Character('a')), (3, Shape::Truth(true))]),
    };
    [
        ("Written(..) by write -> ", stable(&Written(vec![vec![1], vec![2, 3]]))),
        ("(1u8, -1isize, \"a\") by Hash -> ", line(&|w| feed_hash(&(1u8, -1isize, "a"), w))),
        ("Some(\"a\") by Debug -> ", line(&|w| feed_debug(&Some("a"), w))),
        ("Shape by Serialize -> ", stable(&shape)),
    ]
}
