//! The right to compute, and the ways in which it ends.

use std::future::Future;
use std::sync::Arc;

use super::body::{Leading, Work};
use super::nesting::{self, Entered};
use super::seat::Seat;
use super::state::{Landing, Node, Shared};
use super::table::{Flights, Home};

/// The right, and the duty, to compute. Dropped without an end, by a panic or a cancellation, it hands over to one of the
/// callers that wait.
#[must_use]
pub(crate) struct Lead<'a, K, E: Clone> {
    flights: Home<'a, K, E>,
    digest: u64,
    snapshot: E,
    /// Whether other callers may join.
    joinable: bool,
    /// Until it has ended.
    seat: Option<Seat>,
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
        Self { flights: Home::Borrowed(flights), digest, snapshot, joinable: true, seat: Some(seat) }
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
        Lead {
            flights: Home::Held(Arc::clone(flights)),
            digest: self.digest,
            snapshot: self.snapshot.clone(),
            joinable: self.joinable,
            seat: self.seat.take(),
        }
    }

    /// The snapshot under which the computation began.
    pub(crate) fn snapshot(&self) -> &E {
        &self.snapshot
    }

    /// Whether the entry was deleted since the computation began, so that its value must not be stored.
    ///
    /// Ask under the lock under which the value is stored, if the deletion removes the entry under the same one: then
    /// either the flag is seen here, or the removal sees the value.
    pub(crate) fn invalidated(&self) -> bool {
        self.seat.as_ref().is_none_or(|seat| seat.flight().invalidated())
    }

    /// Invalidates the key's other flights: this one was asked for to replace what they compute. Call it before storing.
    pub(crate) fn supersede(&self) {
        if let Some(seat) = &self.seat {
            self.flights.invalidate_others(self.digest, seat.flight());
        }
    }

    /// Makes this the computation that the thread's code belongs to, for a body that is a function.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.seat.as_ref().map(Seat::enter)
    }

    /// The same for a body that is a future.
    #[cfg(test)]
    pub(crate) fn scope<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<F, K, E> {
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
        self.land(false, || Landing::Released);
    }

    #[inline]
    fn land(&mut self, counts: bool, landing: impl FnOnce() -> Landing) {
        let Some(seat) = &self.seat else { return };
        let listed = self.flights.remove(self.digest, seat.flight(), counts);
        if seat.is_known(listed.as_ref()) {
            // If this panics, the lead is dropped with its seat.
            let landing = landing();
            seat.land(landing);
        } else if let (Some(seat), Some(listed)) = (self.seat.take(), listed) {
            seat.keep(listed);
        }
        self.seat = None;
    }

    #[cold]
    fn hand_over(&mut self) {
        if let Some(seat) = self.seat.take() {
            // It may have stored before it was dropped, so it counts.
            drop(self.flights.remove(self.digest, seat.flight(), true));
            seat.land(Landing::Again);
        }
    }

    #[cfg(test)]
    pub(super) fn flight(&self) -> &super::state::Node {
        self.seat.as_ref().expect("it has not ended").flight()
    }
}

/// Runs a future as the body of a computation, if it is one.
pub(crate) fn scope<K, E: Clone, F: Future>(
    lead: Option<&Lead<'_, K, E>>,
    body: F,
) -> impl Future<Output = F::Output> + use<K, E, F> {
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
