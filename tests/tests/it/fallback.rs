//! `stale_if_error`: where a computation fails, the last good value is returned, and a deleted one never.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use cachekit::{How, Outcome, delete_memoized, memoize, peek, refresh, stats, traced};
use cachekit_tests::{Calls, World, block_on, everywhere};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

type Answer<T> = Result<T, String>;

/// A source that fails while it is told to, and stops a computation that is expected.
struct Source {
    calls: Calls,
    /// 0: it answers, 1: it fails, 2: it panics.
    state: AtomicU64,
    stop: Mutex<Option<&'static Barrier>>,
}

impl Source {
    const fn new() -> Self {
        Self { calls: Calls::new(), state: AtomicU64::new(0), stop: Mutex::new(None) }
    }

    fn set(&self, state: u64) {
        self.state.store(state, Ordering::SeqCst);
    }

    fn ask(&self, _: impl Sized) -> Answer<u64> {
        let stop = self.stop.lock().unwrap().take();
        if let Some(barrier) = stop {
            barrier.wait();
            barrier.wait();
        }
        let number = self.calls.hit();
        match self.state.load(Ordering::SeqCst) {
            0 => Ok(number),
            1 => Err(format!("failure {number}")),
            _ => panic!("the source panics"),
        }
    }

    /// Runs `call` on another thread, and `meanwhile` while its body is stopped.
    fn during<R: Send>(&self, world: &World, call: impl Fn() -> R + Sync, meanwhile: impl FnOnce()) -> R {
        let barrier: &'static Barrier = Box::leak(Box::new(Barrier::new(2)));
        *self.stop.lock().unwrap() = Some(barrier);
        std::thread::scope(|scope| {
            let stopped = world.spawn_in(scope, &call);
            barrier.wait();
            let ended = catch_unwind(AssertUnwindSafe(meanwhile));
            barrier.wait();
            let value = stopped.join().unwrap();
            ended.unwrap();
            value
        })
    }
}

/// Declares functions that ask a source, each with the options before it.
macro_rules! asking {
    ($source:ident: $([$($option:tt)*] $($name:ident)+ ($argument:ty);)*) => {
        static $source: Source = Source::new();
        $(asking!(one $source [$($option)*] $($name)+ ($argument));)*
    };
    (one $source:ident [$($option:tt)*] async $name:ident ($argument:ty)) => {
        #[allow(dead_code, reason = "a macro is enough to use it")]
        #[memoize($($option)*)]
        async fn $name(n: $argument) -> Answer<u64> {
            $source.ask(n)
        }
    };
    (one $source:ident [$($option:tt)*] $name:ident ($argument:ty)) => {
        #[allow(dead_code, reason = "a macro is enough to use it")]
        #[memoize($($option)*)]
        fn $name(n: $argument) -> Answer<u64> {
            $source.ask(n)
        }
    };
}

#[test]
fn on_an_err_the_last_good_value_is_returned_for_so_long_past_its_timeout() {
    asking! {
        SOURCE:
        [timeout = 10, stale_if_error = "1m"] words (u64);
        [timeout = 10, stale_if_error = "1m"] async owned (u64);
        [timeout = 10, stale_if_error = "1m", cache_if = |value| *value != Ok(u64::MAX)] async borrowed (&u64);
    }
    #[memoize(timeout = 10, stale_if_error = 60, retry_after = Duration::from_secs(1))]
    fn text(n: &str) -> Result<String, String> {
        SOURCE.ask(n).map(|number| format!("{n}{number}"))
    }
    #[memoize(timeout = 10, stale_if_error = "1m", local)]
    fn local(n: u64) -> Answer<Vec<u64>> {
        SOURCE.ask(n).map(|number| vec![n, number])
    }
    fn check<T: Clone + PartialEq + std::fmt::Debug>(world: &World, call: impl Fn() -> Answer<T>) {
        world.advance(1000 * SECOND);
        SOURCE.set(1);
        call().unwrap_err();
        call().expect_err("there is no value, and so no throttle");
        assert_eq!(SOURCE.calls.take(), 2);
        SOURCE.set(0);
        let good = call();
        good.as_ref().unwrap();
        assert_eq!(call(), good);
        assert_eq!(SOURCE.calls.take(), 1);
        SOURCE.set(1);
        for age in [10 * SECOND, 58 * SECOND, Duration::from_millis(1_999)] {
            world.advance(age);
            assert_eq!(call(), good, "the body fails, after {age:?}");
            assert_eq!(call(), good, "it isn't run by each call");
            assert_eq!(SOURCE.calls.take(), 1);
        }
        world.advance(MILLI);
        call().expect_err("its time is over");
        SOURCE.set(0);
        let next = call();
        assert_ne!(next, good);
        world.advance(10 * SECOND);
        let after = call();
        assert_ne!(after, next, "a source that answers is asked");
        SOURCE.set(1);
        assert_eq!(call(), after);
        world.advance(10 * SECOND);
        assert_eq!(call(), after);
        SOURCE.set(0);
        world.advance(Duration::from_millis(999));
        assert_eq!(call(), after, "the pause is a second");
        world.advance(MILLI);
        assert_ne!(call(), after);
        SOURCE.calls.take();
    }
    everywhere(|world| {
        check(world, || words(1));
        check(world, || text("a"));
        check(world, || local(1));
        check(world, || block_on(world.wrap(owned(1))));
        check(world, || block_on(world.wrap(borrowed(&1))));
        assert_eq!(stats!(words).stale, 8);
    });
}

