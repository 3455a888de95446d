//! Promise 10: what comes back equals what was stored; and what is stored of a `Result` and an `Option`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use cachekit::{memoize, peek};
use cachekit_tests::{Calls, block_on, each_keeping, everywhere};
use serde::{Deserialize, Serialize};

/// A value, stored by a function of its type and read back by a second call.
macro_rules! comes_back {
    ($($name:ident $(($cache_none:ident))?: $t:ty = [$($value:expr),* $(,)?];)*) => {$(
        #[test]
        fn $name() {
            static CALLS: Calls = Calls::new();
            #[memoize($($cache_none)?)]
            fn f(which: usize) -> $t {
                CALLS.hit();
                let values: Vec<$t> = vec![$($value),*];
                values.into_iter().nth(which).unwrap()
            }
            each_keeping(|world| {
                CALLS.take();
                let values: Vec<$t> = vec![$($value),*];
                for (which, value) in values.iter().enumerate() {
                    assert_eq!(&f(which), value);
                    assert_eq!(&f(which), value, "what was stored");
                    assert_eq!(peek!(f, which).unwrap().as_ref(), Some(value));
                    world.cache().set("value", value, 0).unwrap();
                    assert_eq!(world.cache().get::<$t>("value").unwrap().as_ref(), Some(value));
                }
                assert_eq!(CALLS.get(), values.len() as u64);
            });
        }
    )*};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    id: u64,
    name: String,
    tags: Vec<String>,
    inner: Option<Box<Named>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tuple(u8, String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    New(Option<u8>),
    Tuple(u8, ()),
    Struct { a: Option<Option<u8>>, b: [u8; 3] },
}

comes_back! {
    units: () = [()];
    booleans: bool = [true, false];
    integers: i64 = [0, -1, i64::MIN, i64::MAX];
    large_integers: u64 = [0, u64::MAX, 1 << 63];
    larger_integers: i128 = [0, i128::MIN, i128::MAX];
    unsigned_large: u128 = [u128::MAX];
    floats: f64 = [0.1, f64::MAX, f64::INFINITY, f64::MIN_POSITIVE];
    chars: char = ['a', '\0', '💥'];
    texts: String = [String::new(), "ä\0\u{fffd}\u{10ffff}".into(), "x".repeat(100_000)];
    bytes: Vec<u8> = [vec![], (0..=255).collect(), vec![0; 100_000]];
    options(cache_none): Option<u8> = [None, Some(0)];
    nested_options(cache_none): Option<Option<Option<u8>>> = [None, Some(None), Some(Some(None)), Some(Some(Some(7)))];
    some_unit(cache_none): Option<()> = [None, Some(())];
    nested_unit(cache_none): Option<Option<()>> = [None, Some(None), Some(Some(()))];
    some_unit_struct(cache_none): Option<Unit> = [None, Some(Unit)];
    tuples: (u8, (String, Option<()>), [i16; 2]) = [(1, ("a".into(), Some(())), [-1, 1]), (0, (String::new(), None), [0, 0])];
    structs: Named = [
        Named { id: u64::MAX, name: "n".into(), tags: vec![String::new()], inner: None },
        Named { id: 0, name: String::new(), tags: vec![], inner: Some(Box::new(Named {
            id: 1, name: "in".into(), tags: vec![], inner: None })) },
    ];
    tuple_structs: Tuple = [Tuple(1, "a".into())];
    enums: Shape = [
        Shape::Unit, Shape::New(None), Shape::New(Some(0)), Shape::Tuple(1, ()),
        Shape::Struct { a: None, b: [1, 2, 3] }, Shape::Struct { a: Some(None), b: [0; 3] },
        Shape::Struct { a: Some(Some(1)), b: [0; 3] },
    ];
    maps: HashMap<String, Vec<Option<u8>>> = [HashMap::new(), HashMap::from([("a".into(), vec![None, Some(1)]), (String::new(), vec![])])];
    maps_by_tuple: BTreeMap<(u8, Option<()>), HashSet<u8>> = [BTreeMap::from([((1, None), HashSet::from([1])), ((1, Some(())), HashSet::new())])];
    durations: Duration = [Duration::ZERO, Duration::MAX, Duration::from_nanos(1)];
    results_inside: Vec<Result<u8, String>> = [vec![Ok(1), Err("e".into())]];
}

#[test]
fn nan_and_negative_zero_come_back_by_their_bits() {
    #[memoize]
    fn f(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
    each_keeping(|_| {
        for bits in [f64::NAN.to_bits(), 0x7ff8_0000_0000_1234, 0xfff0_0000_0000_0001, (-0.0f64).to_bits()] {
            f(bits);
            assert_eq!(f(bits).to_bits(), bits);
        }
    });
}

#[test]
fn changing_a_returned_value_does_not_change_the_cache() {
    #[memoize]
    fn f() -> Vec<String> {
        vec!["a".into()]
    }
    each_keeping(|world| {
        for _ in 0..3 {
            let mut value = f();
            value[0].push('!');
            value.push("b".into());
        }
        assert_eq!(f(), ["a"]);
        world.cache().set("v", &f(), 0).unwrap();
        world.cache().get::<Vec<String>>("v").unwrap().unwrap().clear();
        assert_eq!(world.cache().get::<Vec<String>>("v").unwrap().unwrap(), ["a"]);
        let given = world.cache().get_or_insert_with("w", 0, || vec![1u8]);
        drop(given);
        let mut again = world.cache().get_or_insert_with("w", 0, || vec![2u8]);
        again.push(3);
        assert_eq!(world.cache().get::<Vec<u8>>("w").unwrap().unwrap(), [1]);
    });
}

/// Neither `Clone`, `Serialize`, `Debug` nor `PartialEq`; not even `Send`.
struct Failure(#[allow(dead_code)] *const u8);

type Alias<T> = std::result::Result<T, Failure>;
type Fixed = Alias<u64>;
type Perhaps = Option<u64>;

#[test]
fn of_a_result_only_ok_is_stored_whatever_it_is_called() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn alias(n: u64) -> Alias<u64> {
        CALLS.hit();
        if n == 0 { Err(Failure(std::ptr::null())) } else { Ok(n) }
    }
    #[memoize]
    fn fixed(n: u64) -> Fixed {
        CALLS.hit();
        if n == 0 { Err(Failure(std::ptr::null())) } else { Ok(n) }
    }
    #[memoize]
    fn io(n: u64) -> std::io::Result<u64> {
        CALLS.hit();
        if n == 0 { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(n) }
    }
    #[memoize]
    fn boxed(n: u64) -> Result<u64, Box<dyn std::error::Error>> {
        CALLS.hit();
        if n == 0 { Err("zero".into()) } else { Ok(n) }
    }
    each_keeping(|_| {
        CALLS.take();
        for _ in 0..3 {
            assert!(alias(0).is_err() && fixed(0).is_err() && io(0).is_err() && boxed(0).is_err());
        }
        assert_eq!(CALLS.take(), 12, "an `Err` is never stored");
        for _ in 0..3 {
            assert!(matches!((alias(1), fixed(1), io(1), boxed(1)), (Ok(1), Ok(1), Ok(1), Ok(1))));
        }
        assert_eq!(CALLS.take(), 4);
    });
}

#[test]
fn of_an_option_only_some_is_stored_whatever_it_is_called() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn perhaps(n: u64) -> Perhaps {
        CALLS.hit();
        n.checked_sub(1)
    }
    #[memoize]
    fn both(n: u64) -> Result<Option<u64>, String> {
        CALLS.hit();
        Ok(n.checked_sub(1))
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!((perhaps(0), perhaps(0), perhaps(1), perhaps(1)), (None, None, Some(0), Some(0)));
        assert_eq!(CALLS.take(), 3);
        assert_eq!((both(0), both(0), both(1), both(1)), (Ok(None), Ok(None), Ok(Some(0)), Ok(Some(0))));
        assert_eq!(CALLS.take(), 2, "`Ok(None)` is an `Ok`");
        assert_eq!(peek!(both, 0).unwrap(), Some(Ok(None)));
        assert_eq!(peek!(perhaps, 0).unwrap(), None);
    });
}

