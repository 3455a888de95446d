//! A flight without other references is used again, without a trace of its first use.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use super::super::nesting::current;
use super::super::state::{Flight, Node};
use super::super::table::Digested;
use super::*;

/// The identity of a flight. Its memory isn't reused as long as this is held.
#[derive(Debug)]
struct Known(Weak<Flight>);

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

fn id(flight: &Node) -> Known {
    Known(Arc::downgrade(flight))
}

fn known_of(leader: &Lead<'_, u64, u32>) -> Known {
    id(leader.flight())
}

/// Leads a key, runs its body, and ends it.
fn miss(flights: &Numbered, key: u64) -> Known {
    let leader = lead(join(flights, key));
    drop(leader.enter());
    let known = known_of(&leader);
    leader.finish(|| unreachable!("no caller waits"));
    known
}

#[test]
fn a_threads_misses_share_a_flight_and_do_not_count_references() {
    let flights = flights();
    let first = miss(&flights, 1);
    assert_eq!(miss(&flights, 2), first);
    // Another cache's are as good.
    assert_eq!(miss(&Numbered::new(), 1), first);
}

#[test]
fn a_flight_that_somebody_waits_for_is_not_used_again() {
    let flights = flights();
    let leader = lead(join(&flights, 1));
    let mut waiter = wait(join(&flights, 1));
    let known = known_of(&leader);
    leader.finish(|| Some(shared(7)));
    assert_ne!(miss(&flights, 1), known);
    assert_eq!(poll(&mut waiter, &Arc::default()).map(value), Poll::Ready(7));
}

#[test]
fn a_flight_that_was_left_by_who_waited_is_used_again_and_wakes_its_own() {
    let flights = flights();
    let left = lead(join(&flights, 1));
    let (mut waiter, bell) = (wait(join(&flights, 1)), Arc::new(Bell::default()));
    assert!(poll(&mut waiter, &bell).is_pending());
    drop(waiter);
    drop(left.enter());
    let known = known_of(&left);
    left.finish(|| unreachable!("no caller waits"));

    let again = lead(join(&flights, 2));
    assert_eq!(known_of(&again), known);
    let (mut waiter, own_bell) = (wait(join(&flights, 2)), Arc::new(Bell::default()));
    assert!(poll(&mut waiter, &own_bell).is_pending());
    again.finish(|| Some(shared(2)));
    assert_eq!((bell.rung(), own_bell.rung()), (0, 1));
}

#[test]
fn a_flight_that_was_invalidated_or_has_one_inside_is_not_used_again() {
    let flights = flights();
    let invalidated = lead(join(&flights, 1));
    flights.invalidate(&1);
    let known = known_of(&invalidated);
    invalidated.release();
    let fresh = lead(join(&flights, 1));
    assert!(!fresh.invalidated() && known_of(&fresh) != known);
    fresh.release();

    let around = lead(join(&flights, 1));
    let inside = {
        let _around = around.enter();
        lead(join(&flights, 2))
    };
    let known = known_of(&around);
    around.release();
    assert_ne!(miss(&flights, 1), known);
    assert_eq!(inside.flight().parent().map(id), Some(known));
    // Those inside of others have a parent, which a new one at top level has not.
    let known = known_of(&inside);
    inside.release();
    let next = lead(join(&flights, 1));
    assert!(next.flight().parent().is_none() && known_of(&next) != known);
}

#[test]
fn a_body_that_panics_leaves_the_thread_at_top_level_and_hands_over() {
    let flights = flights();
    miss(&flights, 1);
    let leader = lead(join(&flights, 1));
    let waiter = wait(join(&flights, 1));
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let leader = leader;
        let _entered = leader.enter();
        assert!(current().is_some());
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert!(current().is_none());
    assert!(matches!(waiter.wait(), Waited::Again));
    let next = lead(join(&flights, 1));
    assert!(next.flight().parent().is_none());
    drop(wait(join(&flights, 1)));
    next.release();
}

