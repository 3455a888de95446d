//! The call that takes the lock of a process over that is not heard of any more.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cachekit::{Backend, memoize, stats};
use cachekit_tests::{Full, Mem, World};
use parking_lot::Mutex;

/// The key and the value of a lock.
type Seen = Option<(String, Vec<u8>)>;

/// The lock of the one entry, if there is one.
fn lock(mem: &Mem) -> Seen {
    let key = mem.keys().into_iter().find(|key| key.contains("flight"))?;
    let bytes = mem.bytes(&key)?;
    Some((key, bytes))
}

/// The lock of the dead process does not end by its TTL here, since the clock stands still: the call takes it over.
#[test]
fn a_lock_that_nobody_renews_is_taken_over() {
    static MEM: Mutex<Option<std::sync::Arc<Mem>>> = Mutex::new(None);
    static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());
    static FAILS: AtomicBool = AtomicBool::new(true);
    #[memoize(single_flight = "fleet", fleet_wait = "50ms")]
    fn f(n: u64) -> u64 {
        SEEN.lock().push(MEM.lock().as_deref().and_then(lock));
        assert!(!FAILS.load(Ordering::SeqCst), "it fails");
        n
    }
    let mem = Mem::new();
    *MEM.lock() = Some(std::sync::Arc::clone(&mem));
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    catch_unwind(|| f(1)).unwrap_err();
    while lock(&mem).is_some() {
        // Another thread removes it, and says nothing.
        std::thread::sleep(Duration::from_millis(1));
    }
    let (key, bytes) = SEEN.lock()[0].clone().unwrap();
    // As a process that was killed leaves it.
    Full(std::sync::Arc::clone(&mem)).set(&key, &bytes, None).unwrap();
    FAILS.store(false, Ordering::SeqCst);
    assert_eq!(f(1), 1);
    let seen = SEEN.lock()[1].clone().unwrap();
    assert_eq!(seen.0, key);
    assert_ne!(seen.1, bytes, "it computed under a lock of its own");
    assert_eq!(stats!(f).given_up, 0);
}
