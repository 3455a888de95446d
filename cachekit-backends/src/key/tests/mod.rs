//! Promises: equal arguments give equal keys everywhere, different ones give different keys, every part is delimited.

mod ecosystem;
mod foreign;

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{CStr, OsStr, OsString};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::num::{NonZero, Saturating, Wrapping};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use proptest::collection::{btree_map, hash_map, vec};
use proptest::prelude::*;

use super::{CacheKey, KeySecret, Matcher, Recorder, StableWriter, base32};

fn recorded<T: CacheKey + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.cache_key(&mut Recorder::new(&mut bytes));
    bytes
}

fn stable<T: CacheKey + ?Sized>(value: &T) -> String {
    let mut writer = StableWriter::new();
    value.cache_key(&mut writer);
    writer.to_text()
}

/// All four writers say that two values are one key.
fn same<A: CacheKey + ?Sized, B: CacheKey + ?Sized>(a: &A, b: &B) {
    let secret = KeySecret::new();
    assert_eq!(recorded(a), recorded(b));
    assert_eq!(stable(a), stable(b));
    assert_eq!(secret.digest(|w| a.cache_key(w)), secret.digest(|w| b.cache_key(w)));
    assert!(Matcher::matches(&recorded(a), |w| b.cache_key(w)));
}

/// The writers that decide say that two values are two keys.
fn differ<A: CacheKey + ?Sized, B: CacheKey + ?Sized>(a: &A, b: &B) {
    assert_ne!(recorded(a), recorded(b));
    assert_ne!(stable(a), stable(b));
    assert!(!Matcher::matches(&recorded(a), |w| b.cache_key(w)));
    assert!(!Matcher::matches(&recorded(b), |w| a.cache_key(w)));
}

/// Arguments of many shapes, over so small an alphabet that neighbours are common.
type Arguments = ((String, String), Vec<u8>, Option<String>, Vec<Vec<String>>, Result<u8, Vec<u8>>, OsString);

fn arguments() -> impl Strategy<Value = Arguments> {
    let text = || "[ab]{0,2}";
    let bytes = || vec(prop::sample::select(vec![0u8, 1, 0xff]), 0..3);
    (
        (text(), text()),
        bytes(),
        prop::option::of(text()),
        vec(vec(text(), 0..3), 0..3),
        prop::result::maybe_err(0u8..2, bytes()),
        text().prop_map(OsString::from),
    )
}

/// The vectors of RFC 4648, and texts of more than one part.
#[test]
fn base_32_is_that_of_the_standard() {
    for (bytes, text) in [
        ("", ""),
        ("f", "my"),
        ("fo", "mzxq"),
        ("foo", "mzxw6"),
        ("foob", "mzxw6yq"),
        ("fooba", "mzxw6ytb"),
        ("foobar", "mzxw6ytboi"),
        ("foobarfoobarfoobarfo", "mzxw6ytbojtg633cmfzgm33pmjqxeztp"),
    ] {
        assert_eq!(base32(bytes.as_bytes()), text);
    }
    let all = |bytes: &[u8]| bytes.chunks(5).map(base32).collect::<String>();
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    for len in [19, 20, 21, 32, 40, 41, 256] {
        assert_eq!(base32(&bytes[..len]), all(&bytes[..len]), "{len}");
    }
}

