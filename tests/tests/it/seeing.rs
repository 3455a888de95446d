//! `prime!`, `traced!` and `explain!`, on every cache.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cachekit::{
    Config, ErrorKind, Finding, How, Tier, delete_memoized, explain, memoize, peek, prime, stats, traced,
};
use cachekit_tests::{Calls, Fault, Mem, World, block_on, each, each_keeping, everywhere};

static CALLS: Calls = Calls::new();

#[memoize(timeout = 60)]
fn price(id: u64, currency: &str) -> u64 {
    let _ = (id, currency);
    CALLS.hit()
}

fn tier_of(world: &World) -> Tier {
    if world.name == "simple" { Tier::Process } else { Tier::Backend }
}

mod priming {
    use super::*;

    #[test]
    fn a_primed_value_is_a_hit() {
        static BODY: Calls = Calls::new();
        #[memoize(timeout = 60)]
        fn f(id: u64, name: &str) -> String {
            let _ = BODY.hit();
            format!("{name} {id}")
        }
        everywhere(|_| {
            BODY.take();
            let name = String::from("a");
            prime!(f, 1, &name => "given".to_owned()).unwrap();
            assert_eq!(f(1, "a"), "given");
            assert_eq!(BODY.take(), 0, "nothing was computed");
            assert_eq!(f(2, "a"), "a 2", "another call is untouched");
            prime!(f, 2, "a" => "replaced".into()).unwrap();
            assert_eq!(f(2, "a"), "replaced");
            delete_memoized!(f, 2, "a").unwrap();
            assert_eq!(f(2, "a"), "a 2");
        });
    }

    #[test]
    fn it_lives_as_long_as_a_computed_one() {
        #[memoize(timeout = 60)]
        fn f(id: u64) -> u64 {
            id
        }
        #[memoize(timeout = |value: &u64| Duration::from_secs(*value))]
        fn g() -> u64 {
            0
        }
        each_keeping(|world| {
            prime!(f, 1 => 7).unwrap();
            prime!(g => 10).unwrap();
            world.advance(Duration::from_secs(9));
            assert_eq!((peek!(f, 1).unwrap(), peek!(g).unwrap()), (Some(7), Some(10)));
            world.advance(Duration::from_secs(2));
            assert_eq!((peek!(f, 1).unwrap(), peek!(g).unwrap()), (Some(7), None));
            world.advance(Duration::from_secs(50));
            assert_eq!(peek!(f, 1).unwrap(), None);
        });
    }

    #[test]
    fn what_the_function_would_not_store_is_not_stored() {
        #[memoize]
        fn failing(id: u64) -> Result<u64, String> {
            Ok(id)
        }
        #[memoize(cache_if = |value| *value > 10)]
        fn large(id: u64) -> u64 {
            id
        }
        #[memoize(unless = id == 3)]
        fn sometimes(id: u64) -> u64 {
            id
        }
        each(|world| {
            prime!(failing, 1 => Err("no".to_owned())).unwrap();
            prime!(failing, 2 => Ok(9)).unwrap();
            prime!(large, 1 => 5).unwrap();
            prime!(large, 2 => 50).unwrap();
            prime!(sometimes, 3 => 1).unwrap();
            assert_eq!(peek!(failing, 1).unwrap(), None);
            assert_eq!(peek!(failing, 2).unwrap(), world.keeps.then_some(Ok(9)));
            assert_eq!(peek!(large, 1).unwrap(), None);
            assert_eq!(peek!(large, 2).unwrap(), world.keeps.then_some(50));
            assert_eq!(peek!(sometimes, 3).unwrap(), None);
        });
    }

