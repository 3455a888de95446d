//! Values of the cache object that are served past their timeout.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cachekit::{Cache, Freshness, Timeout};
use cachekit_tests::{World, everywhere};
use tokio::sync::Notify;

const SECOND: Duration = Duration::from_secs(1);

/// Ten seconds fresh, twenty more while one call computes, forty where that fails.
fn windows() -> Freshness {
    Freshness::new(10).stale_while_revalidate(20).stale_if_error(40 * SECOND)
}

fn computed(cache: &Cache, key: &str, value: u64) -> u64 {
    cache.get_or_insert_with(key, windows(), || value)
}

#[test]
fn past_its_timeout_one_caller_computes_and_the_others_are_served() {
    static MEET: Barrier = Barrier::new(2);
    everywhere(|world| {
        let cache = world.cache();
        for (key, age) in [("a", 10), ("b", 29)] {
            assert_eq!(computed(cache, key, 1), 1);
            world.advance(age * SECOND);
            std::thread::scope(|scope| {
                let one = world.spawn_in(scope, || {
                    cache.get_or_insert_with(key, windows(), || {
                        MEET.wait();
                        MEET.wait();
                        2
                    })
                });
                MEET.wait();
                assert_eq!(computed(cache, key, 3), 1, "stale, at once");
                MEET.wait();
                assert_eq!(one.join().unwrap(), 2);
            });
            assert_eq!(computed(cache, key, 4), 2);
            world.advance(50 * SECOND);
            assert_eq!(computed(cache, key, 5), 5, "its windows are over");
        }
    });
}

#[test]
fn a_task_is_served_while_another_one_computes() {
    static INSIDE: Notify = Notify::const_new();
    static GO: Notify = Notify::const_new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    everywhere(|world| {
        let cache = world.cache().aio();
        runtime.block_on(async {
            assert_eq!(cache.get_or_insert_with("k", windows(), || async { 1u8 }).await, 1);
            world.advance(10 * SECOND);
            let one = cache.get_or_insert_with("k", windows(), || async {
                INSIDE.notify_one();
                GO.notified().await;
                2u8
            });
            let other = async {
                INSIDE.notified().await;
                let served = cache.get_or_insert_with("k", windows(), || async { 3u8 }).await;
                GO.notify_one();
                served
            };
            assert_eq!(tokio::join!(one, other), (2, 1));
        });
    });
}

#[test]
fn a_failure_is_answered_for_by_the_last_value() {
    everywhere(|world| {
        let cache = world.cache();
        let calls = AtomicU64::new(0);
        let fails = AtomicBool::new(false);
        let compute = || {
            let number = calls.fetch_add(1, Ordering::SeqCst);
            if fails.load(Ordering::SeqCst) { Err("down".to_owned()) } else { Ok(number) }
        };
        let asks: [&dyn Fn() -> Result<u64, String>; 2] = [
            &|| cache.try_get_or_insert_with("try", windows(), compute),
            // The type says that it failed.
            &|| cache.get_or_insert_with("whole", windows(), compute),
        ];
        for ask in asks {
            fails.store(false, Ordering::SeqCst);
            let first = ask();
            let before = calls.load(Ordering::SeqCst);
            fails.store(true, Ordering::SeqCst);
            for past in [10, 25] {
                world.advance(past * SECOND);
                assert_eq!((ask(), ask()), (first.clone(), first.clone()));
            }
            assert_eq!(calls.load(Ordering::SeqCst), before + 2, "with a pause of a second");
            world.advance(15 * SECOND);
            assert_eq!(ask(), Err("down".to_owned()), "its window is over");
        }
    });
}

#[test]
fn what_is_not_to_be_stored_ends_the_value_before() {
    everywhere(|world| {
        let cache = world.cache();
        let ask = |value: Option<u8>| cache.get_or_insert_with("k", windows(), || value);
        assert_eq!(ask(Some(1)), Some(1));
        world.advance(10 * SECOND);
        assert_eq!(ask(None), None);
        assert_eq!(ask(Some(2)), Some(2));
    });
}

