//! `cachekit::testing` beside the clock and the scopes, and the spans of calls.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cachekit::testing::{Chaos, ManualClock, Scoped, SimpleBackend, assert_computed};
use cachekit::{Cache, Config, delete_memoized, memoize, refresh, stats, uncached};
use cachekit_tests::{Gate, World, block_on, each_keeping, events, spans, waits};

mod computed {
    use super::*;

    #[memoize(timeout = 60)]
    fn double(n: u32) -> u32 {
        2 * n
    }

    #[test]
    fn the_computations_of_a_block_are_counted_and_its_value_is_returned() {
        #[memoize(timeout = 60)]
        async fn triple(n: u32) -> Result<u32, String> {
            if n == 0 { Err("none".to_owned()) } else { Ok(3 * n) }
        }
        each_keeping(|world| {
            let value = assert_computed!(1, {
                double(1);
                double(1)
            });
            assert_eq!(value, 2);
            assert_computed!(0, { double(1) });
            assert_computed!(2, { (refresh!(double, 1), double(2)) });
            assert_computed!(0, { uncached!(double, 1) });
            block_on(world.wrap(async {
                assert_computed!(1, { (triple(1).await, triple(1).await) }).0.unwrap();
                assert_computed!(2, { (triple(0).await, triple(0).await) }).0.unwrap_err();
            }));
            assert_computed!(1, { world.cache().get_or_insert_with("k", 60, || 1) });
        });
    }

    #[test]
    fn another_number_fails_the_test_and_says_both() {
        let world = World::simple();
        let _entered = world.enter();
        let said = catch_unwind(|| assert_computed!(2, { double(7) })).unwrap_err();
        assert_eq!(
            said.downcast_ref::<String>().map(String::as_str),
            Some("expected 2 computations, and there were 1")
        );
    }

    #[test]
    fn scopes_count_apart() {
        let (one, other) = (World::simple(), World::simple());
        let _entered = one.enter();
        assert_computed!(0, {
            let _entered = other.enter();
            double(1)
        });
    }
}

mod chaos {
    use super::*;

    static DATA: AtomicU64 = AtomicU64::new(0);

    #[memoize(timeout = 60, name = "chaos.read")]
    fn read(id: u64) -> (u64, String) {
        let version = DATA.load(Ordering::SeqCst);
        (version, format!("{id} at {version}"))
    }

    /// A cache whose backend goes wrong in every way, by a seed.
    fn world(seed: u64) -> Scoped {
        let clock = ManualClock::new();
        let store = SimpleBackend::new(0, clock.clock());
        let faults = Chaos::new(store, seed)
            .errors(0.1)
            .lost_answers(0.1)
            .drops(0.1)
            .truncation(0.1)
            .partial_writes(0.1)
            .reordering(0.1)
            .delays(0.05, &clock, Duration::from_secs(7));
        Scoped::with_backend(faults, &Config::default().breaker_threshold(u32::MAX), clock)
    }

    #[test]
    fn values_are_right_and_deletions_that_succeeded_are_final_whatever_goes_wrong() {
        let (mut hits, mut deleted) = (0, 0);
        for seed in 0..40 {
            let chaos = world(seed);
            let _entered = chaos.enter();
            // The least version that calls of each key may return.
            let mut least = [DATA.load(Ordering::SeqCst); 3];
            for step in 0..200u64 {
                let id = (seed + step * 7) % 3;
                if step % 5 == 4 {
                    let now = DATA.fetch_add(1, Ordering::SeqCst) + 1;
                    let all = step % 10 == 9;
                    let result = if all { delete_memoized!(read) } else { delete_memoized!(read, id) };
                    if result.is_ok() {
                        deleted += 1;
                        for (key, least) in (0..).zip(&mut least) {
                            if all || key == id {
                                *least = now;
                            }
                        }
                    }
                }
                let (version, text) = read(id);
                assert_eq!(text, format!("{id} at {version}"), "seed {seed}, step {step}");
                let least = least[usize::try_from(id).unwrap()];
                assert!(version >= least, "seed {seed}, step {step}: {version}, and {least} at least");
            }
            hits += stats!(read).hits;
        }
        assert!(hits > 1000 && deleted > 500, "{hits} hits, {deleted} deletions");
    }

    #[test]
    fn the_cache_object_says_what_goes_wrong() {
        let store = SimpleBackend::new(0, ManualClock::new().clock());
        let cache = Cache::with_backend(Chaos::new(store, 1).errors(1.0));
        let error = cache.set("k", &1, 60).unwrap_err();
        assert!(error.to_string().contains("chaos"), "{error}");
    }
}

mod tracing_spans {
    use super::*;

    #[test]
    fn a_computation_and_a_wait_have_spans_and_the_wait_follows_from_the_computation() {
        static GATE: Gate = Gate::new();

        #[memoize(timeout = 60, name = "spans.slow")]
        fn slow(stop: bool) -> bool {
            GATE.pass();
            stop
        }
        // The subscriber of the process.
        spans(|| ());
        each_keeping(|world| {
            slow(false);
            let call = || spans(|| assert!(slow(true)));
            let (before, mut waiter) = (waits("spans.slow"), None);
            let leader = GATE.hold(world, call, || {
                waiter = Some(world.spawn(call));
                while waits("spans.slow") == before {
                    std::thread::yield_now();
                }
            });
            let (leader, waiter) = (leader.unwrap(), waiter.unwrap().join().unwrap());
            assert_eq!(leader.len(), 1, "{leader:?}");
            let id = leader[0].strip_prefix("computation spans.slow ").unwrap();
            assert!(waiter[0].starts_with("wait spans.slow "), "{waiter:?}");
            assert_eq!(waiter[1], format!("follows {id}"), "{waiter:?}");
            assert_eq!(spans(|| assert!(slow(true))), [""; 0], "a hit has none");
            delete_memoized!(slow).unwrap();
        });
    }

    #[test]
    fn operations_of_a_backend_are_events() {
        #[memoize(timeout = 60, name = "events.f", tags("t"))]
        fn f(id: u64) -> u64 {
            id
        }
        each_keeping(|world| {
            let found = events(|| {
                f(1);
                f(1);
                delete_memoized!(f, 1).unwrap();
                delete_memoized!(f).unwrap();
                world.cache().delete_tag("t").unwrap();
                world.cache().set("key", &1, 60).unwrap();
                world.cache().get::<u64>("key").unwrap();
            });
            let told = [
                "miss events.f",
                "store events.f",
                "hit events.f",
                "deletion events.f",
                "deletion events.f",
                "deletion tag",
                "store cache-object",
                "hit cache-object",
            ];
            assert_eq!(found, if world.name == "simple" { &[][..] } else { &told }, "{}", world.name);
        });
    }
}
