//! Promise 8: the threshold holds, and what is over or orphaned goes without being asked for.

use std::time::Duration;

use cachekit::{Config, delete_memoized, memoize, peek, testing};
use cachekit_tests::{World, files};

/// How many entries there are.
fn count(world: &World) -> usize {
    match &world.dir {
        Some(dir) => files(dir.path()).len(),
        None => usize::try_from(world.cache().stats().entries.unwrap()).unwrap(),
    }
}

fn worlds(threshold: usize) -> [World; 2] {
    [
        World::simple_with(|config| config.threshold(threshold)),
        World::filesystem_with(|config| config.threshold(threshold)),
    ]
}

#[test]
fn the_threshold_is_never_exceeded_by_more_than_one() {
    #[memoize(timeout = 0)]
    fn f(n: u64) -> u64 {
        n
    }
    for threshold in [1, 2, 10, 100] {
        for world in worlds(threshold) {
            let _entered = world.enter();
            for n in 0..(threshold as u64 * 3 + 10) {
                assert_eq!(f(n), n);
                assert!(count(&world) <= threshold + 1, "{} of {threshold} in {}", count(&world), world.name);
            }
            assert!(count(&world) + 1 >= threshold, "{} of {threshold} in {}", count(&world), world.name);
        }
    }
}

#[test]
fn the_threshold_holds_among_threads() {
    #[memoize(timeout = 0)]
    fn f(n: u64) -> u64 {
        n
    }
    for world in worlds(50) {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let world = &world;
                world.spawn_in(scope, move || {
                    for n in 0..100 {
                        assert_eq!(f(thread * 1000 + n), thread * 1000 + n);
                        // As many as there are threads may be on their way out. A listing is no snapshot: a file that
                        // moves meanwhile is counted twice, but not each time.
                        assert!((0..5).any(|_| count(world) <= 54), "{} in {}", count(world), world.name);
                    }
                });
            }
        });
        assert!(count(&world) <= 51, "{} in {}", count(&world), world.name);
    }
}

#[test]
fn without_a_threshold_all_stay() {
    #[memoize(timeout = 0)]
    fn f(n: u64) -> u64 {
        n
    }
    for world in worlds(0) {
        let _entered = world.enter();
        (0..500).for_each(|n| {
            f(n);
        });
        assert!((0..500).all(|n| peek!(f, n).unwrap() == Some(n)), "{}", world.name);
    }
}

#[test]
fn expired_entries_are_reclaimed_by_other_traffic() {
    #[memoize(timeout = 10)]
    fn short(n: u64) -> u64 {
        n
    }
    #[memoize(timeout = 0)]
    fn other(n: u64) -> u64 {
        n
    }
    for world in worlds(1000) {
        let _entered = world.enter();
        (0..300).for_each(|n| {
            short(n);
        });
        assert!(count(&world) >= 300);
        world.advance(Duration::from_secs(10));
        (0..300).for_each(|n| {
            other(n);
        });
        assert!(
            count(&world) <= 320,
            "{} in {}: the expired ones are still there",
            count(&world),
            world.name
        );
        assert!((0..300).all(|n| peek!(other, n).unwrap() == Some(n)), "{}", world.name);
    }
}

#[test]
fn what_a_deletion_orphaned_is_reclaimed() {
    #[memoize(timeout = 0)]
    fn deleted(n: u64) -> u64 {
        n
    }
    #[memoize(timeout = 0)]
    fn other(n: u64) -> u64 {
        n
    }
    for world in worlds(400) {
        let _entered = world.enter();
        (0..300).for_each(|n| {
            deleted(n);
        });
        delete_memoized!(deleted).unwrap();
        (0..390).for_each(|n| {
            other(n);
        });
        let lost = (0..390).filter(|n| peek!(other, *n).unwrap().is_none()).count();
        assert!(count(&world) <= 401, "{}", world.name);
        // The orphans go first, but for what a store of one's own order of writing can't know.
        assert!(lost <= 20, "{lost} living entries went instead of orphans in {}", world.name);
    }
}

