mod bounds;
mod deletion;
mod records;
mod spread;
mod tables;
mod tags;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::{CacheKey, Clock, KeyBytes, ManualClock, Matcher, Recorder};

/// The table of a function whose entries are one word each.
fn plain_table(tables: &Tables, function: u32, methods: bool) -> Arc<Plain<1, 1>> {
    match tables.plain(function, Shape { key: 1, value: 1 }, methods) {
        Some(PlainTable::OneOne(table)) => table,
        other => panic!("{other:?}"),
    }
}

fn call(tables: &Tables, n: u64, instance: u64) -> ValueCall {
    let mut bytes = Vec::new();
    n.cache_key(&mut Recorder::new(&mut bytes));
    ValueCall { digest: tables.digest(|h| n.cache_key(h)), bytes: KeyBytes::new(&bytes), instance }
}

/// Stores a computation's value as a call does. Every function has entries of both kinds: odd numbers are words.
fn put(tables: &Tables, n: u64, expiry: u64, birth: u64, function: u32, instance: u64) -> bool {
    let admit = || tables.is_current(function, instance, birth);
    if n % 2 == 1 {
        let key = PlainKey { words: [n, 0, 0, 0, 0, 0, 0, 0], instance };
        return tables
            .plain(function, SHAPE, true)
            .is_some_and(|table| table.fill(&key, Right::Always, &[n, 0], expiry, admit).stored);
    }
    let call = call(tables, n, instance);
    let entry = Entry::new(call.bytes.clone(), Weight { bytes: 8, exact: true }, n);
    tables.values(function, true).put(&call, entry, expiry, admit)
}

const SHAPE: Shape = Shape { key: 1, value: 1 };

/// Looks up as most hits do.
fn straight<F: Form, R>(
    values: &Values,
    digest: u64,
    feed: impl Fn(&mut Matcher<'_>),
    read: impl FnOnce(&Entry) -> R,
) -> Option<R> {
    match values.straight::<F>(digest, &feed) {
        Straight::Pinned(pin) => Some(read(pin.entry())),
        Straight::Unpinned(number) => values.read_unpinned::<F, _>(number, feed, read),
        Straight::Unknown => None,
    }
}

/// Reads as a memoized function does, and as a call that missed does.
fn get(tables: &Tables, n: u64, function: u32) -> Option<u64> {
    let (hit, surely) = if n % 2 == 1 {
        let table = tables.plain(function, SHAPE, true)?;
        let of_words = table.of_1_1()?;
        let (straight, hit) = (of_words.straight(&[n]), of_words.look(&[n]));
        assert!(straight.is_none() || straight == hit);
        let hit = hit.map(|[value]| value);
        let key = PlainKey { words: [n, 0, 0, 0, 0, 0, 0, 0], instance: 0 };
        (hit, table.get_surely(&key).map(|[value, _]| value))
    } else {
        let (values, call) = (tables.values(function, true), call(tables, n, 0));
        let feed = |m: &mut Matcher<'_>| n.cache_key(m);
        let value = |entry: &Entry| entry.value::<u64>().copied();
        let hit = values.read::<AsStored, _>(call.digest, feed, value).flatten();
        let straight = straight::<AsStored, _>(&values, call.digest, feed, value).flatten();
        assert!(straight.is_none() || straight == hit);
        let surely = values.get(call.digest, call.bytes.as_slice());
        (hit, surely.and_then(|entry| entry.value::<u64>().copied()))
    };
    assert_eq!(hit, surely);
    surely
}

#[test]
fn expired_entries_are_gone_at_their_time_and_reclaimed_by_writes_and_sweeps() {
    let clock = ManualClock::new();
    let tables = Tables::new(10_000, 0, clock.clock());
    let expiry = tables.expiry(Some(Duration::from_secs(10)));
    (0..100).for_each(|n| assert!(put(&tables, n, expiry, 1, 1, 0)));
    (100..110).for_each(|n| assert!(put(&tables, n, u64::MAX, 1, 1, 0)));
    clock.advance(Duration::from_millis(9_999));
    assert_eq!((get(&tables, 4, 1), get(&tables, 5, 1)), (Some(4), Some(5)));
    clock.advance(Duration::from_millis(1));
    assert_eq!((get(&tables, 4, 1), get(&tables, 5, 1)), (None, None));
    assert!(tables.len() >= 10, "the sweeping thread may have been here already, at those that are over");
    tables.sweep();
    assert_eq!(tables.len(), 10);
    let expiry = tables.expiry(Some(Duration::from_secs(10)));
    (0..4000).for_each(|n| assert!(put(&tables, n, expiry, 1, 1, 0)));
    clock.advance(Duration::from_secs(11));
    (10_000..14_000).for_each(|n| assert!(put(&tables, n, u64::MAX, 1, 1, 0)));
    assert!(tables.len() < 4_010 + 1_000, "{}", tables.len());
}

#[test]
fn a_key_of_a_thousand_bytes_is_not_pinned() {
    let tables = Tables::new(100, 0, Clock::system());
    let values = tables.values(1, false);
    for (len, pinned) in [(10, true), (1 << 20, false)] {
        let key = vec![7; len];
        let digest = tables.digest(|h| std::hash::Hasher::write(h, &key));
        let call = ValueCall { digest, bytes: KeyBytes::new(&key), instance: 0 };
        let entry = Entry::new(call.bytes.clone(), Weight { bytes: 8, exact: true }, 1u64);
        let seen = Arc::downgrade(&entry);
        assert!(values.put(&call, entry, u64::MAX, || true));
        let feed = |m: &mut Matcher<'_>| crate::KeyWriter::write_delimited(m, &key);
        let read = || values.read::<AsStored, _>(digest, feed, |_| ());
        assert!((0..5).all(|_| read().is_some()));
        tables.clear();
        assert_eq!((seen.strong_count() != 0, read()), (pinned, None));
    }
}