#[test]
fn a_value_that_is_deleted_while_its_successor_fails_does_not_come_back() {
    static SOURCE: Source = Source::new();
    #[derive(cachekit::CacheKey, Clone)]
    struct Person(u64);
    impl Person {
        #[memoize(timeout = 10, stale_if_error = "1h", tags("people"))]
        fn roles(&self, n: u64) -> Answer<u64> {
            SOURCE.ask(n)
        }
        #[memoize(timeout = 10, stale_if_error = "1h", stale_while_revalidate = "1h", tags("people"))]
        async fn names(&self, n: u64) -> Answer<u64> {
            SOURCE.ask(n)
        }
    }
    let person = Person(7);
    everywhere(|world| {
        let roles = || person.roles(0);
        let names = || block_on(world.wrap(person.names(0)));
        let run = |deletion: &dyn Fn() -> cachekit::Result<()>| deletion().unwrap();
        let sync: [&dyn Fn() -> cachekit::Result<()>; 5] = [
            &|| delete_memoized!(person.roles, 0),
            &|| delete_memoized!(person.roles),
            &|| delete_memoized!(Person::roles),
            &|| world.cache().delete_tag("people"),
            &|| world.cache().clear(),
        ];
        let tasks: [&dyn Fn() -> cachekit::Result<()>; 4] = [
            &|| block_on(world.wrap(delete_memoized!(person.names, 0))),
            &|| block_on(world.wrap(delete_memoized!(person.names))),
            &|| block_on(world.wrap(delete_memoized!(Person::names))),
            &|| world.cache().delete_tag("people"),
        ];
        let check = |call: &(dyn Fn() -> Answer<u64> + Sync), delete: &dyn Fn() -> cachekit::Result<()>| {
            world.advance(10_000 * SECOND);
            SOURCE.set(0);
            let good = call();
            world.advance(10 * SECOND);
            SOURCE.set(1);
            SOURCE
                .during(world, call, || run(delete))
                .expect_err("the value was deleted while the computation ran");
            call().expect_err("it is gone for later calls too");
            // Without a deletion it is served.
            SOURCE.set(0);
            world.advance(2 * SECOND);
            let good_again = call();
            assert_ne!(good_again, good);
            world.advance(10 * SECOND);
            SOURCE.set(1);
            assert_eq!(SOURCE.during(world, call, || ()), good_again);
            run(delete);
            call().expect_err("deleted while the source is not asked");
            SOURCE.set(0);
            assert!(call().is_ok());
        };
        for delete in sync {
            check(&roles, delete);
        }
        for delete in tasks {
            check(&names, delete);
        }
    });
}

#[test]
fn of_many_callers_of_a_failing_function_one_runs_it() {
    asking! {
        SOURCE:
        [timeout = 10, stale_if_error = "1h"] f (u64);
        [timeout = 10, stale_if_error = "1h"] async owned (u64);
    }
    fn check(world: &World, call: impl Fn() -> Answer<u64> + Sync) {
        SOURCE.set(0);
        let good = call();
        world.advance(10 * SECOND);
        SOURCE.set(1);
        SOURCE.calls.take();
        let together = Barrier::new(8);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    world.spawn_in(scope, || {
                        together.wait();
                        call()
                    })
                })
                .collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), good);
            }
        });
        assert_eq!(SOURCE.calls.take(), 1);
        // Other arguments have a pause of their own, and so have other functions.
        SOURCE.set(0);
    }
    everywhere(|world| {
        for n in 0..4 {
            check(world, || f(n));
            check(world, || block_on(world.wrap(owned(n))));
        }
    });
}

#[test]
fn a_pause_is_of_one_function() {
    asking! {
        FAILING:
        [timeout = 10, stale_if_error = "1h"] failing (u64);
    }
    asking! {
        OTHER:
        [timeout = 10, stale_if_error = "1h"] other (u64);
    }
    everywhere(|world| {
        FAILING.set(0);
        let (first, second) = (failing(1), other(1));
        world.advance(10 * SECOND);
        FAILING.set(1);
        assert_eq!(failing(1), first);
        assert_ne!(other(1), second, "its source answers");
    });
}

