//! Bytes that were not written by us, or not all of them.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::super::layout::{HEAD_LEN, Head, LONGEST, MAGIC, Peek, encode, encode_head, is_whole, peek};
use super::*;

/// The head and the value in a whole file, as a reader finds them.
fn decode<'a>(file: &'a [u8], key: &str) -> Option<(Head, &'a [u8])> {
    let Peek::Entry { head, key_len, place } = peek(file, file.len() as u64) else { return None };
    let value = place.within(file)?;
    (key_len == key.len() && is_whole(file, key, value)).then_some((head, value))
}

const HEAD: Head = Head { expiry: 0, written: 7, stamp: 9 };

#[test]
fn a_flipped_bit_is_a_miss_wherever_it_is() {
    let store = Store::new();
    store.fs.set("key", b"the value", secs(100)).unwrap();
    let whole = std::fs::read(store.path("key")).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(store.path("key"), &bytes).unwrap();
            assert_eq!(store.fs.get("key").unwrap(), None, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_file_cut_short_or_grown_is_a_miss_and_can_be_written_anew() {
    let store = Store::with_threshold(5);
    store.fs.set("key", b"the value", None).unwrap();
    let mut whole = std::fs::read(store.path("key")).unwrap();
    for len in 0..whole.len() {
        std::fs::write(store.path("key"), &whole[..len]).unwrap();
        assert_eq!(store.fs.get("key").unwrap(), None, "{len} bytes");
        store.fs.token("key").unwrap();
    }
    whole.push(0);
    std::fs::write(store.path("key"), &whole).unwrap();
    assert_eq!(store.fs.get("key").unwrap(), None);
    assert!(store.fs.add("key", b"anew", None).unwrap());
    assert_eq!(store.fs.get("key").unwrap().as_deref(), Some(&b"anew"[..]));
}

#[test]
fn the_file_of_another_key_is_a_miss() {
    let store = Store::new();
    store.fs.set("mine", b"v", None).unwrap();
    store.fs.set("yours", b"w", None).unwrap();
    std::fs::copy(store.path("yours"), store.path("mine")).unwrap();
    assert_eq!(store.fs.get("mine").unwrap(), None);
    assert!(!store.fs.delete("mine").unwrap());
}

#[test]
fn lengths_that_lie_are_noticed_before_anything_is_allocated() {
    let mut file = encode("k", b"v", &HEAD, false).unwrap();
    file[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(peek(&file, file.len() as u64), Peek::Broken);
    file[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(peek(&file, file.len() as u64), Peek::Broken);
}

#[test]
fn what_is_not_a_file_neither_blocks_nor_misleads() {
    let store = Store::new();
    for key in ["link", "dir", "pipe"] {
        store.fs.set(key, b"v", None).unwrap();
        std::fs::remove_file(store.path(key)).unwrap();
    }
    store.fs.set("target", b"v", None).unwrap();
    std::os::unix::fs::symlink(store.path("target"), store.path("link")).unwrap();
    std::fs::create_dir(store.path("dir")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(store.path("pipe")).status();
    assert!(made.unwrap().success());
    for key in ["link", "dir", "pipe"] {
        assert_eq!(store.fs.get(key).unwrap(), None, "{key}");
        assert!(!store.fs.delete(key).unwrap(), "{key}");
        store.fs.token(key).unwrap();
    }
    drop(store.another());
    store.fs.clear("").unwrap();
    store.fs.set("pipe", b"w", None).unwrap();
    store.fs.set("link", b"w", None).unwrap();
    assert!(store.fs.set("dir", b"w", None).is_err());
    assert_eq!(store.fs.get("link").unwrap().as_deref(), Some(&b"w"[..]));
}

#[test]
fn what_a_crash_leaves_is_swept_when_it_is_old() {
    let store = Store::new();
    store.fs.set("key", b"v", None).unwrap();
    let stripe = store.path("key").parent().unwrap().to_owned();
    let whole = std::fs::read(store.path("key")).unwrap();
    let temps: Vec<_> = [0, 5, 40, whole.len()]
        .iter()
        .map(|&len| {
            let path = stripe.join(format!("tmp-{len:032x}"));
            std::fs::write(&path, &whole[..len]).unwrap();
            path
        })
        .collect();
    drop(store.another());
    assert!(temps.iter().all(|path| path.exists()), "a young one may be in use");
    for path in &temps {
        let old = SystemTime::now() - Duration::from_secs(3600);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    drop(store.another());
    assert!(temps.iter().all(|path| !path.exists()));
    assert!(store.fs.get("key").unwrap().is_some());
}

#[test]
fn an_entry_cut_short_is_swept() {
    let store = Store::with_threshold(10);
    for key in ["empty", "magic", "head"] {
        store.fs.set(key, b"v", None).unwrap();
    }
    for (key, len) in [("empty", 0), ("magic", 3), ("head", 40)] {
        std::fs::File::options().write(true).open(store.path(key)).unwrap().set_len(len).unwrap();
    }
    drop(store.another());
    assert_eq!((store.entries(), store.counted()), (0, 0));
}

#[test]
fn a_damaged_state_file_costs_nothing_but_void_tokens() {
    let store = Store::with_threshold(20);
    for i in 0..15 {
        store.fs.set(&format!("k{i}"), b"v", None).unwrap();
    }
    let token = store.fs.token("k0").unwrap();
    for bytes in [vec![], vec![0xFF; 100], vec![0x5A; 300 * 4096]] {
        std::fs::write(store.fs.paths.state(), bytes).unwrap();
        let fs = store.another();
        assert_eq!((usize::try_from(fs.total().unwrap().entries).unwrap(), store.entries()), (15, 15));
        assert!(!fs.put_if("k0", b"old", None, token).unwrap());
    }
}

/// Runs with a limit to the address space, so that a length that is believed is an abort.
fn with_little_memory(test: &str) {
    let run = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 2000000 && exec \"$0\" --exact --test-threads 1 \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env("CACHEKIT_TEST_CHILD_DIR", "little memory")
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

#[test]
fn a_file_made_longer_is_a_miss_and_not_read() {
    with_little_memory("filesystem::tests::damage::child_with_long_files");
}

/// Not a test: what `a_file_made_longer_is_a_miss_and_not_read` runs.
#[test]
fn child_with_long_files() {
    if std::env::var_os("CACHEKIT_TEST_CHILD_DIR").is_none() {
        return;
    }
    let store = Store::with_threshold(10);
    let set_len = |path: &Path, len: u64| {
        std::fs::File::options().write(true).open(path).unwrap().set_len(len).unwrap();
    };
    for len in [1 << 33, 1 << 40] {
        store.fs.set("key", b"the value", None).unwrap();
        set_len(&store.path("key"), len);
        assert_eq!(store.fs.get("key").unwrap(), None);
        store.fs.token("key").unwrap();
        assert!(!store.another().delete("key").unwrap());
        // Lengths in the head that fit such a file.
        store.fs.set("key", b"the value", None).unwrap();
        let mut head = std::fs::read(store.path("key")).unwrap();
        head[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
        head[64..72].copy_from_slice(&(len - 9).to_le_bytes());
        head[72..80].copy_from_slice(&len.to_le_bytes());
        std::fs::write(store.path("key"), &head).unwrap();
        set_len(&store.path("key"), len);
        assert_eq!(store.fs.get("key").unwrap(), None);
        store.fs.token("key").unwrap();
        store.fs.clear("key").unwrap();
        set_len(&store.fs.paths.state(), len);
        drop(store.another());
        store.fs.token("key").unwrap();
    }
    // A value of 3 GiB in a sparse file needs more memory than there is: an error, not an abort.
    store.fs.set("key", b"the value", None).unwrap();
    let mut head = std::fs::read(store.path("key")).unwrap();
    let len = 3_u64 << 30;
    head[24..32].copy_from_slice(&(len - 100).to_le_bytes());
    head[72..80].copy_from_slice(&len.to_le_bytes());
    std::fs::write(store.path("key"), &head).unwrap();
    set_len(&store.path("key"), len);
    assert!(store.fs.get("key").is_err());
    drop(store.another());
    store.fs.clear("").unwrap();
    assert_eq!(store.entries(), 0);
}

#[test]
fn lengths_beyond_that_of_any_entry_are_no_entry() {
    let file = encode("k", b"v", &HEAD, false).unwrap();
    for len in [LONGEST, LONGEST + 1] {
        let mut file = file.clone();
        file[72..80].copy_from_slice(&len.to_le_bytes());
        assert_eq!(matches!(peek(&file, len), Peek::Entry { .. }), len == LONGEST);
    }
}

#[test]
fn numbers_at_their_ends_are_no_fault() {
    let store = Store::with_threshold(2);
    for (expiry, written) in [(1, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX), (0, u64::MAX)] {
        let head = Head { expiry, written, stamp: u128::MAX };
        std::fs::create_dir_all(store.path("k").parent().unwrap()).unwrap();
        std::fs::write(store.path("k"), encode("k", b"v", &head, true).unwrap()).unwrap();
        let other = store.another();
        assert_eq!(other.get("k").unwrap().is_some(), expiry != 1);
        let token = other.token("k").unwrap();
        assert!(other.put_if("k", b"w", secs(u64::MAX), token).unwrap());
        for i in 0..3 {
            other.set(&i.to_string(), b"v", None).unwrap();
            assert!(store.entries() <= 2);
        }
        other.clear("").unwrap();
    }
}

proptest! {
    #[test]
    fn any_bytes_in_an_entrys_file_are_a_miss_and_can_be_written_anew(
        mut bytes: Vec<u8>, ours: bool, longer in 0u64..10_000
    ) {
        if ours {
            bytes.splice(..0, MAGIC);
        }
        let store = Store::with_threshold(3);
        store.fs.set("key", b"v", None).unwrap();
        std::fs::write(store.path("key"), &bytes).unwrap();
        let len = bytes.len() as u64 + longer;
        std::fs::File::options().write(true).open(store.path("key")).unwrap().set_len(len).unwrap();
        prop_assert_eq!(store.fs.get("key").unwrap(), None);
        store.fs.token("key").unwrap();
        drop(store.another());
        store.fs.set("key", b"anew", None).unwrap();
        prop_assert_eq!(store.fs.get("key").unwrap(), Some(b"anew".to_vec()));
    }

    #[test]
    fn any_changed_head_is_the_entry_a_miss_or_an_error(at in 0..HEAD_LEN, with: [u8; 8], roomy: bool) {
        let store = Store::with_threshold(3);
        store.fs.set("key", b"v", None).unwrap();
        let mut bytes = encode("key", b"v", &HEAD, roomy).unwrap();
        let end = (at + 8).min(HEAD_LEN);
        bytes[at..end].copy_from_slice(&with[..end - at]);
        std::fs::write(store.path("key"), &bytes).unwrap();
        prop_assert!(store.fs.get("key").unwrap().is_none_or(|value| value == b"v"));
        store.fs.token("key").unwrap();
        drop(store.another());
        store.fs.clear("key").unwrap();
    }

    #[test]
    fn any_state_file_is_taken_or_made_anew(bytes: Vec<u8>, at in 0..super::super::state::LEN, whole: bool) {
        let store = Store::with_threshold(3);
        store.fs.set("key", b"v", None).unwrap();
        let path = store.fs.paths.state();
        if whole {
            let mut state = std::fs::read(&path).unwrap();
            let end = state.len().min(at + bytes.len());
            state[at..end].copy_from_slice(&bytes[..end - at]);
            std::fs::write(&path, state).unwrap();
        } else {
            std::fs::write(&path, bytes).unwrap();
        }
        store.fs.token("key").unwrap();
        let other = store.another();
        prop_assert_eq!(other.total().unwrap().entries, store.entries() as u64);
        other.set("other", b"v", None).unwrap();
        prop_assert!(store.entries() <= 3);
    }

    #[test]
    fn any_entry_survives_its_frame(
        key in ".{0,40}", value: Vec<u8>, expiry: u64, written: u64, stamp: u128, roomy: bool
    ) {
        let head = Head { expiry, written, stamp };
        let file = encode(&key, &value, &head, roomy).unwrap();
        let Peek::Entry { head: seen, key_len, .. } = peek(&file[..HEAD_LEN], file.len() as u64) else { panic!() };
        prop_assert_eq!((seen, key_len), (head, key.len()));
        prop_assert_eq!(decode(&file, &key), Some((head, &value[..])));
    }

    #[test]
    fn a_value_beside_another_is_seen_when_the_head_says_so_and_not_before(
        key in ".{0,40}", values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 2..9)
    ) {
        let mut file = encode(&key, &values[0], &HEAD, true).unwrap();
        for (old, new) in values.iter().zip(&values[1..]) {
            let head = Head { stamp: 10, ..HEAD };
            let Peek::Entry { place, head: before, .. } = peek(&file, file.len() as u64) else { panic!() };
            let room = file.len() - HEAD_LEN - key.len();
            let Some(place) = place.beside(&key, new.len()) else {
                prop_assert!(old.len() + new.len() > room, "two values that fit, in any order of their lengths");
                break;
            };
            let at = usize::try_from(place.at()).unwrap();
            file[at..at + new.len()].copy_from_slice(new);
            prop_assert_eq!(decode(&file, &key), Some((before, &old[..])));
            file[..HEAD_LEN].copy_from_slice(&encode_head(&key, new, &head, place).unwrap());
            prop_assert_eq!(decode(&file, &key), Some((head, &new[..])));
        }
    }

    #[test]
    fn no_bytes_are_mistaken_for_an_entry(mut bytes: Vec<u8>, ours: bool) {
        if ours {
            bytes.splice(..0, MAGIC);
        }
        prop_assert_eq!(decode(&bytes, "key"), None);
    }
}

#[test]
fn a_file_that_a_crash_left_empty_under_the_name_of_an_entry_is_a_miss_and_is_replaced() {
    let store = Store::new();
    store.fs.set("k", b"v", None).unwrap();
    std::fs::write(store.path("k"), b"").unwrap();
    assert_eq!(store.fs.get("k").unwrap(), None);
    assert!(store.fs.add("k", b"new", None).unwrap());
    assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!((store.entries(), store.counted()), (1, 1));
}
