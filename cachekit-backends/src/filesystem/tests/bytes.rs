//! The bound of bytes.

use super::*;
use crate::filesystem::bounds::{Amount, BLOCK, blocks};

const MOST: u64 = 64 * BLOCK;

fn store() -> Store {
    Store::with(Options::default().threshold(0).max_bytes(MOST))
}

impl Store {
    /// The entries that are there, with the blocks of their files.
    fn present(&self) -> Amount {
        let entries = files(self.dir.path()).into_iter().filter(|path| is_entry(path));
        let amounts = entries.map(|path| Amount::of(&std::fs::metadata(path).unwrap()));
        amounts.fold(Amount::default(), Amount::plus)
    }

    #[track_caller]
    fn is_right(&self) {
        let (present, counted) = (self.present(), self.fs.total().unwrap());
        assert_eq!(counted, present);
        assert!(present.blocks * BLOCK <= MOST, "{present:?}");
    }
}

#[test]
fn files_take_no_more_than_the_bound_whatever_is_written() {
    let store = store();
    let lengths = [10, 5_000, 100_000, 4_000, 70_000, 0, 200_000, 8_000];
    for round in 0..6 {
        // Each key is written with several lengths: its file grows, shrinks, and gets room for a second value.
        for (i, length) in lengths.iter().cycle().take(40).enumerate() {
            let key = (i / 3).to_string();
            store.fs.set(&key, &vec![7; length + round], None).unwrap();
            store.is_right();
            assert_eq!(store.fs.get(&key).unwrap().unwrap().len(), length + round);
        }
    }
    assert!(store.fs.evictions.load(std::sync::atomic::Ordering::Relaxed) > 0);
    for key in 0..30 {
        store.fs.delete(&key.to_string()).unwrap();
        store.is_right();
    }
    assert_eq!(store.fs.total().unwrap(), Amount::default());
}

#[test]
fn small_entries_fill_the_bound_to_the_last_block_and_make_room_for_a_large_one() {
    let store = store();
    for i in 0..100 {
        store.fs.set(&i.to_string(), b"v", None).unwrap();
    }
    assert_eq!(store.present(), Amount { entries: 64, blocks: 64 });
    store.fs.set("large", &vec![7; 60 * 4096], None).unwrap();
    store.is_right();
    assert!(store.fs.get("large").unwrap().is_some() && store.entries() == 4, "the oldest went");
    assert!(store.fs.get("99").unwrap().is_some());
}

#[test]
fn an_entry_that_is_heavier_than_the_bound_is_not_kept_and_leaves_nothing_old_in_its_place() {
    let store = store();
    let most = usize::try_from(MOST).unwrap();
    let (fits, heavy) = (vec![7; most - 100], vec![7; most]);
    store.fs.set("other", b"v", None).unwrap();
    store.fs.set("k", b"old", None).unwrap();
    store.fs.set("k", &heavy, None).unwrap();
    assert_eq!(store.fs.get("k").unwrap(), None);
    let token = store.fs.token("k").unwrap();
    assert!(!store.fs.put_if("k", &heavy, None, token).unwrap());
    assert!(!store.fs.add("k", &heavy, None).unwrap());
    assert!(store.fs.get("other").unwrap().is_some(), "nothing made room for it");
    assert!(store.fs.add("k", &fits, None).unwrap());
    store.is_right();
    assert_eq!(store.entries(), 1);
}

#[test]
fn two_handles_that_know_nothing_of_each_other_share_one_bound_of_bytes() {
    let store = store();
    let other = store.another();
    for i in 0..100usize {
        store.fs.set(&format!("a{i}"), &vec![7; i * 1000], None).unwrap();
        other.set(&format!("b{i}"), &vec![7; i * 700], None).unwrap();
        store.is_right();
    }
    // A handle overwrites what the other one has written, and the other one evicts what it doesn't know to have grown.
    for i in 0..40usize {
        store.fs.set(&i.to_string(), b"v", None).unwrap();
        other.set(&i.to_string(), &vec![7; i * 3000], None).unwrap();
        store.is_right();
    }
}

#[test]
fn a_bound_that_is_lower_at_the_opening_is_kept_from_then_on() {
    let store = Store::new();
    for i in 0..100 {
        store.fs.set(&i.to_string(), &[7; 5000], None).unwrap();
    }
    let options = store.options.clone().max_bytes(MOST);
    drop(Folder::open(store.dir.path(), options).unwrap());
    store.is_right();
    assert!(store.entries() >= 31, "{}", store.entries());
}

#[test]
fn a_damaged_count_is_put_right_by_the_sweep() {
    let store = store();
    for i in 0..20 {
        store.fs.set(&i.to_string(), b"v", None).unwrap();
    }
    std::fs::write(store.dir.path().join("cachekit.state"), b"damaged").unwrap();
    let again = store.another();
    assert_eq!(again.total().unwrap(), store.present());
    assert_eq!(blocks(0), 1);
}

#[test]
fn threads_keep_the_bound_of_bytes_together() {
    let store = store();
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let store = &store;
            scope.spawn(move || {
                for i in 0..60usize {
                    let value = vec![7; (i * 37 + thread * 11) % 20 * 3000];
                    store.fs.set(&format!("{thread}:{}", i % 20), &value, None).unwrap();
                    assert!(store.fs.total().unwrap().blocks * BLOCK <= MOST);
                }
            });
        }
    });
    store.is_right();
}
