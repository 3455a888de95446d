//! Deletions by tag hold, also once their memory is reclaimed.

use super::*;
use crate::simple::Tagged;

fn put_tagged(tables: &Tables, n: u64, birth: u64, tags: &[u64]) -> bool {
    let call = call(tables, n, 0);
    let entry = Entry::new(call.bytes.clone(), Weight { bytes: 8, exact: true }, n);
    let admit = || tables.is_current(1, 0, birth) && tables.admits(tags, birth);
    tables.values(1, false).put(&call, Tagged::entry(entry, tags, birth), u64::MAX, admit)
}

fn held(tables: &Tables, n: u64) -> Option<Arc<Entry>> {
    let call = call(tables, n, 0);
    tables.values(1, false).get(call.digest, call.bytes.as_slice())
}

fn get_tagged(tables: &Tables, n: u64) -> Option<u64> {
    value(tables, &*held(tables, n)?)
}

fn value(tables: &Tables, entry: &Entry) -> Option<u64> {
    let tagged = entry.value::<Tagged>().unwrap();
    tables.serves(tagged).then(|| *tagged.untagged().value::<u64>().unwrap())
}

#[test]
fn a_tag_hides_what_was_born_before_and_keeps_it_from_coming() {
    let tables = Tables::new(0, 0, Clock::system());
    let before = tables.now();
    assert!(put_tagged(&tables, 1, before, &[7, 8]) && put_tagged(&tables, 2, before, &[9]));
    tables.delete_tag(8);
    assert_eq!((get_tagged(&tables, 1), get_tagged(&tables, 2)), (None, Some(2)));
    assert!(!put_tagged(&tables, 1, before, &[8]) && put_tagged(&tables, 3, before, &[7]));
    assert!(put_tagged(&tables, 1, tables.now(), &[7, 8]));
    assert_eq!((get_tagged(&tables, 1), get_tagged(&tables, 3)), (Some(1), Some(3)));
    tables.delete_tag(7);
    assert_eq!((get_tagged(&tables, 1), get_tagged(&tables, 3)), (None, None));
}

#[test]
fn the_memory_of_deleted_tags_and_of_their_entries_is_reclaimed() {
    let tables = Tables::new(0, 0, Clock::system());
    let before = tables.now();
    let spared = (1..=100).all(|n| put_tagged(&tables, n, before, &[u64::MAX]));
    assert!(spared && put_tagged(&tables, 0, before, &[1]));
    let entry = held(&tables, 0).unwrap();
    let most = (1..=50_000)
        .map(|tag| {
            tables.delete_tag(tag);
            tables.tag_horizons()
        })
        .max();
    assert!(most <= Some(4096), "{most:?} horizons");
    tables.sweep();
    assert_eq!(
        (tables.tag_horizons(), tables.len()),
        (0, 100),
        "the deleted entry is gone, the others are not"
    );
    assert!((1..=100).all(|n| get_tagged(&tables, n) == Some(n)));
    // A lookup has held the entry since before the deletion; its horizon is gone.
    assert_eq!(value(&tables, &entry), None);
    assert!(!put_tagged(&tables, 0, before, &[1]) && !tables.admits(&[1], before));
    assert!(put_tagged(&tables, 0, tables.now(), &[1]));
    assert_eq!(get_tagged(&tables, 0), Some(0));
}

/// An entry that was evicted before the sweep came is not seen by it.
#[test]
fn an_entry_that_left_its_table_before_its_horizon_is_not_served() {
    let tables = Tables::new(0, 0, Clock::system());
    assert!(put_tagged(&tables, 1, tables.now(), &[1]));
    let entry = held(&tables, 1).unwrap();
    tables.delete_tag(1);
    tables.values(1, false).remove(&call(&tables, 1, 0));
    tables.sweep();
    assert_eq!((tables.tag_horizons(), value(&tables, &entry)), (0, None));
}

#[test]
fn deletions_by_many_threads_hold_while_horizons_are_reclaimed() {
    const THREADS: u64 = 4;
    const EACH: u64 = 4_000;
    let tables = Tables::new(0, 0, Clock::system());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let tables = &tables;
            scope.spawn(move || {
                for n in thread * EACH..(thread + 1) * EACH {
                    let birth = tables.now();
                    put_tagged(tables, n, birth, &[n]);
                    get_tagged(tables, n);
                    tables.delete_tag(n);
                    assert_eq!(get_tagged(tables, n), None);
                    put_tagged(tables, n, birth, &[n]);
                    assert_eq!(get_tagged(tables, n), None, "its computation began before the deletion");
                }
            });
        }
    });
    assert!((0..THREADS * EACH).all(|n| get_tagged(&tables, n).is_none()));
}