    #[test]
    fn methods_generics_and_async_functions() {
        #[derive(cachekit::CacheKey)]
        struct Shop(u32);
        impl Shop {
            #[memoize]
            fn stock(&self, id: u64) -> u64 {
                id + u64::from(self.0)
            }
            #[memoize]
            async fn later(&self, id: u64) -> u64 {
                id
            }
        }
        #[memoize]
        fn size<T: 'static>(count: usize) -> usize {
            size_of::<T>() * count
        }
        #[memoize]
        async fn wait(id: u64) -> Option<u64> {
            Some(id)
        }
        each_keeping(|world| {
            let shops = (Shop(1), Shop(2));
            prime!(shops.0.stock, 1 => 100).unwrap();
            prime!(Shop::stock, &shops.1, 1 => 200).unwrap();
            assert_eq!((shops.0.stock(1), shops.1.stock(1), shops.0.stock(2)), (100, 200, 3));
            prime!(size::<u32>, 1 => 99).unwrap();
            assert_eq!((size::<u32>(1), size::<u64>(1)), (99, 8));
            block_on(world.wrap(async {
                prime!(wait, 1 => Some(5)).await.unwrap();
                prime!(shops.0.later, 1 => 6).await.unwrap();
                assert_eq!((wait(1).await, shops.0.later(1).await), (Some(5), 6));
                assert_eq!(shops.1.later(1).await, 1);
            }));
        });
    }

    #[test]
    fn an_error_of_the_backend_is_returned() {
        #[memoize]
        fn f(id: u64) -> u64 {
            id
        }
        #[memoize]
        async fn g(id: u64) -> u64 {
            id
        }
        let mem = Mem::new();
        let world = World::full_over(&mem, |config: Config| config.breaker_threshold(1000));
        let _entered = world.enter();
        prime!(f, 1 => 2).unwrap();
        mem.break_all(Fault::Fail(ErrorKind::Unavailable));
        assert_eq!(prime!(f, 1 => 3).unwrap_err().kind(), ErrorKind::Unavailable);
        let later = block_on(world.wrap(async { prime!(g, 1 => 3).await }));
        assert_eq!(later.unwrap_err().kind(), ErrorKind::Unavailable);
        mem.heal();
        prime!(f, 1 => 4).unwrap();
        assert_eq!(f(1), 4);
    }
}

mod tracing {
    use super::*;

