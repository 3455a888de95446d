//! The methods of the cache object that compute, change or prolong one entry, blocking and async, on every kind of cache and on
//! the servers.

use std::sync::Arc;
use std::time::Duration;

use cachekit::{Backend, Cache, Capabilities, Config, ErrorKind, Result, Timeout, Token, Ttl};
use cachekit_tests::{Calls, World, block_on, each, each_keeping, everywhere, tasks};
use serde::{Deserialize, Serialize};

type Answer<T> = std::result::Result<T, String>;

/// An error that can't be stored.
#[derive(Debug, PartialEq)]
struct Foreign(&'static str);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent(Option<u8>);

#[test]
fn none_and_err_are_returned_and_not_stored() {
    static CALLS: Calls = Calls::new();
    everywhere(|world| {
        CALLS.take();
        let cache = world.cache();
        let nothing =
            || cache.get_or_insert_with("o", 60, || None::<u64>.or_else(|| (CALLS.hit() > 9).then_some(1)));
        assert_eq!((nothing(), nothing(), CALLS.take()), (None, None, 2));
        let failing =
            || -> Answer<u8> { cache.get_or_insert_with("r", 60, || Err(format!("{}", CALLS.hit()))) };
        assert_eq!((failing(), failing()), (Err("0".into()), Err("1".into())));
        assert!(!cache.contains("o").unwrap() && !cache.contains("r").unwrap());
        // Their other variants are, and so is a type of one's own that is written like a `None`.
        CALLS.take();
        for _ in 0..2 {
            assert_eq!(cache.get_or_insert_with("o", 60, || Some(CALLS.hit())), Some(0));
            assert_eq!(cache.get_or_insert_with("r", 60, || Answer::Ok(CALLS.hit())), Ok(1));
            let own = || {
                CALLS.hit();
                Transparent(None)
            };
            assert_eq!(cache.get_or_insert_with("t", 60, own), Transparent(None));
        }
        assert_eq!(CALLS.take(), 3, "{}", world.name);
        assert_eq!(cache.get::<Option<u64>>("o").unwrap(), Some(Some(0)));
    });
}

#[test]
fn a_fallible_computation_stores_what_is_in_its_ok() {
    static CALLS: Calls = Calls::new();
    everywhere(|world| {
        CALLS.take();
        let cache = world.cache();
        let fails = || {
            CALLS.hit();
            Err::<u64, _>(Foreign("no"))
        };
        let works = || Ok::<_, Foreign>(CALLS.hit());
        assert_eq!(cache.try_get_or_insert_with("k", 60, fails), Err(Foreign("no")));
        assert!(!cache.contains("k").unwrap());
        assert_eq!(cache.try_get_or_insert_with("k", 60, works), Ok(1));
        assert_eq!(cache.try_get_or_insert_with("k", 60, fails), Ok(1));
        assert_eq!((cache.get::<u64>("k").unwrap(), CALLS.take()), (Some(1), 2), "{}", world.name);
        assert_eq!(cache.incr("k", 2).unwrap(), 3, "an integer as any other");
        cache.set("s", &"set".to_string(), 60).unwrap();
        let text = cache.try_get_or_insert_with("s", 60, || Err::<String, _>(Foreign("no")));
        assert_eq!(text.as_deref(), Ok("set"));
    });
}

#[test]
fn a_fallible_computation_fails_open_and_runs_once() {
    static CALLS: Calls = Calls::new();
    let mem = cachekit_tests::Mem::new();
    let world = World::full_over(&mem, |config| config);
    mem.break_all(cachekit_tests::Fault::Fail(ErrorKind::Unavailable));
    let cache = world.cache();
    assert_eq!(cache.try_get_or_insert_with("k", 60, || Ok::<_, Foreign>(CALLS.hit())), Ok(0));
    assert_eq!(cache.get_or_insert_with("k", 60, || Some(CALLS.hit())), Some(1));
    assert_eq!(CALLS.take(), 2);
}

#[test]
fn a_value_says_how_long_it_lives_and_can_live_longer() {
    everywhere(|world| {
        let cache = world.cache();
        let after = |seconds| Some(Timeout::After(Duration::from_secs(seconds)));
        assert_eq!(cache.ttl("k").unwrap(), None);
        assert!(!cache.touch("k", 60).unwrap() && !cache.contains("k").unwrap(), "nothing to prolong");
        for value in ["text", "other"] {
            cache.set("k", &value.to_string(), 60).unwrap();
            cache.set("n", &7u8, 60).unwrap();
            assert_eq!(cache.ttl("k").unwrap(), after(60), "{}", world.name);
            world.advance(Duration::from_secs(20));
            assert_eq!((cache.ttl("k").unwrap(), cache.ttl("n").unwrap()), (after(40), after(40)));
            assert!(cache.touch("k", 100).unwrap() && cache.touch("n", Timeout::Never).unwrap());
            assert_eq!(
                (cache.ttl("k").unwrap(), cache.ttl("n").unwrap()),
                (after(100), Some(Timeout::Never))
            );
            world.advance(Duration::from_secs(90));
            assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some(value), "{}", world.name);
            assert_eq!(cache.get::<u64>("n").unwrap(), Some(7), "still an integer");
            assert!(cache.touch("k", 5).unwrap() && cache.touch("n", Timeout::Default).unwrap());
            assert_eq!((cache.ttl("k").unwrap(), cache.ttl("n").unwrap()), (after(5), after(300)));
            world.advance(Duration::from_secs(6));
            assert_eq!((cache.get::<String>("k").unwrap(), cache.ttl("k").unwrap()), (None, None));
            assert!(!cache.touch("k", 60).unwrap(), "{}: an expired value is gone for good", world.name);
            assert_eq!(cache.get::<String>("k").unwrap(), None);
        }
        // The time that `incr` keeps is that of the touch.
        cache.touch("n", 50).unwrap();
        cache.incr("n", 1).unwrap();
        assert_eq!(cache.ttl("n").unwrap(), after(50), "{}", world.name);
    });
}

