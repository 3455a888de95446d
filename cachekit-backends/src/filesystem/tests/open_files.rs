//! Files that are kept open: what others do to an entry is seen at the next look.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::super::disk::stripe_of;
use super::super::open_files::OpenFiles;
use super::*;

/// A store that holds files, whatever the other tests hold, and a value that it has read.
fn store_that_holds(key: &str, value: &[u8]) -> Store {
    let mut store = Store::new();
    store.fs.open_files = OpenFiles::with_room(64);
    store.fs.set(key, value, None).unwrap();
    for _ in 0..3 {
        assert_eq!(store.fs.get(key).unwrap().as_deref(), Some(value));
    }
    assert_eq!(store.fs.open_files.len(), 1, "it is held");
    store
}

#[test]
fn a_deletion_by_another_is_seen_at_once_and_closes_the_file() {
    let store = store_that_holds("k", b"old");
    let token = store.fs.token("k").unwrap();
    assert!(store.another().delete("k").unwrap());
    assert_eq!(store.fs.get("k").unwrap(), None);
    assert_eq!(store.fs.open_files.len(), 0);
    assert!(!store.fs.put_if("k", b"old", None, token).unwrap());
}

#[test]
fn a_clearing_by_another_is_seen_at_once() {
    let store = store_that_holds("k", b"old");
    store.another().clear("").unwrap();
    assert_eq!(store.fs.get("k").unwrap(), None);
}

#[test]
fn what_another_writes_is_seen_at_once_and_so_is_its_token() {
    let store = store_that_holds("k", b"old");
    let other = store.another();
    // By renaming another file over it, the first times, and then inside of the file.
    for i in 0..50u32 {
        let token = store.fs.token("k").unwrap();
        other.set("k", &i.to_le_bytes(), None).unwrap();
        assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&i.to_le_bytes()[..]));
        assert!(!store.fs.put_if("k", b"older", None, token).unwrap());
    }
}

#[test]
fn an_eviction_that_keeps_the_file_for_another_entry_is_seen_at_once() {
    let mut store = Store::with_threshold(1);
    store.fs.open_files = OpenFiles::with_room(64);
    store.fs.set("k", b"old", None).unwrap();
    assert!(store.fs.get("k").unwrap().is_some());
    let other = store.another();
    other.set("j", b"new", None).unwrap();
    assert_eq!(store.fs.get("k").unwrap(), None);
    assert_eq!(store.fs.get("j").unwrap().as_deref(), Some(&b"new"[..]));
    other.set("k", b"anew", None).unwrap();
    assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"anew"[..]));
}

#[test]
fn files_that_are_removed_or_moved_away_by_hand_are_gone() {
    let store = store_that_holds("k", b"old");
    let away = tempfile::tempdir().unwrap();
    // The file lives on, in a place that is no longer the cache.
    std::fs::rename(store.dir.path(), away.path().join("old")).unwrap();
    let other = store.another();
    assert_eq!(store.fs.get("k").unwrap(), None);
    let token = store.fs.token("k").unwrap();
    other.set("k", b"new", None).unwrap();
    other.delete("k").unwrap();
    assert!(!store.fs.put_if("k", b"old", None, token).unwrap(), "a deletion in the new directory counts");
    other.set("k", b"new", None).unwrap();
    assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"new"[..]));
    std::fs::remove_file(store.path("k")).unwrap();
    assert_eq!(store.fs.get("k").unwrap(), None);
}

