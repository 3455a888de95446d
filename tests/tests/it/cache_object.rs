//! The methods of the cache object, blocking and async, on every kind of cache.

use std::sync::{Arc, Barrier};

use cachekit::{ErrorKind, Timeout};
use cachekit_tests::{Calls, World, block_on, each, each_keeping, tasks};

#[test]
fn get_set_delete_contains() {
    each_keeping(|world| {
        let cache = world.cache();
        assert_eq!(cache.get::<String>("k").unwrap(), None);
        assert!(!cache.contains("k").unwrap() && !cache.delete("k").unwrap());
        cache.set("k", &"one".to_string(), 60).unwrap();
        cache.set("k", &"two".to_string(), Timeout::Never).unwrap();
        assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("two"));
        assert!(cache.contains("k").unwrap());
        assert!(cache.delete("k").unwrap() && !cache.delete("k").unwrap());
        assert_eq!(cache.get::<String>("k").unwrap(), None);
        // Any text is a key.
        for key in ["", " ", "ä/\\..\r\n%*?[x]", &"long".repeat(1000)] {
            cache.set(key, &key.len(), 0).unwrap();
            assert_eq!(cache.get::<usize>(key).unwrap(), Some(key.len()));
            assert!(cache.delete(key).unwrap());
        }
    });
}

#[test]
fn many_at_once_keep_their_order() {
    each_keeping(|world| {
        let cache = world.cache();
        cache.set_many(&[("a", 1u8), ("b", 2), ("c", 3)], 60).unwrap();
        assert_eq!(cache.get_many::<u8>(&["c", "x", "a", "c"]).unwrap(), [Some(3), None, Some(1), Some(3)]);
        assert_eq!(cache.get_many::<u8>(&[]).unwrap(), []);
        cache.set_many::<u8>(&[], 60).unwrap();
        assert_eq!(cache.delete_many(&["a", "x", "b"]).unwrap(), 2);
        assert_eq!(cache.delete_many(&[]).unwrap(), 0);
        assert_eq!(cache.get_many::<u8>(&["a", "b", "c"]).unwrap(), [None, None, Some(3)]);
    });
}

#[test]
fn async_methods_do_the_same() {
    each_keeping(|world| {
        let aio = world.cache().aio();
        let test = async move {
            aio.set("k", &"v".to_string(), 60).await.unwrap();
            assert_eq!(aio.get::<String>("k").await.unwrap().as_deref(), Some("v"));
            assert!(aio.contains("k").await.unwrap());
            assert!(!aio.add("k", &"w".to_string(), 60).await.unwrap());
            assert!(aio.add("l", &"w".to_string(), 60).await.unwrap());
            aio.set_many(&[("a", 1u8), ("b", 2)], 60).await.unwrap();
            assert_eq!(aio.get_many::<u8>(&["b", "x", "a"]).await.unwrap(), [Some(2), None, Some(1)]);
            assert_eq!(aio.delete_many(&["a", "x"]).await.unwrap(), 1);
            assert!(aio.delete("b").await.unwrap() && !aio.delete("b").await.unwrap());
            assert_eq!((aio.incr("n", 5).await.unwrap(), aio.incr("n", -7).await.unwrap()), (5, -2));
            assert_eq!(aio.get_or_insert_with("k", 60, || async { "no".to_string() }).await, "v");
            assert_eq!(aio.get_or_insert_with("m", 60, || async { 3u8 }).await, 3);
            assert_eq!(aio.get::<u8>("m").await.unwrap(), Some(3));
            aio.clear().await.unwrap();
            assert!(!aio.contains("k").await.unwrap());
            assert!(aio.stats().stores >= 5);
        };
        tasks([test]);
        // A value that one way stored is found by the other.
        block_on(world.cache().aio().set("x", &1u8, 0)).unwrap();
        assert_eq!(world.cache().get::<u8>("x").unwrap(), Some(1));
    });
}

