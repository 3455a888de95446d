//! Leading, waiting and looking again, and the effect of a deletion on flights under way.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::*;

#[test]
fn the_first_leads_and_those_after_it_wait_for_its_value() {
    let flights = flights();
    let first = lead(join(&flights, 1));
    let (second, third) = (wait(join(&flights, 1)), wait(join(&flights, 1)));
    let result = shared(7);
    first.finish(|| Some(result.clone()));
    for waited in [second.wait(), third.wait()] {
        let Waited::Value(value) = waited else { panic!("{waited:?}") };
        assert!(Arc::ptr_eq(&value, &result));
    }
    lead(join(&flights, 1)).release();
}

#[test]
fn other_keys_are_not_held_up() {
    let flights = flights();
    let leads: Vec<_> = (0..1000).map(|key| lead(join(&flights, key))).collect();
    assert_eq!(flights.size().0, 1000);
    for lead in leads {
        lead.release();
    }
}

#[test]
fn nothing_remains_in_memory_when_nobody_computes() {
    let flights = flights();
    let leads: Vec<_> = (0..10_000).map(|key| lead(join(&flights, key))).collect();
    let others: Vec<_> = (0..10_000).map(|key| flights.register(&key, 0)).collect();
    drop(leads);
    for lead in others {
        lead.release();
    }
    assert_eq!(flights.size(), (0, 0));
}

#[test]
fn a_newer_snapshot_starts_a_new_flight_and_the_older_one_lands_for_its_own() {
    let flights = flights();
    let newer = |version| flights.join(&1, version, |theirs, ours| theirs >= ours, None, false);
    let old = lead(newer(1));
    let of_old = wait(newer(1));
    let new = lead(newer(2));
    assert_eq!((*old.snapshot(), *new.snapshot()), (1, 2));

    old.finish(|| Some(shared(10)));
    assert_eq!(value(of_old.wait()), 10);
    let of_new = wait(newer(2));
    new.finish(|| Some(shared(20)));
    assert_eq!(value(of_new.wait()), 20);
    assert_eq!(flights.size().0, 0);
}

#[test]
fn an_invalidated_flight_knows_it_keeps_its_waiters_and_gets_no_new_ones() {
    let flights = flights();
    let (old, other) = (lead(join(&flights, 1)), lead(join(&flights, 2)));
    let waiter = wait(join(&flights, 1));
    flights.invalidate(&1);
    assert!(old.invalidated() && !other.invalidated());

    let new = lead(join(&flights, 1));
    assert!(!new.invalidated());
    old.finish(|| Some(shared(10)));
    assert_eq!(value(waiter.wait()), 10);
    drop(wait(join(&flights, 1)));
}

#[test]
fn a_deletion_invalidates_replaced_and_uncoalesced_flights_too() {
    let flights = flights();
    let replaced = lead(join(&flights, 1));
    let current = lead(flights.join(&1, 9, |_, _| false, None, false));
    let alone = [flights.register(&1, 0), flights.register(&1, 0)];
    let elsewhere = flights.register(&2, 0);
    flights.invalidate(&1);
    assert!(replaced.invalidated() && current.invalidated() && alone.iter().all(Lead::invalidated));
    assert!(!elsewhere.invalidated());
}

#[test]
fn clear_invalidates_every_flight() {
    let flights = flights();
    let coalesced: Vec<_> = (0..100).map(|key| lead(join(&flights, key))).collect();
    let alone: Vec<_> = (0..100).map(|key| flights.register(&key, 0)).collect();
    flights.invalidate_all();
    assert!(coalesced.iter().chain(&alone).all(Lead::invalidated));
    assert_eq!(flights.size(), (0, 0));
    assert!((0..100).all(|key| !lead(join(&flights, key)).invalidated()));
}

#[test]
fn nobody_waits_for_a_computation_without_coalescing() {
    let flights = flights();
    let _one = flights.register(&1, 0);
    let _two = flights.register(&1, 0);
    let coalesced = lead(join(&flights, 1));
    let _three = flights.register(&1, 0);
    drop(wait(join(&flights, 1)));
    coalesced.release();
    assert_eq!(flights.size().0, 3);
}

#[test]
fn who_looked_before_a_flight_landed_looks_again() {
    let flights = flights();
    let join_since = |since| flights.join(&1, 0, |_, _| true, Some(since), false);

    let before = flights.completions(&1);
    lead(join_since(before)).finish(|| Some(shared(1)));
    assert!(matches!(join_since(before), Role::Recheck));
    // An abandoned computation, and one without coalescing, may have stored as well.
    for abandoned in [lead(join(&flights, 1)), flights.register(&1, 0)] {
        let before = flights.completions(&1);
        drop(abandoned);
        assert!(matches!(join_since(before), Role::Recheck));
    }
    lead(join_since(flights.completions(&1))).release();
}

#[test]
fn who_looked_before_a_flight_landed_joins_the_next_one_at_once() {
    let flights = flights();
    let before = flights.completions(&1);
    drop(lead(join(&flights, 1)));
    let next = lead(join(&flights, 1));
    drop(wait(flights.join(&1, 0, |_, _| true, Some(before), false)));
    next.release();
}

#[test]
fn a_flight_that_stored_nothing_makes_nobody_look_again() {
    let flights = flights();
    let before = flights.completions(&1);
    lead(join(&flights, 1)).release();
    lead(flights.join(&1, 0, |_, _| true, Some(before), false)).release();
}

#[test]
fn a_value_is_made_only_for_somebody_and_its_panic_hands_over() {
    let flights = flights();
    lead(join(&flights, 1)).finish(|| unreachable!("no caller waits"));

    let leader = lead(join(&flights, 1));
    let waiter = wait(join(&flights, 1));
    let ended = catch_unwind(AssertUnwindSafe(|| leader.finish(|| resume_unwind(Box::new(())))));
    assert!(ended.is_err());
    assert!(matches!(waiter.wait(), Waited::Again));
    lead(join(&flights, 1)).release();
}