proptest! {
    #[test]
    fn arguments_are_one_key_exactly_if_they_are_equal(a in arguments(), b in arguments()) {
        if a == b { same(&a, &b) } else { differ(&a, &b) }
        same(&a, &a.clone());
    }

    /// Pairs that differ in one part only, where a missing delimiter would show.
    #[test]
    fn every_part_is_delimited(a in vec(vec("[ab]{0,2}", 0..3), 0..3), b in vec(vec("[ab]{0,2}", 0..3), 0..3)) {
        if a == b { same(&a, &b) } else { differ(&a, &b) }
        let flat = |x: &[Vec<String>]| x.concat().concat();
        if flat(&a) == flat(&b) && a != b {
            differ(&(a, 0u8), &(b, 0u8));
        }
    }

    /// The same for parts of a call, few enough that equal concatenations are common.
    #[test]
    fn text_beside_text_stays_apart(a in ("[ab]{0,2}", "[ab]{0,2}"), b in ("[ab]{0,2}", "[ab]{0,2}")) {
        if a == b { same(&a, &b) } else { differ(&a, &b) }
    }

    /// Later bytes can't cancel a difference: no value's bytes begin with those of another.
    #[test]
    fn no_value_is_a_prefix_of_another(a in arguments(), b in arguments()) {
        prop_assert!(a == b || !recorded(&a).starts_with(&recorded(&b)));
    }

    #[test]
    fn a_recorded_key_matches_what_is_equal_and_nothing_shorter_or_longer(a in arguments(), cut in any::<prop::sample::Index>()) {
        let bytes = recorded(&a);
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(Matcher::matches(&bytes, |w| a.cache_key(w)));
        prop_assert!(!Matcher::matches(&longer, |w| a.cache_key(w)));
        prop_assert!(!Matcher::matches(&bytes[..cut.index(bytes.len())], |w| a.cache_key(w)));
    }

    #[test]
    fn maps_and_sets_agree_whatever_their_order(
        map in hash_map("[a-c]{0,3}", vec(any::<u8>(), 0..3), 0..20),
        other in hash_map("[a-c]{0,3}", vec(any::<u8>(), 0..3), 0..3),
    ) {
        let mut items: Vec<_> = map.clone().into_iter().collect();
        items.reverse();
        let rebuilt: HashMap<_, _> = items.iter().cloned().collect();
        same(&map, &rebuilt);
        let tree: BTreeMap<_, _> = items.into_iter().collect();
        same(&tree, &map.clone().into_iter().collect::<BTreeMap<_, _>>());
        same(&map.keys().collect::<HashSet<_>>(), &rebuilt.keys().collect::<HashSet<_>>());
        if map != other {
            differ(&map, &other);
        }
    }

    #[test]
    fn ordered_maps_differ_when_their_content_does(
        a in btree_map("[ab]{0,2}", "[ab]{0,2}", 0..3),
        b in btree_map("[ab]{0,2}", "[ab]{0,2}", 0..3),
    ) {
        if a == b { same(&a, &b) } else { differ(&a, &b) }
    }

    #[test]
    fn floats_are_one_key_by_their_bits(a in any::<f64>(), b in any::<f64>()) {
        if a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) { same(&a, &b) } else { differ(&a, &b) }
    }

    /// `==` of paths is coarser than what a function sees of them.
    #[test]
    fn paths_are_one_key_exactly_if_their_bytes_are_equal(a in "[a./]{0,4}", b in "[a./]{0,4}") {
        let paths = (PathBuf::from(&a), PathBuf::from(&b));
        if a == b { same(&paths.0, &paths.1) } else { differ(&paths.0, &paths.1) }
    }
}

#[test]
fn neighbouring_arguments_stay_apart() {
    differ(&("a", "bc"), &("ab", "c"));
    differ(&("a", ""), &("", "a"));
    differ(&(vec![1u8], vec![2u8, 3]), &(vec![1u8, 2], vec![3u8]));
    differ(&(None::<u8>, Some(0u8)), &(Some(0u8), None::<u8>));
    differ(&(vec![""],), &(Vec::<&str>::new(),));
    differ(&Some(()), &None::<()>);
    differ(&vec![(); 2], &vec![(); 3]);
    differ(&Some(None::<u8>), &None::<Option<u8>>);
}

