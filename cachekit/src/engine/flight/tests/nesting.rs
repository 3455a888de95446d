//! Computations inside computations: recursion works, and no two wait for each other.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::mpsc::sync_channel;
use std::sync::{Barrier, OnceLock};
use std::thread;

use super::super::nesting::{current, enter, recorded};
use super::super::state::{Flight, Node};
use super::*;

#[track_caller]
fn alone(role: Role<'_, u64, u32>) -> Lead<'_, u64, u32> {
    match role {
        Role::Alone(lead) => lead,
        other => panic!("{} instead of a lead of its own", name(&other)),
    }
}

fn node(lead: &Lead<'_, u64, u32>) -> Node {
    lead.flight().clone()
}

#[test]
fn a_body_that_calls_its_own_key_computes_alone() {
    let flights = flights();
    let outer = lead(join(&flights, 1));
    {
        let _outer = outer.enter();
        let inner = alone(join(&flights, 1));
        let _inner = inner.enter();
        let innermost = alone(join(&flights, 1));
        flights.invalidate(&1);
        assert!(inner.invalidated() && innermost.invalidated());
    }
    outer.release();
    assert_eq!(flights.size().0, 0);
}

#[test]
fn a_body_that_calls_a_key_around_it_computes_alone() {
    let flights = flights();
    let outer = lead(join(&flights, 1));
    let _outer = outer.enter();
    let middle = lead(join(&flights, 2));
    let _middle = middle.enter();
    let inner = flights.register(&3, 0);
    let _inner = inner.enter();
    drop(alone(join(&flights, 1)));
    drop(alone(join(&flights, 2)));
    drop(lead(join(&flights, 3)));
}

#[test]
fn two_threads_in_mutual_recursion_do_not_wait_for_each_other() {
    let flights = flights();
    let both_lead = Arc::new(Barrier::new(2));
    let (waits, someone_waits) = sync_channel(1);
    let first = thread::spawn({
        let (flights, both_lead) = (flights.clone(), both_lead.clone());
        move || {
            let one = lead(join(&flights, 1));
            let _one = one.enter();
            both_lead.wait();
            let two = wait(join(&flights, 2));
            waits.send(()).unwrap();
            value(two.wait())
        }
    });
    let two = lead(join(&flights, 2));
    {
        let _two = two.enter();
        both_lead.wait();
        someone_waits.recv().unwrap();
        alone(join(&flights, 1)).release();
    }
    two.finish(|| Some(shared(2)));
    assert_eq!(first.join().unwrap(), 2);
}

#[test]
fn a_circle_of_three_is_seen_through_the_computations_around_the_waits() {
    let flights = flights();
    let [one, two, three] = [1, 2, 3].map(|key| lead(join(&flights, key)));
    let inside = |around: &Lead<'_, u64, u32>, key: u64, target: u64| {
        let _around = around.enter();
        let inner = lead(join(&flights, key));
        let role = {
            let _inner = inner.enter();
            join(&flights, target)
        };
        (inner, role)
    };
    let (_eleven, one_for_two) = inside(&one, 11, 2);
    let (_twelve, two_for_three) = inside(&two, 12, 3);
    let (_one_for_two, two_for_three) = (wait(one_for_two), wait(two_for_three));
    let (_thirteen, three_for_one) = inside(&three, 13, 1);
    drop(alone(three_for_one));
    // Once the second no longer waits, the circle is open.
    drop(two_for_three);
    let (_, three_for_one) = inside(&three, 14, 1);
    drop(wait(three_for_one));
}

#[test]
fn siblings_inside_one_computation_wait_for_each_other() {
    let flights = flights();
    let around = lead(join(&flights, 1));
    let _around = around.enter();
    let sibling = lead(join(&flights, 2));
    let other = lead(join(&flights, 3));
    drop(wait(join(&flights, 2)));
    let _other = other.enter();
    let waits = wait(join(&flights, 2));
    // But not both ways.
    let _sibling = sibling.enter();
    drop(alone(join(&flights, 3)));
    drop(waits);
    drop(wait(join(&flights, 3)));
}

#[test]
fn only_waits_inside_computations_are_recorded_and_only_while_they_last() {
    let flights = flights();
    let target = lead(join(&flights, 1));
    let target_node = node(&target);
    let _top_level = wait(join(&flights, 1));
    assert_eq!(recorded(&target_node), 0);
    let body = flights.register(&2, 0);
    let (dropped, mut polled) = {
        let _body = body.enter();
        (wait(join(&flights, 1)), wait(join(&flights, 1)))
    };
    assert_eq!(recorded(&target_node), 2);
    drop(dropped);
    assert_eq!(recorded(&target_node), 1);
    target.finish(|| Some(shared(1)));
    assert!(poll(&mut polled, &Arc::default()).is_ready());
    assert_eq!(recorded(&target_node), 0);
}

