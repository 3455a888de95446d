//! Each option that a backend takes part in, on each kind of cache, of a function that blocks and of an async one. What each of
//! them does in full is in the file of its own; here is that none is missing anywhere.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use cachekit::{delete_memoized, memoize};
use cachekit_tests::{Calls, World, block_on, everywhere};

type Answer = Result<Option<u64>, String>;

const SECOND: Duration = Duration::from_secs(1);

/// The source of all functions: another number each time, or nothing, or a failure.
struct Source {
    calls: Calls,
    state: AtomicU8,
}

const NUMBERS: u8 = 0;
const NOTHING: u8 = 1;
const FAILURES: u8 = 2;

static SOURCE: Source = Source { calls: Calls::new(), state: AtomicU8::new(NUMBERS) };

impl Source {
    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }

    fn ask(&self, _: u64) -> Answer {
        let number = self.calls.hit();
        match self.state.load(Ordering::SeqCst) {
            NUMBERS => Ok(Some(number)),
            NOTHING => Ok(None),
            _ => Err(format!("failure {number}")),
        }
    }
}

/// A function with an option, in the two forms.
struct Row {
    option: &'static str,
    check: fn(&World, &dyn Fn() -> Answer),
    forms: [Form; 2],
}

struct Form {
    call: fn() -> Answer,
    delete: fn() -> cachekit::Result<()>,
}

macro_rules! rows {
    ($n:ident: $($row:ident: [$($option:tt)*] $check:ident;)*) => {
        $(mod $row {
            use super::*;

            #[memoize($($option)*)]
            fn blocking($n: u64) -> Answer {
                SOURCE.ask($n)
            }

            #[memoize($($option)*)]
            async fn task($n: u64) -> Answer {
                SOURCE.ask($n)
            }

            pub(super) const ROW: Row = Row {
                option: stringify!($($option)*),
                check: $check,
                forms: [
                    Form { call: || blocking(7), delete: || delete_memoized!(blocking, 7) },
                    Form { call: || block_on(task(7)), delete: || block_on(delete_memoized!(task, 7)) },
                ],
            };
        })*

        const ROWS: &[Row] = &[$($row::ROW),*];
    };
}

rows! {
    n:
    timeout: [timeout = 10] ends_after_ten_seconds;
    timeout_of_arguments: [timeout = Duration::from_secs(n + 3)] ends_after_ten_seconds;
    timeout_of_value: [timeout = |_: &Answer| Duration::from_secs(10)] ends_after_ten_seconds;
    jitter: [timeout = 10, jitter = 0.5] is_over_after_ten_seconds;
    none_timeout: [timeout = 100, none_timeout = 10] keeps_nothing_for_ten_seconds;
    err_timeout: [timeout = 100, err_timeout = 10] keeps_a_failure_for_ten_seconds;
    stale_while_revalidate: [timeout = 10, stale_while_revalidate = 60] serves_while_it_is_computed;
    stale_and_tagged: [timeout = 10, stale_while_revalidate = 60, tags("all")] serves_while_it_is_computed;
    stale_in_the_fleet: [timeout = 10, stale_while_revalidate = 60, single_flight = "fleet"] is_computed_soon;
    stale_here: [timeout = 10, stale_while_revalidate = 60, local] serves_while_it_is_computed;
    stale_if_error: [timeout = 10, stale_if_error = 60] serves_in_the_place_of_a_failure;
    refresh_ahead: [timeout = 100, refresh_ahead = 0.1] is_computed_ahead;
    background: [timeout = 10, stale_while_revalidate = 60, revalidate = "background"] is_computed_soon;
    soft_timeout: [timeout = 10, stale_while_revalidate = 60, revalidate = "background", soft_timeout = "30s"] is_waited_for;
    tags: [tags(format!("user:{n}"), "all")] is_deleted_by_tag;
    fleet: [timeout = 10, single_flight = "fleet", fleet_wait = "1s"] ends_after_ten_seconds;
    alone: [timeout = 10, single_flight = false] ends_after_ten_seconds;
    patience: [timeout = 10, flight_timeout = "1s"] ends_after_ten_seconds;
    version: [timeout = 10, version = "2"] ends_after_ten_seconds;
    local: [timeout = 10, local] ends_after_ten_seconds;
}

