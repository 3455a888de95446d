//! Promise 1: two instantiations are two functions, whatever their types are called, and nothing leaves the process that
//! means something in it only.

use std::any::type_name;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use cachekit::{CacheKey, delete_memoized, delete_memoized_verhash, invalidates, memoize, peek};
use cachekit_tests::{Calls, Child, Mem, World, block_on, everywhere, logged, role, say};

use crate::identity::{Row, row};

/// Two types of one name.
macro_rules! twins {
    ($call:ident) => {
        (
            {
                #[derive(Clone, Copy)]
                struct Twin;
                impl Named for Twin {
                    const NAME: &'static str = "first";
                }
                $call(Twin)
            },
            {
                #[derive(Clone, Copy)]
                struct Twin;
                impl Named for Twin {
                    const NAME: &'static str = "second";
                }
                $call(Twin)
            },
        )
    };
}

trait Named {
    const NAME: &'static str;
}

#[memoize]
fn name_of<T: Named>() -> (String, String) {
    (T::NAME.into(), type_name::<T>().into())
}

fn call_free<T: Named>(_: T) -> (String, String) {
    name_of::<T>()
}

#[test]
fn types_of_one_name_are_two_instantiations() {
    struct Generic<T>(T);
    impl<T: Named> Generic<T> {
        #[memoize(in_impl, name = "identity.generic.of")]
        fn of() -> String {
            T::NAME.into()
        }
        #[memoize(name = "identity.generic.method", hash(self))]
        fn method(&self) -> String {
            let _ = &self.0;
            T::NAME.into()
        }
    }
    impl<T> Hash for Generic<T> {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    #[memoize(ignore(value))]
    fn opaque<T: Named>(value: T) -> String {
        let _ = value;
        T::NAME.into()
    }
    #[memoize(key = 1)]
    fn with_key(value: &impl Named) -> String {
        fn name<T: Named>(_: &T) -> &'static str {
            T::NAME
        }
        name(value).into()
    }
    #[memoize(ignore(value))]
    fn anonymous(value: Option<impl Named + Copy>) -> String {
        fn name<T: Named>(_: Option<&T>) -> &'static str {
            T::NAME
        }
        name(value.as_ref()).into()
    }
    fn call_of<T: Named>(_: T) -> String {
        Generic::<T>::of()
    }
    fn call_method<T: Named>(value: T) -> String {
        Generic(value).method()
    }
    fn call_opaque<T: Named>(value: T) -> String {
        opaque(value)
    }
    fn call_anonymous<T: Named + Copy>(value: T) -> String {
        anonymous(Some(value))
    }
    fn call_with_key<T: Named + Copy>(value: T) -> String {
        with_key(&value)
    }
    let both = ("first".to_string(), "second".to_string());
    let ((one, one_type), (two, two_type)) = twins!(call_free);
    assert_eq!((one, two), both);
    assert_eq!(one_type, two_type, "the case proves nothing");
    everywhere(|_| {
        for _ in 0..2 {
            let (one, two) = twins!(call_free);
            assert_eq!((one.0, two.0), both);
            assert_eq!(twins!(call_of), both);
            assert_eq!(twins!(call_method), both);
            assert_eq!(twins!(call_opaque), both);
            assert_eq!(twins!(call_anonymous), both);
            assert_eq!(twins!(call_with_key), both);
        }
    });
}

#[test]
fn methods_of_types_of_one_name_are_two_functions() {
    fn first() -> String {
        #[derive(CacheKey)]
        struct Twin;
        impl Twin {
            #[memoize]
            fn name(&self) -> String {
                "first".into()
            }
        }
        Twin.name()
    }
    fn in_blocks(which: bool) -> String {
        if which {
            #[derive(CacheKey)]
            struct Twin;
            impl Twin {
                #[memoize]
                fn name(&self) -> String {
                    "second".into()
                }
            }
            Twin.name()
        } else {
            #[derive(Debug, Hash)]
            struct Twin;
            impl Twin {
                #[memoize]
                fn name(&self) -> String {
                    "third".into()
                }
            }
            Twin.name()
        }
    }
    everywhere(|_| {
        for _ in 0..2 {
            assert_eq!([first(), in_blocks(true), in_blocks(false)], ["first", "second", "third"]);
        }
    });
}

