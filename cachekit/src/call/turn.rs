//! A call's turn among all processes, for `single_flight = "fleet"`: the lock of its entry, and the flight of its process that it
//! leads meanwhile.

use std::time::Duration;

use super::freshness::Freshness;
use super::inputs::Call;
use super::look::{Look, survived};
use super::place::Place;
use super::policy::Policy;
use super::sharing;
use crate::engine::fleet::{self, Contender, Held, Turn};
use crate::engine::remote::Io;
use crate::engine::{Lead, Snapshot};

/// The state of a call, about one entry, in the single flight of all processes.
pub(super) struct Fleet<'a> {
    /// How long a lock may go without a renewal.
    wait: Duration,
    /// The flight of this process, while the call that leads it looks for the value of another process.
    lead: Option<Lead<'a>>,
    /// The lock under which this call computes.
    held: Option<Held>,
    /// Whether the call has looked again because of a lock of another state.
    looked_again: bool,
}

/// The answer to a call that asked for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It has the lock, or needs none.
    Compute,
    /// The value may be there, or was deleted: it looks again.
    Look,
    /// Another process has the lock.
    Elsewhere,
    /// The backend has failed.
    Failed,
}

impl<'a> Fleet<'a> {
    /// None for a call that waits in its own process only.
    pub(super) fn new(call: &Call<'_>) -> Option<Box<Self>> {
        let fleet = |wait| Box::new(Self { wait, lead: None, held: None, looked_again: false });
        call.fleet.map(fleet)
    }

    /// Asks for the lock, and waits so long for the process that has it.
    pub(super) async fn ask<D: Io>(
        &mut self,
        io: D,
        (call, place): (&Call<'_>, &Place),
        seen: (&Look, Snapshot),
        limit: Duration,
    ) -> Asked {
        let Some(contender) = self.contender((call, place), seen, limit) else { return Asked::Compute };
        let remote = contender.remote;
        match fleet::turn(io, contender).await {
            Ok(Turn::Compute(held)) => {
                self.held = held;
                Asked::Compute
            }
            Ok(turn @ (Turn::Look | Turn::LookAnew)) => {
                self.looked_again = matches!(turn, Turn::LookAnew);
                Asked::Look
            }
            Ok(Turn::GiveUp) => Asked::Elsewhere,
            Err(error) => {
                survived(call, remote, &error);
                Asked::Failed
            }
        }
    }

    fn contender<'c>(
        &self,
        (call, place): (&'c Call<'_>, &'c Place),
        (look, snapshot): (&'c Look, Snapshot),
        limit: Duration,
    ) -> Option<Contender<'c>> {
        let (Place::Remote { entry, .. }, Some(remote), Snapshot::Remote(Some(state))) =
            (place, &call.engine.remote, snapshot)
        else {
            return None;
        };
        let (budget, check, wait) = (&call.budget, look.check(), self.wait);
        let looked_again = self.looked_again;
        Some(Contender { remote, budget, entry, state, check, wait, limit, looked_again })
    }

    /// Keeps the flight of this process while the call looks again.
    pub(super) fn keep(&mut self, flight: Lead<'a>) {
        self.lead = Some(flight);
    }

    /// Returns the flight that the call has led since before it looked again, unless it began in another state.
    pub(super) fn still_led(&mut self, snapshot: Snapshot) -> Option<Lead<'a>> {
        self.lead.take().filter(|lead| *lead.snapshot() == snapshot)
    }

    /// Ends the flight of this process with the value of another one, if this call leads it and the value is fresh.
    pub(super) fn end_flight<R>(
        &mut self,
        call: &Call<'_>,
        policy: &Policy<R>,
        value: &(R, Freshness),
    ) -> bool {
        let (value, Freshness::Fresh) = value else { return false };
        let Some(mut lead) = self.lead.take() else { return false };
        lead.end(|| sharing::share(call, policy, value));
        true
    }

    /// Returns the lock under which the call computes.
    pub(super) fn held(&mut self) -> Option<Held> {
        self.held.take()
    }
}
