//! The table of a shard: what it holds, and what it puts out when it is full.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::entries::Entries;
use super::super::entry::{Draft, Entry};
use super::ask;
use crate::simple::SimpleStore;
use crate::{Clock, KeyBytes};

/// Few digests, so that keys share them.
fn entry(key: u16) -> Arc<Entry> {
    let digest = u64::from(key % 97) << 33 | u64::from(key % 7);
    let bytes = KeyBytes::new(&key.to_ne_bytes());
    let entry: Arc<Entry> =
        Entry::new(Draft { digest, bytes, expiry: u64::MAX, birth: 1, instance: 0, function: 1 }, key);
    entry.enter(1);
    entry
}

fn found(table: &Entries, key: u16) -> Option<&Arc<Entry>> {
    table.find(entry(key).digest, |e| e.bytes.as_slice() == key.to_ne_bytes())
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16),
    Use(u16),
    Remove(u16),
    RetainBelow(u16),
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0u16..200;
    let step = prop_oneof![
        20 => key.clone().prop_map(Step::Insert),
        20 => key.clone().prop_map(Step::Use),
        5 => key.clone().prop_map(Step::Remove),
        1 => key.prop_map(Step::RetainBelow),
        1 => Just(Step::Drain),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What is in the table is what was put in and neither removed nor handed out, each entry carries the mark of that,
    /// there are never more than the capacity, and the queue of newcomers has just those that are.
    #[test]
    fn a_table_holds_what_was_put_in_and_hands_out_what_it_displaces(
        capacity in prop::option::of(1usize..80),
        steps in steps(),
    ) {
        let mut table = Entries::new(capacity);
        let mut held = HashSet::new();
        for step in steps {
            match step {
                Step::Insert(key) => {
                    let known = held.contains(&key);
                    let full = capacity.is_some_and(|most| held.len() == most);
                    let displaced = table.insert(entry(key));
                    prop_assert_eq!(displaced.is_some(), known || full);
                    if let Some(gone) = displaced {
                        prop_assert!(gone.is_gone());
                        let gone = *gone.value::<u16>().unwrap();
                        prop_assert_eq!(gone == key, known, "a newcomer displaces another entry than itself");
                        prop_assert!(held.remove(&gone));
                    }
                    held.insert(key);
                }
                Step::Use(key) => found(&table, key).into_iter().for_each(|entry| entry.touch()),
                Step::Remove(key) => {
                    let removed = table.remove(entry(key).digest, |e| e.bytes.as_slice() == key.to_ne_bytes());
                    prop_assert!(removed.as_ref().is_none_or(|entry| entry.is_gone()));
                    prop_assert_eq!(removed.is_some(), held.remove(&key));
                }
                Step::RetainBelow(end) => {
                    let removed = table.retain(|entry| entry.value::<u16>().is_some_and(|key| *key < end));
                    prop_assert!(removed.iter().all(|entry| entry.is_gone()));
                    held.retain(|key| *key < end);
                }
                Step::Drain => {
                    prop_assert!(table.drain().iter().all(|entry| entry.is_gone()));
                    held.clear();
                }
            }
            prop_assert_eq!(table.len(), held.len());
            prop_assert!(capacity.is_none_or(|most| table.len() <= most));
            let (marked, queue) = table.newcomers();
            prop_assert_eq!(marked, queue);
        }
        for key in 0..200 {
            let here = found(&table, key);
            prop_assert_eq!(here.is_some(), held.contains(&key), "{}", key);
            prop_assert!(here.is_none_or(|entry| !entry.is_gone()));
        }
    }
}

#[test]
fn what_is_used_outlives_a_scan_that_is_longer_than_the_table() {
    let mut table = Entries::new(Some(100));
    (0..50).for_each(|key| drop(table.insert(entry(key))));
    for scanned in 1000..2000 {
        (0..50).for_each(|key| found(&table, key).into_iter().for_each(|entry| entry.touch()));
        table.insert(entry(scanned));
    }
    assert!((0..50).all(|key| found(&table, key).is_some()));
    assert_eq!(table.evictions(), 950);
}

#[test]
fn what_a_burst_needed_is_given_back() {
    let mut table = Entries::new(None);
    (0..2_000).for_each(|key| drop(table.insert(entry(key))));
    table.retain(|entry| entry.value::<u16>().is_some_and(|key| *key < 100));
    assert!(table.room() < 500, "{}", table.room());
    assert!((0..100).all(|key| found(&table, key).is_some_and(|entry| !entry.is_gone())));
    assert_eq!(table.len(), 100);
}

#[test]
fn a_newcomer_that_is_used_stays() {
    let mut table = Entries::new(Some(100));
    (0..100).for_each(|key| drop(table.insert(entry(key))));
    table.insert(entry(500));
    found(&table, 500).unwrap().touch();
    (1000..1050).for_each(|key| drop(table.insert(entry(key))));
    assert!(found(&table, 500).is_some());
}

#[test]
fn a_key_that_comes_back_soon_after_its_eviction_stays() {
    let mut table = Entries::new(Some(100));
    (0..200).for_each(|key| drop(table.insert(entry(key))));
    let evicted = (0..200).rev().find(|&key| found(&table, key).is_none()).unwrap();
    table.insert(entry(evicted));
    // More than pass the queue of newcomers, less than a turn of the hand.
    (1000..1020).for_each(|key| drop(table.insert(entry(key))));
    assert!(found(&table, evicted).is_some());
}

#[test]
fn hits_that_a_thread_finds_in_its_own_table_keep_an_entry_from_eviction() {
    let store = SimpleStore::new(100, Clock::system());
    let put = |key: u64| {
        let bytes = key.to_ne_bytes();
        let digest = store.digest(|h| std::hash::Hasher::write(h, &bytes));
        let bytes = KeyBytes::new(&bytes);
        let draft = Draft { digest, bytes, expiry: u64::MAX, birth: store.now(), instance: 0, function: 1 };
        assert!(store.insert(SimpleStore::entry(draft, key), || true));
    };
    put(7);
    for key in 1000..3000 {
        // After the first looks these are the thread's own.
        assert_eq!(ask(&store, &7u64.to_ne_bytes()), Some(7), "before {key}");
        put(key);
        // Used, so that it passes the queue of newcomers and others have to go.
        assert_eq!(ask(&store, &key.to_ne_bytes()), Some(key));
    }
}