#[test]
fn an_instance_is_told_by_its_type_too() {
    static CALLS: Calls = Calls::new();
    #[derive(CacheKey)]
    struct Id<T> {
        id: u32,
        #[cache_key(skip)]
        #[allow(dead_code)]
        of: T,
    }
    impl<T> Id<T> {
        #[memoize(name = "identity.id.get", hash(self))]
        fn get(&self) -> u32 {
            CALLS.hit();
            self.id
        }
    }
    impl<T> Hash for Id<T> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.id.hash(state);
        }
    }
    everywhere(|_| {
        let (one, two) = (Id { id: 1, of: 0u8 }, Id { id: 1, of: "" });
        one.get();
        two.get();
        CALLS.take();
        delete_memoized!(one.get).unwrap();
        two.get();
        assert_eq!(CALLS.take(), 0, "the deletion of one instance deleted another");
        one.get();
        assert_eq!(CALLS.take(), 1);
    });
}

#[memoize(ignore(f))]
fn apply<F: Fn(u64) -> u64>(f: F, x: u64) -> u64 {
    f(x)
}

#[memoize(ignore(f))]
fn apply_any(f: impl Fn(u64) -> u64, x: u64) -> u64 {
    f(x)
}

fn none_of(world: &World, function: &str) {
    for key in world.mem.iter().flat_map(|mem| mem.keys()) {
        assert!(!key.contains(function), "{key} left the process");
    }
}

#[test]
fn calls_with_closures_stay_in_the_process() {
    everywhere(|world| {
        for _ in 0..2 {
            assert_eq!((apply(|n| n + 1, 5), apply(|n| n * 2, 5)), (6, 10));
            assert_eq!((apply_any(|n| n + 1, 5), apply_any(|n| n * 2, 5)), (6, 10));
        }
        none_of(world, "apply");
        let stats = cachekit::stats!(apply);
        assert_eq!((stats.misses, stats.hits), (2, 2), "they are kept there");
    });
}

fn plus(n: u32) -> u32 {
    n + 1
}

fn twice(n: u32) -> u32 {
    n * 2
}

#[memoize]
fn call(f: fn(u32) -> u32, x: u32) -> u32 {
    f(x)
}

#[memoize]
fn call_one_of(of: &[Option<(fn(&str) -> usize, u8)>]) -> usize {
    of.iter().flatten().map(|(f, _)| f("abc")).sum()
}

#[memoize]
fn address(of: *const u8) -> usize {
    of.addr()
}

#[test]
fn calls_with_pointers_stay_in_the_process() {
    fn length(text: &str) -> usize {
        text.len()
    }
    fn bytes(text: &str) -> usize {
        text.len() + 100
    }
    everywhere(|world| {
        let place = 7u8;
        for _ in 0..2 {
            assert_eq!((call(plus, 5), call(twice, 5)), (6, 10));
            assert_eq!((call_one_of(&[Some((length, 0))]), call_one_of(&[Some((bytes, 0))])), (3, 103));
            assert_eq!(address(&raw const place), (&raw const place).addr());
        }
        none_of(world, "call");
        none_of(world, "address");
        let stats = cachekit::stats!(call);
        assert_eq!((stats.misses, stats.hits), (2, 2));
        delete_memoized!(call, plus, 5).unwrap();
        assert_eq!(peek!(call, plus, 5).unwrap(), None);
        assert_eq!(peek!(call, twice, 5).unwrap(), Some(10));
        delete_memoized!(call).unwrap();
        assert_eq!(peek!(call, twice, 5).unwrap(), None);
    });
}