#[test]
fn the_time_left_is_the_stores_too() {
    // The store's own time to live follows, or it would drop a prolonged entry, and keep a shortened one.
    let dir = tempfile::tempdir().unwrap();
    let world = World::in_dir(dir.path(), |config| config);
    let cache = world.cache();
    cache.set("k", &1u8, 10).unwrap();
    assert!(cache.touch("k", 100).unwrap());
    world.advance(Duration::from_secs(50));
    assert_eq!(cache.get::<u8>("k").unwrap(), Some(1));
    assert!(cache.touch("k", 10).unwrap());
    world.advance(Duration::from_secs(11));
    cache.set("other", &1u8, 10).unwrap();
    assert!(!cache.contains("k").unwrap());
}

#[test]
fn update_sees_replaces_and_removes() {
    everywhere(|world| {
        let cache = world.cache();
        let push = |seen: Option<Vec<u32>>| Some([seen.unwrap_or_default(), vec![7]].concat());
        assert_eq!(cache.update("k", 60, push).unwrap(), Some(vec![7]));
        assert_eq!(cache.update("k", 90, push).unwrap(), Some(vec![7, 7]));
        assert_eq!(cache.ttl("k").unwrap(), Some(Timeout::After(Duration::from_secs(90))));
        let before = cache.stats();
        assert_eq!(cache.update::<Vec<u32>>("k", 60, |seen| seen.filter(|_| false)).unwrap(), None);
        assert_eq!(cache.stats().deletions, before.deletions + 1);
        assert!(
            !cache.contains("k").unwrap() && cache.get::<Vec<u32>>("k").unwrap().is_none(),
            "{}",
            world.name
        );
        assert_eq!(cache.ttl("k").unwrap(), None);
        assert!(!cache.touch("k", 60).unwrap(), "{}: a removed value comes back", world.name);
        assert_eq!(
            cache
                .update("k", 60, |seen: Option<u8>| {
                    assert_eq!(seen, None);
                    None
                })
                .unwrap(),
            None
        );
        assert!(!cache.contains("k").unwrap());
        assert!(cache.add("k", &1u8, 60).unwrap(), "{}", world.name);
        // Integers are one kind; another type is a miss, as for `get`.
        assert_eq!(cache.update("k", 60, |n: Option<u64>| n.map(|n| n + 1)).unwrap(), Some(2));
        assert_eq!(
            cache.update("k", 60, |text: Option<String>| Some(format!("{text:?}"))).unwrap(),
            Some("None".into())
        );
    });
}

#[test]
fn null_has_these_methods_too() {
    each(|world| {
        if world.keeps {
            return;
        }
        let cache = world.cache();
        assert_eq!(cache.update("k", 60, |n: Option<u8>| Some(n.unwrap_or(6) + 1)).unwrap(), Some(7));
        assert_eq!((cache.ttl("k").unwrap(), cache.touch("k", 60).unwrap()), (None, false));
        assert_eq!(cache.incr("k", 3).unwrap(), 3);
        assert!(cache.add("k", &1u8, 60).unwrap());
        assert_eq!(cache.try_get_or_insert_with("k", 60, || Ok::<_, Foreign>(1u8)), Ok(1));
    });
}

/// The change is computed anew from the value that another caller stored while it was computed.
#[test]
fn a_change_that_came_between_is_not_lost() {
    everywhere(|world| {
        let cache = world.cache();
        cache.set("k", &1u64, 60).unwrap();
        let mut seen = Vec::new();
        let sum = cache.update("k", 60, |n: Option<u64>| {
            seen.push(n);
            match seen.len() {
                1 => cache.set("k", &10u64, 60).unwrap(),
                2 => assert!(cache.delete("k").unwrap()),
                3 => assert!(cache.add("k", &100u64, 60).unwrap()),
                _ => {}
            }
            Some(n.unwrap_or(0) + 1)
        });
        assert_eq!((sum.unwrap(), cache.get::<u64>("k").unwrap()), (Some(101), Some(101)), "{}", world.name);
        assert_eq!(seen, [Some(1), Some(10), None, Some(100)], "{}", world.name);
        // Nor is a removal made of a value that is no longer there.
        let mut first = true;
        let left = cache.update("k", 60, |n: Option<u64>| {
            if std::mem::take(&mut first) {
                cache.set("k", &5u64, 60).unwrap();
                return None;
            }
            n
        });
        assert_eq!((left.unwrap(), cache.get::<u64>("k").unwrap()), (Some(5), Some(5)), "{}", world.name);
    });
}

