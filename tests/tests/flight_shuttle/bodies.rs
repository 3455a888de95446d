//! Bodies that belong to their flight, and change hands.

use std::pin::pin;
use std::task::{Context, Waker};

use shuttle::future;
use shuttle::thread::{spawn, yield_now};

use crate::check;
use crate::memo::Memo;
use crate::schedules::{boxed, in_threads};

/// Polls a call a few times, and drops it.
fn cancelled<T>(call: impl Future<Output = T>, polls: usize) {
    let mut call = pin!(call);
    for _ in 0..polls {
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        yield_now();
    }
}

#[test]
fn a_body_of_a_flight_is_polled_by_one_caller_at_a_time_and_runs_once() {
    check(|| {
        let memo = Memo::default();
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let memo = memo.clone();
                future::spawn(async move { memo.call_owned(1).await })
            })
            .collect();
        for task in tasks {
            future::block_on(task).unwrap();
        }
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn a_body_of_a_flight_goes_on_with_those_that_are_left() {
    for polls in 1..4 {
        check(move || {
            let memo = Memo::default();
            let leaves = spawn({
                let memo = memo.clone();
                move || cancelled(memo.call_owned(1), polls)
            });
            let stay = [(); 2].map(|()| {
                let memo = memo.clone();
                future::spawn(async move { memo.call_owned(1).await })
            });
            for task in stay {
                future::block_on(task).unwrap();
            }
            leaves.join().unwrap();
            // A second may be over before the next caller comes.
            assert!(memo.computed() <= 2);
            memo.assert_quiet();
        });
    }
}

#[test]
fn a_body_of_a_flight_that_all_callers_leave_is_ended() {
    check(|| {
        let memo = Memo::default();
        let leave = [1, 2].map(|polls| {
            let memo = memo.clone();
            boxed(move || cancelled(memo.call_owned(1), polls))
        });
        in_threads(leave);
        // As long as the alarm has not gone off, a call goes on with it.
        future::block_on(memo.call_owned(1));
        memo.assert_quiet();
    });
}

#[test]
fn no_value_from_before_a_deletion_is_stored_by_a_body_that_changes_hands() {
    check(|| {
        let memo = Memo::default();
        let leaves = {
            let memo = memo.clone();
            boxed(move || cancelled(memo.call_owned(1), 1))
        };
        let stays = {
            let memo = memo.clone();
            boxed(move || _ = future::block_on(memo.call_owned(1)))
        };
        let deletes = {
            let memo = memo.clone();
            boxed(move || {
                memo.change_world();
                memo.delete(1);
                assert_eq!(
                    future::block_on(memo.call_owned(1)),
                    1,
                    "it joined a flight from before the deletion"
                );
            })
        };
        in_threads([leaves, stays, deletes]);
        assert_ne!(memo.stored(1), Some(0));
        memo.assert_quiet();
    });
}

#[test]
fn a_leader_that_is_not_polled_loses_its_place_after_a_second() {
    check(|| {
        let memo = Memo::default();
        // The body is woken and never polled again.
        let mut held = Box::pin(memo.call_async(1));
        let first = held.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(first.is_pending());
        let others = [(); 2].map(|()| {
            let memo = memo.clone();
            future::spawn(async move { memo.call_patiently(1).await })
        });
        for other in others {
            future::block_on(other).unwrap();
        }
        assert!((2..=3).contains(&memo.computed()), "the leader, and those that gave up");
        drop(held);
        memo.assert_quiet();
    });
}