#[test]
fn a_call_says_that_its_value_is_stale() {
    asking! {
        SOURCE:
        [timeout = 10, stale_if_error = "1h"] f (u64);
        [timeout = 10, stale_if_error = "1h"] async owned (u64);
        [timeout = 10, stale_if_error = "1h"] async borrowed (&u64);
    }
    fn check(world: &World, call: impl Fn() -> Outcome<Answer<u64>>) {
        world.advance(10_000 * SECOND);
        SOURCE.set(0);
        let good = call();
        assert_eq!(good.how, How::Computed);
        assert_eq!(call().how, How::Hit);
        world.advance(15 * SECOND);
        SOURCE.set(1);
        for _ in 0..2 {
            let stale = call();
            assert_eq!((&stale.value, stale.how), (&good.value, How::Stale));
            assert_eq!(stale.age, Some(15 * SECOND));
        }
        world.advance(SECOND);
        SOURCE.set(0);
        assert_eq!(call().how, How::Computed);
        world.advance(10_000 * SECOND);
        SOURCE.set(1);
        let failed = call();
        assert!(failed.value.is_err());
        assert_eq!(failed.how, How::Computed);
    }
    everywhere(|world| {
        check(world, || traced!(f, 1));
        check(world, || block_on(world.wrap(async { traced!(owned, 1).await })));
        check(world, || block_on(world.wrap(async { traced!(borrowed, &1).await })));
    });
}

#[test]
fn it_counts_from_the_timeout_beside_stale_while_revalidate() {
    asking! {
        SOURCE:
        [timeout = 10, stale_while_revalidate = 20, stale_if_error = 60] longer (u64);
        [timeout = 10, stale_while_revalidate = 60, stale_if_error = 20] shorter (u64);
    }
    everywhere(|world| {
        let (long, short) = (longer(1), shorter(1));
        world.advance(10 * SECOND);
        SOURCE.set(1);
        let ask = || (longer(1), shorter(1));
        assert_eq!(ask(), (long.clone(), short.clone()), "the call that computes has the old value too");
        world.advance(20 * SECOND);
        let (first, second) = ask();
        assert_eq!(first, long);
        second.expect_err("the call that computes has the failure");
        assert_eq!(ask(), (long.clone(), short.clone()), "the others are served");
        world.advance(Duration::from_millis(39_999));
        assert_eq!(longer(1), long);
        shorter(1).unwrap_err();
        assert_eq!(shorter(1), short);
        world.advance(MILLI);
        longer(1).unwrap_err();
        shorter(1).unwrap_err();
        SOURCE.set(0);
    });
}

#[test]
fn an_err_that_is_to_be_stored_takes_no_good_value_away() {
    asking! {
        SOURCE:
        [timeout = 10, stale_if_error = 60, err_timeout = 2] f (u64);
    }
    everywhere(|world| {
        SOURCE.set(0);
        let good = f(1);
        world.advance(10 * SECOND);
        SOURCE.set(1);
        assert_eq!(f(1), good);
        world.advance(60 * SECOND);
        let failure = f(1);
        failure.as_ref().unwrap_err();
        assert_eq!(f(1), failure, "stored");
        world.advance(2 * SECOND);
        let next = f(1);
        next.as_ref().unwrap_err();
        assert_ne!(next, failure, "an `Err` is no value to fall back to");
    });
}

#[test]
fn a_panic_is_not_hidden_and_what_was_asked_for_anew_is_not_replaced() {
    asking! {
        SOURCE:
        [timeout = 10, stale_if_error = 60] f (u64);
        [timeout = 10, stale_if_error = 60, stale_if = |_| SOURCE.state.load(Ordering::SeqCst) == 1] judged (u64);
    }
    everywhere(|world| {
        SOURCE.set(0);
        let good = f(1);
        world.advance(10 * SECOND);
        SOURCE.set(2);
        assert!(catch_unwind(|| f(1)).is_err());
        SOURCE.set(1);
        refresh!(f, 1).expect_err("a call for a new value has the failure");
        assert_eq!(f(1), good);
        assert_eq!(peek!(f, 1).unwrap(), None, "it isn't fresh");
        SOURCE.set(0);
        let good = judged(1);
        SOURCE.set(1);
        SOURCE.calls.take();
        assert_eq!((judged(1), judged(1)), (good.clone(), good));
        assert_eq!(SOURCE.calls.take(), 1);
    });
}

#[test]
fn a_value_that_is_not_to_be_stored_ends_the_one_before() {
    static SOURCE: Source = Source::new();
    static STORES: AtomicU64 = AtomicU64::new(1);
    #[memoize(timeout = 10, stale_if_error = 60, cache_if = |_| STORES.load(Ordering::SeqCst) == 1)]
    fn f(n: u64) -> Answer<u64> {
        SOURCE.ask(n)
    }
    everywhere(|world| {
        SOURCE.set(0);
        STORES.store(1, Ordering::SeqCst);
        f(1).unwrap();
        world.advance(10 * SECOND);
        STORES.store(0, Ordering::SeqCst);
        f(1).unwrap();
        SOURCE.set(1);
        f(1).expect_err("the last good value was not to be stored");
    });
}