#[test]
fn null_has_every_method_too() {
    each(|world| {
        if world.keeps {
            return;
        }
        let cache = world.cache();
        cache.set("k", &1u8, 60).unwrap();
        cache.set_many(&[("a", 1u8)], 60).unwrap();
        assert_eq!(cache.get::<u8>("k").unwrap(), None);
        assert_eq!(cache.get_many::<u8>(&["k", "a"]).unwrap(), [None, None]);
        assert!(!cache.contains("k").unwrap() && !cache.delete("k").unwrap());
        assert_eq!(cache.delete_many(&["k"]).unwrap(), 0);
        assert_eq!(cache.get_or_insert_with("k", 60, || 7u8), 7);
        cache.clear().unwrap();
    });
}

#[test]
fn add_stores_exactly_once() {
    each_keeping(|world| {
        let cache = world.cache();
        for round in 0..20 {
            let key = format!("k{round}");
            let start = Barrier::new(8);
            let winners: Vec<u64> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8u64)
                    .map(|me| {
                        let (key, start) = (&key, &start);
                        scope.spawn(move || {
                            start.wait();
                            cache.add(key, &me, 60).unwrap().then_some(me)
                        })
                    })
                    .collect();
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(winners.len(), 1, "{}", world.name);
            assert_eq!(cache.get::<u64>(&key).unwrap(), Some(winners[0]));
        }
    });
}

#[test]
fn incr_is_atomic() {
    each_keeping(|world| {
        let cache = world.cache();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| assert!(cache.incr("n", 1).is_ok())));
                scope.spawn(|| (0..50).for_each(|_| assert!(cache.incr("n", -2).is_ok())));
            }
        });
        assert_eq!(cache.get::<i64>("n").unwrap(), Some(-200), "{}", world.name);
    });
}

#[test]
fn incr_of_something_else_is_an_error_that_changes_nothing() {
    each_keeping(|world| {
        let cache = world.cache();
        cache.set("text", &"1".to_string(), 60).unwrap();
        assert_eq!(cache.incr("text", 1).unwrap_err().kind(), ErrorKind::Type);
        assert_eq!(cache.get::<String>("text").unwrap().as_deref(), Some("1"));
        cache.set("max", &i64::MAX, 60).unwrap();
        assert_eq!(cache.incr("max", 1).unwrap_err().kind(), ErrorKind::Type);
        assert_eq!(cache.get::<i64>("max").unwrap(), Some(i64::MAX));
        assert_eq!(cache.incr("max", -1).unwrap(), i64::MAX - 1);
        // Integers of every width are one kind of value.
        cache.set("byte", &200u8, 60).unwrap();
        assert_eq!(cache.incr("byte", 100).unwrap(), 300);
        assert_eq!((cache.get::<u16>("byte").unwrap(), cache.get::<u8>("byte").unwrap()), (Some(300), None));
        assert_eq!(cache.incr("fresh", i64::MIN).unwrap(), i64::MIN);
    });
}

