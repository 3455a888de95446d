mod records;
mod spread;
mod table;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::{CacheKey, Clock, KeyBytes, ManualClock, Recorder};

fn key(n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    n.cache_key(&mut Recorder::new(&mut bytes));
    bytes
}

fn put(store: &SimpleStore, n: u64, expiry: u64, birth: u64, function: u32, instance: u64) -> bool {
    let digest = store.digest(|h| n.cache_key(h));
    let draft = Draft { digest, bytes: KeyBytes::new(&key(n)), expiry, birth, instance, function };
    store.insert(SimpleStore::entry(draft, n), || true)
}

fn get(store: &SimpleStore, n: u64) -> Option<u64> {
    let digest = store.digest(|h| n.cache_key(h));
    let seen = store.read(digest, |m| n.cache_key(m), |entry| entry.value::<u64>().copied());
    let foreign = store.read_foreign(digest, |m| n.cache_key(m));
    assert_eq!(seen.is_some(), foreign.is_some());
    seen.flatten()
}

#[test]
fn threshold_is_never_exceeded_and_small_ones_work() {
    for threshold in [1usize, 2, 3, 10, 33, 100, 5000] {
        let store = SimpleStore::new(threshold, Clock::system());
        for n in 0..3 * threshold as u64 {
            assert!(put(&store, n, u64::MAX, 1, 1, 0));
            assert!(store.len() <= threshold, "{} > {threshold}", store.len());
            assert_eq!(get(&store, n), Some(n), "the newest entry is there at threshold {threshold}");
        }
        assert!(store.len() * 10 >= threshold * 9, "{} of {threshold}", store.len());
        assert!(store.evictions() > 0);
    }
    let store = SimpleStore::new(0, Clock::system());
    (0..20_000).for_each(|n| assert!(put(&store, n, u64::MAX, 1, 1, 0)));
    assert_eq!(store.len(), 20_000);
}

#[test]
fn up_to_two_thousand_entries_fit_exactly() {
    let store = SimpleStore::new(1000, Clock::system());
    (0..1000).for_each(|n| assert!(put(&store, n, u64::MAX, 1, 1, 0)));
    assert_eq!((0..1000).filter(|&n| get(&store, n).is_some()).count(), 1000);
}

#[test]
fn expired_entries_are_gone_at_their_time_and_reclaimed_by_writes_and_sweeps() {
    let clock = ManualClock::new();
    let store = SimpleStore::new(10_000, clock.clock());
    let expiry = store.expiry(Some(Duration::from_secs(10)));
    (0..100).for_each(|n| assert!(put(&store, n, expiry, 1, 1, 0)));
    (100..110).for_each(|n| assert!(put(&store, n, u64::MAX, 1, 1, 0)));
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(get(&store, 5), Some(5));
    clock.advance(Duration::from_millis(1));
    assert_eq!(get(&store, 5), None);
    assert!(store.len() >= 10, "the sweeping thread may have been here already, at those that are over");
    store.sweep();
    assert_eq!(store.len(), 10);
    let expiry = store.expiry(Some(Duration::from_secs(10)));
    (0..4000).for_each(|n| assert!(put(&store, n, expiry, 1, 1, 0)));
    clock.advance(Duration::from_secs(11));
    (10_000..14_000).for_each(|n| assert!(put(&store, n, u64::MAX, 1, 1, 0)));
    assert!(store.len() < 4_010 + 1_000, "{}", store.len());
}

#[test]
fn a_function_wide_deletion_hides_what_was_born_before_and_keeps_it_from_coming() {
    let store = SimpleStore::new(100, Clock::system());
    let before = store.now();
    assert!(put(&store, 1, u64::MAX, before, 1, 0) && put(&store, 2, u64::MAX, before, 2, 0));
    store.delete_function(1);
    assert_eq!((get(&store, 1), get(&store, 2)), (None, Some(2)));
    assert!(!put(&store, 1, u64::MAX, before, 1, 0), "its computation began before");
    assert!(put(&store, 1, u64::MAX, store.now(), 1, 0));
    assert_eq!(get(&store, 1), Some(1));
    store.sweep();
    assert_eq!(store.len(), 2);
}

