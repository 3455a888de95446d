//! The round of a call under a model checker: look, join, compute, store and deletion, over an in-process store and over a
//! backend of one cell each. [shuttle] runs small programs over many schedules, with its own primitives in place of the real
//! ones. The sources are those of `cachekit/src/call` and `cachekit/src/engine/flight`; the engine below them is a stub.
//!
//! Each program checks one promise: one computation per key, no call waits for ever (shuttle reports a deadlock), and no
//! value from before a deletion is returned or stored after it. Those about values past their freshness are in `stale`.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    unexpected_cfgs,
    clippy::default_constructed_unit_structs,
    clippy::unused_self,
    reason = "the included modules are made for another crate, and the stubs have the signatures of its own"
)]

#[path = "../../../cachekit/src/call/mod.rs"]
mod call;
mod engine;
mod schedules;
mod stale;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::future;
use shuttle::thread::{spawn, yield_now};

use call::delete::delete_all;
use call::policy::{Policy, portable_policy};
use call::shape::Whole;
use call::{Call, Identity, Outcome, Place, Round};
use engine::remote::{AsyncIo, BlockingIo, Remote, ready};
use engine::{Engine, Hold};
use schedules::{boxed, in_threads};

fn check(program: impl Fn() + Send + Sync + 'static) {
    schedules::check(300, 3, 0x80000, program);
}

const POLICY: Policy<u64> = portable_policy::<Whole<u64>>();
const FUNCTION: Identity<'static> =
    Identity { number: 7, name: "f", version: "", local: false, stamped: false, calls: None };

/// A function of one key. Its value is the state of the world when it was computed.
#[derive(Clone)]
struct Memo(Arc<Shared>);

struct Shared {
    engine: Arc<Engine>,
    /// Not shuttle's: observations must not add schedules.
    world: AtomicUsize,
    computed: AtomicUsize,
}

/// Runs a program over the in-process store and over a backend.
fn over_each_store(program: impl Fn(Memo) + Send + Sync + Clone + 'static) {
    for remote in [false, true] {
        let program = program.clone();
        check(move || program(Memo::new(remote.then(|| Remote::new(false)))));
    }
}

impl Memo {
    fn new(remote: Option<Arc<Remote>>) -> Self {
        let engine = Engine::new(remote);
        Self(Arc::new(Shared { engine, world: AtomicUsize::new(0), computed: AtomicUsize::new(0) }))
    }

    fn place(&self) -> Place {
        FUNCTION.place(&self.0.engine, cachekit_backends::NO_WORDS, &(), &(), None)
    }

    fn round(&self, refresh: bool) -> Round<'_> {
        let engine = Hold::Borrowed(&*self.0.engine);
        let budget = engine::remote::Budget;
        let (function, life) = (FUNCTION.number, None);
        let call = Call {
            engine,
            function,
            life,
            jitter: 0.0,
            windows: call::freshness::Windows::NONE,
            refresh,
            single_flight: true,
            life_by_name: false,
            fleet: None,
            budget,
        };
        Round::new(call, self.place(), std::time::Duration::MAX)
    }

    fn compute(&self) -> u64 {
        let value = self.0.world.load(Ordering::SeqCst) as u64;
        self.0.computed.fetch_add(1, Ordering::SeqCst);
        value
    }

    fn call(&self) -> u64 {
        self.run(false)
    }

    fn run(&self, refresh: bool) -> u64 {
        match ready(self.round(refresh).run(BlockingIo, &POLICY, |_, _| true)) {
            Outcome::Value(value) => value,
            Outcome::Compute(mut duty) => {
                let value = duty.run(|| {
                    let value = self.compute();
                    yield_now();
                    value
                });
                duty.settle_blocking(&POLICY, &value, |_| true);
                value
            }
        }
    }

    async fn call_async(&self) -> u64 {
        match self.round(false).run(AsyncIo, &POLICY, |_, _| true).await {
            Outcome::Value(value) => value,
            Outcome::Compute(duty) => {
                let body = async {
                    let value = self.compute();
                    future::yield_now().await;
                    value
                };
                let value = duty.run_async(body).await;
                duty.settle(AsyncIo, &POLICY, value, |_| true).await.0
            }
        }
    }

    fn change(&self) {
        self.0.world.fetch_add(1, Ordering::SeqCst);
    }

    fn delete(&self) {
        ready(self.place().delete(BlockingIo, &self.0.engine)).unwrap();
    }

    fn delete_function(&self) {
        ready(delete_all(BlockingIo, FUNCTION, Arc::clone(&self.0.engine), None)).unwrap();
    }

    fn caller(&self) -> Box<dyn FnOnce() + Send> {
        let memo = self.clone();
        boxed(move || _ = memo.call())
    }

    fn computed(&self) -> usize {
        self.0.computed.load(Ordering::SeqCst)
    }

    fn assert_quiet(&self) {
        assert_eq!(self.0.engine.under_way(), 0, "a computation is left in its table");
    }
}

#[test]
fn three_threads_compute_a_key_once() {
    over_each_store(|memo| {
        in_threads([memo.caller(), memo.caller(), memo.caller()]);
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn threads_and_tasks_compute_a_key_once() {
    over_each_store(|memo| {
        let tasks =
            [memo.clone(), memo.clone()].map(|memo| future::spawn(async move { memo.call_async().await }));
        let thread = spawn(memo.caller());
        for task in tasks {
            future::block_on(task).unwrap();
        }
        thread.join().unwrap();
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

/// Two calls, and a thread that changes the world, deletes, and calls.
fn deletion_is_final(memo: &Memo, delete: impl Fn(&Memo) + Send + 'static) {
    let deletes = {
        let memo = memo.clone();
        boxed(move || {
            memo.change();
            delete(&memo);
            assert_eq!(memo.call(), 1, "a call after the deletion got a value from before it");
        })
    };
    in_threads([memo.caller(), deletes, memo.caller()]);
    assert_eq!(memo.call(), 1, "a value from before the deletion was stored after it");
    memo.assert_quiet();
}

#[test]
fn no_value_from_before_a_deletion_is_returned_or_stored_after_it() {
    over_each_store(|memo| deletion_is_final(&memo, Memo::delete));
}

#[test]
fn no_value_from_before_the_deletion_of_a_function_is_returned_or_stored_after_it() {
    check(|| deletion_is_final(&Memo::new(Some(Remote::new(false))), Memo::delete_function));
}

#[test]
fn no_value_from_before_a_refresh_is_returned_after_it() {
    over_each_store(|memo| {
        let refreshes = {
            let memo = memo.clone();
            boxed(move || {
                memo.change();
                assert_eq!(memo.run(true), 1);
            })
        };
        in_threads([memo.caller(), refreshes]);
        assert_eq!(memo.call(), 1, "the value of a computation that began before replaced the refreshed one");
        memo.assert_quiet();
    });
}

#[test]
fn calls_ask_a_backend_that_fails_once_each_and_compute_side_by_side() {
    check(|| {
        let remote = Remote::new(true);
        let memo = Memo::new(Some(Arc::clone(&remote)));
        in_threads([memo.caller(), memo.caller(), memo.caller()]);
        assert_eq!((memo.computed(), remote.asked()), (3, 3));
        assert_eq!(memo.0.engine.errors.load(Ordering::SeqCst), 3);
        memo.assert_quiet();
    });
}
