//! The memory of deleted instances is bounded, and their deletions hold all the same.

use super::*;

#[test]
fn records_of_deleted_instances_are_bounded_between_sweeps() {
    let tables = Tables::new(0, 0, Clock::system());
    let before = tables.now();
    assert!(put(&tables, 1, u64::MAX, before, 1, 1) && put(&tables, 2, u64::MAX, before, 1, u64::MAX >> 1));
    let most = (1..=100_000)
        .map(|instance| {
            tables.delete_instance(1, instance);
            tables.records()
        })
        .max();
    assert!(most <= Some(4096), "{most:?} records");
    assert_eq!((get(&tables, 1, 1), get(&tables, 2, 1)), (None, Some(2)));
    assert!(!put(&tables, 1, u64::MAX, before, 1, 1), "its computation began before the deletion");
    assert!(put(&tables, 1, u64::MAX, tables.now(), 1, 1));
    assert_eq!(get(&tables, 1, 1), Some(1));
    assert!(tables.record_capacity() <= 16_384, "{} records have room", tables.record_capacity());
}

#[test]
fn a_full_store_is_not_swept_at_every_few_deletions() {
    let tables = Tables::new(0, 0, Clock::system());
    for n in 0..40_000 {
        assert!(put(&tables, n, u64::MAX, tables.now(), 1, n + 1));
    }
    tables.sweep();
    (1..=10_000).for_each(|instance| tables.delete_instance(1, instance));
    // The sweeping thread may have been here already.
    assert!(tables.records_allowed() > 7_000, "{}", tables.records_allowed());
    assert!((0..40_000).all(|n| get(&tables, n, 1).is_some() == (n >= 10_000)));
    (10_001..=40_000).for_each(|instance| tables.delete_instance(1, instance));
    assert!(tables.records() <= 10_000);
    assert!((0..40_000).all(|n| get(&tables, n, 1).is_none()));
}

#[test]
fn deletions_by_many_threads_hold_while_records_are_reclaimed() {
    const THREADS: u64 = 4;
    const EACH: u64 = 6_000;
    let tables = Tables::new(0, 0, Clock::system());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let tables = &tables;
            scope.spawn(move || {
                for n in thread * EACH..(thread + 1) * EACH {
                    let (birth, instance) = (tables.now(), n + 1);
                    // It may be refused: another thread may have reclaimed records just now.
                    put(tables, n, u64::MAX, birth, 1, instance);
                    get(tables, n, 1);
                    tables.delete_instance(1, instance);
                    assert_eq!(get(tables, n, 1), None);
                    put(tables, n, u64::MAX, birth, 1, instance);
                    assert_eq!(get(tables, n, 1), None, "its computation began before the deletion");
                }
            });
        }
    });
    assert!((0..THREADS * EACH).all(|n| get(&tables, n, 1).is_none()));
    assert!(tables.records() <= 4096 + usize::try_from(THREADS).unwrap());
}
