//! Deletion by name, and the list of the program's functions.

use cachekit::{ErrorKind, FunctionInfo, functions, memoize};
use cachekit_tests::{Calls, World, block_on, each_keeping, everywhere};

struct Person(u32);

static CALLS: Calls = Calls::new();

impl Person {
    #[memoize(version = "3")]
    fn role(&self, n: u64) -> u64 {
        u64::from(self.0) + n + CALLS.hit()
    }
}

impl cachekit::CacheKey for Person {
    fn cache_key<W: cachekit::KeyWriter>(&self, writer: &mut W) {
        self.0.cache_key(writer);
    }
}

#[test]
fn a_name_deletes_in_a_cache_of_ones_choice() {
    #[memoize(name = "by_name.own", version = "2")]
    fn own(n: u64) -> u64 {
        n + CALLS.hit()
    }
    #[memoize(name = "by_name.other")]
    fn other(n: u64) -> u64 {
        n + CALLS.hit()
    }
    let role = format!("{}::Person::role", module_path!());
    everywhere(|world| {
        CALLS.take();
        let cache = world.cache();
        let call = || (own(10), Person(20).role(0), other(30));
        assert_eq!((call(), call()), ((10, 21, 32), (10, 21, 32)), "{}", world.name);
        cache.delete_memoized_named("by_name.own").unwrap();
        assert_eq!(call(), (13, 21, 32), "{}", world.name);
        block_on(cache.aio().delete_memoized_named(&role)).unwrap();
        assert_eq!((call(), call()), ((13, 24, 32), (13, 24, 32)), "{}", world.name);
        // A name that no function has here may be one of another program.
        cache.delete_memoized_named("by_name.absent").unwrap();
        block_on(cache.aio().delete_memoized_named("")).unwrap();
        assert_eq!(call(), (13, 24, 32), "{}", world.name);
    });
}

/// As from a process that has not called it: the cache that deletes is another one, of the same store.
#[test]
fn a_name_is_enough_on_a_shared_store() {
    #[memoize(name = "by_name.shared")]
    fn shared(n: u64) -> u64 {
        static SHARED: Calls = Calls::new();
        n + SHARED.hit()
    }
    let dir = tempfile::tempdir().unwrap();
    let [world, elsewhere] = [(); 2].map(|()| World::in_dir(dir.path(), |config| config));
    let _entered = world.enter();
    assert_eq!((shared(10), shared(10)), (10, 10));
    elsewhere.cache().delete_memoized_named("by_name.shared").unwrap();
    assert_eq!((shared(10), shared(10)), (11, 11));
}

#[test]
fn a_function_that_was_never_called_has_a_name_too() {
    #[memoize(name = "by_name.never")]
    fn never(n: u64) -> u64 {
        n
    }
    each_keeping(|_| {
        let method = format!("{}::Person::role", module_path!());
        for name in ["by_name.never", &method] {
            cachekit::delete_memoized_named(name).unwrap();
        }
    });
    let world = World::simple();
    let _entered = world.enter();
    world.cache().set("bound", &1u8, 0).unwrap();
    let error = cachekit::delete_memoized_named("elsewhere::by_name.neverr").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownFunction);
    let error = cachekit::delete_memoized_named("elsewhere::unlisted").unwrap_err();
    assert!(error.to_string().contains("::unlisted`, and no other one"), "{error}");
    assert_eq!(never(1), 1);
}

fn find(name: &str) -> Option<FunctionInfo> {
    functions().iter().find(|function| function.name == name).cloned()
}

#[memoize(name = "by_name.listed", timeout = "5m")]
fn listed(n: u64) -> u64 {
    n
}

fn unlisted_line() -> u32 {
    line!()
}

#[memoize(ignore(_why))]
fn unlisted(n: u64, _why: &str) -> u64 {
    n
}

#[test]
fn every_function_is_listed_before_its_first_call() {
    assert!(functions().is_complete());
    let info = find("by_name.listed").unwrap();
    assert!(info.file.ends_with("by_name.rs") && !info.called, "{info:?}");
    assert!(info.options.contains("timeout = \"5m\""), "{info:?}");
    assert_eq!(info.counters, cachekit::FunctionStats::default());
    let path = format!("{}::unlisted", module_path!());
    let info = find(&path).unwrap();
    assert!(info.line > unlisted_line() && info.line < unlisted_line() + 6, "{info:?}");
    // Its names are in order, and each row has its place.
    let all = functions();
    assert!(all.is_sorted_by_key(|function| &function.name) && all.iter().all(|function| function.line > 0));

    let (one, two) = (World::simple(), World::filesystem());
    for world in [&one, &two] {
        let _entered = world.enter();
        assert_eq!((listed(1), listed(1), unlisted(1, "x")), (1, 1, 1));
    }
    let info = find("by_name.listed").unwrap();
    assert!(info.called);
    let counters = info.counters;
    assert_eq!((counters.hits, counters.misses, counters.stores), (2, 2, 2), "of both caches");
    assert_eq!(functions().into_iter().filter(|function| function.name == path).count(), 1);
    assert!((&functions()).into_iter().any(|function| function.name == path && function.called));
}
