//! Every option of the attributes, on every kind of cache.

use std::cell::Cell;
use std::sync::Barrier;
use std::time::Duration;

use cachekit::{
    Cache, Config, Timeout, cached, delete_cached, delete_memoized, memoize, peek, refresh, stats, uncached,
};
use cachekit_tests::{Calls, World, block_on, each, each_keeping};

#[test]
fn timeout_in_every_form() {
    fn limit() -> Duration {
        Duration::from_secs(30)
    }
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = 30)]
    fn seconds() -> u64 {
        CALLS.hit()
    }
    #[memoize(30)]
    fn bare() -> u64 {
        CALLS.hit()
    }
    #[memoize(timeout = "30s")]
    fn text() -> u64 {
        CALLS.hit()
    }
    #[memoize("30000ms")]
    fn bare_text() -> u64 {
        CALLS.hit()
    }
    #[memoize(timeout = limit())]
    fn expression() -> u64 {
        CALLS.hit()
    }
    #[memoize(timeout = Timeout::After(Duration::from_secs(30)))]
    fn timeout() -> u64 {
        CALLS.hit()
    }
    #[memoize(timeout = Duration::from_secs(n))]
    fn of_arguments(n: u64) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    #[cached(timeout = 30, key_prefix = "k")]
    fn cached_seconds() -> u64 {
        CALLS.hit()
    }
    #[memoize(timeout = 0)]
    fn never() -> u64 {
        CALLS.hit()
    }
    #[memoize]
    fn default() -> u64 {
        CALLS.hit()
    }
    #[memoize(timeout = Timeout::Default)]
    fn said_default() -> u64 {
        CALLS.hit()
    }
    let thirty = || {
        [seconds(), bare(), text(), bare_text(), expression(), timeout(), of_arguments(30), cached_seconds()]
            .map(|_| ())
            .len() as u64
    };
    each_keeping(|world| {
        CALLS.take();
        thirty();
        never();
        default();
        said_default();
        assert_eq!(CALLS.take(), 11);
        world.advance(Duration::from_millis(29_999));
        thirty();
        assert_eq!(CALLS.take(), 0, "a moment before the end");
        world.advance(Duration::from_millis(1));
        assert_eq!(thirty(), CALLS.take(), "the end");
        world.advance(Duration::from_secs(269));
        default();
        said_default();
        never();
        assert_eq!(CALLS.take(), 0);
        world.advance(Duration::from_secs(1));
        default();
        said_default();
        assert_eq!(CALLS.take(), 2, "300 s is the default");
        world.advance(Duration::from_secs(3_600 * 24 * 365 * 20));
        never();
        assert_eq!(CALLS.take(), 0);
    });
}

#[test]
fn the_caches_default_timeout_counts() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f() -> u64 {
        CALLS.hit()
    }
    for (limit, worlds) in [
        (
            Timeout::from(7),
            [World::simple_with(|c| c.default_timeout(7)), World::filesystem_with(|c| c.default_timeout(7))],
        ),
        (
            Timeout::Never,
            [World::simple_with(|c| c.default_timeout(0)), World::filesystem_with(|c| c.default_timeout(0))],
        ),
    ] {
        for world in worlds {
            let _entered = world.enter();
            CALLS.take();
            f();
            world.advance(Duration::from_millis(6_999));
            f();
            assert_eq!(CALLS.take(), 1);
            world.advance(Duration::from_millis(1));
            f();
            assert_eq!(CALLS.take(), u64::from(limit != Timeout::Never), "{}", world.name);
        }
    }
}

#[test]
fn key_prefix_is_the_key() {
    static CALLS: Calls = Calls::new();
    #[cached(key_prefix = "one")]
    fn fixed(n: u64) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    #[cached(key_prefix = format!("user:{}", name.trim()))]
    fn of_arguments(name: &str, connection: &Cell<u64>) -> u64 {
        connection.set(connection.get() + 1);
        CALLS.hit()
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!((fixed(1), fixed(2)), (0, 0), "arguments aren't in the key");
        let connection = Cell::new(0);
        assert_eq!(of_arguments("a", &connection), 1);
        assert_eq!(of_arguments(" a ", &connection), 1);
        assert_eq!(of_arguments("b", &connection), 2);
        assert_eq!(connection.get(), 2);
        delete_cached!(of_arguments, "a ", &connection).unwrap();
        assert_eq!((of_arguments("a", &connection), of_arguments("b", &connection)), (3, 2));
    });
}

