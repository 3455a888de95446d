//! The threshold, and the order of eviction.

use std::io::{BufRead, BufReader, Write};

use super::super::bounds::Amount;
use super::*;

fn live(fs: &Folder, keys: impl IntoIterator<Item = u32>) -> Vec<u32> {
    keys.into_iter().filter(|i| fs.get(&i.to_string()).unwrap().is_some()).collect()
}

#[test]
fn one_process_never_exceeds_the_threshold() {
    for threshold in [1, 3, 40] {
        let store = Store::with_threshold(threshold);
        for i in 0..150u32 {
            store.fs.set(&i.to_string(), b"v", if i % 2 == 0 { None } else { secs(60) }).unwrap();
            assert!(store.entries() <= threshold, "{} at {threshold}", store.entries());
        }
        assert_eq!(store.entries(), threshold);
    }
}

#[test]
fn the_oldest_written_goes_first_whether_it_expires_or_not() {
    let store = Store::with_threshold(5);
    for i in 0..5u32 {
        store.fs.set(&i.to_string(), b"v", if i == 1 { None } else { secs(60) }).unwrap();
    }
    // Written anew, so no longer the oldest.
    store.fs.set("0", b"w", None).unwrap();
    store.fs.set("5", b"v", None).unwrap();
    assert_eq!(live(&store.fs, 0..6), [0, 2, 3, 4, 5]);
    store.fs.set("6", b"v", None).unwrap();
    assert_eq!(live(&store.fs, 0..7), [0, 3, 4, 5, 6]);
}

#[test]
fn an_expired_entry_goes_before_a_live_one() {
    let store = Store::with_threshold(5);
    for i in 0..5u32 {
        store.fs.set(&i.to_string(), b"v", if i == 3 { secs(1) } else { None }).unwrap();
    }
    store.clock.advance(Duration::from_secs(1));
    store.fs.set("5", b"v", None).unwrap();
    assert_eq!(live(&store.fs, 0..6), [0, 1, 2, 4, 5]);
    assert_eq!(store.entries(), 5);
}

#[test]
fn a_lower_threshold_holds_from_the_opening_and_spares_the_newest() {
    let store = Store::with_threshold(50);
    for i in 0..50u32 {
        store.fs.set(&i.to_string(), b"v", None).unwrap();
    }
    let fs = self::open(store.dir.path(), &store.clock, 7);
    assert_eq!(live(&fs, 0..50), [43, 44, 45, 46, 47, 48, 49]);
}

#[test]
fn expired_entries_are_reclaimed_by_later_writes() {
    for threshold in [0, 1000] {
        let store = Store::with_threshold(threshold);
        for i in 0..100u32 {
            store.fs.set(&i.to_string(), b"v", secs(1)).unwrap();
        }
        store.clock.advance(Duration::from_secs(1));
        for _ in 0..25 {
            store.fs.set("other", b"v", None).unwrap();
        }
        assert_eq!(store.entries(), 1);
    }
}

#[test]
fn expired_entries_of_others_are_reclaimed_at_the_opening_and_by_the_sweep() {
    let store = Store::new();
    let early = store.another();
    for i in 0..50u32 {
        store.fs.set(&i.to_string(), b"v", secs(1)).unwrap();
    }
    store.clock.advance(Duration::from_secs(1));
    for _ in 0..1500 {
        early.set("other", b"v", None).unwrap();
    }
    assert_eq!(store.entries(), 1, "the sweep has been everywhere");

    for i in 0..50u32 {
        store.fs.set(&i.to_string(), b"v", secs(1)).unwrap();
    }
    store.clock.advance(Duration::from_secs(1));
    drop(store.another());
    assert_eq!(store.entries(), 1);
}

#[test]
fn two_handles_that_know_nothing_of_each_other_share_one_threshold() {
    let store = Store::with_threshold(20);
    let other = store.another();
    for i in 0..400u32 {
        store.fs.set(&format!("a{i}"), b"v", None).unwrap();
        other.set(&format!("b{i}"), b"v", None).unwrap();
        assert!(store.entries() <= 21, "{}", store.entries());
    }
    assert_eq!(store.entries(), 20);
}

#[test]
fn threads_keep_the_threshold_together() {
    let store = Store::with_threshold(10);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..100 {
                    store.fs.set(&format!("{thread}:{i}"), b"v", None).unwrap();
                    assert!(store.counted() <= 10);
                }
            });
        }
    });
    assert!(store.entries() <= 10);
    assert_eq!(store.entries(), store.counted());
}

#[test]
fn writers_between_their_admission_and_their_file_keep_the_threshold_together() {
    let store = Store::with_threshold(5);
    for i in 0..4u32 {
        store.fs.set(&i.to_string(), b"v", None).unwrap();
    }
    let others = ["a", "b", "c"].map(|name| (store.another(), name));
    std::thread::scope(|scope| {
        let held: Vec<_> = others
            .iter()
            .map(|(fs, name)| {
                let hold = Hold::at(fs, &[(Point::Admitted, name)]).pop().unwrap();
                let write = named(scope, name, || fs.set(name, b"v", None).unwrap());
                hold.wait();
                (hold, write)
            })
            .collect();
        store.fs.set("new", b"v", None).unwrap();
        for (hold, write) in held {
            hold.release();
            write.join().unwrap();
            assert!(store.entries() <= 5, "{}", store.entries());
        }
    });
    assert_eq!((store.entries(), store.counted()), (5, 5));
}