#[test]
fn a_type_of_the_users_named_like_a_std_one_is_a_plain_value() {
    mod mine {
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub(super) enum Result<T, E> {
            Ok(T),
            Err(E),
        }
    }
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f(n: u8) -> mine::Result<u8, String> {
        CALLS.hit();
        if n == 0 { mine::Result::Err("e".into()) } else { mine::Result::Ok(n) }
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!((f(0), f(0)), (mine::Result::Err("e".into()), mine::Result::Err("e".into())));
        assert_eq!(CALLS.take(), 1);
    });
}

/// Values that are others when they are read back, or can't be.
mod unfaithful {
    use super::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Untagged {
        Short(u8),
        Long(u64),
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Skips {
        pub(super) kept: u8,
        #[serde(skip)]
        pub(super) skipped: u8,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Wide {
        pub(super) value: u128,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Flattens {
        #[serde(flatten)]
        pub(super) wide: Wide,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    pub(super) enum Tagged {
        Wide { value: u128 },
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Repeats {
        pub(super) value: u8,
        #[serde(flatten)]
        pub(super) inner: Inner,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Inner {
        pub(super) value: u8,
    }

    /// Without `PartialEq`: noticed by its bytes.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub(super) struct Defaults {
        #[serde(skip_deserializing)]
        pub(super) value: u8,
    }

    /// Without `PartialEq`, and with the same bytes when they are read back: noticed by their text.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub(super) struct Hides {
        pub(super) kept: u8,
        #[serde(skip)]
        #[expect(dead_code, reason = "read by `Debug`")]
        pub(super) hidden: u8,
    }

    #[derive(Clone, Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Alike {
        Short(u8),
        Long(u64),
    }

    #[derive(Clone, Debug, Serialize, Deserialize)]
    #[serde(from = "u8", into = "u8")]
    pub(super) struct Narrowed(pub(super) u16);

    impl From<u8> for Narrowed {
        fn from(value: u8) -> Self {
            Self(value.into())
        }
    }

    impl From<Narrowed> for u8 {
        fn from(Narrowed(value): Narrowed) -> Self {
            value.to_le_bytes()[0]
        }
    }

    /// Not equal to itself where the number is NaN.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Unequal {
        pub(super) number: f64,
        #[serde(skip)]
        pub(super) hidden: u8,
    }

    /// Comes back in another order. `Debug` shows nothing.
    #[derive(Clone, Serialize, Deserialize)]
    #[serde(from = "Vec<u16>", into = "Vec<u16>")]
    pub(super) struct Reversed(pub(super) Vec<u16>);

    impl From<Vec<u16>> for Reversed {
        fn from(list: Vec<u16>) -> Self {
            Self(list)
        }
    }

    impl From<Reversed> for Vec<u16> {
        fn from(Reversed(mut list): Reversed) -> Self {
            list.reverse();
            list
        }
    }

    impl std::fmt::Debug for Reversed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Reversed")
        }
    }
}
use unfaithful::{
    Alike, Defaults, Flattens, Hides, Inner, Narrowed, Repeats, Reversed, Skips, Tagged, Unequal, Untagged,
    Wide,
};

