//! Deletions of functions, instances and everything, and the computations that began before them.

use super::*;

#[test]
fn a_function_wide_deletion_hides_what_was_born_before_and_keeps_it_from_coming() {
    let tables = Tables::new(100, 0, Clock::system());
    let before = tables.now();
    for n in [1, 2] {
        assert!(put(&tables, n, u64::MAX, before, 1, 0) && put(&tables, n, u64::MAX, before, 2, 0));
    }
    tables.delete_function(1);
    for n in [1, 2] {
        assert_eq!((get(&tables, n, 1), get(&tables, n, 2)), (None, Some(n)));
        assert!(!put(&tables, n, u64::MAX, before, 1, 0), "its computation began before");
        assert!(put(&tables, n, u64::MAX, tables.now(), 1, 0));
        assert_eq!(get(&tables, n, 1), Some(n));
    }
    tables.sweep();
    assert_eq!(tables.len(), 4);
}

#[test]
fn an_instance_wide_deletion_spares_the_others_and_its_memory_is_reclaimed() {
    let tables = Tables::new(100, 0, Clock::system());
    let before = tables.now();
    for n in [1, 2] {
        assert!(put(&tables, n, u64::MAX, before, 1, 71) && put(&tables, n + 2, u64::MAX, before, 1, 72));
    }
    tables.delete_instance(1, 71);
    let after = tables.now();
    for n in [1, 2] {
        assert_eq!((get(&tables, n, 1), get(&tables, n + 2, 1)), (None, Some(n + 2)));
        assert!(put(&tables, n + 4, u64::MAX, after, 1, 71));
        assert_eq!(get(&tables, n + 4, 1), Some(n + 4));
    }
    // The sweeping thread may have been here already.
    assert!(tables.records() <= 1);
    tables.sweep();
    assert_eq!((tables.records(), tables.len()), (0, 4));
    for n in [1, 2] {
        assert!(!put(&tables, n, u64::MAX, before, 1, 71), "late, and its horizon is no longer known");
        assert_eq!((get(&tables, n + 2, 1), get(&tables, n + 4, 1)), (Some(n + 2), Some(n + 4)));
    }
    assert!(!tables.is_current(1, 71, before), "nor may another call wait for it");
    assert!(tables.is_current(1, 71, after));
}

#[test]
fn a_deletion_that_finds_no_table_keeps_what_is_computed_from_coming() {
    // A sweep may have forgotten which instance it was.
    let tables = Tables::unwatched(100, 0, ManualClock::new().clock());
    let before = tables.now();
    tables.delete_instance(1, 71);
    tables.delete_function(2);
    for n in [1, 2] {
        assert!(!put(&tables, n, u64::MAX, before, 1, 71) && !put(&tables, n, u64::MAX, before, 2, 0));
        assert!(put(&tables, n, u64::MAX, before, 1, 72) && put(&tables, n, u64::MAX, before, 3, 0));
    }
}

#[test]
fn clear_removes_all_and_refuses_what_was_under_way() {
    let tables = Tables::new(100, 0, Clock::system());
    let before = tables.now();
    assert!([1, 2].iter().all(|&n| put(&tables, n, u64::MAX, before, 1, 0)));
    tables.clear();
    assert!(tables.is_empty() && [1, 2].iter().all(|&n| !put(&tables, n, u64::MAX, before, 1, 0)));
    assert!([1, 2].iter().all(|&n| put(&tables, n, u64::MAX, tables.now(), 1, 0)));
}

/// Whether a value is dropped under a lock: it stores something, which would wait for ever.
struct Nosy(Arc<Tables>);

impl Drop for Nosy {
    fn drop(&mut self) {
        put(&self.0, 1 << 40, u64::MAX, self.0.now(), 1, 0);
    }
}

#[test]
fn no_value_is_dropped_under_a_lock() {
    let tables = Tables::new(4, 0, Clock::system());
    let values = tables.values(1, true);
    let nosy = |n: u64| {
        let call = call(&tables, n, 0);
        let weight = Weight { bytes: 8, exact: false };
        values
            .put(&call, Entry::new(call.bytes.clone(), weight, Nosy(Arc::clone(&tables))), u64::MAX, || true)
    };
    assert!((0..20).all(nosy), "by eviction");
    assert!(nosy(19) && nosy(19), "by replacement");
    values.update(&call(&tables, 19, 0), |_| {
        let bytes = call(&tables, 19, 0).bytes;
        Some((Entry::new(bytes, Weight { bytes: 8, exact: false }, Nosy(Arc::clone(&tables))), u64::MAX))
    });
    tables.delete_function(1);
    tables.sweep();
    (0..4).for_each(|n| assert!(put(&tables, n, u64::MAX, tables.now(), 3, 0)));
    tables.clear();
}