#[test]
fn text_is_one_key_however_it_is_held() {
    let text = "naïve\0";
    same(text, &text.to_owned());
    same(text, &&text);
    same(text, &Cow::Borrowed(text));
    same(text, &Cow::<str>::Owned(text.into()));
    same(text, &Box::<str>::from(text));
    same(text, &Rc::<str>::from(text));
    same(text, &Arc::new(text.to_owned()));
}

#[test]
fn sequences_are_one_key_however_they_are_held() {
    let slice: &[u8] = &[1, 2, 3];
    same(slice, &[1u8, 2, 3]);
    same(slice, &slice.to_vec());
    same(slice, &Cow::Borrowed(slice));
    same(slice, &Box::<[u8]>::from(slice));
    same(&["a", "b"][..], &vec!["a".to_owned(), "b".to_owned()]);
}

#[test]
fn a_deque_is_one_key_however_it_is_split() {
    let straight: VecDeque<u8> = (0..6).collect();
    let mut split: VecDeque<u8> = (3..6).collect();
    (0..3).rev().for_each(|n| split.push_front(n));
    assert_ne!(straight.as_slices(), split.as_slices(), "the case proves nothing");
    same(&straight, &split);
}

#[test]
fn a_heap_is_one_key_whatever_order_it_was_filled_in() {
    same(&BinaryHeap::from([1u8, 2, 3, 4, 5]), &[5u8, 3, 1, 2, 4].into_iter().collect::<BinaryHeap<_>>());
    differ(&BinaryHeap::from([1u8, 1, 2]), &BinaryHeap::from([1u8, 2, 2]));
}

#[test]
fn floats_keep_their_sign_and_have_one_nan() {
    differ(&0.0f64, &-0.0f64);
    differ(&0.0f32, &-0.0f32);
    same(&f64::NAN, &f64::from_bits(f64::NAN.to_bits() ^ 1 ^ 1 << 63));
    same(&f32::NAN, &f32::from_bits(f32::NAN.to_bits() ^ 1 ^ 1 << 31));
}

#[test]
fn paths_that_a_function_can_tell_apart_are_two_keys() {
    for other in ["a//b", "a/b/", "a/./b", "./a/b"] {
        differ(Path::new("a/b"), Path::new(other));
        differ(&PathBuf::from("a/b"), &PathBuf::from(other));
        differ(&Some(Cow::Borrowed(Path::new("a/b"))), &Some(Cow::Borrowed(Path::new(other))));
        differ(OsStr::new("a/b"), OsStr::new(other));
    }
    same(Path::new("a/b"), OsStr::new("a/b"));
    differ(Path::new("a/b"), Path::new("a/../b"));
    differ(Path::new("/a"), Path::new("a"));
    differ(Path::new("./a"), Path::new("a"));
    differ(&(Path::new("a"), Path::new("b")), &(Path::new("a/b"), Path::new("")));
}

/// Where `==` or another spelling might hide what a function sees.
#[test]
fn values_of_the_standard_library_are_as_exact_as_a_function_sees_them() {
    let v6 = |flow, scope| SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, flow, scope);
    differ(&v6(0, 0), &v6(1, 0));
    differ(&v6(0, 0), &v6(0, 1));
    differ(&IpAddr::V4(Ipv4Addr::LOCALHOST), &IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()));
    differ(&Ipv4Addr::LOCALHOST.to_ipv6_mapped(), &Ipv4Addr::LOCALHOST.to_ipv6_compatible());
    differ(&Duration::new(1, 0), &Duration::new(1, 1));
    differ(&(UNIX_EPOCH + Duration::from_nanos(1)), &UNIX_EPOCH);
    differ(&(0u8..0), &(1u8..1));
    differ(&std::ops::RangeInclusive::new(1u8, 0), &std::ops::RangeInclusive::new(2, 1));
    differ(&Bound::Included(1u8), &Bound::Excluded(1u8));
    differ("ß", "ss");
    differ("\u{e9}", "e\u{301}");
    differ(c"a", c"a ");
    differ(&Ordering::Less, &Ordering::Greater);
    differ(&f32::MIN_POSITIVE, &0.0f32);
    differ(&BTreeMap::from([(0.0f64.to_bits(), 0.0f64)]), &BTreeMap::from([(0.0f64.to_bits(), -0.0f64)]));
    differ(&HashMap::from([(1u8, 0.0f64)]), &HashMap::from([(1u8, -0.0f64)]));
}

