//! Tokens and locks: which writes are allowed, and what readers see of the others.

use super::*;
use crate::Version;

#[test]
fn a_deletion_voids_the_token_of_a_present_key() {
    let store = Store::new();
    store.fs.set("k", b"1", None).unwrap();
    let token = store.fs.token("k").unwrap();
    assert!(store.another().delete("k").unwrap());
    assert!(!store.fs.put_if("k", b"old", None, token).unwrap());
    assert_eq!(store.fs.get("k").unwrap(), None);
}

#[test]
fn a_deletion_voids_the_token_of_an_absent_key() {
    let store = Store::new();
    let token = store.fs.token("k").unwrap();
    assert!(!store.another().delete("k").unwrap());
    assert!(!store.fs.put_if("k", b"old", None, token).unwrap());
}

#[test]
fn a_write_voids_the_token_even_if_the_value_is_gone_again() {
    let store = Store::with_threshold(1);
    let token = store.fs.token("k").unwrap();
    store.fs.set("k", b"1", None).unwrap();
    assert!(!store.fs.put_if("k", b"old", None, token).unwrap());
    // The eviction makes the key absent, as the token knew it.
    store.fs.set("other", b"1", None).unwrap();
    assert_eq!(store.fs.get("k").unwrap(), None);
    assert!(!store.fs.put_if("k", b"old", None, token).unwrap());
}

#[test]
fn a_write_and_a_deletion_void_the_token_although_the_key_is_absent_again() {
    let store = Store::new();
    let token = store.fs.token("k").unwrap();
    store.fs.set("k", b"1", None).unwrap();
    assert!(store.fs.delete("k").unwrap());
    assert!(!store.fs.put_if("k", b"old", None, token).unwrap());
}

#[test]
fn a_token_is_good_for_one_write() {
    let store = Store::new();
    let token = store.fs.token("k").unwrap();
    assert_eq!(store.another().token("k").unwrap(), token, "looking changes nothing");
    assert!(store.fs.put_if("k", b"1", None, token).unwrap());
    assert!(!store.another().put_if("k", b"2", None, token).unwrap());
    let token = store.fs.token("k").unwrap();
    assert!(store.another().put_if("k", b"3", None, token).unwrap());
    assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"3"[..]));
}

#[test]
fn clear_voids_all_tokens() {
    let store = Store::new();
    store.fs.set("a", b"1", None).unwrap();
    let tokens = ["a", "b"].map(|key| (key, store.fs.token(key).unwrap()));
    store.another().clear("").unwrap();
    for (key, token) in tokens {
        assert!(!store.fs.put_if(key, b"old", None, token).unwrap(), "{key}");
    }
}

#[test]
fn the_removal_of_one_key_seldom_voids_the_token_of_another() {
    let store = Store::new();
    let tokens: Vec<_> =
        (0..50).map(|i| format!("k{i}")).map(|key| (store.fs.token(&key).unwrap(), key)).collect();
    for i in 0..50 {
        store.fs.delete(&format!("other{i}")).unwrap();
    }
    let stored =
        tokens.iter().filter(|(token, key)| store.fs.put_if(key, b"v", None, *token).unwrap()).count();
    assert!(stored >= 49, "{stored}");
}

#[test]
fn of_many_adders_one_stores() {
    let store = Store::with_threshold(50);
    let other = store.another();
    for round in 0..20 {
        let key = format!("k{round}");
        let add = |fs: &Folder| usize::from(fs.add(&key, b"v", None).unwrap());
        let stored: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = [&store.fs, &other, &store.fs, &other]
                .map(|fs| scope.spawn(|| add(fs)))
                .into_iter()
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(stored, 1);
    }
}

#[test]
fn a_reader_sees_the_old_value_or_the_new_one_and_always_one() {
    let store = Store::with_threshold(3);
    let value = |i: u32| i.to_le_bytes().repeat(15_000);
    store.fs.set("k", &value(0), None).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = store.another();
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                let found = other.get("k").unwrap().expect("never absent");
                assert_eq!(found, found[..4].repeat(15_000));
            }
        });
        for i in 1..1000 {
            store.fs.set("k", &value(i), None).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
}

