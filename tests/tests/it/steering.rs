//! Options that are set from outside: at run time, by the configuration, and by policies.

use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cachekit::{
    Cache, Config, ErrorKind, FunctionConfig, How, Timeout, configure_function, delete_memoized, explain,
    functions, memoize, stats, traced,
};
use cachekit_tests::{Calls, World, block_on, each_keeping, logged};

const SECOND: Duration = Duration::from_secs(1);

fn set() -> FunctionConfig {
    FunctionConfig::new()
}

/// The configured caches, in process and not.
fn worlds(change: impl Fn(Config) -> Config) -> [World; 2] {
    [World::simple_with(&change), World::filesystem_with(&change)]
}

/// Whether a second call, after so much time, is a hit.
fn hits_after(world: &World, time: Duration, call: impl Fn() -> u64) -> bool {
    let first = call();
    world.advance(time);
    call() == first
}

mod at_run_time {
    use super::*;

    #[test]
    fn a_function_is_switched_off_and_on_by_its_name() {
        static CALLS: Calls = Calls::new();
        #[memoize(name = "steer.switched", timeout = 60)]
        fn f(id: u64) -> u64 {
            CALLS.hit() + id
        }
        each_keeping(|_| {
            let first = f(1);
            assert_eq!(f(1), first);
            configure_function("steer.switched", set().enabled(false)).unwrap();
            assert_ne!(f(1), first, "it neither reads");
            let computed = traced!(f, 2);
            assert_eq!(computed.how, How::Bypassed);
            assert!(explain!(f, 1).to_string().contains("switched off"), "{}", explain!(f, 1));
            configure_function("steer.switched", set()).unwrap();
            assert_eq!(f(1), first, "what was stored is there");
            assert_ne!(f(2), computed.value, "nor has it written");
        });
    }

    #[test]
    fn deletions_reach_a_function_that_is_switched_off() {
        static CALLS: Calls = Calls::new();
        #[memoize(name = "steer.deleted", timeout = 60)]
        fn f(id: u64) -> u64 {
            CALLS.hit() + id
        }
        each_keeping(|_| {
            let first = f(1);
            configure_function("steer.deleted", set().enabled(false)).unwrap();
            delete_memoized!(f, 1).unwrap();
            configure_function("steer.deleted", set()).unwrap();
            assert_ne!(f(1), first);
        });
    }