/// A function that counts its calls, sync and async, and the value that it returns.
macro_rules! never_another_value {
    ($($name:ident: $t:ty = $value:expr;)*) => {$(
        #[test]
        fn $name() {
            static CALLS: Calls = Calls::new();
            #[memoize]
            fn f() -> $t {
                CALLS.hit();
                $value
            }
            #[memoize]
            async fn g() -> $t {
                CALLS.hit();
                $value
            }
            let text = |value: &$t| format!("{value:?}");
            let right = text(&$value);
            each_keeping(|world| {
                CALLS.take();
                for _ in 0..12 {
                    assert_eq!(text(&f()), right);
                    assert_eq!(text(&block_on(world.wrap(g()))), right);
                }
                let in_process = CALLS.take() == 2;
                let stats = (cachekit::stats!(f), cachekit::stats!(g));
                for stats in [stats.0, stats.1] {
                    assert_eq!((stats.stores, stats.errors), if in_process { (1, 0) } else { (0, 12) });
                }
                assert_eq!(peek!(f).unwrap().is_some(), in_process);
                assert_eq!(in_process, world.name == "simple", "what stays in the process is not encoded");
            });
        }
    )*};
}

never_another_value! {
    an_untagged_variant_with_the_bytes_of_another: Untagged = Untagged::Long(7);
    a_skipped_field: Skips = Skips { kept: 1, skipped: 2 };
    a_wide_integer_in_a_flattened_struct: Flattens = Flattens { wide: Wide { value: u128::MAX } };
    a_wide_integer_in_an_internally_tagged_enum: Tagged = Tagged::Wide { value: u128::MAX };
    a_repeated_name: Repeats = Repeats { value: 1, inner: Inner { value: 2 } };
    a_field_that_is_not_read_without_equality: Defaults = Defaults { value: 1 };
    a_skipped_field_without_equality: Hides = Hides { kept: 1, hidden: 2 };
    an_untagged_variant_without_equality: Alike = Alike::Long(7);
    a_number_that_is_cut_without_equality: Narrowed = Narrowed(300);
    a_skipped_field_beside_nan: Unequal = Unequal { number: f64::NAN, hidden: 2 };
    a_list_in_another_order_without_equality: Reversed = Reversed(vec![1, 2, 300]);
    in_a_result: Result<Untagged, String> = Ok(Untagged::Long(7));
    in_an_option: Option<Vec<Untagged>> = Some(vec![Untagged::Long(7)]);
}

