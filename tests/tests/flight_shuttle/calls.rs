//! One computation for each key, and an end for each caller.

use std::future::Future as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use shuttle::future;
use shuttle::thread::{spawn, yield_now};

use crate::check;
use crate::memo::{Memo, Next};
use crate::schedules::{boxed, in_threads};
use crate::state::Waited;
use crate::table::{Flights, Role};

#[test]
fn three_threads_compute_a_key_once() {
    check(|| {
        let memo = Memo::default();
        let call = || {
            let memo = memo.clone();
            boxed(move || memo.call(1, &yield_now))
        };
        in_threads([call(), call(), call()]);
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn threads_and_tasks_compute_a_key_once() {
    check(|| {
        let memo = Memo::default();
        let tasks =
            [memo.clone(), memo.clone()].map(|memo| future::spawn(async move { memo.call_async(1).await }));
        let thread = spawn({
            let memo = memo.clone();
            move || memo.call(1, &yield_now)
        });
        for task in tasks {
            future::block_on(task).unwrap();
        }
        thread.join().unwrap();
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn a_leader_that_gives_up_hands_over() {
    check(|| {
        let memo = Memo::default();
        let first = Arc::new(AtomicUsize::new(0));
        let call = || {
            let (memo, first) = (memo.clone(), first.clone());
            boxed(move || {
                let mut state = Err(Next::Look);
                // Shuttle's locks can't be taken while a panic unwinds, so the lead is dropped without one.
                while first.load(Ordering::SeqCst) == 0 {
                    match state {
                        Ok(_) => return,
                        Err(Next::Look) => state = memo.look(1),
                        Err(Next::Wait(wait)) => state = memo.waited(1, wait.wait()),
                        Err(Next::Compute(lead)) => {
                            yield_now();
                            first.store(1, Ordering::SeqCst);
                            return drop(lead);
                        }
                    }
                }
                memo.go_on(1, state, &yield_now);
            })
        };
        in_threads([call(), call(), call()]);
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn a_cancelled_task_leaves_the_others_a_value() {
    check(|| {
        let memo = Memo::default();
        let cancelled = spawn({
            let memo = memo.clone();
            move || {
                // Polled once and dropped: a leader in the middle of its body, or a waiter, or done.
                let mut call = Box::pin(memo.call_async(1));
                let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                yield_now();
            }
        });
        let task = future::spawn({
            let memo = memo.clone();
            async move { memo.call_async(1).await }
        });
        memo.call(1, &yield_now);
        future::block_on(task).unwrap();
        cancelled.join().unwrap();
        assert!(memo.computed() <= 2);
        memo.assert_quiet();
    });
}

#[test]
fn mutual_recursion_ends() {
    /// Each key's body calls the next one, in a circle, `depth` deep.
    fn circle(memo: &Memo, key: u64, keys: u64, depth: usize) {
        memo.call(key, &|| {
            if depth > 0 {
                circle(memo, (key + 1) % keys, keys, depth - 1);
            }
        });
    }
    for keys in [2, 3] {
        check(move || {
            let memo = Memo::default();
            let call = |key| {
                let memo = memo.clone();
                boxed(move || circle(&memo, key, keys, 3))
            };
            in_threads((0..keys).map(call));
            memo.assert_quiet();
        });
    }
}

#[test]
fn tasks_inside_one_computation_that_wait_for_each_other_end() {
    check(|| {
        let memo = Memo::default();
        let both = |one: u64, two: u64| {
            let memo = memo.clone();
            future::spawn(async move {
                let lead = loop {
                    match memo.look(one) {
                        Err(Next::Compute(lead)) => break lead,
                        // Another key that has the same counter landed.
                        Err(Next::Look) => {}
                        _ => unreachable!("no other thread calls this key"),
                    }
                };
                lead.scope(memo.call_async(two)).await;
                memo.store(one, 0, lead);
            })
        };
        let tasks = [both(10, 1), both(20, 1)];
        for task in tasks {
            future::block_on(task).unwrap();
        }
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn those_who_get_nothing_all_end() {
    check(|| {
        let flights = Arc::new(Flights::<u64, ()>::new());
        let call = || {
            let flights = flights.clone();
            boxed(move || {
                let lead = match flights.join(&1, (), |(), ()| true, None, false) {
                    Role::Lead(lead) => lead,
                    Role::Wait(wait) => {
                        assert!(matches!(wait.wait(), Waited::Released));
                        flights.register(&1, ())
                    }
                    Role::Alone(_) | Role::Recheck => unreachable!(),
                };
                lead.release();
            })
        };
        in_threads([call(), call(), call()]);
        assert_eq!(flights.size().0, 0);
    });
}
