//! Values that are served past their timeout, or computed ahead of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cachekit::{delete_memoized, memoize, peek, refresh, stats};
use cachekit_tests::{Calls, World, block_on, everywhere};
use tokio::sync::Notify;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// A millisecond less than so many seconds.
fn just_before(seconds: u64) -> Duration {
    Duration::from_millis(seconds * 1000 - 1)
}

/// A body that stops, while it is told to, between two meetings with the test.
struct Stop(AtomicBool, Barrier);

impl Stop {
    const fn new() -> Self {
        Self(AtomicBool::new(false), Barrier::new(2))
    }

    fn pass(&self) {
        if self.0.swap(false, Ordering::SeqCst) {
            self.1.wait();
            self.1.wait();
        }
    }

    /// Runs `call` on another thread, and `meanwhile` while its body is stopped.
    fn during<R: Send>(&self, world: &World, call: impl Fn() -> R + Sync, meanwhile: impl FnOnce()) -> R {
        self.0.store(true, Ordering::SeqCst);
        std::thread::scope(|scope| {
            let stopped = world.spawn_in(scope, &call);
            self.1.wait();
            let ended = catch_unwind(AssertUnwindSafe(meanwhile));
            self.1.wait();
            let value = stopped.join().unwrap();
            ended.unwrap();
            value
        })
    }
}

#[test]
fn past_its_timeout_one_call_computes_and_the_others_are_served() {
    static CALLS: Calls = Calls::new();
    static STOP: Stop = Stop::new();
    #[memoize(timeout = 10, stale_while_revalidate = "20s")]
    fn words(n: u64) -> u64 {
        STOP.pass();
        CALLS.hit() + n
    }
    #[memoize(timeout = 10, stale_while_revalidate = 20, revalidate = "caller")]
    fn text(n: &str) -> String {
        STOP.pass();
        format!("{}{n}", CALLS.hit())
    }
    #[memoize(timeout = 10, stale_while_revalidate = Duration::from_secs(n + 19), local)]
    fn local(n: u64) -> Result<Vec<u64>, String> {
        STOP.pass();
        Ok(vec![CALLS.hit(), n])
    }
    fn check<R: Send + PartialEq + std::fmt::Debug>(world: &World, call: impl Fn() -> R + Sync) {
        CALLS.take();
        let first = call();
        world.advance(just_before(10));
        assert_eq!(call(), first, "fresh");
        assert_eq!(CALLS.take(), 1);
        for age in [MILLI, just_before(20)] {
            let first = call_after(world, &call, age);
            let second = STOP.during(world, &call, || {
                assert_eq!(call(), first, "stale, and served at once");
                assert_eq!(call(), first);
            });
            assert_ne!(second, first, "the one call has the new value");
            assert_eq!(call(), second);
            assert_eq!(CALLS.take(), 2);
        }
        let first = call_after(world, &call, 20 * SECOND);
        assert_ne!(call(), first, "the window is over");
        assert_eq!(CALLS.take(), 2);
    }
    /// Computes, and goes so far past the timeout.
    fn call_after<R>(world: &World, call: &impl Fn() -> R, age: Duration) -> R {
        world.advance(100 * SECOND);
        let first = call();
        world.advance(10 * SECOND + age);
        first
    }
    everywhere(|world| {
        check(world, || words(1));
        check(world, || text("a"));
        check(world, || local(1));
        assert_eq!(stats!(words).stale, 4);
    });
}

