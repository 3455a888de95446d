//! Promise 1: equal arguments are one key, different ones are two, and functions and prefixes stay apart.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};

use cachekit::{CacheKey, memoize};
use cachekit_tests::{Calls, Mem, World, each_keeping};

#[test]
fn parts_are_delimited() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn texts(a: &str, b: &str) -> (String, String) {
        CALLS.hit();
        (a.into(), b.into())
    }
    #[memoize]
    fn lists(a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<u8>) {
        CALLS.hit();
        (a.to_vec(), b.to_vec())
    }
    #[memoize]
    fn nested(a: Vec<Vec<String>>) -> Vec<Vec<String>> {
        CALLS.hit();
        a
    }
    #[memoize]
    fn options(a: Option<u8>, b: Option<u8>) -> (Option<u8>, Option<u8>) {
        CALLS.hit();
        (a, b)
    }
    each_keeping(|_| {
        CALLS.take();
        for _ in 0..2 {
            for (a, b) in
                [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc"), ("a\0", "bc"), ("a", "\0bc"), ("", "")]
            {
                assert_eq!(texts(a, b), (a.to_string(), b.to_string()));
            }
            for (a, b) in [(&[1, 2][..], &[3][..]), (&[1], &[2, 3]), (&[], &[1, 2, 3]), (&[1, 2, 3], &[])] {
                assert_eq!(lists(a, b), (a.to_vec(), b.to_vec()));
            }
            for lists in [
                vec![vec!["a"], vec!["b"]],
                vec![vec!["a", "b"]],
                vec![vec!["a", "b"], vec![]],
                vec![vec!["ab"]],
            ] {
                let lists: Vec<Vec<String>> =
                    lists.into_iter().map(|list| list.into_iter().map(String::from).collect()).collect();
                assert_eq!(nested(lists.clone()), lists);
            }
            for (a, b) in
                [(None, None), (Some(0), None), (None, Some(0)), (Some(0), Some(0)), (Some(1), Some(0))]
            {
                assert_eq!(options(a, b), (a, b));
            }
        }
        assert_eq!(CALLS.get(), 7 + 4 + 4 + 5, "each was computed once");
    });
}

#[test]
fn generic_instantiations_are_functions_of_their_own() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn width<T: Copy + Send + CacheKey + 'static>(value: T) -> usize {
        CALLS.hit();
        let _ = value;
        size_of::<T>()
    }
    #[memoize]
    fn sized<const N: usize>(value: u8) -> usize {
        CALLS.hit();
        N + usize::from(value)
    }
    #[memoize]
    fn nothing<T: Default + ToString>() -> String {
        CALLS.hit();
        T::default().to_string()
    }
    each_keeping(|_| {
        CALLS.take();
        for _ in 0..2 {
            assert_eq!((width(5u8), width(5u16), width(5u64)), (1, 2, 8));
            assert_eq!((sized::<1>(1), sized::<2>(1), sized::<10>(1)), (2, 3, 11));
            assert_eq!((nothing::<u8>(), nothing::<bool>()), ("0".into(), "false".into()));
        }
        assert_eq!(CALLS.get(), 8);
    });
}

#[test]
fn maps_and_sets_of_equal_content_are_equal() {
    type Other = HashMap<String, u8, BuildHasherDefault<DefaultHasher>>;
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn map(map: &HashMap<String, u8>) -> usize {
        CALLS.hit();
        map.len()
    }
    #[memoize]
    fn other_hasher(map: &Other) -> usize {
        CALLS.hit();
        map.len()
    }
    #[memoize]
    fn set(set: HashSet<u32>) -> usize {
        CALLS.hit();
        set.len()
    }
    #[memoize]
    fn inside(lists: Vec<HashSet<u32>>, ordered: &BTreeMap<u8, HashSet<u8>>) -> usize {
        CALLS.hit();
        lists.len() + ordered.len()
    }
    each_keeping(|_| {
        CALLS.take();
        let pairs: Vec<(String, u8)> = (0..50).map(|n| (format!("k{n}"), n)).collect();
        let back = || pairs.iter().rev().cloned();
        assert_eq!((map(&pairs.iter().cloned().collect()), map(&back().collect())), (50, 50));
        assert_eq!(
            (other_hasher(&pairs.iter().cloned().collect()), other_hasher(&back().collect())),
            (50, 50)
        );
        assert_eq!((set((0..50).collect()), set((0..50).rev().collect())), (50, 50));
        let ordered = || BTreeMap::from([(1, (0..9).collect()), (2, (3..5).rev().collect())]);
        inside(vec![(0..50).collect(), (7..9).collect()], &ordered());
        inside(vec![(0..50).rev().collect(), (7..9).rev().collect()], &ordered());
        assert_eq!(CALLS.take(), 4);
        // … and of other content aren't.
        let mut more: HashMap<String, u8> = back().collect();
        more.insert("k0".into(), 7);
        map(&more);
        set((0..49).chain([51]).collect());
        inside(vec![(7..9).collect(), (0..50).collect()], &ordered());
        assert_eq!(CALLS.take(), 3);
    });
}

