//! The cache object's list of keys, its counters and its health.

use std::collections::BTreeSet;
use std::time::Duration;

use cachekit::{BreakerState, Cache, CacheStats, Config, ErrorKind, Result};
use cachekit_tests::{Fault, Mem, World, block_on, each, everywhere};

/// All keys, by both forms.
fn keys(cache: &Cache, prefix: &str) -> BTreeSet<String> {
    let listed = cache.keys(prefix).unwrap().collect::<Result<BTreeSet<String>>>().unwrap();
    let streamed = block_on(async {
        let (mut stream, mut keys) = (cache.aio().keys(prefix).await.unwrap(), BTreeSet::new());
        while let Some(key) = stream.next().await {
            keys.insert(key.unwrap());
        }
        assert!(stream.next().await.is_none(), "a stream that has ended stays so");
        keys
    });
    assert_eq!(listed, streamed);
    listed
}

fn set_of<'k>(keys: impl IntoIterator<Item = &'k str>) -> BTreeSet<String> {
    keys.into_iter().map(str::to_owned).collect()
}

/// Leaves what functions leave in a store: entries, versions, those of instances.
fn call_functions() {
    #[cachekit::memoize]
    fn user(n: u64) -> u64 {
        n
    }
    struct Shop;
    impl Shop {
        #[cachekit::memoize(version = "2", ignore(self))]
        fn price(&self, n: u64) -> Option<u64> {
            n.checked_sub(1)
        }
    }
    // As keys of the object begin in a store.
    #[cachekit::memoize(name = "=user:")]
    fn named(n: u64) -> u64 {
        n
    }
    assert_eq!((user(1), named(1), Shop.price(0), Shop.price(2)), (1, 1, None, Some(1)));
    cachekit::delete_memoized!(user, 1).unwrap();
    assert_eq!(user(2), 2);
    cachekit::delete_memoized!(Shop::price).unwrap();
}

/// Calls a test in each world that can list keys, after the others have said that they can't.
fn where_keys_are_listed(test: impl Fn(&World)) {
    everywhere(|world| {
        if matches!(world.name, "simple" | "filesystem" | "redis") {
            return test(world);
        }
        let (error, later) = (world.cache().keys("").unwrap_err(), world.cache().aio());
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", world.name);
        assert_eq!(error.operation(), Some("keys"));
        assert!(error.to_string().contains("can't list its keys"), "{error}");
        assert_eq!(block_on(later.keys("")).unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn keys_are_those_of_the_object_that_begin_so() {
    where_keys_are_listed(|world| {
        let cache = world.cache();
        assert!(keys(cache, "").is_empty(), "{}", world.name);
        let names = [
            "",
            "user:1",
            "user:2",
            "user:",
            "users",
            "use",
            "a*b",
            "aXb",
            "a?",
            "[u]ser",
            "|own",
            "|",
            "\\own",
            "\\|own",
            "\\\\",
            "é",
            "shop::f#version",
            "view#version:1",
            " x\r\n",
        ];
        for name in names {
            cache.set(name, &name.len(), 60).unwrap();
        }
        call_functions();
        for prefix in
            ["", "user:", "user", "a*", "a?", "[", "|", "\\", "\\|", "é", "shop::f", "view", "nothing"]
        {
            let expected = set_of(names.into_iter().filter(|name| name.starts_with(prefix)));
            assert_eq!(keys(cache, prefix), expected, "{} {prefix:?}", world.name);
        }
        for name in names {
            assert_eq!(cache.get::<usize>(name).unwrap(), Some(name.len()), "{name:?}");
        }
    });
}

#[test]
fn keys_are_of_this_cache() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] =
        ["one", "one|"].map(|prefix| World::in_dir(dir.path(), |config| config.key_prefix(prefix)));
    one.cache().set("a", &1u8, 60).unwrap();
    other.cache().set("b", &1u8, 60).unwrap();
    assert_eq!((keys(one.cache(), ""), keys(other.cache(), "")), (set_of(["a"]), set_of(["b"])));
}

#[test]
fn keys_are_of_what_is_there() {
    where_keys_are_listed(|world| {
        let cache = world.cache();
        for key in ["stays", "deleted", "updated", "expired"] {
            cache.set(key, &1u8, 60).unwrap();
        }
        cache.touch("expired", Duration::from_millis(1)).unwrap();
        assert!(cache.delete("deleted").unwrap());
        assert_eq!(cache.update("updated", 60, |_: Option<u8>| None).unwrap(), None);
        // A look, and a computation that is not stored, leave a trace on a server.
        assert_eq!(cache.get::<u8>("absent").unwrap(), None);
        assert_eq!(cache.get_or_insert_with("nothing", 60, || None::<u8>), None);
        assert_eq!(cache.update("left", 60, |_: Option<u8>| None).unwrap(), None);
        world.advance(Duration::from_millis(1));
        while world.name == "redis" && cache.keys("expired").unwrap().next().is_some() {
            std::thread::yield_now();
        }
        assert_eq!(keys(cache, ""), set_of(["stays"]), "{}", world.name);
        assert!(!cache.delete("updated").unwrap(), "{}: a removed value is there", world.name);
    });
}

#[test]
fn more_keys_than_a_part_are_listed() {
    where_keys_are_listed(|world| {
        let cache = world.cache();
        let all: Vec<(String, u32)> = (0..3000).map(|n| (format!("key {n}"), n)).collect();
        let items: Vec<(&str, u32)> = all.iter().map(|(key, n)| (key.as_str(), *n)).collect();
        for items in items.chunks(500) {
            cache.set_many(items, 0).unwrap();
        }
        assert_eq!(keys(cache, "key ").len(), 3000, "{}", world.name);
        assert_eq!(keys(cache, "key 12").len(), 111, "{}", world.name);
    });
}

#[test]
fn the_entries_and_evictions_of_a_directory_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = [(); 2].map(|()| World::in_dir(dir.path(), |config| config.threshold(10)));
    let numbers = |world: &World| {
        let CacheStats { entries, evictions, .. } = world.cache().stats();
        (entries, evictions)
    };
    assert_eq!(numbers(&one), (Some(0), Some(0)));
    (0..25).for_each(|n| one.cache().set(&n.to_string(), &n, 0).unwrap());
    assert_eq!((numbers(&one), numbers(&other)), ((Some(10), Some(15)), (Some(10), Some(0))));
    one.cache().clear().unwrap();
    assert_eq!((numbers(&one), numbers(&other)), ((Some(0), Some(15)), (Some(0), Some(0))));
}

#[test]
fn entries_that_are_reclaimed_after_their_time_are_told() {
    for world in [World::simple(), World::filesystem()] {
        let cache = world.cache();
        (0..50).for_each(|n| cache.set(&n.to_string(), &n, 5).unwrap());
        assert_eq!(cache.stats().expirations, Some(0), "{}", world.name);
        world.advance(Duration::from_secs(6));
        (50..500).for_each(|n| cache.set(&n.to_string(), &n, 0).unwrap());
        let CacheStats { entries, expirations, evictions, .. } = cache.stats();
        // Those that are not reclaimed yet are still among the entries.
        assert!(
            expirations > Some(0) && entries.zip(expirations).is_some_and(|(left, gone)| left + gone == 500)
        );
        assert_eq!(evictions, Some(0), "{}", world.name);
    }
}

#[test]
fn what_a_store_does_not_tell_is_none() {
    each(|world| {
        world.cache().set("k", &1u8, 0).unwrap();
        let stats = block_on(async { world.cache().aio().stats() });
        let known = match world.name {
            "simple" | "filesystem" => (Some(1), Some(0)),
            "null" => (Some(0), Some(0)),
            _ => (None, None),
        };
        assert_eq!((stats.entries, stats.evictions), known, "{}", world.name);
        assert_eq!(stats.expirations.is_some(), stats.evictions.is_some(), "{}", world.name);
    });
    for world in World::on_servers() {
        world.cache().set("k", &1u8, 0).unwrap();
        let stats = world.cache().stats();
        assert_eq!((stats.entries, stats.evictions), (None, None), "{}", world.name);
    }
}

#[test]
fn a_cache_that_works_is_ready() {
    let ready = |world: &World| {
        let cache = world.cache();
        let before = cache.stats();
        for health in [cache.health(), block_on(cache.aio().health())] {
            assert!(health.is_ready() && health.reachable, "{health:?}");
            assert_eq!(health.breaker, BreakerState::Closed);
            assert_eq!(health.last_error, None);
            let name = match world.name {
                "plain" => "test-plain",
                "full" => "test-full",
                name => name,
            };
            assert_eq!(health.backend, name);
            let has_server = matches!(world.name, "filesystem" | "redis" | "memcached");
            assert_eq!(health.server.is_some(), has_server, "{health:?}");
        }
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.errors), (before.hits, before.misses, before.errors));
    };
    everywhere(ready);
    ready(&World::null());
}

