//! Flights of entries in process: their table knows them by claims, which are made in the step that finds no entry, ended
//! in the step that stores, and voided by the steps that delete.

use cachekit_backends::simple::{ClaimId, Hook};

use super::lead::{Lead, Table, flight_of};
use super::nesting;
use super::seat::Seat;
use super::state::{Flight, Node, Wait};

/// A caller that is about to claim a computation.
pub(crate) struct Candidate {
    /// The computation that the caller is in.
    parent: Option<Node>,
    /// The moment of the store's sequence.
    birth: u64,
    /// Once it has a flight.
    seat: Option<Seat>,
}

impl Candidate {
    /// A caller at a moment of the store's sequence.
    #[inline]
    pub(crate) fn new(birth: u64) -> Self {
        Self { parent: nesting::current(), birth, seat: None }
    }

    /// Whether callers may wait for the flight of a claim: it is of this process, and `admits` its birth.
    pub(crate) fn may_join(hook: &Hook, admits: impl FnOnce(u64) -> bool) -> bool {
        hook.downcast_ref::<Flight>()
            .is_some_and(|flight| flight.is_of_this_process() && admits(flight.birth()))
    }

    /// Takes a flight, which its claim is to carry. Short, and runs no code of the user's: a lock may be held.
    #[inline]
    pub(crate) fn begin(&mut self) -> Hook {
        let (seat, listed) = Seat::take(self.parent.take());
        seat.flight().set_birth(self.birth);
        self.seat = Some(seat);
        listed
    }

    /// The right that comes with the claim of the flight that was [begun](Self::begin).
    #[inline]
    pub(crate) fn lead<K, E: Clone>(
        self,
        table: Table<'_>,
        claim: ClaimId,
        snapshot: E,
        joinable: bool,
    ) -> Lead<'_, K, E> {
        let Some(seat) = self.seat else { unreachable!("a claim carries a flight") };
        Lead::claimed(table, claim, snapshot, seat, joinable)
    }

    /// Waits for the flight of a claim. None if that would never end, because the leader waits for this caller.
    pub(crate) fn wait(self, hook: Hook) -> Option<Wait> {
        Wait::inside(self.parent, flight_of(hook)?)
    }
}