#[test]
fn get_or_insert_with_computes_once() {
    static CALLS: Calls = Calls::new();
    each_keeping(|world| {
        CALLS.take();
        let cache = world.cache();
        let start = Arc::new(Barrier::new(8));
        let values: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let start = Arc::clone(&start);
                    scope.spawn(move || {
                        start.wait();
                        cache.get_or_insert_with("k", 60, || CALLS.hit())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(values, [0; 8]);
        assert_eq!(CALLS.take(), 1);
        let panics = || cache.get_or_insert_with("p", 60, || -> u64 { std::panic::panic_any("on purpose") });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert_eq!(cache.get_or_insert_with("p", 60, || 5u64), 5);
        assert_eq!(cache.get_or_insert_with("p", 60, || 6u64), 5);
    });
}

#[test]
fn a_deletion_or_a_set_beats_get_or_insert_with() {
    each_keeping(|world| {
        let cache = world.cache();
        let old = cache.get_or_insert_with("k", 60, || {
            assert!(!cache.delete("k").unwrap());
            1u64
        });
        assert_eq!((old, cache.get::<u64>("k").unwrap()), (1, None), "{}", world.name);
        let old = cache.get_or_insert_with("k", 60, || {
            cache.set("k", &2u64, 60).unwrap();
            1u64
        });
        assert_eq!((old, cache.get::<u64>("k").unwrap()), (1, Some(2)), "{}", world.name);
        let old = cache.get_or_insert_with("l", 60, || {
            cache.clear().unwrap();
            1u64
        });
        assert_eq!((old, cache.get::<u64>("l").unwrap()), (1, None), "{}", world.name);
        let old = cache.get_or_insert_with("m", 60, || {
            assert_eq!(cache.delete_many(&["m"]).unwrap(), 0);
            1u64
        });
        assert_eq!((old, cache.get::<u64>("m").unwrap()), (1, None), "{}", world.name);
        let old = cache.get_or_insert_with("n", 60, || {
            assert_eq!(cache.incr("n", 7).unwrap(), 7);
            1i64
        });
        assert_eq!((old, cache.get::<i64>("n").unwrap()), (1, Some(7)), "{}", world.name);
        let old = cache.get_or_insert_with("o", 60, || {
            assert!(cache.add("o", &7u64, 60).unwrap());
            1u64
        });
        assert_eq!((old, cache.get::<u64>("o").unwrap()), (1, Some(7)), "{}", world.name);
    });
}

#[test]
fn clear_removes_functions_and_keys_of_this_cache_only() {
    static CALLS: Calls = Calls::new();
    #[cachekit::memoize]
    fn f(n: u64) -> u64 {
        n + CALLS.hit()
    }
    each_keeping(|world| {
        CALLS.take();
        let other = World::simple();
        other.cache().set("k", &1u8, 0).unwrap();
        world.cache().set("k", &1u8, 0).unwrap();
        assert_eq!((f(10), f(10)), (10, 10));
        world.cache().clear().unwrap();
        assert_eq!(f(10), 11);
        assert!(!world.cache().contains("k").unwrap());
        assert!(other.cache().contains("k").unwrap());
    });
}

/// A value whose drop comes back to its cache.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Nosy(u32);

static NOSY: cachekit::Cache = cachekit::Cache::new();

impl Drop for Nosy {
    fn drop(&mut self) {
        let _ = NOSY.get::<u32>("k");
    }
}

#[test]
fn a_value_that_add_refuses_is_dropped_outside_of_locks() {
    NOSY.init(cachekit::Config::simple()).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let added = [1, 2].map(|n| NOSY.add("k", &Nosy(n), 0).unwrap());
        tell.send(added).unwrap();
    });
    assert_eq!(told.recv_timeout(std::time::Duration::from_secs(10)), Ok([true, false]));
}

/// A text that is given by reference is stored as the text that it is.
#[test]
fn a_borrowed_text_is_read_as_a_string() {
    each_keeping(|world| {
        let cache = world.cache();
        let owned = String::from("owned");
        let read = |key: &str| cache.get::<String>(key).unwrap();
        cache.set("literal", &"text", 60).unwrap();
        assert_eq!(read("literal").as_deref(), Some("text"));
        cache.set("str", owned.as_str(), 60).unwrap();
        assert_eq!(read("str").as_deref(), Some("owned"));
        assert!(cache.add("added", &"text", 60).unwrap() && !cache.add("added", "other", 60).unwrap());
        assert_eq!(read("added").as_deref(), Some("text"));
        cache.set_many(&[("one", "1"), ("two", "2")], 60).unwrap();
        assert_eq!([read("one"), read("two")], [Some("1".into()), Some("2".into())]);
        block_on(async {
            let cache = cache.aio();
            cache.set("literal", &"later", 60).await.unwrap();
            cache.set("str", &*owned, 60).await.unwrap();
            assert!(cache.add("new", &"text", 60).await.unwrap());
            cache.set_many(&[("one", "3")], 60).await.unwrap();
        });
        let all = ["literal", "str", "new", "one"].map(|key| read(key).unwrap());
        assert_eq!(all, ["later", "owned", "text", "3"]);
        assert_eq!(
            cache.update("one", 60, |one: Option<String>| one.map(|one| one + "!")).unwrap(),
            Some("3!".into())
        );
    });
}