#[test]
fn an_instance_wide_deletion_spares_the_others_and_its_memory_is_reclaimed() {
    let store = SimpleStore::new(100, Clock::system());
    let before = store.now();
    assert!(put(&store, 1, u64::MAX, before, 1, 71) && put(&store, 2, u64::MAX, before, 1, 72));
    store.delete_instance(1, 71);
    assert_eq!((get(&store, 1), get(&store, 2)), (None, Some(2)));
    let after = store.now();
    assert!(put(&store, 3, u64::MAX, after, 1, 71));
    assert_eq!(get(&store, 3), Some(3));
    // The sweeping thread may have been here already.
    assert!(store.instance_horizons() <= 1);
    store.sweep();
    assert_eq!((store.instance_horizons(), store.len()), (0, 2));
    assert!(!put(&store, 1, u64::MAX, before, 1, 71), "late, and its horizon is no longer known");
    assert!(!store.is_current(1, 71, before), "nor may anybody wait for it");
    assert!(store.is_current(1, 71, after));
    assert_eq!((get(&store, 2), get(&store, 3)), (Some(2), Some(3)));
}

#[test]
fn clear_removes_all_and_refuses_what_was_under_way() {
    let store = SimpleStore::new(100, Clock::system());
    let before = store.now();
    assert!(put(&store, 1, u64::MAX, before, 1, 0));
    store.clear();
    assert!(store.is_empty() && !put(&store, 1, u64::MAX, before, 1, 0));
    assert!(put(&store, 1, u64::MAX, store.now(), 1, 0));
}

/// A value whose drop looks into the store again deadlocks if it is dropped under a lock.
struct Nosy(Arc<SimpleStore>);

impl Drop for Nosy {
    fn drop(&mut self) {
        put(&self.0, 1 << 40, u64::MAX, self.0.now(), 2, 0);
    }
}

#[test]
fn no_value_is_dropped_under_a_lock() {
    let store = SimpleStore::new(4, Clock::system());
    let nosy = |n: u64| {
        let digest = store.digest(|h| n.cache_key(h));
        let bytes = KeyBytes::new(&key(n));
        let draft = Draft { digest, bytes, expiry: u64::MAX, birth: 1, instance: 0, function: 1 };
        store.insert(SimpleStore::entry(draft, Nosy(Arc::clone(&store))), || true)
    };
    assert!((0..20).all(nosy), "by eviction");
    assert!(nosy(19) && nosy(19), "by replacement");
    store.delete_function(1);
    store.sweep();
    (0..4).for_each(|n| assert!(put(&store, n, u64::MAX, store.now(), 3, 0)));
    store.clear();
}

/// Reads as a memoized function does, and so that the thread may keep the entry.
fn ask(store: &SimpleStore, key: &[u8]) -> Option<u64> {
    let digest = store.digest(|h| std::hash::Hasher::write(h, key));
    let feed = |m: &mut crate::Matcher<'_>| crate::KeyWriter::write_delimited(m, key);
    let read = |entry: &Entry| entry.value::<u64>().copied();
    store.read_near(digest, feed, read).or_else(|| store.read_far(digest, feed, read, |_| true)).flatten()
}

#[test]
fn a_thread_turns_to_the_keys_that_it_asks_for_now() {
    let store = SimpleStore::new(0, Clock::system());
    let near = |n: u64| {
        let key = key(n);
        let digest = store.digest(|h| std::hash::Hasher::write(h, &key));
        store.read_near(digest, |m| crate::KeyWriter::write_delimited(m, &key), |_| ()).is_some()
    };
    let ask_all = |keys: std::ops::Range<u64>| keys.for_each(|n| assert!(ask(&store, &key(n)).is_some()));
    for n in 0..21_000 {
        let bytes = key(n);
        let digest = store.digest(|h| std::hash::Hasher::write(h, &bytes));
        let draft = Draft {
            digest,
            bytes: KeyBytes::new(&bytes),
            expiry: u64::MAX,
            birth: 1,
            instance: 0,
            function: 1,
        };
        assert!(store.insert(SimpleStore::entry(draft, n), || true));
    }
    // More than there is room for, twice, so that all of the table is in use.
    (0..2).for_each(|_| ask_all(0..20_000));
    (0..30).for_each(|_| ask_all(20_000..21_000));
    let kept = (20_000..21_000).filter(|&n| near(n)).count();
    assert!(kept > 900, "{kept} of 1000");
}

#[test]
fn a_thread_keeps_no_large_key_of_an_entry_that_is_gone() {
    let store = SimpleStore::new(100, Clock::system());
    for (len, kept) in [(10, true), (1 << 20, false)] {
        let key = vec![7; len];
        let digest = store.digest(|h| std::hash::Hasher::write(h, &key));
        let bytes = KeyBytes::new(&key);
        let draft = Draft { digest, bytes, expiry: u64::MAX, birth: store.now(), instance: 0, function: 1 };
        let entry = SimpleStore::entry(draft, 1u64);
        let seen = Arc::downgrade(&entry);
        assert!(store.insert(entry, || true));
        assert!((0..5).all(|_| ask(&store, &key) == Some(1)));
        store.clear();
        assert_eq!((seen.strong_count() != 0, ask(&store, &key)), (kept, None));
    }
}