#[test]
fn a_value_that_comes_back_is_stored_beside_one_that_does_not() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f(n: u64) -> Untagged {
        CALLS.hit();
        if n > 255 { Untagged::Long(n) } else { Untagged::Short(u8::try_from(n).unwrap()) }
    }
    /// Without an order, with NaN and without `PartialEq`.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Bag(HashMap<String, f64>, HashSet<u32>);
    #[memoize]
    fn bag() -> Bag {
        CALLS.hit();
        Bag((0..50).map(|n| (n.to_string(), f64::NAN)).collect(), (0..50).collect())
    }
    #[memoize]
    fn generic<
        T: Copy + cachekit::CacheKey + Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    >(
        n: T,
    ) -> T {
        CALLS.hit();
        n
    }
    /// Whose order is often the same.
    #[memoize]
    fn small() -> Bag {
        CALLS.hit();
        Bag(HashMap::new(), [1, 2].into())
    }
    each_keeping(|_| {
        CALLS.take();
        for _ in 0..2 {
            assert_eq!((f(7), f(7_000)), (Untagged::Short(7), Untagged::Long(7_000)));
            assert_eq!(bag().0.len(), 50);
            assert_eq!(small().1.len(), 2);
            assert_eq!(generic(3u8), 3);
        }
        assert_eq!(CALLS.take(), 5);
    });
}

#[test]
fn calls_that_wait_for_a_value_that_does_not_come_back_get_it() {
    #[memoize]
    async fn f() -> Option<Skips> {
        tokio::task::yield_now().await;
        Some(Skips { kept: 1, skipped: 2 })
    }
    everywhere(|world| {
        let (first, second) = block_on(world.wrap(async { tokio::join!(f(), f()) }));
        assert_eq!((&first, first.as_ref().unwrap().skipped), (&second, 2));
        assert_eq!(block_on(world.wrap(f())), first);
        let stats = cachekit::stats!(f);
        // The second call waits for the first one, or comes too late for that.
        let computed = 3 - stats.coalesced - stats.hits;
        let expected = if world.name == "simple" { (1, 0) } else { (0, computed) };
        assert_eq!((stats.stores, stats.errors), expected);
    });
}