/// Not a test: what `two_processes_share_one_threshold` runs in another process.
#[test]
fn child_writer() {
    let Ok(dir) = std::env::var("CACHEKIT_TEST_CHILD_DIR") else { return };
    let fs = Folder::open(dir, Options::default().threshold(100)).unwrap();
    for i in 0..1000u32 {
        fs.set(&format!("{}:{i}", std::process::id()), b"v", None).unwrap();
    }
}

#[test]
fn two_processes_share_one_threshold() {
    let dir = tempfile::tempdir().unwrap();
    let child = || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "filesystem::tests::evict::child_writer"])
            .env("CACHEKIT_TEST_CHILD_DIR", dir.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    for mut child in [child(), child()] {
        assert!(child.wait().unwrap().success());
    }
    let entries = files(dir.path()).iter().filter(|path| is_entry(path)).count();
    assert!((95..=100).contains(&entries), "{entries}");
    assert!(files(dir.path()).len() <= entries + 1, "no temporary files stay");
}

/// Not a test: a writer that is killed.
#[test]
fn child_writer_without_end() {
    let Ok(dir) = std::env::var("CACHEKIT_TEST_CHILD_DIR") else { return };
    let fs = Folder::open(dir, Options::default().threshold(100)).unwrap();
    for i in 0u64.. {
        fs.set(&format!("{}:{i}", std::process::id()), b"v", None).unwrap();
        if i == 100 {
            writeln!(std::io::stderr(), "at work").unwrap();
        }
    }
}

#[test]
fn processes_that_are_killed_while_they_write_leave_no_more_than_the_threshold() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let mut children: Vec<_> = (0..3)
            .map(|_| {
                std::process::Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "filesystem::tests::evict::child_writer_without_end"])
                    .env("CACHEKIT_TEST_CHILD_DIR", dir.path())
                    .stdout(std::process::Stdio::null())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for child in &mut children {
            let mut line = String::new();
            BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "at work\n");
        }
        for child in &mut children {
            child.kill().unwrap();
        }
        for child in &mut children {
            child.wait().unwrap();
        }
        let entries = files(dir.path()).iter().filter(|path| is_entry(path)).count();
        assert!((90..=100).contains(&entries), "{entries}");
    }
}

#[test]
fn the_numbers_of_entries_and_evictions_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let fs = crate::filesystem::FileSystem::open(dir.path(), Options::default().threshold(10)).unwrap();
    for i in 0..25u32 {
        fs.set(&i.to_string(), b"v", None).unwrap();
    }
    assert_eq!((fs.entries().unwrap(), fs.evictions()), (10, 15));
    fs.clear("").unwrap();
    assert_eq!((fs.entries().unwrap(), fs.evictions()), (0, 15));
}

/// Keys of one subfolder.
fn neighbours(count: usize) -> Vec<String> {
    let stripe = |key: &str| super::super::disk::stripe_of(id_of(key));
    let keys = (0u32..).map(|i| i.to_string());
    keys.filter(|key| stripe(key) == stripe("0")).take(count).collect()
}

#[test]
fn a_subfolder_is_swept_again_only_if_it_changed() {
    let store = Store::new();
    let keys = neighbours(3);
    let number = super::super::disk::stripe_of(id_of(&keys[0]));
    let listed = || store.fs.sweep(number).unwrap().listed;
    let age = || {
        let folder = std::fs::File::open(store.path(&keys[0]).parent().unwrap()).unwrap();
        folder.set_modified(std::time::SystemTime::now() - Duration::from_secs(5)).unwrap();
    };
    store.fs.set(&keys[0], b"v", None).unwrap();
    assert_eq!([listed(), listed()], [1, 1], "it changed so lately that it may change without a trace");
    age();
    assert_eq!([listed(), listed()], [1, 0]);
    store.another().set(&keys[1], b"v", secs(1)).unwrap();
    assert_eq!(listed(), 2);
    age();
    assert_eq!([listed(), listed()], [2, 0]);
    // A count that a crash left too high.
    store.fs.state.set_amount(number, Amount { entries: 7, blocks: 7 }).unwrap();
    assert_eq!((listed(), store.counted()), (2, 2));
    // Entries whose expiry is known go without a sweep.
    store.clock.advance(Duration::from_secs(1));
    store.fs.set(&keys[2], b"v", None).unwrap();
    assert_eq!((store.entries(), store.counted()), (2, 2));
    // A leftover is too young to be removed the first time.
    std::fs::write(store.fs.paths.temp(number, 1), b"").unwrap();
    age();
    assert_eq!([listed(), listed()], [2, 2]);
}