    #[test]
    fn a_call_is_computed_and_then_a_hit() {
        everywhere(|world| {
            CALLS.take();
            let first = traced!(price, 1, "eur");
            assert_eq!((first.value, first.how, first.tier), (0, How::Computed, None));
            assert_eq!((first.age, first.left), (None, None));
            let second = traced!(price, 1, "eur");
            assert_eq!((second.value, second.how, second.tier), (0, How::Hit, Some(tier_of(world))));
            let left = second.left.unwrap();
            assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(50), "{left:?}");
            assert_eq!(price(1, "eur"), 0, "the ordinary call finds the same");
        });
    }

    #[test]
    fn age_and_time_left_follow_the_clock() {
        each_keeping(|world| {
            price(1, "usd");
            world.advance(Duration::from_secs(20));
            let outcome = traced!(price, 1, "usd");
            let (local, left) = (world.name == "simple", outcome.left.unwrap());
            assert_eq!(outcome.age, (!local).then_some(Duration::from_secs(20)));
            assert!(left <= Duration::from_secs(40) && left > Duration::from_secs(39), "{left:?}");
            world.advance(Duration::from_secs(41));
            assert_eq!(traced!(price, 1, "usd").how, How::Computed);
        });
    }

    #[test]
    fn entries_that_never_expire_have_no_time_left() {
        #[memoize(timeout = 0)]
        fn f(text: &str) -> String {
            text.to_owned()
        }
        each_keeping(|_| {
            f("a");
            let outcome = traced!(f, "a");
            assert_eq!((outcome.how, outcome.left), (How::Hit, None));
        });
    }

    #[test]
    fn conditions_count_as_in_the_ordinary_call() {
        #[memoize(unless = id == 1, refresh_if = id == 2, stale_if = |value| *value == 3)]
        fn f(id: u64) -> u64 {
            id
        }
        each_keeping(|_| {
            for (id, how) in [
                (1, [How::Bypassed; 2]),
                (2, [How::Computed; 2]),
                (3, [How::Computed; 2]),
                (4, [How::Computed, How::Hit]),
            ] {
                assert_eq!([traced!(f, id).how, traced!(f, id).how], how, "{id}");
            }
        });
        let world = World::null();
        let _entered = world.enter();
        assert_eq!(traced!(f, 4).how, How::Bypassed);
    }

    #[test]
    fn a_traced_call_in_a_traced_body_has_its_own_source() {
        #[memoize]
        fn inner(id: u64) -> u64 {
            id
        }
        #[memoize]
        fn outer(id: u64) -> bool {
            traced!(inner, id).how == How::Hit
        }
        #[memoize]
        fn plain(id: u64) -> u64 {
            inner(id)
        }
        each_keeping(|_| {
            inner(1);
            let outcome = traced!(outer, 1);
            assert_eq!((outcome.value, outcome.how), (true, How::Computed));
            assert_eq!(traced!(plain, 1).how, How::Computed);
            assert_eq!(traced!(plain, 1).how, How::Hit);
        });
    }

    #[test]
    fn it_counts_as_the_ordinary_call() {
        #[memoize]
        fn f(id: u64) -> u64 {
            id
        }
        each_keeping(|_| {
            (0..3).for_each(|_| assert_eq!(traced!(f, 1).value, 1));
            let counters = stats!(f);
            assert_eq!((counters.hits, counters.misses, counters.stores), (2, 1, 1));
        });
    }

    #[test]
    fn async_functions_and_methods() {
        struct Shop;
        impl Shop {
            #[memoize(ignore(self))]
            async fn stock(&self, id: u64) -> u64 {
                id
            }
        }
        #[memoize]
        async fn owned(id: String) -> String {
            id
        }
        each_keeping(|world| {
            block_on(world.wrap(async {
                assert_eq!(traced!(Shop.stock, 1).await.how, How::Computed);
                assert_eq!(traced!(Shop::stock, &Shop, 1).await.how, How::Hit);
                assert_eq!(traced!(owned, "a".to_owned()).await.how, How::Computed);
                let again = traced!(owned, "a".to_owned()).await;
                assert_eq!((&*again.value, again.how), ("a", How::Hit));
            }));
        });
    }

    #[test]
    fn a_call_that_waits_says_so() {
        static OPEN: AtomicBool = AtomicBool::new(false);
        #[memoize]
        fn slow(id: u64) -> u64 {
            while !OPEN.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            id
        }
        each_keeping(|world| {
            // A caller may come too late to wait: with another key again, until one did.
            let waited = (0..1000).any(|id| {
                OPEN.store(false, Ordering::SeqCst);
                let together = Barrier::new(3);
                let call = || {
                    together.wait();
                    traced!(slow, id).how
                };
                std::thread::scope(|scope| {
                    let callers = [world.spawn_in(scope, call), world.spawn_in(scope, call)];
                    together.wait();
                    (0..100).for_each(|_| std::thread::yield_now());
                    OPEN.store(true, Ordering::SeqCst);
                    let mut how = callers.map(|caller| caller.join().unwrap());
                    how.sort_by_key(|how| *how != How::Computed);
                    assert_eq!(how[0], How::Computed);
                    assert!(matches!(how[1], How::Waited | How::Hit), "{how:?}");
                    how[1] == How::Waited
                })
            });
            assert!(waited, "of a thousand second callers none waited");
        });
    }
}

mod explaining {
    use super::*;

    #[memoize(timeout = 60, name = "shop.rate")]
    fn rate(id: u64) -> String {
        format!("{id}")
    }

    #[test]
    fn a_call_that_was_never_made() {
        everywhere(|world| {
            let found = explain!(rate, 404);
            assert_eq!((found.function.as_str(), found.tier), ("shop.rate", Some(tier_of(world))));
            match found.finding {
                Finding::NeverStored => assert_eq!(world.name, "simple"),
                Finding::Absent { .. } => assert_ne!(world.name, "simple"),
                ref other => panic!("{other:?}"),
            }
            let text = found.to_string();
            assert!(text.starts_with("`shop.rate`, key `") && text.contains("never stored"), "{text}");
        });
    }