#[test]
fn keys_of_a_users_type_in_a_map_are_unordered() {
    #[derive(CacheKey, PartialEq, Eq, Hash, Clone, Copy)]
    struct Id(u32);
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn total(prices: &HashMap<Id, u32>) -> u32 {
        CALLS.hit();
        prices.values().sum()
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!(total(&(0..40).map(|n| (Id(n), n)).collect()), 780);
        assert_eq!(total(&(0..40).rev().map(|n| (Id(n), n)).collect()), 780);
        assert_eq!(CALLS.take(), 1);
    });
}

#[test]
fn borrowed_and_anonymous_arguments() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn any(
        text: impl AsRef<str> + CacheKey,
        list: &[impl Hash + Debug + Send],
        maybe: Option<&str>,
    ) -> String {
        CALLS.hit();
        format!("{}{}{maybe:?}", text.as_ref(), list.len())
    }
    each_keeping(|_| {
        CALLS.take();
        for _ in 0..2 {
            assert_eq!(any("a", &[1, 2], Some("x")), "a2Some(\"x\")");
            assert_eq!(any("a", &[1, 3], Some("x")), "a2Some(\"x\")");
            assert_eq!(any("b", &[1, 2], None), "b2None");
        }
        assert_eq!(CALLS.take(), 3);
    });
}

#[test]
fn floats_by_their_bits_with_one_nan() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn sign(x: f64) -> bool {
        CALLS.hit();
        x.is_sign_negative()
    }
    each_keeping(|_| {
        CALLS.take();
        for _ in 0..2 {
            assert!(!sign(0.0));
            assert!(sign(-0.0), "another key, for the function tells them apart");
            sign(f64::NAN);
            sign(f64::INFINITY);
        }
        assert_eq!(CALLS.take(), 4);
    });
}

mod left {
    use super::Calls;
    pub(super) static CALLS: Calls = Calls::new();
    #[cachekit::memoize]
    pub(super) fn same(x: u8) -> String {
        CALLS.hit();
        format!("left {x}")
    }
}

mod right {
    #[cachekit::memoize]
    pub(super) fn same(x: u8) -> String {
        super::left::CALLS.hit();
        format!("right {x}")
    }
}

fn first_inner() -> u32 {
    #[memoize]
    fn inner() -> u32 {
        1
    }
    inner()
}

fn second_inner() -> u32 {
    #[memoize]
    fn inner() -> u32 {
        2
    }
    inner()
}

#[test]
fn functions_of_one_name_share_nothing() {
    each_keeping(|_| {
        left::CALLS.take();
        for _ in 0..2 {
            assert_eq!((left::same(1), right::same(1)), ("left 1".into(), "right 1".into()));
            assert_eq!((first_inner(), second_inner()), (1, 2));
        }
        assert_eq!(left::CALLS.take(), 2);
        cachekit::delete_memoized!(left::same).unwrap();
        left::same(1);
        right::same(1);
        assert_eq!(left::CALLS.take(), 1);
    });
}

#[test]
fn functions_in_blocks_of_one_function_share_nothing() {
    fn outer(which: bool) -> u32 {
        if which {
            #[memoize]
            fn inner() -> u32 {
                1
            }
            inner()
        } else {
            #[memoize]
            fn inner() -> u32 {
                2
            }
            inner()
        }
    }
    each_keeping(|_| {
        for _ in 0..2 {
            assert_eq!((outer(true), outer(false)), (1, 2));
        }
    });
}

