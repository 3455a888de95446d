//! The counters of `stats!` and `Cache::stats`.

use cachekit::{delete_memoized, memoize, refresh, stats, uncached};
use cachekit_tests::{World, block_on, each_keeping};

#[test]
fn a_function_counts_hits_misses_and_stores() {
    #[memoize]
    fn f(n: u64) -> Option<u64> {
        n.checked_sub(1)
    }
    each_keeping(|world| {
        assert_eq!(stats!(f), cachekit::FunctionStats::default());
        f(1);
        f(1);
        f(1);
        f(0);
        refresh!(f, 1);
        uncached!(f, 1);
        let stats = stats!(f);
        assert_eq!((stats.hits, stats.misses, stats.stores, stats.errors, stats.coalesced), (2, 2, 2, 0, 0));
        assert!((stats.hit_rate() - 0.5).abs() < f64::EPSILON);
        delete_memoized!(f).unwrap();
        let all = world.cache().stats();
        assert_eq!((all.hits, all.misses, all.stores, all.deletions), (2, 2, 2, 1));
    });
}

#[test]
fn async_functions_and_methods_count_too() {
    #[memoize]
    async fn f(n: u64) -> u64 {
        n
    }
    struct Thing;
    impl Thing {
        #[memoize(ignore(self))]
        fn g(&self, n: u64) -> u64 {
            n
        }
    }
    each_keeping(|world| {
        block_on(world.wrap(async {
            f(1).await;
            f(1).await;
            let stats = stats!(f);
            assert_eq!((stats.hits, stats.misses, stats.stores), (1, 1, 1));
        }));
        Thing.g(1);
        Thing.g(1);
        let stats = stats!(Thing::g);
        assert_eq!((stats.hits, stats.misses, stats.stores), (1, 1, 1));
    });
}

#[test]
fn each_cache_counts_for_itself() {
    #[memoize]
    fn f(n: u64) -> u64 {
        n
    }
    let (one, two) = (World::simple(), World::simple());
    {
        let _entered = one.enter();
        f(1);
        assert_eq!(stats!(f).misses, 1);
    }
    let _entered = two.enter();
    assert_eq!(stats!(f).misses, 0);
}

#[test]
fn the_store_of_the_process_tells_its_entries_and_evictions() {
    #[memoize]
    fn f(n: u64) -> u64 {
        n
    }
    let world = World::simple_with(|config| config.threshold(10));
    let _entered = world.enter();
    (0..5).for_each(|n| {
        f(n);
    });
    assert_eq!((world.cache().stats().entries, world.cache().stats().evictions), (Some(5), Some(0)));
    (5..50).for_each(|n| {
        f(n);
    });
    let stats = world.cache().stats();
    let (entries, evictions) = (stats.entries.unwrap(), stats.evictions.unwrap());
    assert!(entries <= 11 && entries + evictions == 50, "{stats:?}");
}

#[test]
fn null_computes_always_and_keeps_nothing() {
    #[memoize]
    fn f(n: u64) -> u64 {
        n
    }
    let world = World::null();
    let _entered = world.enter();
    f(1);
    f(1);
    assert_eq!((stats!(f).hits, stats!(f).stores), (0, 0));
}