    #[test]
    fn a_hit_has_its_time_left_and_counts_nothing() {
        everywhere(|_| {
            rate(1);
            let before = stats!(rate);
            let found = explain!(rate, 1);
            assert!(found.is_hit(), "{found}");
            assert!(found.left.is_some_and(|left| left <= Duration::from_secs(60)), "{found}");
            assert!(found.to_string().contains(" left"), "{found}");
            assert_eq!(stats!(rate), before);
        });
    }

    #[test]
    fn expired_entries() {
        each_keeping(|world| {
            rate(2);
            world.advance(Duration::from_secs(65));
            // None of these gives the bytes of an expired entry back.
            match explain!(rate, 2).finding {
                Finding::Absent { deleted, .. } => {
                    assert_eq!(deleted, (world.name == "simple").then_some(false));
                }
                other => panic!("{other:?}"),
            }
        });
    }

    #[test]
    fn expired_entries_of_a_backend_whose_clock_is_behind() {
        let (mem, other) = (Mem::new(), World::simple());
        mem.keep_clock(other.scoped.clock().clock());
        let world = World::full_over(&mem, |config| config);
        let _entered = world.enter();
        rate(2);
        world.advance(Duration::from_secs(65));
        let found = explain!(rate, 2);
        assert!(
            matches!(found.finding, Finding::Expired(since) if since == Duration::from_secs(5)),
            "{found}"
        );
        assert!(found.to_string().ends_with("miss: expired 5s ago"), "{found}");
    }

    #[test]
    fn deleted_with_the_function() {
        everywhere(|world| {
            rate(3);
            delete_memoized!(rate).unwrap();
            match explain!(rate, 3).finding {
                Finding::Deleted => assert_ne!(world.name, "simple"),
                Finding::Absent { deleted, .. } if world.name == "simple" => assert_eq!(deleted, Some(true)),
                other => panic!("{other:?}"),
            }
        });
    }

    #[test]
    fn deleted_by_its_call() {
        everywhere(|_| {
            rate(4);
            delete_memoized!(rate, 4).unwrap();
            let found = explain!(rate, 4);
            assert!(matches!(found.finding, Finding::Absent { .. }), "{found}");
        });
    }

    #[test]
    fn an_entry_that_is_none() {
        #[memoize]
        fn f(id: u64) -> u64 {
            id
        }
        let mem = Mem::new();
        let world = World::full_over(&mem, |config| config);
        let _entered = world.enter();
        f(1);
        let key = explain!(f, 1).key;
        mem.tamper(|at, bytes| {
            if *at == key {
                *bytes = b"nothing of ours".to_vec();
            }
        });
        let found = explain!(f, 1);
        assert!(matches!(found.finding, Finding::Unreadable("not an entry of cachekit")), "{found}");
    }

    #[test]
    fn a_backend_in_trouble() {
        let mem = Mem::new();
        let world = World::full_over(&mem, |config: Config| config.breaker_threshold(2));
        let _entered = world.enter();
        rate(1);
        mem.break_all(Fault::Fail(ErrorKind::Unavailable));
        assert!(matches!(explain!(rate, 1).finding, Finding::Failed(_)));
        (0..4).for_each(|_| drop(rate(1)));
        let found = explain!(rate, 1);
        assert!(matches!(found.finding, Finding::BreakerOpen(_)), "{found}");
    }

    #[test]
    fn nothing_is_cached_in_null() {
        let world = World::null();
        let _entered = world.enter();
        let found = explain!(rate, 1);
        assert!(matches!(found.finding, Finding::NotCached(_)) && found.tier.is_none(), "{found}");
    }

    #[test]
    fn async_functions() {
        #[memoize]
        async fn f(id: u64) -> u64 {
            id
        }
        each_keeping(|world| {
            block_on(world.wrap(async {
                assert!(!explain!(f, 1).await.is_hit());
                f(1).await;
                assert!(explain!(f, 1).await.is_hit());
            }));
        });
    }
}