#[test]
fn a_body_inside_a_body_returns_to_the_one_around_it() {
    let flights = flights();
    miss(&flights, 1);
    let outer = lead(join(&flights, 1));
    {
        let _outer = outer.enter();
        let inner = lead(join(&flights, 2));
        {
            let _inner = inner.enter();
            assert_eq!(current().as_ref().map(id), Some(known_of(&inner)));
        }
        assert_eq!(inner.flight().parent().map(id), Some(known_of(&outer)));
        assert_eq!(current().as_ref().map(id), Some(known_of(&outer)));
        inner.finish(|| unreachable!("no caller waits"));
    }
    assert!(current().is_none());
    let known = known_of(&outer);
    outer.finish(|| unreachable!("no caller waits"));
    assert_eq!(miss(&flights, 1), known, "what it had inside has ended");
}

#[test]
fn what_begins_inside_of_a_body_knows_it_although_there_is_a_flight_to_use_again() {
    let flights = flights();
    let outer = lead(join(&flights, 1));
    let spare = miss(&flights, 2);
    let _outer = outer.enter();
    let inner = lead(join(&flights, 3));
    assert_eq!(inner.flight().parent().map(id), Some(known_of(&outer)));
    assert_ne!(known_of(&inner), spare);
}

#[test]
fn bodies_that_are_left_in_the_wrong_order_strand_nobody() {
    let flights = flights();
    let [one, two] = [1, 2].map(|key| flights.register(&key, 0));
    let joined = [3, 4].map(|key| lead(join(&flights, key)));
    let mut waiters = [3, 4].map(|key| wait(join(&flights, key)));
    for [first, second] in [[&one, &two], [&joined[0], &joined[1]]] {
        let (outer, inner) = (first.enter(), second.enter());
        drop(outer);
        drop(inner);
    }
    drop((one, two));
    for leader in joined {
        leader.finish(|| Some(shared(1)));
    }
    assert!(waiters.iter_mut().all(|waiter| poll(waiter, &Arc::default()).is_ready()));
}

#[test]
fn a_thread_takes_its_flight_with_it() {
    let flights = flights();
    let ends = thread::spawn({
        let flights = flights.clone();
        move || {
            let leader = lead(join(&flights, 1));
            let weak = Arc::downgrade(leader.flight());
            drop(leader.enter());
            leader.release();
            assert!(!ended(&weak), "kept for the next miss");
            weak
        }
    });
    assert!(ended(&ends.join().unwrap()));
}

#[test]
fn a_lead_that_moves_to_another_thread_ends_there() {
    let flights = flights();
    miss(&flights, 1);
    let leader = lead(join(&flights, 1)).holding(&flights);
    let known = known_of(&leader);
    let there = thread::spawn({
        let flights = flights.clone();
        move || {
            drop(leader.enter());
            leader.release();
            miss(&flights, 2)
        }
    });
    assert_eq!(there.join().unwrap(), known);
    assert_ne!(miss(&flights, 1), known);
    assert_eq!(flights.size().0, 0);
}

/// A key whose digest is that of all others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Same(u64);

impl Digested for Same {
    fn digest(&self) -> u64 {
        7
    }
}

#[test]
fn keys_of_one_digest_share_no_value() {
    let flights = Flights::<Same, u32>::new();
    let join = |key| flights.join(&Same(key), 0, |_, _| true, None, false);
    let Role::Lead(one) = join(1) else { panic!("the flight has no leader") };
    let Role::Alone(two) = join(2) else { panic!("the flight of another key was joined") };
    let Role::Wait(waiter) = join(1) else { panic!("the flight of its own key was not joined") };
    one.finish(|| Some(shared(1)));
    assert_eq!(value(waiter.wait()), 1);
    flights.invalidate(&Same(1));
    assert!(two.invalidated(), "a deletion invalidates more than it must, not less");
    drop(two);
    assert_eq!(flights.size().0, 0);
}
