//! The bounds that the tables of a cache share, and the code that never runs under a lock.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{plain_table, straight};
use crate::simple::{AsStored, Entry, Form, Plain, PlainCall, Right, Tables, ValueCall, Values, Weight};
use crate::{KeyBytes, ManualClock, Matcher};

/// Entries stand in others, with the moment until which they serve.
struct Within;

impl Form for Within {
    const TIMED: bool = true;

    fn served(stored: &Arc<Entry>) -> (&Arc<Entry>, u64) {
        let (entry, until) = stored.value::<(Arc<Entry>, u64)>().expect("it stands in another");
        (entry, *until)
    }
}

fn tables(threshold: usize, max_bytes: u64) -> Arc<Tables> {
    Tables::new(threshold, max_bytes, ManualClock::new().clock())
}

fn put(plain: &Plain<1, 1>, key: u64) -> bool {
    plain.fill(&PlainCall { key: [key], instance: 1 + key }, Right::Always, [key], u64::MAX, || true).stored
}

fn count(plain: &Plain<1, 1>, keys: std::ops::Range<u64>) -> usize {
    keys.filter(|&key| plain.look(&[key]).is_some()).count()
}

fn call(tables: &Tables, key: u64) -> ValueCall {
    let digest = tables.digest(|hasher| hasher.write_u64(key));
    ValueCall { digest, bytes: KeyBytes::new(&key.to_ne_bytes()), instance: 0 }
}

fn keep<T: Send + Sync + 'static>(tables: &Tables, values: &Values, key: u64, weight: u64, value: T) -> bool {
    let call = call(tables, key);
    let weight = Weight { bytes: weight, exact: true };
    values.put(&call, Entry::new(call.bytes.clone(), weight, value), u64::MAX, || true)
}

fn read<T: Clone + 'static>(tables: &Tables, values: &Values, key: u64) -> Option<T> {
    let feed = |m: &mut Matcher<'_>| m.write_u64(key);
    values.read::<AsStored, _>(call(tables, key).digest, feed, |entry| entry.value::<T>().cloned()).flatten()
}

#[test]
fn functions_share_one_bound_and_a_busy_one_gets_the_room_of_an_idle_one() {
    let tables = tables(1_000, 0);
    let (idle, busy) = (plain_table(&tables, 1, false), plain_table(&tables, 2, false));
    assert!((0..1_000).all(|key| put(&idle, key)));
    assert_eq!(count(&idle, 0..1_000), 1_000);
    // Used again and again, as far as it is there.
    for _ in 0..20 {
        for key in 0..800 {
            if busy.look(&[key]).is_none() {
                assert!(put(&busy, key));
            }
            assert!(tables.len() <= 1_000);
        }
    }
    assert_eq!(tables.len(), 1_000);
    assert!(count(&busy, 0..800) >= 700, "{} of 800", count(&busy, 0..800));
}

#[test]
fn many_threads_do_not_exceed_the_bound() {
    let tables = tables(100, 0);
    let functions: Vec<_> = (0..3).map(|function| plain_table(&tables, function, false)).collect();
    std::thread::scope(|scope| {
        for (thread, table) in (0u64..).zip(&functions) {
            let tables = &tables;
            scope.spawn(move || {
                for key in 0..2_000 {
                    put(table, thread << 32 | key);
                    assert!(tables.len() <= 100);
                }
            });
        }
    });
    assert_eq!(tables.len(), 100);
}

