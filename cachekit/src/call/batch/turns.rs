//! The locks among all processes that a call for several entries asks for.

use std::time::Duration;

use super::{Batch, Led, Slot, State};
use crate::call::inputs::Dropped;
use crate::call::look::Look;
use crate::call::turn::Asked;
use crate::engine::Snapshot;
use crate::engine::remote::Io;
use crate::engine::stats::Event;

impl<'a, R> Batch<'a, R> {
    /// Takes the locks of the entries whose flights this call leads, without waiting for one that another process has. Returns
    /// whether an entry has to be looked up again.
    pub(super) async fn take_turns<D: Io>(&mut self, io: D) -> bool {
        let mut again = false;
        for at in 0..self.slots.len() {
            if matches!(self.slots[at].state, State::Led(_))
                && let State::Led(led) = std::mem::replace(&mut self.slots[at].state, State::Open)
            {
                let Led { flight, look, snapshot, due } = led;
                let asked = self.ask(io, at, (&look, snapshot), Duration::ZERO).await;
                let state = self.asked(at, Led { flight, look, snapshot, due }, asked);
                again |= matches!(state, State::Open);
                self.slots[at].state = state;
            }
        }
        again
    }

    /// Waits for the computations of other processes. Returns whether there were any. Ends with the first lock that it gets: a
    /// call doesn't wait while it has claims, in whatever process.
    pub(super) async fn wait_for_processes<D: Io>(&mut self, io: D) -> bool {
        let mut waited = false;
        for at in 0..self.slots.len() {
            if matches!(self.slots[at].state, State::Elsewhere(_))
                && let State::Elsewhere(led) = std::mem::replace(&mut self.slots[at].state, State::Open)
            {
                waited = true;
                let Led { flight, look, snapshot, due } = led;
                let limit = self.patience_left();
                let mut asked = self.ask(io, at, (&look, snapshot), limit).await;
                if asked == Asked::Elsewhere {
                    self.call.count(Event::GivenUp);
                    asked = Asked::Compute;
                }
                let state = self.asked(at, Led { flight, look, snapshot, due }, asked);
                let claimed = matches!(state, State::Claimed(_));
                self.slots[at].state = state;
                if claimed {
                    break;
                }
            }
        }
        waited
    }

    async fn ask<D: Io>(&mut self, io: D, at: usize, seen: (&Look, Snapshot), limit: Duration) -> Asked {
        let Slot { place: Some(place), fleet: Some(fleet), .. } = &mut self.slots[at] else {
            return Asked::Compute;
        };
        let mut dropped = Dropped((!limit.is_zero()).then_some(&self.call));
        let asked = fleet.ask(io, (&self.call, place), seen, limit).await;
        dropped.0 = None;
        asked
    }

    fn asked(&mut self, at: usize, led: Led<'a, R>, asked: Asked) -> State<'a, R> {
        let compute = match (asked, &led.due) {
            (Asked::Compute, _) | (Asked::Failed, None) => true,
            (Asked::Look | Asked::Elsewhere | Asked::Failed, _) => false,
        };
        if compute {
            self.call.count(Event::Miss);
            return self.claimed(at, led.flight, led.due.is_some());
        }
        match (led.due, asked) {
            // It serves, whoever computes the next one.
            (Some((value, state)), _) => self.found(value, state),
            (None, Asked::Look) => {
                if let Some(fleet) = &mut self.slots[at].fleet {
                    fleet.keep(led.flight);
                }
                State::Open
            }
            (None, _) => State::Elsewhere(Led { due: None, ..led }),
        }
    }
}