#[test]
fn key_stands_for_the_arguments() {
    static CALLS: Calls = Calls::new();
    struct Opaque {
        id: u32,
    }
    #[memoize(key = (value.id, name.to_lowercase()))]
    fn f(value: &Opaque, name: &str, ignored: u64) -> u64 {
        let _ = (value, name, ignored);
        CALLS.hit()
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!(f(&Opaque { id: 1 }, "A", 1), 0);
        assert_eq!(f(&Opaque { id: 1 }, "a", 2), 0);
        assert_eq!(f(&Opaque { id: 2 }, "a", 1), 1);
        assert_eq!(f(&Opaque { id: 1 }, "b", 1), 2);
        delete_memoized!(f, &Opaque { id: 1 }, "A", 9).unwrap();
        assert_eq!((f(&Opaque { id: 1 }, "a", 1), f(&Opaque { id: 2 }, "a", 1)), (3, 1));
    });
}

#[test]
fn ignore_leaves_arguments_out() {
    static CALLS: Calls = Calls::new();
    struct Connection;
    #[memoize(ignore(connection, _trace))]
    fn f(n: u64, connection: &Connection, _trace: u64) -> u64 {
        let _ = (n, connection);
        CALLS.hit()
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!((f(1, &Connection, 1), f(1, &Connection, 2), f(2, &Connection, 1)), (0, 0, 1));
        delete_memoized!(f, 1, &Connection, 3).unwrap();
        assert_eq!((f(1, &Connection, 1), f(2, &Connection, 1)), (2, 1));
    });
}

#[test]
fn name_is_the_identity() {
    mod before {
        #[cachekit::memoize(name = "options.stable")]
        pub(super) fn f(n: u64) -> u64 {
            n
        }
    }
    let mem = cachekit_tests::Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    before::f(1);
    assert!(mem.keys().iter().all(|key| key.starts_with("cachekit:|options.stable")), "{:?}", mem.keys());
}

#[test]
fn unless_neither_reads_nor_writes() {
    static CALLS: Calls = Calls::new();
    #[memoize(unless = *n > 100 || skip)]
    fn f(n: &u64, skip: bool) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    each_keeping(|world| {
        CALLS.take();
        assert_eq!((f(&1, false), f(&1, true), f(&1, false)), (0, 1, 0));
        assert_eq!((f(&101, false), f(&101, false)), (2, 3));
        assert_eq!(peek!(f, &101, false).unwrap(), None);
        assert_eq!(stats!(f).misses, 1, "only the first one looked");
        if let Some(mem) = &world.mem {
            mem.take_ops();
            f(&101, true);
            assert_eq!(mem.take_ops(), 0);
        }
    });
}

#[test]
fn refresh_if_overwrites_and_is_asked_once() {
    static CALLS: Calls = Calls::new();
    static ASKED: Calls = Calls::new();
    #[memoize(refresh_if = { ASKED.hit(); force.get() }, key = n)]
    fn f(n: u64, force: &Cell<bool>) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    each_keeping(|_| {
        CALLS.take();
        let (yes, no) = (Cell::new(true), Cell::new(false));
        ASKED.take();
        assert_eq!((f(1, &no), f(1, &no), f(1, &yes), f(1, &no), f(2, &yes), f(2, &no)), (0, 0, 1, 1, 2, 2));
        assert_eq!(ASKED.take(), 6, "once a call");
    });
}

#[test]
fn stale_if_is_asked_on_a_hit_only() {
    static CALLS: Calls = Calls::new();
    static ASKED: Calls = Calls::new();
    #[memoize(stale_if = |value| { ASKED.hit(); *value < least }, key = ())]
    fn f(least: u64) -> u64 {
        CALLS.hit()
    }
    each_keeping(|_| {
        CALLS.take();
        ASKED.take();
        assert_eq!(f(5), 0);
        assert_eq!(ASKED.take(), 0, "a miss has nothing to ask about");
        assert_eq!(f(0), 0);
        assert_eq!(ASKED.take(), 1);
        assert_eq!(f(1), 1, "0 was stale; the new value isn't asked about");
        assert_eq!(f(1), 1);
    });
}

#[test]
fn cache_if_is_asked_after_computing_only() {
    static CALLS: Calls = Calls::new();
    static ASKED: Calls = Calls::new();
    #[memoize(cache_if = |value| { ASKED.hit(); value.len() > least })]
    fn f(text: &str, least: usize) -> String {
        CALLS.hit();
        text.to_uppercase()
    }
    #[memoize(cache_if = |value| value.as_ref().is_ok_and(|n| *n > 0))]
    fn g(n: i32) -> Result<i32, String> {
        CALLS.hit();
        if n < 0 { Err("negative".into()) } else { Ok(n) }
    }
    each_keeping(|_| {
        CALLS.take();
        ASKED.take();
        assert_eq!((f("ab", 5), f("ab", 5)), ("AB".into(), "AB".into()));
        assert_eq!((CALLS.take(), ASKED.take()), (2, 2));
        assert_eq!((f("ab", 1), f("ab", 1)), ("AB".into(), "AB".into()));
        assert_eq!((CALLS.take(), ASKED.take()), (1, 1));
        assert_eq!((g(1), g(1), g(0), g(0), g(-1)), (Ok(1), Ok(1), Ok(0), Ok(0), Err("negative".into())));
        assert_eq!(CALLS.take(), 4, "sees the whole of what the function returns");
    });
}