#[test]
fn bytes_are_bounded_and_what_is_too_heavy_is_not_kept() {
    let tables = tables(0, 1 << 20);
    let values = tables.values(1, false);
    for key in 0..1_000 {
        assert!(keep(&tables, &values, key, 10_000, key));
        assert!(tables.bytes() <= 1 << 20);
    }
    assert!(tables.len() >= 100, "{}", tables.len());
    assert!(!keep(&tables, &values, 5_000, 1 << 21, 0u64));
    // One that needs the room of fifty.
    assert!(keep(&tables, &values, 5_001, 500_000, 7u64));
    assert_eq!(read(&tables, &values, 5_001), Some(7u64));
    assert!(tables.bytes() <= 1 << 20 && tables.len() > 40);
    // A heavier value of the same key.
    assert!(keep(&tables, &values, 5_001, 900_000, 8u64));
    assert_eq!(read(&tables, &values, 5_001), Some(8u64));
    assert!(tables.bytes() <= 1 << 20);
    tables.clear();
    assert_eq!((tables.bytes(), tables.len()), (0, 0));
}

#[test]
fn records_of_deleted_instances_are_bounded() {
    let tables = tables(0, 0);
    let plain = plain_table(&tables, 1, true);
    assert!((0..100).all(|key| put(&plain, key)));
    for instance in 0..20_000 {
        tables.delete_instance(1, 1_000 + instance);
        assert!(plain.records() <= 5_000);
    }
    assert_eq!(count(&plain, 0..100), 100, "other instances keep their entries");
    tables.delete_instance(1, 1);
    assert_eq!(count(&plain, 0..100), 99);
    tables.sweep();
    assert_eq!((plain.records(), tables.len()), (0, 99));
    let empty = plain_table(&tables, 2, true);
    tables.delete_instance(2, 1);
    assert_eq!(empty.records(), 0, "nothing there to be deleted");
}

/// A value whose drop and clone come back to the table.
struct Meddler(Arc<Tables>, Arc<Values>, Arc<AtomicUsize>);

impl Clone for Meddler {
    fn clone(&self) -> Self {
        self.meddle();
        Self(Arc::clone(&self.0), Arc::clone(&self.1), Arc::clone(&self.2))
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.meddle();
    }
}

impl Meddler {
    fn meddle(&self) {
        self.2.fetch_add(1, Ordering::Relaxed);
        let Self(tables, values, _) = self;
        keep(tables, values, 1 << 40, 8, 1u64);
        assert_eq!(read::<u64>(tables, values, 1 << 40), Some(1));
        values.remove(&call(tables, 1 << 41));
    }
}

#[test]
fn values_whose_clone_and_drop_use_the_cache_are_never_touched_under_a_lock() {
    let tables = tables(10, 0);
    let values = tables.values(1, false);
    let meddled = Arc::new(AtomicUsize::new(0));
    let value = || Meddler(Arc::clone(&tables), Arc::clone(&values), Arc::clone(&meddled));
    for key in 0..100u64 {
        keep(&tables, &values, key, 8, value());
        drop(read::<Meddler>(&tables, &values, key));
        // Again, from the thread's pins.
        drop(read::<Meddler>(&tables, &values, key));
    }
    values.remove(&call(&tables, 99));
    tables.delete_function(1);
    tables.sweep();
    tables.clear();
    assert!(meddled.load(Ordering::Relaxed) > 200);
}

#[test]
fn a_pinned_value_is_not_served_once_it_is_deleted_replaced_or_evicted() {
    let tables = tables(2, 0);
    let values = tables.values(1, false);
    for key in 0..2 {
        keep(&tables, &values, key, 8, key);
        for _ in 0..5 {
            assert_eq!(read::<u64>(&tables, &values, key), Some(key));
        }
    }
    keep(&tables, &values, 0, 8, 100u64);
    assert_eq!(read::<u64>(&tables, &values, 0), Some(100));
    assert!(values.remove(&call(&tables, 0)));
    assert_eq!(read::<u64>(&tables, &values, 0), None);
    tables.delete_function(1);
    assert_eq!(read::<u64>(&tables, &values, 1), None);
    (0..10).for_each(|key| assert!(keep(&tables, &values, key, 8, key)));
    assert_eq!((0..10).filter(|&key| read::<u64>(&tables, &values, key).is_some()).count(), 2);
}