#[test]
fn a_computation_does_not_overwrite_an_update() {
    each_keeping(|world| {
        let cache = world.cache();
        let old = cache.get_or_insert_with("k", 60, || {
            assert_eq!(cache.update("k", 60, |_: Option<u64>| Some(2)).unwrap(), Some(2));
            1u64
        });
        assert_eq!((old, cache.get::<u64>("k").unwrap()), (1, Some(2)), "{}", world.name);
    });
}

#[test]
fn no_update_of_many_threads_is_lost() {
    everywhere(|world| {
        let cache = world.cache();
        std::thread::scope(|scope| {
            for thread in 0..6 {
                scope.spawn(move || {
                    for _ in 0..25 {
                        let add = |n: Option<String>| {
                            Some((n.map_or(0, |n| n.parse::<u64>().unwrap()) + 1).to_string())
                        };
                        if thread % 2 == 0 {
                            cache.update("n", 60, add).unwrap();
                        } else {
                            block_on(cache.aio().update("n", 60, add)).unwrap();
                        }
                    }
                });
            }
        });
        assert_eq!(cache.get::<String>("n").unwrap().as_deref(), Some("150"), "{}", world.name);
    });
}

#[test]
fn async_methods_do_the_same() {
    everywhere(|world| {
        let aio = world.cache().aio();
        let test = async move {
            let after = |seconds| Some(Timeout::After(Duration::from_secs(seconds)));
            assert_eq!(
                aio.try_get_or_insert_with("k", 60, || async { Err::<u8, _>(Foreign("no")) }).await,
                Err(Foreign("no"))
            );
            assert_eq!(aio.try_get_or_insert_with("k", 60, || async { Ok::<_, Foreign>(7u8) }).await, Ok(7));
            assert_eq!(aio.get_or_insert_with("o", 60, || async { None::<u8> }).await, None);
            assert!(!aio.contains("o").await.unwrap());
            assert_eq!(aio.ttl("k").await.unwrap(), after(60));
            assert!(aio.touch("k", 90).await.unwrap() && !aio.touch("x", 90).await.unwrap());
            assert_eq!(aio.ttl("k").await.unwrap(), after(90));
            assert_eq!(aio.update("k", 60, |n: Option<u8>| n.map(|n| n + 1)).await.unwrap(), Some(8));
            assert_eq!(aio.update("k", 60, |_: Option<u8>| None).await.unwrap(), None);
            assert!(!aio.contains("k").await.unwrap());
        };
        tasks([test]);
    });
}

/// A store that refuses each conditional write.
struct Refusing;

impl Backend for Refusing {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none().conditional(true).atomic_add(true).bounded(true)
    }
    fn get(&self, _: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    fn set(&self, _: &str, _: &[u8], _: Ttl) -> Result<()> {
        Ok(())
    }
    fn delete(&self, _: &str) -> Result<bool> {
        Ok(false)
    }
    fn clear(&self, _: &str) -> Result<()> {
        Ok(())
    }
    fn token(&self, _: &str) -> Result<Token> {
        Ok(Token(1))
    }
    fn put_if(&self, _: &str, _: &[u8], _: Ttl, _: Token) -> Result<bool> {
        Ok(false)
    }
}

#[test]
fn a_store_that_takes_no_change_is_given_up_with_an_error() {
    let config = Config::default().flight_timeout(Duration::from_millis(1));
    let cache = Arc::new(Cache::with_backend_and_config(Refusing, &config));
    let mut tries = 0;
    let update = cache.update("k", 60, |_: Option<u8>| {
        tries += 1;
        Some(1)
    });
    for error in [
        update.unwrap_err(),
        cache.incr("k", 1).unwrap_err(),
        block_on(cache.aio().incr("k", 1)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let text = error.to_string();
        assert!(text.contains("`k` was not changed") && text.contains("100 tries"), "{text}");
    }
    assert_eq!(tries, 100);
}

#[test]
fn a_change_that_fails_names_the_key_as_it_was_given() {
    everywhere(|world| {
        let cache = world.cache();
        cache.set("n", &i64::MAX, 0).unwrap();
        cache.set("t", &"text", 0).unwrap();
        for (error, says) in [
            (cache.incr("n", 1), "`n` raised by 1 does not fit"),
            (block_on(cache.aio().incr("n", 2)), "`n` raised by 2 does not fit"),
            (cache.incr("t", 1), "`t` holds no integer"),
        ] {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Type);
            assert!(error.to_string().contains(says), "{}: {error}", world.name);
        }
    });
}
