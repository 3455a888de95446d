//! A leader's hold on its flight, and the flight that a thread keeps for its next miss.
//!
//! A flight is shared by reference count, and counting costs more than the rest of a short flight together. Most flights
//! are known to their leader only. So a thread keeps one flight with its three references, those of the
//! table, the leader and the body; they are handed out and come back without being counted.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::nesting::{self, Entered};
use super::state::{Flight, Landing, Node};
use super::sync::thread_local;

thread_local! {
    /// A flight at top level that is as good as new.
    static SPARE: Cell<Option<(Seat, Node)>> = const { Cell::new(None) };
}

/// A leader's hold on its flight.
pub(super) struct Seat {
    flight: Node,
    /// The reference that goes to the thread while it runs the body.
    body: Cell<Option<Node>>,
}

impl Seat {
    /// A seat in a new flight inside of `parent`, and the table's reference to that flight.
    #[inline]
    pub(super) fn take(parent: Option<Node>) -> (Self, Node) {
        let spare = if parent.is_none() { SPARE.try_with(Cell::take).ok().flatten() } else { None };
        spare.filter(|(seat, _)| seat.flight.is_of_this_process()).unwrap_or_else(|| {
            let flight = Arc::new(Flight::new(parent));
            (Self { flight: flight.clone(), body: Cell::new(None) }, flight)
        })
    }

    pub(super) fn flight(&self) -> &Node {
        &self.flight
    }

    /// The reference for the body.
    #[inline]
    pub(super) fn for_body(&self) -> Node {
        self.own_body().unwrap_or_else(|| self.flight.clone())
    }

    /// The reference that came back from the body. Guards that were dropped in the wrong order may have left another one's.
    #[inline]
    fn own_body(&self) -> Option<Node> {
        self.body.take().filter(|body| Arc::ptr_eq(body, &self.flight))
    }

    #[inline]
    pub(super) fn enter(&self) -> Entered<'_> {
        nesting::enter(self.for_body(), &self.body)
    }

    /// Whether others hold the flight: they wait for it, or began inside of it. To be called when it is off the table, where
    /// no caller can join it any more; `listed` is the reference that came from there.
    #[inline]
    pub(super) fn is_known(&self, listed: Option<&Node>) -> bool {
        let body = self.own_body();
        let own = 1 + usize::from(listed.is_some()) + usize::from(body.is_some());
        self.body.set(body);
        Arc::strong_count(&self.flight) > own
    }

    /// Ends a flight that is known to others.
    pub(super) fn land(&self, landing: Landing) {
        self.flight.land(landing);
    }

    /// Keeps a flight that only its leader knows for the thread's next miss, if it is as good as new.
    #[inline]
    pub(super) fn keep(self, listed: Node) {
        if self.flight.is_as_new() {
            // Other holders have dropped it: their writes come before those of the next leader.
            fence(Ordering::Acquire);
            let _ = SPARE.try_with(|spare| spare.set(Some((self, listed))));
        }
    }
}