#[test]
fn an_entry_in_another_serves_until_its_moment_whether_it_is_pinned_or_not() {
    let clock = ManualClock::new();
    let tables = Tables::new(0, 0, clock.clock());
    let values = tables.values(1, false);
    let until = tables.expiry(Some(Duration::from_secs(60)));
    let seen = Arc::new(());
    for key in 0..2 {
        let call = call(&tables, key);
        let inner = Entry::new(call.bytes.clone(), Weight { bytes: 8, exact: true }, Arc::clone(&seen));
        let outer = Entry::around(call.bytes.clone(), &inner, 8, (Arc::clone(&inner), until));
        assert!(values.put(&call, outer, u64::MAX, || true));
    }
    let feed = |key: u64| move |m: &mut Matcher<'_>| m.write_u64(key);
    let digest = |key| call(&tables, key).digest;
    let has = |entry: &Entry| entry.value::<Arc<()>>().is_some();
    let serves = |key| values.read::<Within, _>(digest(key), feed(key), has);
    assert!((0..5).all(|_| serves(0) == Some(true)));
    assert_eq!(straight::<Within, _>(&values, digest(0), feed(0), has), Some(true));
    clock.advance(Duration::from_secs(60));
    for key in 0..2 {
        assert_eq!(serves(key), None);
        assert_eq!(straight::<Within, _>(&values, digest(key), feed(key), has), None);
    }
    values.remove(&call(&tables, 1));
    tables.clear();
    assert_eq!(Arc::strong_count(&seen), 2, "the thread holds the one that it read");
}

#[test]
fn what_a_thread_pins_is_bounded_and_large_values_are_not_pinned() {
    let tables = tables(0, 0);
    let values = tables.values(1, false);
    let held = Arc::new(());
    for key in 0..3_000 {
        keep(&tables, &values, key, 700, (key, Arc::clone(&held)));
        read::<(u64, Arc<()>)>(&tables, &values, key);
    }
    for key in 3_000..3_100 {
        keep(&tables, &values, key, 2_000, (key, Arc::clone(&held)));
        read::<(u64, Arc<()>)>(&tables, &values, key);
    }
    tables.clear();
    let pinned = Arc::strong_count(&held) - 1;
    assert!(pinned > 500 && pinned * 700 <= 1 << 20, "{pinned} are pinned");
}

/// A value that looks another one up when it is dropped.
struct LooksWhenDropped {
    tables: Arc<Tables>,
    values: Arc<Values>,
    found: Arc<AtomicUsize>,
}

impl Drop for LooksWhenDropped {
    fn drop(&mut self) {
        let found = (0..2).filter_map(|_| read::<Arc<()>>(&self.tables, &self.values, 1)).count();
        self.found.fetch_add(found, Ordering::SeqCst);
    }
}

#[test]
fn a_thread_that_ends_drops_what_it_has_pinned_and_pins_nothing_more() {
    let tables = tables(0, 0);
    let values = tables.values(1, false);
    let (held, found) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    let last = LooksWhenDropped {
        tables: Arc::clone(&tables),
        values: Arc::clone(&values),
        found: Arc::clone(&found),
    };
    keep(&tables, &values, 0, 8, last);
    keep(&tables, &values, 1, 8, Arc::clone(&held));
    let (of_thread, seen) = ((Arc::clone(&tables), Arc::clone(&values)), Arc::clone(&found));
    // Joined, and so its destructors have run.
    let ended = std::thread::spawn(move || {
        let (tables, values) = of_thread;
        let feed = |m: &mut Matcher<'_>| m.write_u64(0);
        let read = || values.read::<AsStored, _>(call(&tables, 0).digest, feed, |_| ());
        assert!((0..2).all(|_| read().is_some()));
        values.remove(&call(&tables, 0));
        assert_eq!(seen.load(Ordering::SeqCst), 0, "the thread holds it");
    });
    ended.join().expect("the thread ends");
    assert_eq!(found.load(Ordering::SeqCst), 2);
    tables.clear();
    assert_eq!(Arc::strong_count(&held), 1, "it is pinned by a thread that has ended");
}
