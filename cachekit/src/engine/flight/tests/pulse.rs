//! When a task that computes has lost its place.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::engine::flight::pulse::Pulse;
use crate::engine::flight::sync::since_start;

/// Counts its wakes.
#[derive(Default)]
struct Task(AtomicU64);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

const STALLED: u64 = 1000;

#[test]
fn a_body_that_was_not_woken_keeps_its_place() {
    let pulse = Pulse::new();
    assert!(!pulse.is_lost_at(u64::MAX - 1), "it was never polled");
    let _waker = pulse.beat(Waker::noop());
    assert!(!pulse.is_lost_at(u64::MAX - 1), "it waits for something");
}

#[test]
fn a_body_that_was_woken_loses_its_place_after_a_second_without_a_poll() {
    let pulse = Pulse::new();
    let before = since_start();
    pulse.beat(Waker::noop()).wake();
    let after = since_start();
    assert!(!pulse.is_lost_at(before + STALLED - 1));
    assert!(pulse.is_lost_at(after + STALLED));
    let _waker = pulse.beat(Waker::noop());
    assert!(!pulse.is_lost_at(u64::MAX - 1), "it was polled");
}

#[test]
fn the_first_wake_since_a_poll_counts() {
    let pulse = Pulse::new();
    let waker = pulse.beat(Waker::noop());
    pulse.woken.store(1, Ordering::SeqCst);
    waker.wake_by_ref();
    assert!(pulse.is_lost_at(STALLED), "the second wake began the second anew");
}

#[test]
fn the_task_that_polled_last_is_woken() {
    let pulse = Pulse::new();
    let [first, second] = [Arc::<Task>::default(), Arc::default()];
    let old = pulse.beat(&Waker::from(first.clone()));
    let _new = pulse.beat(&Waker::from(second.clone()));
    old.wake();
    assert_eq!([first, second].map(|task| task.0.load(Ordering::SeqCst)), [0, 1]);
}