#[test]
fn damage_to_a_held_file_is_a_miss() {
    let store = store_that_holds("k", b"old");
    let mut bytes = std::fs::read(store.path("k")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(store.path("k"), bytes).unwrap();
    assert_eq!(store.fs.get("k").unwrap(), None);
}

#[test]
fn no_more_files_are_held_than_there_is_room_for_and_those_of_use_stay() {
    let store = store_that_holds("k", b"v");
    for i in 0..500u32 {
        let key = i.to_string();
        store.fs.set(&key, b"v", None).unwrap();
        store.fs.get(&key).unwrap();
        store.fs.get("k").unwrap();
        assert!(store.fs.open_files.len() <= 64);
    }
    assert_eq!(store.fs.open_files.len(), 64);
    let meta = std::fs::symlink_metadata(store.path("k")).unwrap();
    assert!(store.fs.open_files.get(id_of("k"), &meta).is_some());
    // Those that are no longer of use make room.
    let meta = std::fs::symlink_metadata(store.path("7")).unwrap();
    for i in 0..1000 {
        store.fs.get("7").unwrap();
        if store.fs.open_files.get(id_of("7"), &meta).is_some() {
            break;
        }
        assert!(i < 999, "asked for often enough");
    }
    store.fs.set("large", &vec![7; 20_000], None).unwrap();
    store.fs.get("large").unwrap();
    let meta = std::fs::symlink_metadata(store.path("large")).unwrap();
    assert!(store.fs.open_files.get(id_of("large"), &meta).is_none(), "large files are not held");
}

/// One round of the other process of `what_another_process_does_is_seen_by_the_next_look`; returns the key's value after it.
fn step(fs: &Folder, round: u32) -> Option<Vec<u8>> {
    let short = round.to_le_bytes().to_vec();
    match round % 8 {
        3 => {
            fs.delete("k").unwrap();
            None
        }
        5 => {
            let long = round.to_le_bytes().repeat(2000);
            fs.set("k", &long, None).unwrap();
            Some(long)
        }
        7 => {
            fs.clear("k").unwrap();
            None
        }
        _ => {
            fs.set("k", &short, None).unwrap();
            Some(short)
        }
    }
}

/// Not a test: the other process.
#[test]
fn child_that_changes() {
    let Ok(dir) = std::env::var("CACHEKIT_TEST_CHILD_DIR") else { return };
    let fs = Folder::open(dir, Options::default()).unwrap();
    for line in std::io::stdin().lines() {
        step(&fs, line.unwrap().parse().unwrap());
        // On the channel that the test runner doesn't capture.
        writeln!(std::io::stderr(), "done").unwrap();
    }
}

#[test]
fn what_another_process_does_is_seen_by_the_next_look() {
    let (store, model) = (store_that_holds("k", b"old"), Store::new());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "filesystem::tests::open_files::child_that_changes"])
        .env("CACHEKIT_TEST_CHILD_DIR", store.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stderr.take().unwrap()).lines();
    for round in 0..800 {
        store.fs.get("k").unwrap();
        writeln!(orders, "{round}").unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), "done");
        assert_eq!(store.fs.get("k").unwrap(), step(&model.fs, round), "round {round}");
    }
    drop(orders);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_writer_locks_and_writes_the_directory_that_has_the_name_now() {
    let mut store = store_that_holds("k", b"old");
    store.fs.keep_subfolders();
    for _ in 0..3 {
        store.fs.set("k", b"old", None).unwrap();
    }
    let away = tempfile::tempdir().unwrap();
    std::fs::rename(store.dir.path(), away.path().join("old")).unwrap();
    let other = store.another();
    other.set("k", b"theirs", None).unwrap();
    let held = other.lock(stripe_of(id_of("k"))).unwrap();
    store.fs.set_operation_timeout(Duration::from_millis(20));
    let error = store.fs.set("k", b"new", None).expect_err("the other has the lock");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    drop(held);
    store.fs.set("k", b"new", None).unwrap();
    assert_eq!(other.get("k").unwrap().as_deref(), Some(&b"new"[..]));
    let moved = open(&away.path().join("old"), &store.clock, 0);
    assert_eq!(moved.get("k").unwrap().as_deref(), Some(&b"old"[..]));
}

#[test]
fn a_file_that_is_kept_for_writing_is_not_written_once_it_has_another_name_too() {
    let store = store_that_holds("k", b"old");
    for _ in 0..3 {
        store.fs.set("k", b"old", None).unwrap();
    }
    let backup = store.dir.path().join("backup");
    std::fs::hard_link(store.path("k"), &backup).unwrap();
    let before = std::fs::read(&backup).unwrap();
    store.fs.set("k", b"new", None).unwrap();
    assert_eq!(std::fs::read(&backup).unwrap(), before);
    assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"new"[..]));
}
