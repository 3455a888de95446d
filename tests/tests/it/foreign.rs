//! The user's code that runs for a call beside its body: clones, drops, closures of the attribute. It may make any call, also the one
//! that it runs for.

use std::cell::Cell;
use std::sync::Barrier;
use std::time::Duration;

use cachekit::{delete_memoized, memoize, stats};
use cachekit_tests::{World, each_keeping, everywhere};

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    /// Runs with the next clone, drop or question on this thread.
    static THEN: Cell<Option<fn()>> = const { Cell::new(None) };
}

fn then() {
    if let Some(code) = THEN.take() {
        code();
    }
}

#[derive(Debug, PartialEq)]
struct Busy(u64);

impl Clone for Busy {
    fn clone(&self) -> Self {
        then();
        Self(self.0)
    }
}

#[test]
fn a_clone_may_call_the_function_that_its_value_is_of() {
    #[memoize(local, flight_timeout = "20s")]
    fn plain(id: u64) -> Busy {
        Busy(id)
    }
    #[memoize(local, flight_timeout = "20s")]
    async fn later(id: u64) -> Busy {
        Busy(id)
    }
    each_keeping(|world| {
        THEN.set(Some(|| assert_eq!(plain(1), Busy(1))));
        assert_eq!(plain(1), Busy(1));
        THEN.set(Some(|| assert_eq!(cachekit_tests::block_on(later(1)), Busy(1))));
        assert_eq!(cachekit_tests::block_on(world.wrap(later(1))), Busy(1));
        assert!(THEN.take().is_none(), "both were cloned");
        assert_eq!([stats!(plain).given_up, stats!(later).given_up], [0, 0]);
    });
}

#[test]
fn the_closures_of_an_option_may_call_their_function() {
    #[memoize(flight_timeout = "20s", cache_if = |_| { then(); true })]
    fn kept(id: u64) -> u64 {
        id
    }
    #[memoize(flight_timeout = "20s", timeout = |_| { then(); 60 })]
    fn timed(id: u64) -> u64 {
        id
    }
    #[memoize(flight_timeout = "20s", weight = |_| { then(); 60 })]
    fn weighed(id: u64) -> String {
        id.to_string()
    }
    #[memoize(flight_timeout = "20s", timeout = |_| { then(); 60 })]
    async fn later(id: u64) -> u64 {
        id
    }
    everywhere(|world| {
        for (code, call) in [
            ((|| _ = kept(1)) as fn(), (|_| _ = kept(1)) as fn(&World)),
            (|| _ = timed(1), |_| _ = timed(1)),
            (|| _ = weighed(1), |_| _ = weighed(1)),
            (
                || _ = cachekit_tests::block_on(later(1)),
                |world| _ = cachekit_tests::block_on(world.wrap(later(1))),
            ),
        ] {
            THEN.set(Some(code));
            call(world);
            assert!(THEN.take().is_none(), "the closure was asked");
        }
        let given_up =
            [stats!(kept), stats!(timed), stats!(weighed), stats!(later)].map(|stats| stats.given_up);
        assert_eq!(given_up, [0; 4]);
    });
}

#[test]
fn two_clones_may_call_each_others_functions() {
    static MET: Barrier = Barrier::new(2);
    #[memoize(local, flight_timeout = "20s")]
    fn one(id: u64) -> Busy {
        Busy(id)
    }
    #[memoize(local, flight_timeout = "20s")]
    fn other(id: u64) -> Busy {
        Busy(id)
    }
    each_keeping(|world| {
        let first = world.spawn(|| {
            THEN.set(Some(|| {
                MET.wait();
                other(1);
            }));
            one(1)
        });
        let second = world.spawn(|| {
            THEN.set(Some(|| {
                MET.wait();
                one(1);
            }));
            other(1)
        });
        assert_eq!([first, second].map(|thread| thread.join().unwrap()), [Busy(1), Busy(1)]);
        assert_eq!([stats!(one).given_up, stats!(other).given_up], [0, 0]);
    });
}

/// A value whose drop makes a call.
#[derive(Clone)]
struct Parting(#[expect(dead_code, reason = "a value of some size")] u64);

impl Drop for Parting {
    fn drop(&mut self) {
        then();
    }
}

#[test]
fn the_drop_of_an_entry_that_is_over_may_call_its_function() {
    #[memoize(local, timeout = 60, flight_timeout = "20s")]
    fn parting(id: u64) -> Parting {
        Parting(id)
    }
    let calls: fn() = || std::mem::forget(parting(1));
    each_keeping(|world| {
        calls();
        world.advance(61 * SECOND);
        THEN.set(Some(calls));
        // It finds the entry that is over.
        calls();
        delete_memoized!(parting).unwrap();
        THEN.set(Some(calls));
        calls();
        THEN.set(None);
        assert_eq!(stats!(parting).given_up, 0);
    });
}

#[test]
fn the_drop_of_an_entry_that_leaves_for_another_functions_may_make_the_call_that_it_leaves_for() {
    #[memoize(local, flight_timeout = "20s")]
    fn parting(id: u64) -> Parting {
        Parting(id)
    }
    #[memoize(flight_timeout = "20s")]
    fn coming(id: u64) -> u64 {
        id
    }
    let world = World::simple_with(|config| config.threshold(4));
    let _entered = world.enter();
    for id in 0..4 {
        std::mem::forget(parting(id));
    }
    let mut left = 0;
    for id in 0..64 {
        thread_local!(static ID: Cell<u64> = const { Cell::new(0) });
        ID.set(id);
        THEN.set(Some(|| assert_eq!(coming(ID.get()), ID.get())));
        assert_eq!(coming(id), id);
        left += u32::from(THEN.take().is_none());
    }
    assert!(left > 0, "an entry has left");
    assert_eq!(stats!(coming).given_up, 0);
}