#[test]
fn cache_none_stores_none() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn without(n: u64) -> Option<u64> {
        CALLS.hit();
        (n > 0).then_some(n)
    }
    #[memoize(cache_none)]
    fn with(n: u64) -> Option<u64> {
        CALLS.hit();
        (n > 0).then_some(n)
    }
    #[memoize(cache_none)]
    fn nested(n: u64) -> Option<Option<u64>> {
        CALLS.hit();
        match n {
            0 => None,
            1 => Some(None),
            n => Some(Some(n)),
        }
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!((without(0), without(0), without(1), without(1)), (None, None, Some(1), Some(1)));
        assert_eq!(CALLS.take(), 3);
        assert_eq!(peek!(with, 0).unwrap(), None, "not there");
        assert_eq!((with(0), with(0), with(1), with(1)), (None, None, Some(1), Some(1)));
        assert_eq!(CALLS.take(), 2);
        assert_eq!(peek!(with, 0).unwrap(), Some(None), "there: a None");
        for _ in 0..2 {
            assert_eq!((nested(0), nested(1), nested(2)), (None, Some(None), Some(Some(2))));
        }
        assert_eq!(CALLS.take(), 3);
    });
}

#[test]
fn version_is_part_of_the_identity() {
    static CALLS: Calls = Calls::new();
    #[memoize(name = "options.versioned", version = "1")]
    fn f(n: u64) -> u64 {
        CALLS.hit();
        n
    }
    let mem = cachekit_tests::Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    f(1);
    let (versions, entries): (Vec<String>, Vec<String>) =
        mem.keys().into_iter().partition(|key| cachekit_tests::is_version(key));
    assert!(entries.iter().all(|key| key.contains("options.versioned@1")), "{entries:?}");
    // The name is enough to delete the function, whatever its version is.
    assert_eq!(versions, ["cachekit:|options.versioned#version"]);
    assert_eq!(CALLS.take(), 1);
}

#[test]
fn source_check_follows_the_body() {
    macro_rules! written {
        ($module:ident, $version:literal, $body:expr) => {
            mod $module {
                #[cachekit::memoize(name = $version, source_check)]
                pub(super) fn f(n: u64) -> u64 {
                    n + $body
                }
            }
        };
    }
    written!(before, "options.source.a", 1);
    written!(edited, "options.source.b", 2);
    written!(reverted, "options.source.c", 1);
    // The same name would be a clash in one process, so three names tell the digests apart.
    let mem = cachekit_tests::Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    assert_eq!((before::f(1), edited::f(1), reverted::f(1)), (2, 3, 2));
    let digest = |name: &str| {
        let keys = mem.keys();
        let key = keys.iter().find(|key| key.contains(name) && key.contains('@')).unwrap();
        key.split_once('@').unwrap().1.split([':', '#']).next().unwrap().to_owned()
    };
    assert_ne!(digest("options.source.a"), digest("options.source.b"));
    assert_eq!(digest("options.source.a"), digest("options.source.c"));
}

#[test]
fn local_never_leaves_the_process() {
    // Neither `Serialize` nor `Debug` nor `PartialEq`.
    #[derive(Clone)]
    struct Handle(std::sync::Arc<str>);
    static CALLS: Calls = Calls::new();
    #[memoize(local, timeout = 30)]
    fn open(name: &str) -> Handle {
        CALLS.hit();
        Handle(name.into())
    }
    each_keeping(|world| {
        CALLS.take();
        if let Some(mem) = &world.mem {
            mem.take_ops();
        }
        let first = open("a");
        assert!(std::sync::Arc::ptr_eq(&open("a").0, &first.0));
        assert_eq!(CALLS.take(), 1);
        delete_memoized!(open, "a").unwrap();
        open("a");
        delete_memoized!(open).unwrap();
        open("a");
        assert_eq!(CALLS.take(), 2);
        world.advance(Duration::from_secs(30));
        open("a");
        assert_eq!(CALLS.take(), 1);
        if let Some(mem) = &world.mem {
            assert_eq!(mem.take_ops(), 0);
        }
        if let Some(dir) = &world.dir {
            assert_eq!(cachekit_tests::files(dir.path()).len(), 0);
        }
        world.cache().clear().unwrap();
        open("a");
        assert_eq!(CALLS.take(), 1, "`clear` reaches it too");
    });
}