fn ends_after_ten_seconds(world: &World, call: &dyn Fn() -> Answer) {
    let first = call();
    world.advance(Duration::from_millis(9_999));
    assert_eq!(call(), first);
    world.advance(Duration::from_millis(1));
    assert_ne!(call(), first);
}

fn is_over_after_ten_seconds(world: &World, call: &dyn Fn() -> Answer) {
    let first = call();
    assert_eq!(call(), first);
    world.advance(10 * SECOND);
    assert_ne!(call(), first);
}

fn keeps_for_ten_seconds(world: &World, call: &dyn Fn() -> Answer) {
    SOURCE.calls.take();
    let first = call();
    world.advance(9 * SECOND);
    assert_eq!((call(), SOURCE.calls.take()), (first, 1));
    world.advance(SECOND);
    _ = call();
    assert_eq!(SOURCE.calls.take(), 1);
}

fn keeps_nothing_for_ten_seconds(world: &World, call: &dyn Fn() -> Answer) {
    SOURCE.set(NOTHING);
    keeps_for_ten_seconds(world, call);
}

fn keeps_a_failure_for_ten_seconds(world: &World, call: &dyn Fn() -> Answer) {
    SOURCE.set(FAILURES);
    keeps_for_ten_seconds(world, call);
}

fn serves_while_it_is_computed(world: &World, call: &dyn Fn() -> Answer) {
    let first = call();
    world.advance(11 * SECOND);
    SOURCE.set(FAILURES);
    call().expect_err("this call computes");
    assert_eq!(call(), first);
    SOURCE.set(NUMBERS);
    world.advance(SECOND);
    let second = call();
    assert_ne!(second, first);
    assert_eq!(call(), second);
    world.advance(70 * SECOND);
    SOURCE.set(FAILURES);
    call().unwrap_err();
    call().expect_err("the window is over");
}

fn serves_in_the_place_of_a_failure(world: &World, call: &dyn Fn() -> Answer) {
    let first = call();
    world.advance(11 * SECOND);
    SOURCE.set(FAILURES);
    assert_eq!(call(), first);
    world.advance(59 * SECOND);
    call().expect_err("the window is over");
}

fn is_computed_ahead(world: &World, call: &dyn Fn() -> Answer) {
    let first = call();
    world.advance(9 * SECOND);
    assert_eq!(call(), first);
    world.advance(SECOND);
    let second = call();
    assert_ne!(second, first);
    assert_eq!(call(), second);
}

fn is_computed_soon(world: &World, call: &dyn Fn() -> Answer) {
    let first = call();
    world.advance(11 * SECOND);
    // The thread that computes it, or the one that gives the lock of the first computation back, is on its way.
    while call() == first {
        std::thread::yield_now();
    }
}

fn is_waited_for(world: &World, call: &dyn Fn() -> Answer) {
    let first = call();
    world.advance(11 * SECOND);
    assert_ne!(call(), first);
}

fn is_deleted_by_tag(world: &World, call: &dyn Fn() -> Answer) {
    for tag in ["user:7", "all"] {
        let first = call();
        world.cache().delete_tag("user:8").unwrap();
        assert_eq!(call(), first);
        world.cache().delete_tag(tag).unwrap();
        assert_ne!(call(), first);
    }
}

/// Says which row failed.
struct At(&'static str, &'static str);

impl Drop for At {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("… of a function that {} with `{}`", self.1, self.0);
        }
    }
}

#[test]
fn each_option_works_on_each_kind_of_cache() {
    everywhere(|world| {
        for Row { option, check, forms } in ROWS {
            for (Form { call, delete }, form) in forms.iter().zip(["blocks", "is async"]) {
                let _at = At(option, form);
                SOURCE.set(NUMBERS);
                let call = || {
                    let _entered = world.enter();
                    call()
                };
                check(world, &call);
                SOURCE.set(NUMBERS);
                delete().unwrap();
                let last = call();
                assert_eq!(call(), last);
                delete().unwrap();
                assert_ne!(call(), last);
                world.advance(1000 * SECOND);
            }
        }
    });
}
