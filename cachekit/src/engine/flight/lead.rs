//! The right to compute, and the ways in which it ends.

use std::future::Future;
use std::sync::Arc;

use cachekit_backends::simple::{ClaimId, Claims, Hook, Left};

use super::body::{Leading, Work};
use super::nesting::{self, Entered, Scope};
use super::seat::Seat;
use super::state::{Landing, Node, Shared};
use super::table::Flights;

/// The right, and the duty, to compute. Dropped without an end, by a panic or a cancellation, it hands over to one of the
/// callers that wait.
#[must_use]
pub(crate) struct Lead<'a, K, E: Clone> {
    home: Home<'a, K, E>,
    snapshot: E,
    /// Whether other callers may join.
    joinable: bool,
    /// Until it has ended.
    seat: Option<Seat>,
}

/// The table of an entry, which a lead borrows where it can: counting a share takes two atomic operations.
pub(crate) enum Table<'a> {
    /// It outlives the lead.
    Borrowed(&'a dyn Claims),
    /// The lead holds it.
    Held(Arc<dyn Claims>),
}

impl Table<'_> {
    fn claims(&self) -> &dyn Claims {
        match self {
            Self::Borrowed(claims) => *claims,
            Self::Held(claims) => &**claims,
        }
    }
}

/// Where a flight is found by other callers and by deletions.
enum Home<'a, K, E> {
    /// In the flights, under a digest, of a cache that outlives it.
    Borrowed(&'a Flights<K, E>, u64),
    /// The same, which it holds.
    Held(Arc<Flights<K, E>>, u64),
    /// At its claim, in the table of the entry.
    Claimed(Table<'a>, ClaimId),
    /// Nowhere any more; with the reference from there.
    Left(Option<Node>),
}

impl<K, E> Home<'_, K, E> {
    fn flights(&self) -> Option<(&Flights<K, E>, u64)> {
        match self {
            Self::Borrowed(flights, digest) => Some((flights, *digest)),
            Self::Held(flights, digest) => Some((flights, *digest)),
            Self::Claimed(..) | Self::Left(_) => None,
        }
    }

    /// Takes a flight off, so that no further caller joins it. Gives back the reference to it from there.
    #[inline]
    fn remove(&mut self, flight: &Node, counts: bool) -> Option<Node> {
        match self {
            Self::Left(listed) => listed.take(),
            _ => self.remove_now(flight, counts),
        }
    }

    #[inline(never)]
    fn remove_now(&self, flight: &Node, counts: bool) -> Option<Node> {
        if let Self::Claimed(table, claim) = self {
            return table.claims().end(*claim).and_then(flight_of);
        }
        let (flights, digest) = self.flights()?;
        flights.remove(digest, flight, counts)
    }
}

/// The flight that a claim carries.
#[inline]
pub(super) fn flight_of(hook: Hook) -> Option<Node> {
    hook.downcast().ok()
}

/// The place of a body in its flight.
pub(crate) struct Berth(Node);

impl Berth {
    /// Gives the body to the flight. It has to end the flight, in the scope of [`Lead::berth`]'s lead.
    pub(crate) fn begin(self, work: Work) -> Leading {
        Leading::new(self.0, work)
    }
}

impl<'a, K, E: Clone> Lead<'a, K, E> {
    pub(super) fn new(flights: &'a Flights<K, E>, digest: u64, snapshot: E, seat: Seat) -> Self {
        Self { home: Home::Borrowed(flights, digest), snapshot, joinable: true, seat: Some(seat) }
    }

    /// The right that comes with a claim.
    #[inline]
    pub(super) fn claimed(table: Table<'a>, claim: ClaimId, snapshot: E, seat: Seat, joinable: bool) -> Self {
        Self { home: Home::Claimed(table, claim), snapshot, joinable, seat: Some(seat) }
    }

    /// The same of a flight that no other caller joins.
    pub(super) fn alone(flights: &'a Flights<K, E>, digest: u64, snapshot: E, seat: Seat) -> Self {
        let mut lead = Self::new(flights, digest, snapshot, seat);
        lead.joinable = false;
        lead
    }

    /// The place for a body that owns all it needs; none if no other caller may join, so that it would serve no other one.
    pub(crate) fn berth(&self) -> Option<Berth> {
        let seat = self.seat.as_ref().filter(|_| self.joinable)?;
        Some(Berth(seat.flight().clone()))
    }

