//! The ends of the computations that a call has claimed.

use std::time::Duration;

use super::writes::Writes;
use super::{Batch, State};
use crate::call::freshness::Freshness;
use crate::call::look::Look;
use crate::call::place::Place;
use crate::call::store::{Duty, Settled};
use crate::call::verdict::Verdict;
use crate::engine::remote::Io;
use crate::engine::stats::Event;

impl<'a, R> Batch<'a, R> {
    fn duties(&mut self) -> Vec<(usize, Box<Duty<'a>>)> {
        let mut duties = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if matches!(slot.state, State::Claimed(_))
                && let State::Claimed(duty) = std::mem::replace(&mut slot.state, State::Done(None))
            {
                duties.push((at, duty));
            }
        }
        duties
    }

    /// Ends the computations with nothing that is stored or shared: the calls that wait compute, side by side.
    pub(crate) fn release(&mut self) {
        for (_, mut duty) in self.duties() {
            duty.release_flight();
        }
    }

    /// Stores the values of the claimed entries, in the order of [`claims`](Self::claims), and hands them to the calls that
    /// wait. None is no value.
    pub(crate) async fn settle<D: Io, V: Into<Verdict>>(
        &mut self,
        io: D,
        values: Vec<Option<R>>,
        judge: &impl Fn(&R) -> V,
    ) {
        let (mut writes, mut settled) = (Writes::new(&self.call), Vec::new());
        for ((at, mut duty), value) in self.duties().into_iter().zip(values) {
            let write = match &value {
                Some(value) => match duty.store(&self.policy, value, judge) {
                    Settled::Stored(write) => write,
                    Settled::Failed => None,
                },
                None => duty.store_nothing(),
            };
            writes.extend(write);
            settled.push((at, duty, value));
        }
        writes.run(io, &self.call).await;
        for (at, mut duty, value) in settled {
            if let Some(value) = &value {
                duty.land(&self.policy, value);
            }
            self.slots[at].state = State::Done(value);
        }
    }

    /// Ends the computations, which have failed. Returns whether each of them had a value before, which is the entry's then.
    pub(crate) async fn fail<D: Io>(&mut self, io: D) -> bool {
        let duties = self.duties();
        let count = duties.len();
        let (mut failed, mut places) = (Vec::new(), Vec::new());
        for (at, mut duty) in duties {
            if let Some(place) = duty.give_up() {
                failed.push(at);
                places.push(place);
            }
        }
        if places.len() < count {
            return false;
        }
        // Anew, because what was deleted meanwhile is not to come back.
        let Some(values) = self.former_values(io, &places).await else { return false };
        for (at, (value, state)) in failed.into_iter().zip(values) {
            if matches!(state, Freshness::Stale | Freshness::Fallback) {
                self.call.count(Event::Stale);
            }
            self.slots[at].state = State::Done(Some(value));
        }
        true
    }

    /// Looks for the values before computations that have failed; none if one is missing.
    async fn former_values<D: Io>(&mut self, io: D, places: &[Place]) -> Option<Vec<(R, Freshness)>> {
        let places: Vec<&Place> = places.iter().collect();
        let window = std::mem::replace(&mut self.call.windows.while_revalidate, Duration::ZERO);
        let looks = Look::many(io, &self.call, &places, &self.policy).await;
        self.call.windows.while_revalidate = window;
        looks.into_iter().map(|(found, _)| found).collect()
    }
}