#[test]
fn an_async_function_is_served_past_its_timeout() {
    static CALLS: Calls = Calls::new();
    static STOPS: AtomicBool = AtomicBool::new(false);
    static INSIDE: Notify = Notify::const_new();
    static GO: Notify = Notify::const_new();
    async fn body() -> u64 {
        if STOPS.swap(false, Ordering::SeqCst) {
            INSIDE.notify_one();
            GO.notified().await;
        }
        CALLS.hit()
    }
    #[memoize(timeout = 10, stale_while_revalidate = "20s")]
    async fn borrowed(n: &u64) -> u64 {
        let _ = n;
        body().await
    }
    #[memoize(timeout = 10, stale_while_revalidate = "20s")]
    async fn owned(n: u64) -> u64 {
        let _ = n;
        body().await
    }
    async fn check<F: Future<Output = u64>>(world: &World, call: impl Fn() -> F) {
        CALLS.take();
        assert_eq!(call().await, 0);
        world.advance(10 * SECOND);
        STOPS.store(true, Ordering::SeqCst);
        let meanwhile = async {
            INSIDE.notified().await;
            let served = call().await;
            GO.notify_one();
            served
        };
        assert_eq!(tokio::join!(call(), meanwhile), (1, 0));
        assert_eq!(call().await, 1);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    everywhere(|world| {
        runtime.block_on(world.wrap(check(world, || borrowed(&1))));
        runtime.block_on(world.wrap(check(world, || owned(1))));
        // A refresh whose caller is dropped has failed.
        world.advance(10 * SECOND);
        STOPS.store(true, Ordering::SeqCst);
        runtime.block_on(world.wrap(async {
            tokio::select! {
                biased;
                _ = borrowed(&1) => panic!("its body is stopped"),
                () = INSIDE.notified() => {}
            }
            assert_eq!(borrowed(&1).await, 1, "it is tried again after a pause");
            world.advance(SECOND);
            assert_eq!(borrowed(&1).await, 2);
        }));
    });
}

#[test]
fn of_many_callers_one_computes() {
    static CALLS: Calls = Calls::new();
    static SERVED: Calls = Calls::new();
    #[memoize(timeout = 10, stale_while_revalidate = "20s")]
    fn f(n: u64) -> u64 {
        let calls = CALLS.hit();
        while calls > 0 && SERVED.get() < 7 {
            std::thread::yield_now();
        }
        n + calls
    }
    everywhere(|world| {
        CALLS.take();
        SERVED.take();
        f(0);
        world.advance(10 * SECOND);
        let mut values: Vec<u64> = std::thread::scope(|scope| {
            let call = || {
                let value = f(0);
                SERVED.hit();
                value
            };
            let threads: Vec<_> = (0..8).map(|_| world.spawn_in(scope, call)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        values.sort_unstable();
        assert_eq!(values, [0, 0, 0, 0, 0, 0, 0, 1]);
    });
}

#[test]
fn only_fresh_values_are_peeked() {
    #[memoize(timeout = 10, stale_while_revalidate = "20s", refresh_ahead = 0.5)]
    fn f(n: u64) -> u64 {
        n
    }
    everywhere(|world| {
        f(1);
        world.advance(just_before(10));
        assert_eq!(peek!(f, 1).unwrap(), Some(1), "due, and fresh");
        world.advance(MILLI);
        assert_eq!(peek!(f, 1).unwrap(), None);
        f(1);
        assert_eq!(peek!(f, 1).unwrap(), Some(1));
        world.advance(10 * SECOND);
        assert_eq!(refresh!(f, 1), 1);
        assert_eq!(peek!(f, 1).unwrap(), Some(1));
    });
}

#[test]
fn a_deletion_ends_staleness_at_once() {
    static CALLS: Calls = Calls::new();
    static STOP: Stop = Stop::new();
    #[derive(cachekit::CacheKey, Clone)]
    struct Person(u64);
    impl Person {
        #[memoize(timeout = 10, stale_while_revalidate = "20s")]
        fn roles(&self, n: u64) -> u64 {
            STOP.pass();
            CALLS.hit() + n
        }
    }
    let person = Person(7);
    everywhere(|world| {
        let deletions: [&dyn Fn(); 4] = [
            &|| delete_memoized!(person.roles, 0).unwrap(),
            &|| delete_memoized!(person.roles).unwrap(),
            &|| delete_memoized!(Person::roles).unwrap(),
            &|| world.cache().clear().unwrap(),
        ];
        for delete in deletions {
            CALLS.take();
            world.advance(100 * SECOND);
            assert_eq!(person.roles(0), 0);
            world.advance(10 * SECOND);
            delete();
            assert_eq!(person.roles(0), 1, "a deleted value is served no more");
            world.advance(10 * SECOND);
            // The value that is computed during the deletion is not stored, and not waited for.
            let of_refresh = STOP.during(
                world,
                || person.roles(0),
                || {
                    assert_eq!(person.roles(0), 1);
                    delete();
                    assert_eq!(person.roles(0), 2, "deleted while it is computed anew");
                },
            );
            assert_eq!(of_refresh, 3);
            assert_eq!(person.roles(0), 2);
        }
    });
}

#[test]
fn a_refresh_that_fails_leaves_the_value_and_is_tried_again_after_a_pause() {
    static CALLS: Calls = Calls::new();
    static STATE: AtomicU64 = AtomicU64::new(0);
    fn body() -> Result<u64, String> {
        let calls = CALLS.hit();
        match STATE.load(Ordering::SeqCst) {
            0 => Ok(calls),
            1 => Err("failed".into()),
            _ => panic!("failed"),
        }
    }
    #[memoize(timeout = 10, stale_while_revalidate = "20s", retry_after = "3s")]
    fn blocking(n: u64) -> Result<u64, String> {
        let _ = n;
        body()
    }
    #[memoize(timeout = 10, stale_while_revalidate = "20s", retry_after = "3s", err_timeout = 60)]
    fn stores_errors(n: u64) -> Result<u64, String> {
        let _ = n;
        body()
    }
    #[memoize(timeout = 10, stale_while_revalidate = "20s", retry_after = "3s")]
    async fn owned(n: u64) -> Result<u64, String> {
        let _ = n;
        body()
    }
    everywhere(|world| {
        let calls: [&dyn Fn() -> Result<u64, String>; 3] =
            [&|| blocking(1), &|| stores_errors(1), &|| block_on(world.wrap(owned(1)))];
        for call in calls {
            for failure in [1, 2] {
                CALLS.take();
                world.advance(100 * SECOND);
                STATE.store(0, Ordering::SeqCst);
                assert_eq!(call(), Ok(0));
                world.advance(10 * SECOND);
                STATE.store(failure, Ordering::SeqCst);
                for _ in 0..2 {
                    let failed = catch_unwind(AssertUnwindSafe(call));
                    assert!(failed.is_err() || failed.is_ok_and(|value| value.is_err()));
                    assert_eq!(call(), Ok(0), "served on, and not computed");
                    world.advance(just_before(3));
                    assert_eq!(call(), Ok(0));
                    world.advance(MILLI);
                }
                assert_eq!(CALLS.get(), 3);
                STATE.store(0, Ordering::SeqCst);
                assert_eq!((call(), call()), (Ok(3), Ok(3)));
            }
        }
    });
}

#[test]
fn a_value_that_is_not_to_be_stored_ends_the_one_before() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = 10, stale_while_revalidate = "20s")]
    fn find(n: u64) -> Option<u64> {
        let _ = n;
        (CALLS.hit() == 0).then_some(1)
    }
    #[memoize(timeout = 10, stale_while_revalidate = "20s", cache_if = |value| *value == 0)]
    fn first(n: u64) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    everywhere(|world| {
        CALLS.take();
        assert_eq!(find(1), Some(1));
        world.advance(10 * SECOND);
        assert_eq!((find(1), find(1)), (None, None), "it is gone, and so is the value before");
        CALLS.take();
        assert_eq!(first(1), 0);
        world.advance(10 * SECOND);
        assert_eq!((first(1), first(1)), (1, 2));
    });
}

#[test]
fn ahead_of_its_end_one_call_computes() {
    static CALLS: Calls = Calls::new();
    static STOP: Stop = Stop::new();
    #[memoize(timeout = 10, refresh_ahead = 0.8)]
    fn words(n: u64) -> u64 {
        STOP.pass();
        CALLS.hit() + n
    }
    #[memoize(timeout = |_| 10, refresh_ahead = 0.4 * f64::from(2u8), jitter = 0.0)]
    fn text(n: &str) -> String {
        STOP.pass();
        format!("{n}{}", CALLS.hit())
    }
    fn check<R: Send + PartialEq + std::fmt::Debug>(world: &World, call: impl Fn() -> R + Sync) {
        let first = call();
        let before = CALLS.get();
        world.advance(just_before(8));
        assert_eq!(call(), first);
        assert_eq!(CALLS.get(), before);
        world.advance(MILLI);
        let second = STOP.during(world, &call, || assert_eq!(call(), first, "a hit meanwhile"));
        assert_ne!(second, first);
        assert_eq!(call(), second);
        assert_eq!(CALLS.get(), before + 1);
        world.advance(just_before(8));
        assert_eq!(call(), second, "its time begins anew");
        world.advance(2 * SECOND + MILLI);
        assert_ne!(call(), second, "at its end it is served no more");
        assert_eq!(CALLS.get(), before + 2);
    }
    everywhere(|world| {
        check(world, || words(1));
        check(world, || text("a"));
        assert_eq!((stats!(words).stale, stats!(text).stale), (0, 0));
    });
}