    /// The same, with a share in its table, for holders that can't borrow it.
    #[allow(dead_code, reason = "for templates and the web, which are features")]
    pub(crate) fn holding(mut self, flights: &Arc<Flights<K, E>>) -> Lead<'static, K, E> {
        let home = match std::mem::replace(&mut self.home, Home::Left(None)) {
            Home::Borrowed(_, digest) => Home::Held(Arc::clone(flights), digest),
            Home::Held(flights, digest) => Home::Held(flights, digest),
            Home::Claimed(Table::Held(claims), claim) => Home::Claimed(Table::Held(claims), claim),
            Home::Claimed(Table::Borrowed(_), _) => {
                unreachable!("a holder that can't borrow holds the table")
            }
            Home::Left(listed) => Home::Left(listed),
        };
        Lead { home, snapshot: self.snapshot.clone(), joinable: self.joinable, seat: self.seat.take() }
    }

    /// Its flight, until it has ended.
    pub(super) fn node(&self) -> Option<Node> {
        self.seat.as_ref().map(|seat| seat.flight().clone())
    }

    /// The snapshot under which the computation began.
    pub(crate) fn snapshot(&self) -> &E {
        &self.snapshot
    }

    /// Whether the entry was deleted since the computation began, so that its value must not be stored.
    ///
    /// Ask under the lock under which the value is stored, if the deletion removes the entry under the same one: then
    /// either the flag is seen here, or the removal sees the value.
    ///
    /// The value of a claimed computation is stored by its [`claim`](Self::claim), which asks by itself.
    pub(crate) fn invalidated(&self) -> bool {
        if let Home::Claimed(table, claim) = &self.home {
            return !table.claims().holds(*claim);
        }
        self.seat.as_ref().is_none_or(|seat| seat.flight().invalidated())
    }

    /// The claim by which the value is stored in process, until that is done.
    pub(crate) fn claim(&self) -> Option<ClaimId> {
        if let Home::Claimed(_, claim) = &self.home { Some(*claim) } else { None }
    }

    /// The claim was ended with the store of its value, which has given its hook back.
    #[inline]
    pub(crate) fn claim_ended(&mut self, hook: Option<Hook>) {
        self.home = Home::Left(hook.and_then(flight_of));
    }

    /// Invalidates the key's other flights: this one was asked for to replace what they compute. Call it before storing.
    pub(crate) fn supersede(&self) {
        if let (Some(seat), Some((flights, digest))) = (&self.seat, self.home.flights()) {
            flights.invalidate_others(digest, seat.flight());
        }
    }

    /// Makes this the computation that the thread's code belongs to, for a body that is a function.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.seat.as_ref().map(Seat::enter)
    }

    /// Drops entries that left a table when this was claimed, as a part of the computation.
    pub(crate) fn drop_inside(&self, left: Left) {
        if !left.is_empty() {
            let _inside = self.enter();
            drop(left);
        }
    }

    /// The same for a body that is a future.
    #[cfg(test)]
    pub(crate) fn scope<F: Future>(&self, body: F) -> Scope<F> {
        scope(Some(self), body)
    }

    /// Makes this the computation that the thread's code belongs to, until [`step_out`](Self::step_out), for a body that is
    /// neither a function nor a future.
    #[allow(dead_code, reason = "for templates, which are a feature")]
    pub(crate) fn step_in(&self) {
        if let Some(seat) = &self.seat {
            nesting::step_in(seat.flight().clone());
        }
    }

    /// Ends what [`step_in`](Self::step_in) began.
    #[allow(dead_code, reason = "for templates, which are a feature")]
    pub(crate) fn step_out(&self) {
        if let Some(seat) = &self.seat {
            nesting::step_out(seat.flight());
        }
    }

    /// Ends the flight; see [`end`](Self::end).
    #[cfg(test)]
    pub(crate) fn finish(mut self, value: impl FnOnce() -> Option<Shared>) {
        self.end(value);
    }

    /// Ends the flight, and hands a value, if there is one to share, to the callers that wait. The closure runs only if there
    /// are any. Store the value before. Dropping the rest does nothing.
    #[inline]
    pub(crate) fn end(&mut self, value: impl FnOnce() -> Option<Shared>) {
        self.land(true, || value().map_or(Landing::Released, Landing::Value));
    }

    /// Ends the flight with nothing that is stored or shared: the callers that wait compute, side by side.
    pub(crate) fn release(mut self) {
        self.release_now();
    }

    /// The same, of a lead that is dropped later.
    pub(crate) fn release_now(&mut self) {
        self.land(false, || Landing::Released);
    }

    #[inline]
    fn land(&mut self, counts: bool, landing: impl FnOnce() -> Landing) {
        let Some(seat) = &self.seat else { return };
        let listed = self.home.remove(seat.flight(), counts);
        if seat.is_known(listed.as_ref()) {
            // The clone for the callers that wait is a part of the computation. If it panics, the lead is dropped with its seat.
            let landing = {
                let _inside = seat.enter();
                landing()
            };
            // Taken first: the panic of a waiter's waker doesn't undo the landing.
            if let Some(seat) = self.seat.take() {
                seat.land(landing);
            }
        } else if let (Some(seat), Some(listed)) = (self.seat.take(), listed) {
            seat.keep(listed);
        }
        self.seat = None;
    }

    #[cold]
    fn hand_over(&mut self) {
        if let Some(seat) = self.seat.take() {
            // It may have stored before it was dropped, so it counts.
            drop(self.home.remove(seat.flight(), true));
            seat.land(Landing::Again);
        }
    }

    #[cfg(test)]
    pub(super) fn flight(&self) -> &super::state::Node {
        self.seat.as_ref().expect("it has not ended").flight()
    }
}

/// Runs a future as the body of a computation, if it is one.
pub(crate) fn scope<K, E: Clone, F: Future>(lead: Option<&Lead<'_, K, E>>, body: F) -> Scope<F> {
    nesting::scope(lead.and_then(|lead| lead.seat.as_ref()).map(Seat::for_body), body)
}

impl<K, E: Clone> Drop for Lead<'_, K, E> {
    #[inline]
    fn drop(&mut self) {
        if self.seat.is_some() {
            self.hand_over();
        }
    }
}
