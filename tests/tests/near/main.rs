//! The near tier, over a custom backend and `filesystem`; the servers have the same tests.

use std::time::{Duration, Instant};

use cachekit::{
    Cache, Config, ErrorKind, How, NearDeletion, Tier, delete_memoized, explain, memoize, stats, traced,
};
use cachekit_tests::near::{changes_are_seen_at_once, deletions_are_final, serving};
use cachekit_tests::{Calls, Fault, Mem, Op, World};

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

fn serves(world: &World) -> bool {
    world.cache().health().near.is_some_and(|near| near.serves)
}

#[test]
fn on_filesystem_a_deletion_is_final() {
    let dir = tempfile::tempdir().unwrap();
    deletions_are_final(&Config::filesystem(dir.path()).operation_timeout(Duration::from_secs(20)));
}

/// Processes read a mark in the directory at each hit. So no change waits for a tier, and none is seen late.
#[test]
fn on_filesystem_every_change_is_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let longest = |config: Config| config.near_staleness(Duration::from_secs(10));
    for deletion in [NearDeletion::Final, NearDeletion::Prompt] {
        changes_are_seen_at_once(&longest(Config::filesystem(dir.path()).near_deletion(deletion)), || {});
    }
}

/// The file of the mark, or the directory, is removed, or moved away and made anew, while tiers have values.
#[test]
fn on_filesystem_every_change_is_seen_though_files_are_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, away) = (dir.path().join("cache"), dir.path().join("away"));
    let config = Config::filesystem(&cache);
    changes_are_seen_at_once(&config, || std::fs::remove_file(cache.join("cachekit.state")).unwrap());
    changes_are_seen_at_once(&config, || {
        std::fs::remove_file(cache.join("cachekit.state")).unwrap();
        drop(Cache::open(config.clone()).unwrap());
    });
    changes_are_seen_at_once(&config, || std::fs::remove_dir_all(&cache).unwrap());
    changes_are_seen_at_once(&config, || {
        let _ = std::fs::remove_dir_all(&away);
        std::fs::rename(&cache, &away).unwrap();
        drop(Cache::open(config.clone()).unwrap());
    });
}

/// A tier without a directory serves nothing, and makes none.
#[test]
fn on_filesystem_a_tier_serves_only_while_there_is_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let cache = serving(Config::filesystem(&path));
    let near = || cache.health().near.unwrap();
    cache.set("key", &1u64, 600).unwrap();
    until("a value is kept", || {
        cache.get_or_insert_with("key", 600, || 2u64);
        near().entries > 0
    });
    assert!(near().serves);
    std::fs::remove_dir_all(&path).unwrap();
    assert!(!near().serves && !path.exists());
    assert_eq!(cache.get_or_insert_with("key", 600, || 3u64), 3);
    assert!(near().serves);
}

/// The tiers are told of a `clear` that took longer than one operation may.
#[test]
fn a_slow_clear_is_no_error() {
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| {
        config.near(100).near_deletion(NearDeletion::Prompt).operation_timeout(Duration::from_secs(1))
    });
    until("the tier serves", || serves(&world));
    mem.break_op(Op::Clear, Fault::Slow(Duration::from_millis(1200)));
    world.cache().clear().unwrap();
}

/// A hit asks nothing, and the process that deletes sees it at once.
#[test]
fn a_hit_asks_nothing_until_a_deletion() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f(n: u64) -> u64 {
        n + CALLS.hit()
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| {
        config.near(100).near_staleness(Duration::from_secs(2)).near_deletion(NearDeletion::Prompt)
    });
    let _entered = world.enter();
    until("the tier serves", || serves(&world));
    let first = f(100);
    until("a hit asks nothing", || {
        assert_eq!(f(100), first);
        mem.take_log();
        assert_eq!(f(100), first);
        mem.take_log().is_empty()
    });
    assert!(stats!(f).hits >= 2);
    delete_memoized!(f, 100).unwrap();
    assert_eq!(f(100), first + 1, "it was deleted");
    until("it is near again", || {
        f(100);
        world.cache().health().near.is_some_and(|near| near.entries > 0)
    });
    delete_memoized!(f).unwrap();
    assert_eq!(f(100), first + 2, "all were deleted");
}