#[test]
fn entries_that_never_expire_are_no_preferred_victims() {
    #[memoize(timeout = 0)]
    fn never(n: u64) -> u64 {
        n
    }
    #[memoize(timeout = 1000)]
    fn some_day(n: u64) -> u64 {
        n
    }
    for world in worlds(100) {
        let _entered = world.enter();
        (0..50).for_each(|n| {
            some_day(n);
        });
        (0..50).for_each(|n| {
            never(n);
        });
        (1000..1040).for_each(|n| {
            some_day(n);
        });
        let kept = (0..50).filter(|n| peek!(never, *n).unwrap().is_some()).count();
        assert!(kept >= 25, "{kept} of 50 in {}", world.name);
    }
}

#[test]
fn two_processes_keep_one_threshold() {
    use cachekit_tests::{Child, role};
    #[memoize(timeout = 0)]
    fn f(process: u64, n: u64) -> u64 {
        process + n
    }
    let write = |dir: &std::path::Path, process: u64| {
        let world = World::in_dir(dir, |config| config.threshold(100));
        let _entered = world.enter();
        (0..500).for_each(|n| {
            f(process, n);
        });
    };
    if role().is_some() {
        return write(std::env::var("DIR").unwrap().as_ref(), 1_000_000);
    }
    let dir = tempfile::tempdir().unwrap();
    let child = Child::start(
        "bounds::two_processes_keep_one_threshold",
        "writer",
        &[("DIR", dir.path().to_str().unwrap())],
    );
    write(dir.path(), 0);
    child.finish();
    let left = files(dir.path()).len();
    assert!((90..=102).contains(&left), "{left} files");
}

#[test]
fn entries_take_at_most_max_bytes_together_and_a_heavier_one_is_not_kept() {
    #[memoize]
    fn text(n: usize) -> String {
        "x".repeat(n)
    }
    #[memoize]
    fn number(n: u64) -> u64 {
        n
    }
    const MOST: u64 = 1 << 20;
    testing::scoped(Config::simple().max_bytes(MOST), |test| {
        let stats = || test.cache().stats();
        for n in 0..1000 {
            assert_eq!(text(10_000 + n).len(), 10_000 + n);
            number(n as u64);
            assert!(stats().bytes <= MOST, "{} bytes", stats().bytes);
        }
        assert!(stats().bytes > MOST - 20_000 && stats().evictions > Some(0), "{:?}", stats());
        let before = stats();
        assert_eq!(text(1 << 20).len(), 1 << 20);
        assert_eq!((peek!(text, 1 << 20).unwrap(), stats().entries), (None, before.entries));
        test.cache().set("heavy", &"y".repeat(500_000), 0).unwrap();
        assert!(test.cache().contains("heavy").unwrap() && stats().bytes <= MOST);
        test.cache().set("heavy", &"y".repeat(1 << 20), 0).unwrap();
        assert!(
            !test.cache().contains("heavy").unwrap(),
            "the former value is not left in the place of a heavier one"
        );
        test.cache().clear().unwrap();
        assert_eq!((stats().bytes, stats().entries), (0, Some(0)));
    });
}

#[test]
fn as_many_entries_as_the_threshold_says_are_kept_to_the_last_one_over_all_functions() {
    #[memoize]
    fn number(n: u64) -> u64 {
        n
    }
    #[memoize]
    fn text(n: &str) -> String {
        n.to_owned()
    }
    testing::scoped(Config::simple().threshold(10_000), |test| {
        for n in 0..5_000 {
            number(n);
            text(&n.to_string());
        }
        let stats = || (test.cache().stats().entries, test.cache().stats().evictions);
        assert_eq!(stats(), (Some(10_000), Some(0)));
        assert!((0..5_000).all(|n| peek!(number, n).unwrap() == Some(n)));
        assert!((0..5_000).all(|n| peek!(text, &n.to_string()).unwrap().is_some()));
        number(5_000);
        assert_eq!(stats(), (Some(10_000), Some(1)));
    });
}
