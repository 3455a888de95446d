//! Promise 6: stored bytes are untrusted. Whatever they are, it is a miss, never a panic or a wrong value.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cachekit::{memoize, stats};
use cachekit_tests::{Calls, Mem, World, files, is_version};

type Value = (u64, String, Vec<Option<u8>>);

fn value(n: u64) -> Value {
    (n, "text".repeat(5), vec![None, Some(1), Some(255)])
}

/// Damages all bytes in each way of a list; after each, all functions still tell the truth.
fn survives(world: &World, damage: impl Fn(&dyn Fn(&mut Vec<u8>))) {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = 0)]
    fn f(n: u64) -> Value {
        CALLS.hit();
        value(n)
    }
    // The tests that come here share the counter.
    static TURN: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
    let _turn = TURN.lock();
    let _entered = world.enter();
    let mut ways: Vec<(String, Box<dyn Fn(&mut Vec<u8>)>)> = vec![
        ("empty".into(), Box::new(Vec::clear)),
        ("one byte".into(), Box::new(|bytes| bytes.truncate(1))),
        ("zeros".into(), Box::new(|bytes| bytes.fill(0))),
        ("ones".into(), Box::new(|bytes| bytes.fill(0xff))),
        ("foreign".into(), Box::new(|bytes| *bytes = b"{\"json\": true}".to_vec())),
        ("large".into(), Box::new(|bytes| bytes.resize(1_000_000, 0xdd))),
        ("one more byte".into(), Box::new(|bytes| bytes.push(0))),
        ("doubled".into(), Box::new(|bytes| bytes.extend_from_within(..))),
        ("reversed".into(), Box::new(|bytes| bytes.reverse())),
    ];
    for n in 0..160 {
        ways.push((format!("cut at {n}"), Box::new(move |bytes| bytes.truncate(bytes.len().min(n)))));
    }
    for bit in (0..160 * 8).step_by(5) {
        let flip = move |bytes: &mut Vec<u8>| {
            let at = (bit / 8) % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (bit % 8);
            }
        };
        ways.push((format!("flip of bit {bit}"), Box::new(flip)));
    }
    for (name, way) in ways {
        for n in 0..2 {
            f(n);
        }
        CALLS.take();
        damage(&*way);
        for n in 0..2 {
            assert_eq!(f(n), value(n), "{name} in {}", world.name);
        }
        if name == "empty" || name == "ones" {
            assert_eq!(CALLS.take(), 2, "{name} is a miss in {}", world.name);
        }
        world.cache().clear().unwrap();
    }
    // The frame of a file finds its damage below the cache, where it is a miss like any other.
    let counted = if world.dir.is_some() { stats!(f).misses } else { stats!(f).errors };
    assert!(counted > 0, "and counted");
}

#[test]
fn damaged_bytes_of_a_custom_backend() {
    let mem = Mem::new();
    for world in [World::plain_over(&mem, |config| config), World::full_over(&mem, |config| config)] {
        survives(&world, |way| mem.tamper(|_, bytes| way(bytes)));
    }
}

#[test]
fn damaged_entries_under_a_whole_version() {
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config);
    survives(&world, |way| {
        mem.tamper(|key, bytes| {
            if !is_version(key) {
                way(bytes);
            }
        });
    });
}

#[test]
fn damaged_files() {
    let world = World::filesystem();
    let dir = world.dir.clone().unwrap();
    survives(&world, |way| {
        for path in files(dir.path()) {
            let mut bytes = fs::read(&path).unwrap();
            way(&mut bytes);
            fs::write(&path, bytes).unwrap();
        }
    });
}

#[test]
fn another_keys_bytes_are_a_miss() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = 0)]
    fn f(n: u64) -> u64 {
        CALLS.hit();
        n
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    f(1);
    f(2);
    let mut entries: Vec<Vec<u8>> =
        mem.keys().iter().filter(|key| !is_version(key)).map(|key| mem.bytes(key).unwrap()).collect();
    assert_eq!(entries.len(), 2);
    mem.tamper(|key, bytes| {
        if !is_version(key) {
            // In the order of the keys: each gets the other's.
            *bytes = entries.pop().unwrap();
        }
    });
    CALLS.take();
    assert_eq!((f(1), f(2)), (1, 2));
    assert_eq!(CALLS.take(), 2);
}

#[test]
fn the_cache_object_reads_another_type_as_a_miss() {
    for world in World::keeping() {
        let cache = world.cache();
        cache.set("text", &"1".to_string(), 0).unwrap();
        assert_eq!(cache.get::<u64>("text").unwrap(), None);
        assert_eq!(cache.get::<Vec<u8>>("text").unwrap(), None);
        assert_eq!(cache.get_many::<Vec<String>>(&["text"]).unwrap(), [None]);
        assert_eq!(cache.get::<String>("text").unwrap().as_deref(), Some("1"));
        assert_eq!(cache.get_or_insert_with("text", 0, || 5u64), 5);
    }
}

#[test]
fn files_are_private_and_named_by_digest_and_others_survive_clear() {
    #[memoize]
    fn f(name: &str) -> String {
        name.into()
    }
    let world = World::filesystem();
    let _entered = world.enter();
    let dir = world.dir.as_ref().unwrap().path();
    fs::write(dir.join("README"), "mine").unwrap();
    fs::create_dir_all(dir.join("other")).unwrap();
    fs::write(dir.join("other/file"), "mine").unwrap();
    f("../../etc/passwd");
    world.cache().set("../../x\n/y", &1u8, 0).unwrap();
    let found = files(dir);
    assert!(found.len() >= 2);
    for path in &found {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
    world.cache().clear().unwrap();
    assert_eq!(files(dir).len(), 0);
    assert_eq!(fs::read(dir.join("README")).unwrap(), b"mine");
    assert_eq!(fs::read(dir.join("other/file")).unwrap(), b"mine");
}
