//! Computations inside computations: which flight the running code belongs to, and whether a wait would close a cycle.
//!
//! A thread that leads a flight and runs into another one's key, as mutual recursion does, may wait for a flight that waits
//! for it. So each wait inside a computation is recorded, as an edge from the flight whose body waits to the flight that
//! it waits for, and a wait that would close a cycle is refused. A wait at top level blocks no other caller and isn't recorded.
//!
//! A flight is blocked when its body waits, or when the body of a flight inside it does. Seen from the flight `p` that
//! wants to wait: `p` and the flights around it can't end before the wait does; neither can the bodies that wait for one
//! of them, nor the flights around those. If the target is among them, the wait would never end.
//!
//! Work that a computation hands to another thread or to a spawned task starts at top level there: if the computation waits
//! for that work, and the work for its key, the cycle can't be seen.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::iter::successors;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::pulse::Pulse;
use super::state::Node;
use super::sync::{Mutex, process_wide, thread_local};

thread_local! {
    static CURRENT: Cell<Option<Node>> = const { Cell::new(None) };
}

/// The flight whose body is running on this thread.
#[inline]
pub(super) fn current() -> Option<Node> {
    // A destructor of another thread-local may run after ours is gone: that is top level.
    let look = |current: &Cell<Option<Node>>| {
        let node = current.take()?;
        current.set(Some(node.clone()));
        Some(node)
    };
    CURRENT.try_with(look).unwrap_or(None)
}

#[inline]
fn replace(node: Option<Node>) -> Option<Node> {
    CURRENT.try_with(|current| current.replace(node)).unwrap_or(None)
}

/// Until it is dropped, what this thread runs belongs to one flight.
#[must_use]
pub(crate) struct Entered<'a> {
    /// Where the reference to that flight goes back to: it is moved, for counting it takes longer. Not `Sync`, so this
    /// stays on its thread.
    home: &'a Cell<Option<Node>>,
    outer: Option<Node>,
}

#[inline]
pub(super) fn enter(node: Node, home: &Cell<Option<Node>>) -> Entered<'_> {
    Entered { home, outer: replace(Some(node)) }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        self.home.set(replace(self.outer.take()));
    }
}

/// From now on what this thread runs belongs to one flight, which began on this thread just now.
pub(super) fn step_in(node: Node) {
    replace(Some(node));
}

/// Goes back to the nearest flight around one that still runs.
///
/// Bodies that fail may be left the outer one first; then this thread is in the inner one until that is left, too. On a
/// thread that isn't in the flight nothing happens.
pub(super) fn step_out(node: &Node) {
    if current().is_some_and(|current| Arc::ptr_eq(&current, node)) {
        let outer = successors(node.parent(), |flight| flight.parent()).find(|flight| !flight.has_landed());
        drop(replace(outer.cloned()));
    }
}

pin_project! {
    /// A future that runs as the body of one flight, if it is one: the flight is entered whenever the future is polled, and while it
    /// is dropped. Written by hand, and inlined into its caller's poll: what polls a body is on the stack while it runs.
    pub(crate) struct Scope<F> {
        node: Cell<Option<Node>>,
        pulse: Option<Arc<Pulse>>,
        // None after its end.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Scope<F> {
        fn drop(this: Pin<&mut Self>) {
            this.end();
        }
    }
}

/// Runs a future as the body of one flight, if it is one.
pub(super) fn scope<F: Future>(node: Option<Node>, future: F) -> Scope<F> {
    let pulse = node.as_ref().map(|node| {
        let pulse = Pulse::new();
        node.set_pulse(Some(Arc::clone(&pulse)));
        pulse
    });
    Scope { node: Cell::new(node), pulse, future: Some(future) }
}

impl<F> Scope<F> {
    /// Drops the future, as a part of its flight, which has no pulse any more.
    #[inline(never)]
    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.future.is_none() {
            return;
        }
        let home = &*this.node;
        let _entered = home.take().map(|node| {
            node.set_pulse(None);
            enter(node, home)
        });
        this.future.set(None);
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        /// Ends the body, unless it is pending: after a panic, too.
        struct Ending<'a, F>(Pin<&'a mut Scope<F>>);

        impl<F> Drop for Ending<'_, F> {
            #[inline]
            fn drop(&mut self) {
                self.0.as_mut().end();
            }
        }

        let mut ending = Ending(self.as_mut());
        let polled = {
            let this = ending.0.as_mut().project();
            let home = &*this.node;
            let _entered = home.take().map(|node| enter(node, home));
            let Some(future) = this.future.as_pin_mut() else {
                unreachable!("it is not polled after its end")
            };
            // One call of the body, because the compiler may give each a place of its own on the stack.
            let noted = this.pulse.as_ref().map(|pulse| pulse.beat(context.waker()));
            future.poll(&mut Context::from_waker(noted.as_ref().unwrap_or(context.waker())))
        };
        if polled.is_pending() {
            mem::forget(ending);
        }
        polled
    }
}

process_wide! {
    /// One graph for all caches, because cycles go through several.
    static GRAPH: Mutex<Graph> = Mutex::new(Graph { waits: BTreeMap::new(), serial: 0 });
}

/// The waits inside computations.
struct Graph {
    /// The flights that wait, by the address of the one that they wait for and a serial number. The waiters keep the
    /// targets alive, so an address stays one flight's.
    waits: BTreeMap<(usize, u64), Node>,
    serial: u64,
}

impl Graph {
    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Whether `target` can't end before `parent` does. Costs a step for each flight around `parent` and around the bodies
    /// that wait for it.
    fn blocks(&mut self, parent: &Node, target: &Node) -> bool {
        let search = self.next();
        let mut starts = vec![parent];
        while let Some(start) = starts.pop() {
            for flight in successors(Some(start), |flight| flight.parent()) {
                if !flight.visit(search) {
                    break;
                }
                if Arc::ptr_eq(flight, target) {
                    return true;
                }
                if !self.waits.is_empty() {
                    let address = address(flight);
                    starts.extend(
                        self.waits.range((address, 0)..=(address, u64::MAX)).map(|(_, waiter)| waiter),
                    );
                }
            }
        }
        false
    }
}

fn address(node: &Node) -> usize {
    Arc::as_ptr(node).addr()
}

/// A recorded wait. Dropping it takes it off the record.
pub(super) struct Edge(usize, u64);

impl Edge {
    /// Records that the body of `parent` waits for `target`, unless that would be for ever. Check and record are one step,
    /// or two waits could each miss the other one.
    pub(super) fn record(parent: Node, target: &Node) -> Option<Self> {
        let mut graph = GRAPH.lock();
        if graph.blocks(&parent, target) {
            return None;
        }
        let edge = Self(address(target), graph.next());
        graph.waits.insert((edge.0, edge.1), parent);
        Some(edge)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // The parent may be the last of its flight, so it outlives the lock.
        let _parent = GRAPH.lock().waits.remove(&(self.0, self.1));
    }
}

/// How many bodies wait for a flight.
#[cfg(test)]
pub(super) fn recorded(target: &Node) -> usize {
    let address = address(target);
    GRAPH.lock().waits.range((address, 0)..=(address, u64::MAX)).count()
}