#[test]
fn without_single_flight_each_computes() {
    static CALLS: Calls = Calls::new();
    static BOTH: Barrier = Barrier::new(2);
    #[memoize(single_flight = false)]
    fn f(n: u64) -> u64 {
        CALLS.hit();
        // Only if both are in here at a time does this end.
        BOTH.wait();
        n
    }
    each(|world| {
        CALLS.take();
        std::thread::scope(|scope| {
            let calls = [0, 1].map(|_| world.spawn_in(scope, || f(1)));
            assert_eq!(calls.map(|call| call.join().unwrap()), [1, 1]);
        });
        assert_eq!(CALLS.take(), 2);
        if world.keeps {
            assert_eq!(f(1), 1);
            assert_eq!(CALLS.take(), 0, "one of them was stored");
        }
    });
}

#[test]
fn cache_names_a_static() {
    static CALLS: Calls = Calls::new();
    static SESSIONS: Cache = Cache::new();
    mod deep {
        pub(super) static LAZY: std::sync::LazyLock<cachekit::Cache> =
            std::sync::LazyLock::new(|| cachekit::Cache::open(cachekit::Config::simple()).unwrap());
    }
    #[memoize(cache = SESSIONS, timeout = "5m")]
    fn session(id: u64) -> u64 {
        CALLS.hit() + id
    }
    #[memoize(cache = deep::LAZY)]
    fn lazy(id: u64) -> u64 {
        CALLS.hit() + id
    }
    SESSIONS.init(Config::simple().key_prefix("sessions:")).unwrap();
    let other = World::simple();
    let _entered = other.enter();
    assert_eq!((session(10), session(10)), (10, 10));
    other.cache().clear().unwrap();
    assert_eq!(session(10), 10, "the default cache is another one");
    SESSIONS.clear().unwrap();
    assert_eq!(session(10), 11);
    assert_eq!((lazy(10), lazy(10)), (12, 12));
    deep::LAZY.clear().unwrap();
    assert_eq!((lazy(10), session(10)), (13, 11));
    assert_eq!(stats!(session).stores, 2);
}

#[test]
fn companion_and_crate() {
    mod taken {
        pub(super) fn f() {}
    }
    mod reexport {
        pub(super) use cachekit as kit;
    }
    static CALLS: Calls = Calls::new();
    #[memoize(companion = taken_calls, crate = reexport::kit)]
    fn taken(n: u64) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    taken::f();
    each_keeping(|_| {
        CALLS.take();
        assert_eq!((taken(1), taken(1)), (0, 0));
        delete_memoized!(taken_calls, 1).unwrap();
        assert_eq!(taken(1), 1);
        delete_memoized!(taken_calls).unwrap();
        assert_eq!(taken(1), 2);
    });
}

#[test]
fn options_work_on_async_functions() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = "30s", unless = n == 0, refresh_if = force, stale_if = |v| *v == 77, cache_if = |v| *v != 1, key = n)]
    async fn f(n: u64, force: bool) -> u64 {
        tokio::task::yield_now().await;
        let _ = (n, force);
        CALLS.hit()
    }
    each_keeping(|world| {
        CALLS.take();
        block_on(world.wrap(async {
            assert_eq!((f(0, false).await, f(0, false).await), (0, 1), "unless");
            CALLS.take();
            assert_eq!((f(5, false).await, f(5, false).await), (0, 0));
            assert_eq!((f(6, false).await, f(6, false).await, f(6, false).await), (1, 2, 2), "cache_if");
            assert_eq!((f(5, true).await, f(5, false).await), (3, 3), "refresh_if");
            world.advance(Duration::from_secs(30));
            assert_eq!(f(5, false).await, 4);
        }));
    });
}

#[test]
fn uncached_refresh_and_peek() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f(name: &str) -> u64 {
        let _ = name;
        CALLS.hit()
    }
    #[memoize]
    async fn g(name: &str) -> u64 {
        let _ = name;
        CALLS.hit()
    }
    each_keeping(|world| {
        CALLS.take();
        let name = String::from("a");
        assert_eq!(peek!(f, &name).unwrap(), None);
        assert_eq!(uncached!(f, &name), 0);
        assert_eq!(peek!(f, &name).unwrap(), None, "neither read nor stored");
        assert_eq!((f("a"), uncached!(f, &name), f("a")), (1, 2, 1));
        assert_eq!((refresh!(f, &name), f("a")), (3, 3));
        assert_eq!((refresh!(f, "b"), f("b")), (4, 4));
        assert_eq!(peek!(f, &name).unwrap(), Some(3));
        CALLS.take();
        block_on(world.wrap(async {
            assert_eq!(peek!(g, &name).await.unwrap(), None);
            assert_eq!((uncached!(g, &name).await, g("a").await, refresh!(g, &name).await), (0, 1, 2));
            assert_eq!((g("a").await, peek!(g, &name).await.unwrap()), (2, Some(2)));
        }));
    });
}
