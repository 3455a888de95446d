//! Values past their freshness: a value that is served while it is computed anew, or in the place of one that fails, never
//! outlives a deletion, one call at a time computes the next one, and a computation that ends early costs no call more than a
//! pause.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cachekit_backends::{ManualClock, NO_WORDS};
use shuttle::thread::{JoinHandle, spawn, yield_now};

use super::call::arguments::{KeyPart, arg};
use super::call::delete::delete_all;
use super::call::freshness::Windows;
use super::call::policy::{Policy, portable_policy};
use super::call::round::Reached;
use super::call::shape::OkOnly;
use super::call::store::Duty;
use super::call::tags::{Kind, TagList, delete_tag};
use super::call::{Call, Identity, Place, Round};
use super::engine::remote::{BlockingIo, Budget, Clear, Io as _, Remote, ready};
use super::engine::{Engine, Hold};
use super::{boxed, check, in_threads};

type Answer = Result<u64, ()>;

const POLICY: Policy<Answer> = portable_policy::<OkOnly<u64, ()>>();
const FUNCTION: Identity<'static> =
    Identity { number: 7, name: "f", version: "", local: false, stamped: true, calls: None };

const FRESH: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

/// One call computes, the others are served.
const CALLER: Windows = Windows { while_revalidate: HOUR, retry_after: PAUSE, ..Windows::NONE };
/// No call computes.
const BACKGROUND: Windows = Windows { background: true, ..CALLER };
/// A value is served in the place of a failure.
const FALLBACK: Windows = Windows { if_error: HOUR, retry_after: PAUSE, ..Windows::NONE };

/// A method of one key, whose value is the state of the world when it was computed.
#[derive(Clone)]
struct Memo {
    engine: Arc<Engine>,
    source: Arc<Source>,
    windows: Windows,
    tagged: bool,
}

/// Not shuttle's: observations must not add schedules.
struct Source {
    clock: ManualClock,
    world: AtomicU64,
    fails: AtomicBool,
    /// The next computation is given up.
    dies: AtomicBool,
    computed: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
    behind: Mutex<Vec<JoinHandle<()>>>,
}

fn instance() -> impl KeyPart {
    (arg(&5_u64).__cachekit_part(),)
}

fn tags() -> TagList {
    TagList::of(&[&"tag"])
}

impl Memo {
    /// One of a process of its own over a backend, or else in process.
    fn new(windows: Windows, remote: Option<&Arc<Remote>>) -> Self {
        let clock = ManualClock::new();
        let source = Arc::new(Source {
            clock,
            world: AtomicU64::new(0),
            fails: AtomicBool::new(false),
            dies: AtomicBool::new(false),
            computed: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            behind: Mutex::default(),
        });
        let engine = Engine::by(source.clock.clock(), remote.cloned());
        Self { engine, source, windows, tagged: true }
    }

    /// The same function in another process.
    fn elsewhere(&self) -> Self {
        let remote = self.engine.remote.clone();
        Self { engine: Engine::by(self.source.clock.clock(), remote), ..self.clone() }
    }

    /// One with a value that is past its freshness.
    fn with_a_stale_value(windows: Windows, remote: bool) -> Self {
        let memo = Self::new(windows, remote.then(|| Remote::new(false)).as_ref());
        memo.outdate();
        memo
    }

    /// Stores a value, and lets its freshness end.
    fn outdate(&self) {
        assert_eq!(self.call(), Ok(0));
        self.source.clock.advance(FRESH);
    }

    fn place(&self) -> Place {
        let tags = self.tagged.then(tags);
        FUNCTION.place(&self.engine, NO_WORDS, &(), &instance(), tags.as_ref())
    }