    #[test]
    fn no_call_that_begins_after_the_switch_hits() {
        static STOP: AtomicBool = AtomicBool::new(false);
        thread_local!(static RAN: Cell<bool> = const { Cell::new(false) });
        #[memoize(name = "steer.raced", timeout = 60)]
        fn f() -> u64 {
            RAN.set(true);
            1
        }
        let world = World::simple();
        let _entered = world.enter();
        f();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                world.spawn_in(scope, || {
                    // Opens the function for hits as often as it can.
                    while !STOP.load(Ordering::SeqCst) {
                        f();
                    }
                });
            }
            for _ in 0..200 {
                configure_function("steer.raced", set().enabled(false)).unwrap();
                RAN.set(false);
                f();
                assert!(RAN.get(), "a call hit");
                assert_eq!(traced!(f).how, How::Bypassed);
                configure_function("steer.raced", set()).unwrap();
                f();
            }
            STOP.store(true, Ordering::SeqCst);
        });
    }

    #[test]
    fn a_timeout_by_name_wins_over_the_attribute_and_over_its_closure() {
        static CALLS: Calls = Calls::new();
        #[memoize(name = "steer.times.fixed", timeout = 60)]
        fn fixed() -> u64 {
            CALLS.hit()
        }
        #[memoize(name = "steer.times.value", timeout = |_| 60)]
        fn by_value() -> u64 {
            CALLS.hit()
        }
        #[memoize(name = "steer.times.expression", timeout = SECOND * 60)]
        async fn expression() -> u64 {
            CALLS.hit()
        }
        #[memoize(name = "steer.times.err", err_timeout = "30s")]
        fn err() -> Result<(), u64> {
            Err(CALLS.hit())
        }
        each_keeping(|world| {
            configure_function("steer.times.*", set().timeout(5)).unwrap();
            for call in [&fixed as &dyn Fn() -> u64, &by_value, &|| block_on(expression())] {
                assert!(hits_after(world, SECOND * 4, call), "within its time");
                assert!(!hits_after(world, SECOND, call), "its time is 5 s, and counts from the store");
            }
            assert!(hits_after(world, SECOND * 29, || err().unwrap_err()), "an `Err` has its own");
            configure_function("steer.times.*", set()).unwrap();
            assert!(!hits_after(world, SECOND * 60, fixed));
            assert!(hits_after(world, SECOND * 59, fixed), "as the attribute says");
        });
    }

    #[test]
    fn windows_of_staleness_are_set_where_the_attribute_has_none() {
        static CALLS: Calls = Calls::new();
        static STOPPED: AtomicBool = AtomicBool::new(false);
        static MEET: Barrier = Barrier::new(2);
        // An entry of words, and one that is none.
        #[memoize(name = "steer.stale.words", timeout = 10)]
        fn words(id: u64) -> u64 {
            if STOPPED.swap(false, Ordering::SeqCst) {
                MEET.wait();
                MEET.wait();
            }
            CALLS.hit() + id
        }
        #[memoize(name = "steer.stale.text", timeout = 10)]
        fn text(id: &str) -> String {
            if STOPPED.swap(false, Ordering::SeqCst) {
                MEET.wait();
                MEET.wait();
            }
            format!("{}{id}", CALLS.hit())
        }
        fn check<R: PartialEq + Send + std::fmt::Debug>(world: &World, call: impl Fn() -> R + Sync) {
            configure_function("steer.stale.*", set()).unwrap();
            let before = call();
            configure_function("steer.stale.*", set().stale_while_revalidate(SECOND * 20)).unwrap();
            world.advance(SECOND * 10);
            let first = call();
            assert_ne!(first, before, "it was stored without a window");
            assert_eq!(call(), first);
            world.advance(SECOND * 29);
            STOPPED.store(true, Ordering::SeqCst);
            std::thread::scope(|scope| {
                let computes = world.spawn_in(scope, &call);
                MEET.wait();
                assert_eq!(call(), first, "stale, and served at once");
                MEET.wait();
                assert_ne!(computes.join().unwrap(), first);
            });
            assert_ne!(call(), first);
        }
        fn call_stale(world: &World, call: impl Fn() -> u64) -> u64 {
            let value = call();
            world.advance(SECOND * 15);
            value
        }
        each_keeping(|world| {
            check(world, || words(1));
            check(world, || text("a"));
            let stale = call_stale(world, || words(2));
            delete_memoized!(words, 2).unwrap();
            assert_ne!(words(2), stale, "a deletion ends staleness");
            configure_function("steer.stale.*", set()).unwrap();
        });
    }

    #[test]
    fn the_last_good_value_is_served_where_the_table_says_so() {
        static FAILS: AtomicBool = AtomicBool::new(false);
        #[memoize(name = "steer.fallback", timeout = 10)]
        fn f(id: u64) -> Result<u64, String> {
            if FAILS.load(Ordering::SeqCst) { Err("down".to_owned()) } else { Ok(id) }
        }
        each_keeping(|world| {
            configure_function("steer.fallback", set().stale_if_error(SECOND * 20)).unwrap();
            FAILS.store(false, Ordering::SeqCst);
            assert_eq!(f(1), Ok(1));
            FAILS.store(true, Ordering::SeqCst);
            world.advance(SECOND * 29);
            assert_eq!(f(1), Ok(1));
            world.advance(SECOND);
            assert_eq!(f(1), Err("down".to_owned()));
            configure_function("steer.fallback", set()).unwrap();
        });
    }

    #[test]
    fn an_entry_that_a_deletion_removed_stays_away_when_windows_come_and_go() {
        static CALLS: Calls = Calls::new();
        #[memoize(name = "steer.comes_and_goes", timeout = 600)]
        fn f(id: u64) -> u64 {
            CALLS.hit() + id
        }
        each_keeping(|_| {
            let first = f(1);
            configure_function("steer.comes_and_goes", set().stale_while_revalidate(SECOND)).unwrap();
            // From this call on entries carry their times.
            f(2);
            delete_memoized!(f, 1).unwrap();
            configure_function("steer.comes_and_goes", set()).unwrap();
            let second = f(1);
            assert_ne!(second, first);
            assert_eq!(f(1), second);
        });
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_nearest_and_a_pattern_may_match_nothing() {
        #[memoize(name = "steer.shop.price")]
        fn price() -> u64 {
            1
        }
        let error = configure_function("steer.shop.prise", set().timeout(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownFunction);
        assert!(error.to_string().contains("did you mean `steer.shop.price`?"), "{error}");
        configure_function("steer.nothing.*", set().timeout(5)).unwrap();
        let error = configure_function("steer.shop.price", set().jitter(1.0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(functions().iter().any(|function| function.name == "steer.shop.price" && !function.called));
        configure_function("steer.shop.price", set().timeout(5)).expect("before its first call");
        price();
    }

    #[test]
    fn methods_and_other_caches_are_reached_too() {
        static CALLS: Calls = Calls::new();
        static OTHER: Cache = Cache::new();
        #[derive(cachekit::CacheKey)]
        struct Shop(u64);
        impl Shop {
            #[memoize(name = "steer.method", timeout = 60)]
            fn price(&self) -> u64 {
                CALLS.hit() + self.0
            }
        }
        #[memoize(name = "steer.other", cache = OTHER, timeout = 60)]
        fn other() -> u64 {
            CALLS.hit()
        }
        each_keeping(|_| {
            let shop = Shop(1);
            let (method, function) = (shop.price(), other());
            assert_eq!((shop.price(), other()), (method, function));
            for name in ["steer.method", "steer.other"] {
                configure_function(name, set().enabled(false)).unwrap();
            }
            assert_ne!(shop.price(), method);
            assert_ne!(other(), function);
            for name in ["steer.method", "steer.other"] {
                configure_function(name, set()).unwrap();
            }
        });
    }
}

mod by_configuration {
    use super::*;

    #[test]
    fn a_table_sets_timeout_jitter_windows_and_the_switch_by_name() {
        static CALLS: Calls = Calls::new();
        #[memoize(name = "steer.table.timeout", timeout = 60)]
        fn timeout() -> u64 {
            CALLS.hit()
        }
        #[memoize(name = "steer.table.off", timeout = 60)]
        fn off() -> u64 {
            CALLS.hit()
        }
        #[memoize(name = "steer.table.ahead", timeout = 10)]
        fn ahead() -> u64 {
            CALLS.hit()
        }
        let file = Config::from_toml(
            r#"
            [functions."steer.table.*"]
            timeout = 5
            [functions."steer.table.off"]
            enabled = false
            [functions."steer.table.ahead"]
            refresh_ahead = 0.5
            timeout = 20
            "#,
        )
        .unwrap();
        for world in worlds(|config| config.functions(file.functions.clone())) {
            let _entered = world.enter();
            assert!(hits_after(&world, SECOND * 4, timeout), "{}", world.name);
            assert!(!hits_after(&world, SECOND * 5, timeout), "{}", world.name);
            assert_ne!(off(), off(), "{}", world.name);
            let first = ahead();
            world.advance(SECOND * 9);
            assert_eq!(ahead(), first, "{}", world.name);
            world.advance(SECOND);
            assert_ne!(ahead(), first, "{}: half of its 20 s are over", world.name);
        }
        for world in worlds(|config| config) {
            let _entered = world.enter();
            assert!(
                hits_after(&world, SECOND * 59, timeout),
                "{}: another cache has no such table",
                world.name
            );
            assert_eq!(off(), off(), "{}", world.name);
        }
    }

    #[test]
    fn run_time_wins_over_the_table_and_the_table_over_the_attribute() {
        static CALLS: Calls = Calls::new();
        #[memoize(name = "steer.order", timeout = 60, jitter = 0.0, policy = "order")]
        fn f() -> u64 {
            CALLS.hit()
        }
        let change = |config: Config| {
            let policy = set().timeout(1).stale_while_revalidate(SECOND);
            config.functions([("steer.order", set().timeout(30))]).policies([("order", policy)])
        };
        for world in worlds(change) {
            let _entered = world.enter();
            assert!(hits_after(&world, SECOND * 29, f), "{}", world.name);
            assert!(!hits_after(&world, SECOND * 31, f), "{}: the policy's window is a second", world.name);
            configure_function("steer.order", set().timeout(90)).unwrap();
            assert!(!hits_after(&world, SECOND * 31, f), "{}: an entry keeps its times", world.name);
            assert!(hits_after(&world, SECOND * 89, f), "{}", world.name);
            configure_function("steer.order", set()).unwrap();
        }
    }

    #[test]
    fn a_name_that_no_function_has_is_an_error_with_the_nearest() {
        #[memoize(name = "steer.init.price")]
        fn price() -> u64 {
            1
        }
        price();
        let table = |name: &str| Config::simple().functions([(name, set().timeout(5))]);
        let error = Cache::open(table("steer.init.prize")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("did you mean `steer.init.price`?"), "{error}");
        Cache::open(table("steer.init.price")).unwrap();
        Cache::open(table("elsewhere::*")).expect("another program's");
    }
}

mod by_policy {
    use super::*;

    #[test]
    fn a_policy_says_what_the_attribute_does_not() {
        static CALLS: Calls = Calls::new();
        #[memoize(name = "steer.policy.all", policy = "steer_hot")]
        fn all(id: u64) -> u64 {
            CALLS.hit() + id
        }
        #[memoize(name = "steer.policy.own", policy = "steer_hot", timeout = 40, stale_while_revalidate = 5)]
        fn own(id: u64) -> u64 {
            CALLS.hit() + id
        }
        let hot = set().timeout(20).stale_while_revalidate(SECOND * 10).refresh_ahead(0.5);
        for world in worlds(|config| config.policies([("steer_hot", hot.clone())])) {
            let _entered = world.enter();
            for (call, due) in [(&all as &dyn Fn(u64) -> u64, 10), (&own, 20)] {
                assert!(hits_after(&world, SECOND * (due - 1), || call(1)), "{}", world.name);
                world.advance(SECOND);
                let first = call(2);
                world.advance(SECOND * due);
                assert_ne!(call(2), first, "{}: due ahead of its end", world.name);
            }
        }
        let off = set().enabled(false);
        for world in worlds(|config| config.policies([("steer_hot", off.clone())])) {
            let _entered = world.enter();
            assert_ne!(all(1), all(1), "{}", world.name);
        }
    }

    #[test]
    fn a_policy_without_windows_has_ordinary_hits() {
        static CALLS: Calls = Calls::new();
        #[memoize(name = "steer.policy.plain", policy = "steer_plain")]
        fn f(id: u64) -> u64 {
            CALLS.hit() + id
        }
        for world in worlds(|config| config.policies([("steer_plain", set().timeout(20))])) {
            let _entered = world.enter();
            assert!(hits_after(&world, SECOND * 19, || f(1)), "{}", world.name);
            assert!(!hits_after(&world, SECOND * 20, || f(1)), "{}", world.name);
        }
    }

    #[test]
    fn a_policy_that_the_cache_has_not_is_said_once_with_the_nearest() {
        #[memoize(name = "steer.policy.missing", policy = "steer_hto")]
        fn f(id: u64) -> u64 {
            id
        }
        let world = World::simple_with(|config| {
            config.policies([("steer_hot", set().timeout(20))]).default_timeout(Timeout::Never)
        });
        let _entered = world.enter();
        let said = logged(|| assert_eq!((f(1), f(1), f(2)), (1, 1, 2)));
        let said: Vec<_> = said.iter().filter(|line| line.contains("steer_hto")).collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("did you mean `steer_hot`?"), "{said:?}");
        world.advance(Duration::from_secs(3600));
        f(1);
        assert_eq!(stats!(f).hits, 2, "the cache's timeout");
    }
}