#[test]
fn an_instance_that_hides_a_pointer_in_plain_sight_stays_too() {
    #[derive(Debug, Hash)]
    struct Button<F>(F);
    impl<F: Hash + Debug + Fn(u32) -> u32> Button<F> {
        #[memoize]
        fn press(&self, x: u32) -> u32 {
            (self.0)(x)
        }
    }
    everywhere(|world| {
        let (one, two) = (Button(plus as fn(u32) -> u32), Button(twice as fn(u32) -> u32));
        for _ in 0..2 {
            assert_eq!((one.press(5), two.press(5)), (6, 10));
        }
        delete_memoized!(one.press).unwrap();
        assert_eq!(peek!(one.press, 5).unwrap(), None);
        assert_eq!(peek!(two.press, 5).unwrap(), Some(10));
        none_of(world, "press");
    });
}

#[test]
fn that_a_call_stays_is_said_once_a_function() {
    #[memoize]
    fn said(f: fn(u32) -> u32, x: u32) -> u32 {
        f(x)
    }
    let world = World::full_over(&Mem::new(), |config| config);
    let _entered = world.enter();
    let lines = logged(|| {
        for x in 0..3 {
            said(plus, x);
            said(twice, x);
        }
    });
    let about: Vec<_> = lines.iter().filter(|line| line.contains("::said#")).collect();
    assert_eq!(about.len(), 1, "{lines:?}");
    assert!(about[0].contains("is kept in this process"), "{about:?}");
}

#[test]
fn types_are_one_in_every_process_of_a_build() {
    struct Local;
    impl Named for Local {
        const NAME: &'static str = "local";
    }
    #[memoize]
    fn of<T: Named>(row: &Row) -> (u32, String) {
        let _ = row;
        (std::process::id(), T::NAME.into())
    }
    let all = || format!("{:?} {}", of::<Local>(&row(1, "a")), row(1, "a").process());
    if role().is_some() {
        let world = World::in_dir(std::env::var("DIR").unwrap().as_ref(), |config| config);
        let _entered = world.enter();
        say(&all());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let world = World::in_dir(dir.path(), |config| config);
    let _entered = world.enter();
    let mine = all();
    let mut child = Child::start(
        "instantiation::types_are_one_in_every_process_of_a_build",
        "reader",
        &[("DIR", dir.path().to_str().unwrap())],
    );
    assert_eq!(child.hear(), mine, "the child found what this process stored");
    child.finish();
}

#[test]
fn one_instantiation_is_deleted_alone() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn size<T: 'static, const N: usize>(n: usize) -> (usize, u64) {
        (size_of::<T>() * N + n, CALLS.hit())
    }
    #[memoize]
    async fn later<T: 'static>() -> u64 {
        CALLS.hit() + size_of::<[T; 0]>() as u64
    }
    struct Sizes;
    impl Sizes {
        #[memoize(in_impl, name = "instantiation.sizes.of")]
        fn of<T: 'static>(n: u8) -> (u8, u64) {
            (n, CALLS.hit())
        }
    }
    #[invalidates(size::<u8, 2>)]
    fn changed() {}
    everywhere(|world| {
        CALLS.take();
        let all =
            || [size::<u8, 2>(0), size::<u8, 2>(1), size::<u8, 3>(0), size::<u16, 2>(0)].map(|(_, n)| n);
        assert_eq!((all(), all()), ([0, 1, 2, 3], [0, 1, 2, 3]));
        delete_memoized!(size::<u8, 2>).unwrap();
        assert_eq!(all(), [4, 5, 2, 3]);
        changed();
        assert_eq!(all(), [6, 7, 2, 3]);
        delete_memoized_verhash!(size::<u16, 2>).unwrap();
        assert_eq!(all(), [6, 7, 2, 8]);
        delete_memoized!(size).unwrap();
        assert_eq!(all(), [9, 10, 11, 12]);
        let both = || (Sizes::of::<u8>(0).1, Sizes::of::<u16>(0).1);
        assert_eq!(both(), (13, 14));
        delete_memoized!(Sizes::of::<u16>).unwrap();
        assert_eq!(both(), (13, 15));
        block_on(world.wrap(async {
            let both = async || (later::<u8>().await, later::<u16>().await);
            assert_eq!(both().await, (16, 17));
            delete_memoized!(later::<u8>).await.unwrap();
            assert_eq!(both().await, (18, 17));
        }));
    });
}
