//! The memory of deleted instances is bounded, and their deletions hold all the same.

use super::*;

/// Reads as a memoized function does: first among the entries that the thread keeps.
fn near(store: &SimpleStore, n: u64) -> Option<u64> {
    let digest = store.digest(|h| n.cache_key(h));
    let feed = |m: &mut crate::Matcher<'_>| n.cache_key(m);
    let read = |entry: &Entry| entry.value::<u64>().copied();
    store.read_near(digest, feed, read).or_else(|| store.read_far(digest, feed, read, |_| true)).flatten()
}

#[test]
fn records_of_deleted_instances_are_bounded_between_sweeps() {
    let store = SimpleStore::new(0, Clock::system());
    let before = store.now();
    assert!(put(&store, 1, u64::MAX, before, 1, 1) && put(&store, 2, u64::MAX, before, 1, u64::MAX >> 1));
    let most = (1..=100_000)
        .map(|instance| {
            store.delete_instance(1, instance);
            store.instance_horizons()
        })
        .max();
    assert!(most <= Some(4096), "{most:?} records");
    assert_eq!((get(&store, 1), get(&store, 2)), (None, Some(2)));
    assert!(!put(&store, 1, u64::MAX, before, 1, 1), "its computation began before the deletion");
    assert!(put(&store, 1, u64::MAX, store.now(), 1, 1));
    assert_eq!(get(&store, 1), Some(1));
    assert!(store.instance_capacity() <= 16_384, "{} records have room", store.instance_capacity());
}

#[test]
fn a_full_store_is_not_swept_at_every_few_deletions() {
    let store = SimpleStore::new(0, Clock::system());
    for n in 0..40_000 {
        assert!(put(&store, n, u64::MAX, store.now(), 1, n + 1));
    }
    store.sweep();
    (1..=10_000).for_each(|instance| store.delete_instance(1, instance));
    // The sweeping thread may have been here already.
    assert!(store.records_allowed() > 7_000, "{}", store.records_allowed());
    assert!((0..40_000).all(|n| get(&store, n).is_some() == (n >= 10_000)));
    (10_001..=40_000).for_each(|instance| store.delete_instance(1, instance));
    assert!(store.instance_horizons() <= 10_000);
    assert!((0..40_000).all(|n| get(&store, n).is_none()));
}

#[test]
fn deletions_by_many_threads_hold_while_records_are_reclaimed() {
    const THREADS: u64 = 4;
    const EACH: u64 = 6_000;
    let store = SimpleStore::new(0, Clock::system());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for n in thread * EACH..(thread + 1) * EACH {
                    let (birth, instance) = (store.now(), n + 1);
                    put(store, n, u64::MAX, birth, 1, instance);
                    // So that the thread keeps it. It may be refused: another thread may have reclaimed records just now.
                    (0..3).for_each(|_| _ = near(store, n));
                    store.delete_instance(1, instance);
                    assert_eq!((near(store, n), get(store, n)), (None, None));
                    put(store, n, u64::MAX, birth, 1, instance);
                    assert_eq!(get(store, n), None, "its computation began before the deletion");
                }
            });
        }
    });
    assert!((0..THREADS * EACH).all(|n| get(&store, n).is_none()));
    assert!(store.instance_horizons() <= 4096 + usize::try_from(THREADS).unwrap());
}
