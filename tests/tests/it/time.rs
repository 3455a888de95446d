//! Promise 9: an entry is gone at its time, to the millisecond, on every backend.

use std::time::Duration;

use cachekit::{Timeout, memoize};
use cachekit_tests::{Calls, block_on, each_keeping};

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn fractions_are_kept_or_rounded_up_and_never_zero() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = Duration::from_nanos(nanos))]
    fn f(nanos: u64) -> u64 {
        let _ = nanos;
        CALLS.hit()
    }
    each_keeping(|world| {
        CALLS.take();
        for (nanos, millis) in
            [(1, 1), (999_999, 1), (1_000_001, 2), (250_000_000, 250), (1_500_000_000, 1500)]
        {
            f(nanos);
            world.advance(Duration::from_millis(millis).checked_sub(MILLI).unwrap());
            f(nanos);
            assert_eq!(CALLS.take(), 1, "{nanos} ns: still there");
            world.advance(MILLI);
            f(nanos);
            assert_eq!(CALLS.take(), 1, "{nanos} ns: over");
        }
    });
}

#[test]
fn long_times_and_never() {
    static CALLS: Calls = Calls::new();
    const DAY: u64 = 24 * 3600;
    #[memoize(timeout = "45d")]
    fn days() -> u64 {
        CALLS.hit()
    }
    #[memoize(timeout = Duration::MAX)]
    fn longest() -> u64 {
        CALLS.hit()
    }
    each_keeping(|world| {
        CALLS.take();
        days();
        longest();
        world.advance(Duration::from_secs(45 * DAY).checked_sub(MILLI).unwrap());
        days();
        assert_eq!(CALLS.take(), 2);
        world.advance(MILLI);
        days();
        assert_eq!(CALLS.take(), 1);
        world.advance(Duration::from_secs(365 * 100 * DAY));
        longest();
        assert_eq!(CALLS.take(), 0);
    });
}

#[test]
fn the_cache_object_keeps_time_too() {
    each_keeping(|world| {
        let cache = world.cache();
        let is_there = |key: &str| {
            let there = cache.contains(key).unwrap();
            assert_eq!(cache.get::<u8>(key).unwrap().is_some(), there);
            assert_eq!(cache.get_many::<u8>(&[key]).unwrap()[0].is_some(), there);
            assert_eq!(block_on(cache.aio().contains(key)).unwrap(), there);
            there
        };
        cache.set("second", &1u8, 1).unwrap();
        cache.set("short", &1u8, Duration::from_micros(1)).unwrap();
        cache.set("zero", &1u8, Duration::ZERO).unwrap();
        cache.set("never", &1u8, 0).unwrap();
        cache.set("default", &1u8, Timeout::Default).unwrap();
        cache.set_many(&[("a", 1u8), ("b", 1)], 1).unwrap();
        assert!(["second", "short", "never", "default", "a", "b"].into_iter().all(is_there));
        world.advance(MILLI);
        assert!(!is_there("short") && !is_there("zero"));
        world.advance(Duration::from_millis(998));
        assert!(is_there("second") && is_there("a"));
        world.advance(MILLI);
        assert!(!is_there("second") && !is_there("a") && !is_there("b"));
        world.advance(Duration::from_secs(299));
        assert!(!is_there("default") && is_there("never"));
        // Expired entries count as absent.
        assert!(!cache.delete("second").unwrap());
        assert_eq!(cache.delete_many(&["a", "never"]).unwrap(), 1);
        assert!(cache.add("second", &1u8, 1).unwrap());
        assert!(!cache.add("second", &1u8, 1).unwrap());
    });
}

#[test]
fn incr_keeps_the_time_left() {
    each_keeping(|world| {
        let cache = world.cache();
        cache.set("n", &1u8, 10).unwrap();
        world.advance(Duration::from_secs(9));
        assert_eq!(cache.incr("n", 1).unwrap(), 2);
        world.advance(Duration::from_millis(999));
        assert_eq!(cache.get::<u32>("n").unwrap(), Some(2));
        world.advance(MILLI);
        assert_eq!(cache.get::<u32>("n").unwrap(), None);
        assert_eq!(cache.incr("n", 5).unwrap(), 5, "what is over counts as absent");
        world.advance(Duration::from_secs(300));
        assert_eq!(cache.get::<u32>("n").unwrap(), None, "and gets the default timeout");
    });
}

#[test]
fn a_write_never_shortens_the_life_of_another_entry() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = Duration::from_secs(seconds))]
    fn f(seconds: u64) -> u64 {
        let _ = seconds;
        CALLS.hit()
    }
    each_keeping(|world| {
        CALLS.take();
        f(1000);
        for n in 1..20 {
            f(n);
            world.advance(Duration::from_secs(20));
        }
        assert_eq!(CALLS.take(), 20);
        f(1000);
        assert_eq!(CALLS.take(), 0);
    });
}