    fn round(&self) -> Round<'static> {
        let call = Call {
            engine: Hold::Shared(Arc::clone(&self.engine)),
            function: FUNCTION.number,
            life: Some(FRESH),
            jitter: 0.0,
            windows: self.windows,
            refresh: false,
            single_flight: true,
            life_by_name: false,
            fleet: None,
            budget: Budget,
        };
        Round::new(call, self.place(), Duration::MAX)
    }

    fn call(&self) -> Answer {
        match ready(self.round().reach(BlockingIo, &POLICY, |_, _| true)) {
            Reached::Value(value) => value,
            Reached::Compute(duty) => self.compute(duty),
            Reached::Behind(duty, at_hand) => {
                let memo = self.clone();
                let thread = spawn(move || _ = memo.compute(duty));
                self.source.behind.lock().unwrap().push(thread);
                ready(at_hand.end(BlockingIo, &POLICY))
            }
        }
    }

    /// Computes. One that is given up returns an `Err`, which no call stores.
    fn compute(&self, mut duty: Duty<'_>) -> Answer {
        let Source { world, fails, dies, computed, under_way, most, .. } = &*self.source;
        computed.fetch_add(1, Ordering::SeqCst);
        most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let value = duty.run(|| {
            let now = world.load(Ordering::SeqCst);
            yield_now();
            if fails.load(Ordering::SeqCst) { Err(()) } else { Ok(now) }
        });
        under_way.fetch_sub(1, Ordering::SeqCst);
        if dies.swap(false, Ordering::SeqCst) {
            drop(duty);
            return Err(());
        }
        duty.settle_blocking(&POLICY, &value, |_| true).unwrap_or(value)
    }

    fn caller(&self) -> Box<dyn FnOnce() + Send> {
        let memo = self.clone();
        boxed(move || _ = memo.call())
    }

    fn change(&self) {
        self.source.world.store(1, Ordering::SeqCst);
    }

    fn computed(&self) -> usize {
        self.source.computed.load(Ordering::SeqCst)
    }

    /// Waits for the computations that no call waits for.
    fn join(&self) {
        let behind = std::mem::take(&mut *self.source.behind.lock().unwrap());
        for thread in behind {
            thread.join().unwrap();
        }
    }
}

type Deletion = fn(&Memo);

/// All ways to delete the value of a call.
const DELETIONS: [Deletion; 5] = [
    |memo| _ = ready(memo.place().delete(BlockingIo, &memo.engine)).unwrap(),
    |memo| {
        let instance = FUNCTION.instance(&memo.engine, &instance());
        ready(delete_all(BlockingIo, FUNCTION, Arc::clone(&memo.engine), Some(instance))).unwrap();
    },
    |memo| ready(delete_all(BlockingIo, FUNCTION, Arc::clone(&memo.engine), None)).unwrap(),
    delete_the_tag,
    |memo| {
        // As the cache object clears.
        memo.engine.flights.invalidate_all();
        memo.engine.local.clear();
        if let Some(remote) = &memo.engine.remote {
            ready(BlockingIo.call(remote, Clear { prefix: memo.engine.prefix.clone() })).unwrap();
        }
    },
];

fn delete_the_tag(memo: &Memo) {
    ready(delete_tag(BlockingIo, &memo.engine, Kind::Tag, "tag")).unwrap();
}

/// Two calls that meet a stale value, and a thread that changes the world, deletes, and calls.
fn no_stale_value_outlives(memo: &Memo, deleter: &Memo, delete: Deletion) {
    let deletion = {
        let deleter = deleter.clone();
        boxed(move || {
            deleter.change();
            delete(&deleter);
            assert_eq!(deleter.call(), Ok(1), "a call after the deletion got a value from before it");
        })
    };
    in_threads([memo.caller(), deletion, memo.caller()]);
    memo.join();
    for memo in [memo, deleter] {
        assert_eq!(memo.call(), Ok(1), "a value from before the deletion was stored after it");
        memo.join();
        assert_eq!(memo.engine.under_way(), 0, "a computation is left in its table");
    }
}

#[test]
fn no_stale_value_outlives_a_deletion_in_process() {
    for (windows, delete) in every(&[CALLER, BACKGROUND]) {
        check(move || {
            let memo = Memo::with_a_stale_value(windows, false);
            no_stale_value_outlives(&memo, &memo, delete);
        });
    }
}

#[test]
fn no_stale_value_outlives_a_deletion_on_a_backend() {
    for (windows, delete) in every(&[CALLER, BACKGROUND]) {
        check(move || {
            let memo = Memo::with_a_stale_value(windows, true);
            no_stale_value_outlives(&memo, &memo, delete);
        });
    }
}

#[test]
fn no_stale_value_outlives_a_deletion_in_another_process() {
    for (windows, delete) in every(&[CALLER, BACKGROUND]) {
        check(move || {
            let memo = Memo::with_a_stale_value(windows, true);
            no_stale_value_outlives(&memo, &memo.elsewhere(), delete);
        });
    }
}

fn every(windows: &[Windows]) -> impl Iterator<Item = (Windows, Deletion)> {
    windows.iter().flat_map(|windows| DELETIONS.map(|delete| (*windows, delete)))
}