#[test]
fn a_lock_that_is_held_is_an_error_at_the_timeout_and_stops_no_reader() {
    let store = Store::new();
    store.fs.set("k", b"v", None).unwrap();
    let other = store.another();
    other.set_operation_timeout(Duration::from_millis(20));
    let held = store.fs.lock(super::super::disk::stripe_of(id_of("k"))).unwrap();
    assert_eq!(other.set("k", b"w", None).unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(other.delete("k").unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(other.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    drop(held);
    assert!(other.delete("k").unwrap());
    assert!(
        files(store.dir.path()).iter().all(|path| *path == store.fs.paths.state()),
        "no temporary file stays"
    );
}

/// A forked process has the descriptors of its parent's open files, and a lock belongs to all descriptors that come from one
/// `open`.
#[test]
fn no_lock_is_held_on_or_shared_by_a_process_that_was_forked() {
    let store = Store::with_threshold(100);
    let other = store.another();
    other.set_operation_timeout(Duration::from_millis(20));
    let held = store.fs.lock(super::super::disk::stripe_of(id_of("k"))).unwrap();
    let forked = held.inherited();
    drop(held);
    other.set("k", b"v", None).expect("the lock was released, though a forked process has the folder open");
    drop(forked);

    let parent = store.fs.state.inherited();
    parent.lock().unwrap();
    store.fs.set_operation_timeout(Duration::from_millis(20));
    let error = store.fs.set("new", b"v", None).expect_err("the parent admits an entry just now");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    parent.unlock().unwrap();
    store.fs.set("new", b"v", None).unwrap();
}

#[test]
fn a_version_is_made_once_and_seen_by_all() {
    let store = Store::new();
    let first = store.fs.fetch("entry", &["v1", "v2"]).unwrap().versions;
    assert_eq!(store.another().fetch("entry", &["v1", "v2"]).unwrap().versions, first);
    store.fs.delete("v1").unwrap();
    let second: Vec<Version> = store.fs.fetch("entry", &["v1", "v2"]).unwrap().versions;
    assert_ne!(second[0], first[0]);
    assert_eq!(second[1], first[1]);
}

/// A slow writer of a value from before a deletion, and a reader that has found the entry's file and has not read it, while
/// the entry is evicted and its file may be filled again.
fn a_reader_and_a_refused_writer(store: &Store, write: impl Fn() -> bool + Send + Sync) {
    let holds = Hold::at(&store.fs, &[(Point::BeforeLock, "writer"), (Point::Looked, "reader")]);
    let [writer, reader] = &holds[..] else { unreachable!() };
    std::thread::scope(|scope| {
        let write = named(scope, "writer", &write);
        writer.wait();
        store.fs.delete("k").unwrap();
        store.fs.set("k", b"new", None).unwrap();
        let read = named(scope, "reader", || store.fs.get("k").unwrap());
        reader.wait();
        for other in ["a", "b"] {
            store.fs.set(other, b"other", None).unwrap();
        }
        writer.release();
        let written = write.join().unwrap();
        reader.release();
        let found = read.join().unwrap();
        assert!(!written, "the writer is refused");
        assert!(found.is_none() || found.as_deref() == Some(b"new"), "{found:?} is from before the deletion");
    });
}

#[test]
fn a_reader_between_its_look_and_its_read_never_gets_a_value_that_is_refused() {
    let store = Store::with_threshold(1);
    let token = store.fs.token("k").unwrap();
    a_reader_and_a_refused_writer(&store, || store.fs.put_if("k", b"old", None, token).unwrap());
}

#[test]
fn a_reader_between_its_look_and_its_read_never_gets_a_value_whose_write_fails() {
    let store = Store::with_threshold(1);
    store.fs.set_operation_timeout(Duration::from_millis(50));
    store.fs.set("k", b"new", None).unwrap();
    let holds = Hold::at(&store.fs, &[(Point::Looked, "reader")]);
    std::thread::scope(|scope| {
        let read = named(scope, "reader", || store.fs.get("k").unwrap());
        holds[0].wait();
        store.fs.set("other", b"other", None).unwrap();
        // Another process has the lock when the write goes for it.
        let locked = std::fs::File::open(store.path("k").parent().unwrap()).unwrap();
        locked.lock().unwrap();
        assert_eq!(store.fs.set("k", b"bad", None).unwrap_err().kind(), ErrorKind::Timeout);
        holds[0].release();
        let found = read.join().unwrap();
        assert!(found.is_none() || found.as_deref() == Some(b"new"), "{found:?} was not stored");
    });
}

#[test]
fn a_clearing_voids_the_tokens_of_a_subfolder_that_is_made_meanwhile() {
    let store = Store::new();
    let token = store.fs.token("k").unwrap();
    let stripe = store.path("k").parent().unwrap().to_owned();
    store.another().clear("").unwrap();
    assert!(!stripe.exists(), "a clearing makes nothing");
    assert!(!store.fs.put_if("k", b"old", None, token).unwrap());
    let token = store.fs.token("j").unwrap();
    assert!(!store.another().delete("j").unwrap());
    assert!(!store.fs.put_if("j", b"old", None, token).unwrap());
}