#[test]
fn an_exhausted_range_is_another_key() {
    let mut range = 5..=5;
    range.next();
    assert_ne!(range, 5..=5);
    differ(&range, &(5..=5));
}

#[test]
fn moments_before_the_epoch_are_apart_from_those_after() {
    differ(&(UNIX_EPOCH - Duration::from_secs(1)), &(UNIX_EPOCH + Duration::from_secs(1)));
}

/// Keys of shared caches must never change unnoticed: a changed line makes every such cache cold, and a release note is due.
#[test]
fn keys_are_what_they_have_always_been() {
    macro_rules! lines {
        ($($value:expr),* $(,)?) => {
            [$((concat!(stringify!($value), " -> "), stable(&$value))),*]
        };
    }
    let lines = lines![
        (),
        true,
        'é',
        1u8,
        1u16,
        1u32,
        1u64,
        1u128,
        1usize,
        -1i8,
        -1i16,
        -1i32,
        -1i64,
        -1i128,
        -1isize,
        0.0f32,
        -0.0f64,
        1.5f64,
        f32::NAN,
        f64::NAN,
        "",
        "text",
        b"bytes",
        ("a", "bc"),
        ("ab", "c"),
        (1u8, 2u16, 3u32),
        [1u32, 2],
        vec![1u8, 2],
        vec!["a", "b"],
        VecDeque::from([1u8, 2]),
        LinkedList::from([1u8, 2]),
        BTreeSet::from([1u8, 2]),
        BTreeMap::from([("a", 1u8), ("b", 2)]),
        HashSet::from([1u8, 2]),
        HashMap::from([("a", 1u8), ("b", 2)]),
        BinaryHeap::from([1u8, 2]),
        HashSet::<u8>::new(),
        None::<u8>,
        Some(1u8),
        Ok::<u8, u8>(1),
        Err::<u8, u8>(1),
        Path::new("/a/../b"),
        OsStr::new("a"),
        CStr::from_bytes_until_nul(b"a\0").unwrap(),
        Duration::from_millis(1500),
        UNIX_EPOCH + Duration::from_secs(1),
        UNIX_EPOCH - Duration::from_secs(1),
        NonZero::<u64>::MIN,
        NonZero::<u8>::MIN,
        Wrapping(1u8),
        Saturating(1u8),
        Reverse(1u8),
        Ordering::Less,
        0u8..1,
        0u8..=1,
        0u8..,
        ..1u8,
        ..=1u8,
        ..,
        Bound::Included(1u8),
        Bound::Excluded(1u8),
        Bound::<u8>::Unbounded,
        IpAddr::from([127, 0, 0, 1]),
        Ipv4Addr::LOCALHOST,
        Ipv6Addr::LOCALHOST,
        SocketAddr::from(([127, 0, 0, 1], 80)),
        SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 1, 2),
        PhantomData::<u8>,
        Box::new(1u8),
    ];
    let lines: Vec<_> = lines.into_iter().chain(foreign::golden_lines()).collect();
    let golden: Vec<_> =
        include_str!("golden.txt").lines().filter_map(|line| line.rsplit_once(" -> ")).collect();
    let now: Vec<_> = lines.iter().map(|(what, text)| format!("{what}{text}")).collect();
    // Only the keys count: the compiler is free to print the expressions otherwise.
    let same = golden.iter().map(|(_, key)| *key).eq(lines.iter().map(|(_, key)| key.as_str()));
    assert!(same, "the keys of shared caches have changed; now they are:\n{}\n", now.join("\n"));
}
