//! Promise 8: the threshold holds, and what is over or orphaned goes without being asked for.

use std::time::Duration;

use cachekit::{Config, delete_memoized, memoize, peek, testing};
use cachekit_tests::{World, block_on, files};

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

#[test]
fn a_value_counts_what_it_owns_whatever_its_type_is() {
    use std::collections::HashMap;
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Index {
        map: HashMap<u64, u64>,
        lists: Vec<Vec<u64>>,
    }
    fn index(n: u64) -> Index {
        Index { map: (0..2000).map(|k| (k, n)).collect(), lists: vec![vec![n; 1000]; 4] }
    }
    #[memoize]
    fn whole(n: u64) -> Index {
        index(n)
    }
    #[memoize]
    fn in_pointer(n: u64) -> std::sync::Arc<Index> {
        std::sync::Arc::new(index(n))
    }
    #[memoize]
    fn fallible(n: u64) -> Result<Vec<Index>, String> {
        Ok(vec![index(n)])
    }
    const MOST: u64 = 1 << 20;
    const EACH: u64 = 2000 * 16 + 4 * 1000 * 8;
    let kept = |fill: &dyn Fn(&cachekit::Cache, u64)| {
        testing::scoped(Config::simple().max_bytes(MOST), |test| {
            for n in 0..60 {
                fill(test.cache(), n);
                assert!(test.cache().stats().bytes <= MOST);
            }
            test.cache().stats().entries.unwrap()
        })
    };
    let object = |cache: &cachekit::Cache, n: u64| cache.set(&n.to_string(), &index(n), 0).unwrap();
    let all = [
        kept(&|_, n| assert_eq!(whole(n), index(n))),
        kept(&|_, n| assert_eq!(*in_pointer(n), index(n))),
        kept(&|_, n| assert_eq!(fallible(n), Ok(vec![index(n)]))),
        kept(&object),
    ];
    assert!(all.iter().all(|&kept| (12..=MOST / EACH).contains(&kept)), "{all:?}");
}

#[test]
fn a_value_whose_serialize_panics_is_kept_in_process() {
    #[derive(Clone, Debug, PartialEq, serde::Deserialize)]
    struct Shy(String);
    impl serde::Serialize for Shy {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("not for reading");
        }
    }
    #[memoize]
    fn shy(n: u64) -> Shy {
        Shy(n.to_string())
    }
    testing::scoped(Config::simple(), |_| {
        (0..20).for_each(|n| assert_eq!((shy(n), shy(n)), (Shy(n.to_string()), Shy(n.to_string()))));
        assert_eq!((cachekit::stats!(shy).stores, cachekit::stats!(shy).hits), (20, 20));
    });
}

#[test]
fn weight_says_what_a_value_counts() {
    use cachekit::stats;
    #[memoize(weight = |_| 300_000)]
    fn number(n: u64) -> u64 {
        n
    }
    #[derive(Clone)]
    struct Handle(#[expect(dead_code, reason = "the point is the type")] u64);
    #[memoize(local, weight = |handle| if n == 0 { 2 << 20 } else { u64::from(handle.is_some()) * 300_000 })]
    fn handle(n: u64) -> Option<Handle> {
        (n < 100).then_some(Handle(n))
    }
    #[memoize(weight = |text| text.len() as u64 * 3, cache_if = |text| !text.is_empty(), timeout = |_| 60)]
    async fn text(length: usize) -> String {
        "x".repeat(length)
    }
    const MOST: u64 = 1 << 20;
    testing::scoped(Config::simple().max_bytes(MOST), |test| {
        let stats = || test.cache().stats();
        (0..10).for_each(|n| assert_eq!((number(n), number(n)), (n, n)));
        assert_eq!((stats().entries, stats!(number).hits), (Some(3), 10));
        (1..10).for_each(|n| assert!(handle(n).is_some() && peek!(handle, n).unwrap().is_some()));
        assert_eq!(stats().entries, Some(3), "both functions have one bound");
        assert!(
            handle(0).is_some() && peek!(handle, 0).unwrap().is_none(),
            "heavier than all together may be"
        );
        assert!(handle(100).is_none() && stats!(handle).stores == 9);
        test.cache().clear().unwrap();
        for _ in 0..10 {
            let lengths = [0, 100_000, 100_001, 100_002, 100_003];
            for length in lengths {
                assert_eq!(block_on(text(length)).len(), length);
            }
        }
        assert_eq!(stats().entries, Some(3));
        test.cache().clear().unwrap();
        (0..4).for_each(|_| assert_eq!(block_on(text(1)).len(), 1));
        assert!((3..1000).contains(&stats().bytes) && stats!(text).hits >= 3, "{:?}", stats());
    });
}

#[test]
fn files_take_at_most_max_bytes_together() {
    #[memoize]
    fn text(length: usize) -> String {
        "x".repeat(length)
    }
    #[memoize(local)]
    fn stays(n: u64) -> u64 {
        n
    }
    const MOST: u64 = 1 << 20;
    let world = World::filesystem_with(|config| config.max_bytes(MOST));
    let _entered = world.enter();
    let dir = world.dir.as_ref().unwrap().path();
    let on_disk = || -> u64 {
        let lengths = files(dir).into_iter().map(|path| std::fs::metadata(path).unwrap().len());
        lengths.map(|length| length.next_multiple_of(4096)).sum()
    };
    for n in 0..300 {
        assert_eq!(text(n * 100).len(), n * 100);
        assert!(world.cache().stats().bytes <= MOST && on_disk() <= MOST);
    }
    let stats = world.cache().stats();
    assert!(
        stats.bytes == on_disk() && stats.bytes > MOST - 40_000 && stats.evictions > Some(0),
        "{stats:?}"
    );
    assert_eq!(text(2 << 20).len(), 2 << 20);
    assert_eq!(peek!(text, 2 << 20).unwrap(), None);
    assert_eq!(world.cache().stats().entries, stats.entries, "nothing has made room for what isn't kept");
    assert_eq!((stays(1), peek!(stays, 1).unwrap()), (1, Some(1)));
}

#[test]
fn two_processes_keep_one_bound_of_bytes() {
    use cachekit_tests::{Child, role};
    #[memoize(timeout = 0)]
    fn text(process: usize, n: usize) -> String {
        "x".repeat(process + n % 7 * 3000)
    }
    const MOST: u64 = 1 << 20;
    let write = |dir: &std::path::Path, process: usize| {
        let world = World::in_dir(dir, |config| config.max_bytes(MOST));
        let _entered = world.enter();
        for n in 0..400 {
            text(process, n);
            assert!(world.cache().stats().bytes <= MOST);
        }
    };
    if role().is_some() {
        return write(std::env::var("DIR").unwrap().as_ref(), 1);
    }
    let dir = tempfile::tempdir().unwrap();
    let child = Child::start(
        "bounds::two_processes_keep_one_bound_of_bytes",
        "writer",
        &[("DIR", dir.path().to_str().unwrap())],
    );
    write(dir.path(), 0);
    child.finish();
    let lengths = files(dir.path()).into_iter().map(|path| std::fs::metadata(path).unwrap().len());
    let left: u64 = lengths.map(|length| length.next_multiple_of(4096)).sum();
    assert!((MOST - 100_000..=MOST).contains(&left), "{left} bytes");
}