#[test]
fn an_update_sees_the_live_entry_and_its_expiry() {
    let clock = ManualClock::new();
    let tables = Tables::new(4, 0, clock.clock());
    let (values, call) = (tables.values(1, false), call(&tables, 2, 0));
    let expiry = tables.expiry(Some(Duration::from_secs(1)));
    let raise = || {
        let mut seen = None;
        values.update(&call, |old| {
            seen = old.map(|(entry, expiry)| (entry.value::<u64>().copied(), expiry));
            let value = seen.and_then(|(value, _)| value).map_or(0, |value| value + 1);
            Some((Entry::new(call.bytes.clone(), Weight { bytes: 8, exact: true }, value), expiry))
        });
        seen
    };
    assert_eq!(raise(), None);
    assert_eq!(raise(), Some((Some(0), expiry)));
    assert_eq!(raise(), Some((Some(1), expiry)));
    clock.advance(Duration::from_secs(1));
    assert_eq!(raise(), None, "expired");
}

#[test]
fn a_value_that_is_too_heavy_does_not_leave_the_former_one() {
    let tables = Tables::new(4, 1000, Clock::system());
    let (values, call) = (tables.values(1, false), call(&tables, 2, 0));
    let entry = |bytes| Entry::new(call.bytes.clone(), Weight { bytes, exact: true }, bytes);
    let stored = || values.get(call.digest, call.bytes.as_slice()).and_then(|e| e.value::<u64>().copied());
    assert!(values.put(&call, entry(8), u64::MAX, || true));
    assert_eq!(stored(), Some(8));
    assert!(!values.put(&call, entry(2000), u64::MAX, || true));
    assert_eq!(stored(), None);
    values.update(&call, |_| Some((entry(9), u64::MAX)));
    assert_eq!(stored(), Some(9));
    values.update(&call, |_| Some((entry(3000), u64::MAX)));
    assert_eq!((stored(), tables.len(), tables.bytes()), (None, 0, 0));
}

/// A call whose digest has its first bucket among 64.
fn call_at(bucket: u64, n: u64) -> ValueCall {
    let first = (bucket << 32).div_ceil(64);
    ValueCall {
        digest: first << 32 | n,
        bytes: KeyBytes::new(&(bucket << 32 | n).to_ne_bytes()),
        instance: 0,
    }
}

fn get_at(values: &Values, bucket: u64, n: u64) -> Option<u64> {
    let call = call_at(bucket, n);
    let surely = values.get(call.digest, call.bytes.as_slice())?;
    surely.value::<u64>().copied()
}

fn put_at(values: &Values, bucket: u64, n: u64, value: u64) {
    let call = call_at(bucket, n);
    let entry = Entry::new(call.bytes.clone(), Weight { bytes: 8, exact: true }, value);
    assert!(values.put(&call, entry, u64::MAX, || true));
}

#[test]
fn the_eviction_of_a_deleted_entry_does_not_hide_a_live_one() {
    let tables = Tables::new(1000, 0, ManualClock::new().clock());
    let (values, others) =
        (tables.values(1, false), (2..12).map(|n| tables.values(n, false)).collect::<Vec<_>>());
    let store_elsewhere = |n: u64, value: u64| {
        put_at(&others[usize::try_from(n % 10).unwrap()], n % 64, value, 3);
    };
    (0..640).for_each(|n| store_elsewhere(n, 10_000 + n));
    // All buckets have entries, but those around two full ones.
    for n in 0..336 {
        let bucket = n % 48;
        put_at(&values, if bucket < 28 { bucket } else { bucket + 16 }, 1000 + n, 1);
    }
    (0..8).for_each(|n| put_at(&values, 40, n, 1));
    (0..8).for_each(|n| put_at(&values, 41, n, 1));
    // It passes both.
    put_at(&values, 40, 99, 1);
    tables.delete_function(1);
    // The last one passes the first of them, which no deleted entry has passed any more.
    (100..109).for_each(|n| put_at(&values, 40, n, 2));
    for n in 0..3000 {
        store_elsewhere(n, n);
        if get_at(&values, 40, 108).is_none() {
            break;
        }
    }
    // Lost or evicted: there is at most one of it.
    put_at(&values, 40, 108, 4);
    assert_eq!(get_at(&values, 40, 108), Some(4));
    assert!(values.remove(&call_at(40, 108)));
    assert!(!values.remove(&call_at(40, 108)), "it was there twice");
    (200..209).for_each(|n| put_at(&values, 40, n, 5));
    assert_eq!(get_at(&values, 40, 108), None, "a deleted value");
}