#[test]
fn a_cache_in_trouble_says_so_and_recovers() {
    let mem = Mem::new();
    let config = |config: Config| config.breaker_threshold(2).probe_interval(Duration::from_millis(1));
    let world = World::full_over(&mem, config);
    let cache = world.cache();
    mem.break_all(Fault::Fail(ErrorKind::Auth));
    let health = cache.health();
    assert!(!health.is_ready() && !health.reachable);
    assert_eq!(health.breaker, BreakerState::Closed, "one failure is none in a row");
    let last = health.last_error.unwrap();
    assert_eq!((last.kind, last.message.as_str()), (ErrorKind::Auth, "broken on command"));
    let health = block_on(cache.aio().health());
    assert_eq!((health.reachable, health.breaker), (false, BreakerState::Open));
    assert_eq!(health.last_error.unwrap().kind, ErrorKind::Auth, "not that the circuit is open");
    mem.heal();
    let health = loop {
        // The circuit admits a probe once in an interval.
        let health = cache.health();
        if health.reachable {
            break health;
        }
        std::thread::yield_now();
    };
    assert!(health.is_ready());
    assert_eq!(health.last_error.unwrap().kind, ErrorKind::Auth, "it stays to be read");
    // A mistake in a value is none of the backend.
    let incr = cache.set("text", &"x".to_string(), 0).and_then(|()| cache.incr("text", 1));
    assert_eq!(incr.unwrap_err().kind(), ErrorKind::Type);
    assert_eq!(cache.health().last_error.unwrap().kind, ErrorKind::Auth);
}

#[test]
fn health_has_no_secrets() {
    // Nothing listens on the discard port of this address.
    let redis = Config::redis("redis://someone:hunter2@127.0.0.1:9/0");
    let cache = Cache::open(redis.connect_timeout(Duration::from_millis(200))).unwrap();
    let health = cache.health();
    assert!(
        !health.reachable && health.server.as_deref().is_some_and(|server| server.contains("127.0.0.1:9"))
    );
    assert!(health.last_error.is_some());
    assert!(!format!("{health:?}").contains("hunter2"), "{health:?}");
}
