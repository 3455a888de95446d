//! Entries that are overwritten inside of their files.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::layout::BLOCK;
use super::*;
use crate::Ttl;

fn inode(store: &Store) -> u64 {
    std::fs::metadata(store.path("k")).unwrap().ino()
}

/// A store with an entry that has been overwritten once, so that its file has room for two values.
fn roomy(value: &[u8]) -> Store {
    let store = Store::new();
    for _ in 0..2 {
        store.fs.set("k", value, None).unwrap();
    }
    store
}

#[test]
fn an_entry_that_is_overwritten_again_stays_in_its_file() {
    let store = roomy(&[1; 1000]);
    let first = inode(&store);
    for len in [1000, 900, 1100, 0, 1000] {
        let value = vec![2; len];
        store.fs.set("k", &value, None).unwrap();
        assert_eq!(store.fs.get("k").unwrap(), Some(value));
        assert_eq!((inode(&store), store.entries(), store.counted()), (first, 1, 1));
    }
    assert_eq!(std::fs::metadata(store.path("k")).unwrap().len(), BLOCK as u64);
    // Too long for the place beside the present one.
    store.fs.set("k", &[3; 3500], None).unwrap();
    assert_ne!(inode(&store), first);
    assert_eq!(store.fs.get("k").unwrap(), Some(vec![3; 3500]));
}

#[test]
fn a_file_that_others_have_a_link_to_is_not_overwritten() {
    let store = roomy(b"v");
    let backup = store.dir.path().join("backup");
    std::fs::hard_link(store.path("k"), &backup).unwrap();
    let before = std::fs::read(&backup).unwrap();
    store.fs.set("k", b"w", None).unwrap();
    assert_eq!(std::fs::read(&backup).unwrap(), before);
    assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"w"[..]));
}

#[test]
fn the_time_that_is_left_is_replaced_too() {
    let store = roomy(b"v");
    let first = inode(&store);
    store.fs.set("k", b"w", secs(1)).unwrap();
    store.clock.advance(Duration::from_secs(1));
    assert_eq!(store.fs.get("k").unwrap(), None);
    let lives: [Ttl; 2] = [secs(1), None];
    for life in lives {
        assert!(store.fs.add("k", b"x", life).unwrap(), "what is expired is absent");
        assert!(!store.fs.add("k", b"y", None).unwrap());
        assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"x"[..]));
        store.clock.advance(Duration::from_secs(1));
    }
    assert!(store.fs.get("k").unwrap().is_some());
    assert_eq!(inode(&store), first);
}

#[test]
fn a_token_decides_as_it_does_for_a_new_file() {
    let store = roomy(b"v");
    let (first, token) = (inode(&store), store.fs.token("k").unwrap());
    assert!(store.another().put_if("k", b"1", None, token).unwrap());
    assert!(!store.fs.put_if("k", b"2", None, token).unwrap(), "it is good for one write");
    assert_eq!(inode(&store), first);
    let token = store.fs.token("k").unwrap();
    store.fs.delete("k").unwrap();
    for _ in 0..2 {
        store.fs.set("k", b"1", None).unwrap();
    }
    assert!(!store.fs.put_if("k", b"2", None, token).unwrap(), "a deletion voids it");
    assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn the_order_of_eviction_knows_of_it() {
    let store = Store::with_threshold(2);
    for key in ["a", "a", "b", "a", "c"] {
        store.fs.set(key, b"v", None).unwrap();
    }
    assert_eq!(store.fs.get("b").unwrap(), None);
    assert!(store.fs.get("a").unwrap().is_some());
    // Another one, which knew the entry when it was young, looks at it again before it goes.
    let other = store.another();
    store.fs.set("a", b"v", None).unwrap();
    other.set("d", b"v", None).unwrap();
    assert_eq!(store.fs.get("c").unwrap(), None);
    assert!(store.fs.get("a").unwrap().is_some());
}

#[test]
fn damage_is_a_miss_and_can_be_written_anew() {
    let store = roomy(&[7; 1500]);
    let whole = std::fs::read(store.path("k")).unwrap();
    for at in (0..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(store.path("k"), &bytes).unwrap();
        // Nothing at all, or what it was, if the place is not in use.
        assert!(store.fs.get("k").unwrap().is_none_or(|value| value == [7; 1500]), "{at}");
        store.fs.set("k", b"anew", None).unwrap();
        assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"anew"[..]), "{at}");
    }
    std::fs::write(store.path("k"), &whole[..4000]).unwrap();
    assert_eq!(store.fs.get("k").unwrap(), None);
}

#[test]
fn a_reader_sees_the_old_value_or_the_new_one_and_always_one() {
    let value = |i: u32| i.to_le_bytes().repeat(300);
    let store = roomy(&value(0));
    let (first, done) = (inode(&store), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = store.another();
            let mut last = 0;
            while !done.load(Ordering::SeqCst) {
                let found = other.get("k").unwrap().expect("never absent");
                assert_eq!(found, found[..4].repeat(300));
                let now = u32::from_le_bytes(found[..4].try_into().unwrap());
                assert!(last <= now, "{now} after {last}");
                last = now;
            }
        });
        for i in 1..20_000 {
            store.fs.set("k", &value(i), None).unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(inode(&store), first);
}

/// Not a test: the process that is killed.
#[test]
fn child_that_is_killed() {
    let Ok(dir) = std::env::var("CACHEKIT_TEST_CHILD_DIR") else { return };
    let fs = Folder::open(dir, Options::default()).unwrap();
    for i in 0u32.. {
        for key in ["a", "b"] {
            fs.set(key, &i.to_le_bytes().repeat(700), None).unwrap();
        }
        if i == 20 {
            writeln!(std::io::stderr(), "at work").unwrap();
        }
    }
}

#[test]
fn a_kill_in_the_middle_of_a_write_leaves_the_old_value_or_the_new_one() {
    let store = Store::new();
    for _ in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "filesystem::tests::rewrite::child_that_is_killed"])
            .env("CACHEKIT_TEST_CHILD_DIR", store.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "at work\n");
        child.kill().unwrap();
        child.wait().unwrap();
        for key in ["a", "b"] {
            let found = store.fs.get(key).unwrap().expect("never absent");
            assert_eq!(found, found[..4].repeat(700));
        }
    }
}