#[test]
fn a_failing_computation_brings_no_deleted_value_back() {
    for (remote, delete) in [false, true].into_iter().flat_map(|remote| DELETIONS.map(|one| (remote, one))) {
        check(move || {
            let memo = Memo::with_a_stale_value(FALLBACK, remote);
            memo.source.fails.store(true, Ordering::SeqCst);
            let deletes = {
                let memo = memo.clone();
                boxed(move || {
                    delete(&memo);
                    assert_eq!(memo.call(), Err(()), "a call after the deletion got a value from before it");
                })
            };
            in_threads([memo.caller(), deletes, memo.caller()]);
            assert_eq!(memo.call(), Err(()), "the value from before the deletion is back");
            assert_eq!(memo.engine.under_way(), 0);
        });
    }
}

#[test]
fn one_call_at_a_time_computes_a_value_anew() {
    for (windows, remote) in [(CALLER, false), (CALLER, true), (BACKGROUND, false), (BACKGROUND, true)] {
        check(move || {
            let memo = Memo::with_a_stale_value(windows, remote);
            memo.change();
            in_threads([memo.caller(), memo.caller(), memo.caller()]);
            memo.join();
            assert_eq!((memo.call(), memo.computed()), (Ok(1), 2), "once at first, and once anew");
            assert_eq!(memo.source.most.load(Ordering::SeqCst), 1);
        });
    }
}

#[test]
fn calls_of_a_failing_function_run_it_once_and_are_served() {
    for remote in [false, true] {
        check(move || {
            let memo = Memo::with_a_stale_value(FALLBACK, remote);
            memo.source.fails.store(true, Ordering::SeqCst);
            let served = || {
                let memo = memo.clone();
                boxed(move || assert_eq!(memo.call(), Ok(0)))
            };
            in_threads([served(), served(), served()]);
            assert_eq!(memo.computed(), 2, "once at first, and once that failed");
        });
    }
}

#[test]
fn a_computation_that_dies_leaves_the_stale_value_and_its_place() {
    for (windows, remote) in [(CALLER, false), (CALLER, true), (BACKGROUND, false), (BACKGROUND, true)] {
        check(move || {
            let memo = Memo::with_a_stale_value(windows, remote);
            memo.change();
            memo.source.dies.store(true, Ordering::SeqCst);
            in_threads([memo.caller(), memo.caller(), memo.caller()]);
            memo.join();
            assert_eq!(memo.engine.under_way(), 0, "its place is free");
            let computed = memo.computed();
            memo.call().unwrap();
            memo.join();
            assert_eq!(memo.computed(), computed, "no call computes in the pause");
            memo.source.clock.advance(PAUSE);
            memo.call().unwrap();
            memo.join();
            assert_eq!(memo.call(), Ok(1), "it is computed anew after the pause");
        });
    }
}

#[test]
fn a_tag_that_was_added_later_deletes_what_is_stored_without_it() {
    for windows in [CALLER, BACKGROUND] {
        check(move || {
            let memo = Memo { tagged: false, ..Memo::new(windows, Some(&Remote::new(false))) };
            memo.outdate();
            // A newer build of the program, beside the older one.
            let newer = Memo { tagged: true, ..memo.elsewhere() };
            let deletes = {
                let newer = newer.clone();
                boxed(move || {
                    newer.change();
                    delete_the_tag(&newer);
                    assert_eq!(newer.call(), Ok(1));
                })
            };
            in_threads([memo.caller(), deletes, newer.caller()]);
            memo.join();
            assert_eq!(
                newer.call(),
                Ok(1),
                "a value that was stored without the tag, or before the deletion"
            );
        });
    }
}

#[test]
fn a_clock_that_is_moved_back_keeps_no_deleted_value() {
    for (remote, delete) in [false, true].into_iter().flat_map(|remote| DELETIONS.map(|one| (remote, one))) {
        check(move || {
            let memo = Memo::with_a_stale_value(CALLER, remote);
            let moves = {
                let memo = memo.clone();
                boxed(move || {
                    memo.source.clock.turn_back(2 * HOUR);
                    yield_now();
                    memo.source.clock.advance(HOUR);
                })
            };
            let deletes = {
                let memo = memo.clone();
                boxed(move || {
                    memo.change();
                    delete(&memo);
                    assert_eq!(memo.call(), Ok(1));
                })
            };
            in_threads([memo.caller(), deletes, moves]);
            assert_eq!(memo.call(), Ok(1));
        });
    }
}