#[test]
fn a_deleted_value_is_served_to_no_later_caller() {
    static MEET: Barrier = Barrier::new(2);
    type Delete = fn(&Cache);
    let deletions: [Delete; 3] = [
        |cache| assert!(cache.delete("k").unwrap()),
        |cache| assert_eq!(cache.delete_many(&["k", "none"]).unwrap(), 1),
        |cache| cache.clear().unwrap(),
    ];
    everywhere(|world| {
        let cache = world.cache();
        for delete in deletions {
            // While one computes that takes the value's place, and where one fails.
            for (past, fails) in [(10, false), (10, true), (30, true)] {
                let compute = |key: &str, value: Result<u8, u8>| {
                    cache.try_get_or_insert_with(key, windows().retry_after(Duration::ZERO), || value)
                };
                assert_eq!(compute("k", Ok(1)), Ok(1));
                world.advance(past * SECOND);
                std::thread::scope(|scope| {
                    let one = world.spawn_in(scope, || {
                        cache.try_get_or_insert_with("k", windows().retry_after(Duration::ZERO), || {
                            MEET.wait();
                            MEET.wait();
                            if fails { Err(2) } else { Ok(2) }
                        })
                    });
                    MEET.wait();
                    delete(cache);
                    assert_eq!(compute("k", Err(3)), Err(3), "nothing answers for it");
                    MEET.wait();
                    assert_eq!(one.join().unwrap(), if fails { Err(2) } else { Ok(2) });
                });
                assert_eq!(compute("k", Err(4)), Err(4), "what began before the deletion isn't stored");
            }
        }
    });
}

#[test]
fn other_methods_know_a_value_as_long_as_it_is_fresh() {
    everywhere(|world| {
        let cache = world.cache();
        assert_eq!(computed(cache, "k", 1), 1);
        assert_eq!((cache.get::<u64>("k").unwrap(), cache.contains("k").unwrap()), (Some(1), true));
        let Some(Timeout::After(left)) = cache.ttl("k").unwrap() else { panic!("it has a time") };
        assert!(left <= 10 * SECOND && left > 8 * SECOND, "{left:?}");
        assert!(!cache.add("k", &2u64, 60).unwrap());
        assert_eq!(cache.incr("k", 1).unwrap(), 2);
        assert_eq!(computed(cache, "k", 3), 2);

        for key in ["a", "u", "i", "t", "k2"] {
            computed(cache, key, 1);
        }
        assert_eq!(cache.update("u", 5, |old| old.map(|n: u64| n + 1)).unwrap(), Some(2));
        assert!(cache.touch("t", 60).unwrap());
        world.advance(10 * SECOND);
        assert_eq!((cache.get::<u64>("k2").unwrap(), cache.contains("k2").unwrap()), (None, false));
        assert_eq!(cache.get_many::<u64>(&["k2", "t"]).unwrap(), [None, Some(1)]);
        assert_eq!(cache.ttl("k2").unwrap(), None);
        assert!(!cache.touch("k2", 60).unwrap());
        assert_eq!(computed(cache, "t", 9), 1, "its new time counts");
        assert!(cache.add("a", &7u64, 60).unwrap());
        assert_eq!(cache.get::<u64>("a").unwrap(), Some(7));
        assert_eq!(cache.incr("i", 5).unwrap(), 5);
        assert_eq!(cache.update("k2", 60, |old: Option<u64>| old.or(Some(8))).unwrap(), Some(8));
    });
}

#[test]
fn ahead_of_its_end_one_caller_computes() {
    everywhere(|world| {
        let cache = world.cache();
        let freshness = Freshness::new(10).refresh_ahead(0.5);
        assert_eq!(cache.get_or_insert_with("k", freshness, || 1), 1);
        world.advance(4 * SECOND);
        assert_eq!(cache.get_or_insert_with("k", freshness, || 2), 1);
        world.advance(SECOND);
        assert_eq!(cache.get_or_insert_with("k", freshness, || 3), 3);
    });
}

/// Whatever is a timeout is a freshness, of callers that are generic too.
#[test]
fn a_timeout_is_a_freshness() {
    fn generic(cache: &Cache, timeout: impl Into<Timeout>) -> u8 {
        cache.get_or_insert_with("k", timeout, || 1)
    }
    let world = World::simple();
    let cache = world.cache();
    assert_eq!((generic(cache, 60), generic(cache, SECOND), generic(cache, Timeout::Never)), (1, 1, 1));
    assert_eq!(cache.get_or_insert_with("k", 60u64, || 1), 1);
    assert_eq!(Freshness::from(60), Freshness::new(60u32));
}