#[test]
fn prefixes_on_one_store_share_nothing() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f(x: u32) -> u64 {
        CALLS.hit() + u64::from(x)
    }
    let dir = tempfile::tempdir().unwrap();
    let mem = Mem::new();
    let pairs = [
        ["app", "app2_"].map(|prefix| World::in_dir(dir.path(), |config| config.key_prefix(prefix))),
        ["app", "app2_"].map(|prefix| World::plain_over(&mem, |config| config.key_prefix(prefix))),
        ["*", "?"].map(|prefix| World::full_over(&mem, |config| config.key_prefix(prefix))),
    ];
    for [one, two] in pairs {
        CALLS.take();
        let call = |world: &World| {
            let _entered = world.enter();
            f(100)
        };
        assert_eq!((call(&one), call(&two), call(&one), call(&two)), (100, 101, 100, 101), "{}", one.name);
        one.cache().clear().unwrap();
        assert_eq!((call(&two), call(&one)), (101, 102), "promise 7: clear keeps to its prefix");
        assert_eq!(one.cache().get::<u64>("x").unwrap(), None);
        one.cache().set("x", &1u64, 0).unwrap();
        assert_eq!(two.cache().get::<u64>("x").unwrap(), None);
    }
}

#[test]
fn a_shared_key_says_whose_it_is_and_carries_no_arguments() {
    #[memoize]
    fn greet(name: &str) -> String {
        name.into()
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config.key_prefix("shop:"));
    let _entered = world.enter();
    let evil = "x\r\nset y 0 0 1\r\n\0*{}";
    assert_eq!(greet(evil), evil);
    for key in mem.keys() {
        assert!(key.starts_with("shop:") && key.contains("::greet"), "{key}");
        assert!(!key.contains(|c: char| c.is_control() || c.is_whitespace() || "*{}".contains(c)), "{key}");
    }
}

#[test]
fn keys_are_the_same_in_every_process() {
    use cachekit_tests::{Child, role, say};
    #[memoize]
    fn f(a: &str, b: HashMap<u32, String>, c: Option<(i8, f64)>) -> u64 {
        let _ = (a, b, c);
        u64::from(std::process::id())
    }
    let args = || (0..20).map(|n| (n, n.to_string())).collect();
    if role().is_some() {
        let world = World::in_dir(std::env::var("DIR").unwrap().as_ref(), |config| config);
        let _entered = world.enter();
        say(&f("x", args(), Some((-1, 2.5))).to_string());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let world = World::in_dir(dir.path(), |config| config);
    let _entered = world.enter();
    let mine = f("x", args(), Some((-1, 2.5)));
    let mut child = Child::start(
        "keys::keys_are_the_same_in_every_process",
        "reader",
        &[("DIR", dir.path().to_str().unwrap())],
    );
    assert_eq!(child.hear(), mine.to_string(), "the child found what this process stored");
    child.finish();
}

/// A point, whose key is words.
#[derive(CacheKey, Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Point {
    x: i32,
    y: u8,
    z: bool,
}

static POINTS: Calls = Calls::new();

impl Point {
    #[memoize]
    fn above(&self, by: u8) -> bool {
        POINTS.hit();
        self.y > by
    }
}

/// A shade, whose key is words that begin with the name of the variant.
#[derive(CacheKey, Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Shade {
    None,
    Grey(u8),
    Pair { low: u8, high: u8 },
    OfANameThatIsTooLongToBePartOfWords,
}

#[test]
fn derived_keys_of_primitives_tell_all_values_apart() {
    #[memoize]
    fn place(point: &Point) -> u64 {
        POINTS.hit();
        u64::from(point.x.cast_unsigned()) << 16 | u64::from(point.y) << 1 | u64::from(point.z)
    }
    #[memoize]
    fn light(shade: Shade) -> u64 {
        POINTS.hit();
        match shade {
            Shade::None => 0,
            Shade::Grey(level) => 1 << 16 | u64::from(level),
            Shade::Pair { low, high } => 2 << 16 | u64::from(low) << 8 | u64::from(high),
            Shade::OfANameThatIsTooLongToBePartOfWords => 3 << 16,
        }
    }
    let points = [-1, 0, 1].map(|x| [0, 1, 2].map(|y| [false, true].map(|z| Point { x, y, z })));
    let points: Vec<Point> = points.into_iter().flatten().flatten().collect();
    let mut shades = vec![Shade::None, Shade::OfANameThatIsTooLongToBePartOfWords];
    for low in 0..4 {
        shades.push(Shade::Grey(low));
        shades.extend((0..4).map(|high| Shade::Pair { low, high }));
    }
    each_keeping(|_| {
        POINTS.take();
        for _ in 0..2 {
            let places: HashSet<u64> = points.iter().map(place).collect();
            let lights: HashSet<u64> = shades.iter().copied().map(light).collect();
            assert_eq!((places.len(), lights.len()), (points.len(), shades.len()));
            for point in &points {
                assert!((0..3).all(|by| point.above(by) == (point.y > by)));
            }
        }
        assert_eq!(POINTS.take(), (4 * points.len() + shades.len()) as u64);
    });
}