/// Without the backend a tier is out of step, and serves nothing.
#[test]
fn a_tier_that_hears_nothing_serves_nothing() {
    #[memoize]
    fn f(n: u64) -> u64 {
        n
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config.near(100).breaker_threshold(1_000_000));
    let _entered = world.enter();
    until("the tier serves", || serves(&world));
    mem.break_all(Fault::Fail(ErrorKind::Unavailable));
    until("the tier is out of step", || !serves(&world));
    let errors = stats!(f).errors;
    assert_eq!(f(1), 1);
    assert!(stats!(f).errors > errors, "it was looked for on the backend");
    mem.heal();
    until("the tier serves again", || serves(&world));
}

/// A registration that the backend has lost is made again, and the tier serves nothing in between.
#[test]
fn a_lost_registration_is_made_again() {
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config.near(100));
    until("the tier serves", || serves(&world));
    mem.evict(|key| key.contains("cachekit::near"));
    until("the tier is out of step", || !serves(&world));
    until("the tier serves again", || serves(&world));
}

#[test]
fn a_fleet_without_tiers_pays_a_read_now_and_then() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::in_dir(dir.path(), |config| config);
    assert_eq!(world.cache().health().near, None);
    let began = Instant::now();
    (0..20).for_each(|_| _ = world.cache().delete("key").unwrap());
    assert!(began.elapsed() < Duration::from_secs(20), "no deletion waits");
}

/// A function whose values are served past their timeout uses the tier while they are fresh, and its windows hold.
#[test]
fn windows_of_staleness_hold_in_front_of_a_tier() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = 10, stale_while_revalidate = 20, refresh_ahead = 0.8)]
    fn f(n: u64) -> u64 {
        n + CALLS.hit()
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| {
        config.near(100).near_staleness(Duration::from_secs(2)).near_deletion(NearDeletion::Prompt)
    });
    let _entered = world.enter();
    let near = |value| {
        until("the value is near", || {
            let outcome = traced!(f, 100);
            assert_eq!(outcome.value, value);
            outcome.tier == Some(Tier::Near)
        });
        mem.take_log();
    };
    until("the tier serves", || serves(&world));
    let first = f(100);
    near(first);
    world.advance(Duration::from_millis(7_999));
    assert_eq!(traced!(f, 100).tier, Some(Tier::Near), "fresh, and not yet due");
    world.advance(Duration::from_millis(1));
    assert_eq!(f(100), first + 1, "due: this call computes it anew");
    near(first + 1);
    world.advance(Duration::from_secs(29));
    let outcome = traced!(f, 100);
    assert_eq!((outcome.value, outcome.how), (first + 2, How::Computed), "stale: this call computes it anew");
    near(first + 2);
    assert_eq!((stats!(f).misses, stats!(f).stale), (3, 0));
    // Another value than the fresh one is never near.
    world.advance(Duration::from_secs(31));
    assert_eq!(f(100), first + 3);
}

/// `traced!`, `explain!` and `stats!` tell a hit in the tier from one on the backend.
#[test]
fn a_hit_in_the_tier_is_named_so() {
    #[memoize(timeout = 60)]
    fn f(n: u64) -> u64 {
        n
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| {
        config.near(100).near_max_age(Duration::from_secs(20)).near_deletion(NearDeletion::Prompt)
    });
    let _entered = world.enter();
    assert_eq!(f(1), 1);
    let outcome = traced!(f, 1);
    assert_eq!((outcome.how, outcome.tier), (How::Hit, Some(Tier::Backend)), "the tier does not serve yet");
    assert_eq!(explain!(f, 1).tier, Some(Tier::Backend));
    until("the value is near", || traced!(f, 1).tier == Some(Tier::Near));
    let before = stats!(f);
    let outcome = traced!(f, 1);
    assert_eq!((outcome.how, outcome.age, outcome.left), (How::Hit, None, Some(Duration::from_secs(20))));
    let after = stats!(f);
    assert_eq!((after.hits - before.hits, after.near - before.near, after.misses), (1, 1, 1));
    assert_eq!(world.cache().stats().near, after.near);
    mem.take_log();
    let explained = explain!(f, 1);
    assert!(explained.is_hit() && explained.tier == Some(Tier::Near), "{explained}");
    assert!(explained.to_string().contains("found in the near tier: hit, 20s left"), "{explained}");
    assert_eq!(mem.take_log(), [], "it looked where the call would");
    world.advance(Duration::from_secs(20));
    assert_eq!(traced!(f, 1).tier, Some(Tier::Backend), "it has been near for `near_max_age`");
}