#[test]
fn a_scope_is_entered_when_polled_and_when_cancelled() {
    struct Asks(Arc<OnceLock<Option<Node>>>);
    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.set(current()).ok().unwrap();
        }
    }
    let is = |node: &Option<Node>, lead: &Lead<'_, u64, u32>| {
        node.as_ref().is_some_and(|node| std::ptr::addr_eq(Arc::as_ptr(node), Arc::as_ptr(lead.flight())))
    };
    let flights = flights();
    let (around, inside) = (flights.register(&1, 0), flights.register(&2, 0));
    let (seen, at_drop) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
    let body = {
        let (asks, seen) = (Asks(at_drop.clone()), seen.clone());
        async move {
            let _asks = asks;
            seen.set(current()).ok().unwrap();
            std::future::pending::<()>().await;
        }
    };
    let mut scope = Box::pin(inside.scope(body));
    {
        let _around = around.enter();
        assert!(poll(&mut scope, &Arc::default()).is_pending());
        assert!(is(&current(), &around));
        drop(scope);
        assert!(is(&current(), &around));
    }
    assert!(current().is_none());
    assert!(is(seen.get().unwrap(), &inside));
    assert!(is(at_drop.get().unwrap(), &inside));
}

#[test]
fn tasks_in_mutual_recursion_end() {
    /// One of two: `key` calls the other one, and is called by it.
    async fn body(flights: Arc<Numbered>, key: u64, go_on: &Cell<bool>) -> bool {
        let leader = lead(join(&flights, key));
        let inner = leader.scope(async {
            poll_fn(|_| if go_on.get() { Poll::Ready(()) } else { Poll::Pending }).await;
            match join(&flights, 3 - key) {
                Role::Wait(wait) => value(wait.await) == 3 - key,
                role => {
                    alone(role).release();
                    false
                }
            }
        });
        let waited = inner.await;
        leader.finish(|| Some(shared(key)));
        waited
    }
    let (flights, go_on, bell) = (flights(), Cell::new(false), Arc::new(Bell::default()));
    let mut one = Box::pin(body(flights.clone(), 1, &go_on));
    let mut two = Box::pin(body(flights.clone(), 2, &go_on));
    assert!(poll(&mut one, &bell).is_pending() && poll(&mut two, &bell).is_pending());
    go_on.set(true);
    assert!(poll(&mut one, &bell).is_pending());
    assert_eq!(poll(&mut two, &bell), Poll::Ready(false));
    assert_eq!(bell.rung(), 1);
    assert_eq!(poll(&mut one, &bell), Poll::Ready(true));
}

#[test]
fn recursion_from_eight_threads_computes_each_number_once() {
    let fib = Memo::new(|fib, n| if n < 2 { n } else { fib.call(n - 1) + fib.call(n - 2) });
    let start = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (fib, start) = (fib.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                fib.call(20)
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 6765);
    }
    assert_eq!(*fib.0.computed.lock(), (0..=20).map(|n| (n, 1)).collect());
}

#[test]
fn a_circle_is_seen_at_any_depth() {
    const DEPTH: u64 = 5000;
    let flights = flights();
    let leads: Vec<_> = (0..DEPTH)
        .map(|_| ())
        .scan(Vec::new(), |entered: &mut Vec<Node>, ()| {
            let key = entered.len() as u64;
            let home = Cell::new(None);
            let _around = entered.last().cloned().map(|node| enter(node, &home));
            let lead = lead(join(&flights, key));
            entered.push(node(&lead));
            Some(lead)
        })
        .collect();
    let _innermost = leads.last().unwrap().enter();
    drop(alone(join(&flights, 0)));
    drop(alone(join(&flights, DEPTH - 1)));
}

#[test]
fn a_long_chain_of_parents_ends_without_recursion() {
    let small_stack = thread::Builder::new().stack_size(64 * 1024);
    let chain = small_stack.spawn(|| {
        let chain = (0..200_000).fold(None, |parent, _| Some(Arc::new(Flight::new(parent)) as Node));
        drop(chain);
    });
    chain.unwrap().join().unwrap();
}
