//! The round of a call that asks for several entries at once: one look for all, the computations of those that are missing
//! claimed, one run of the body for the claimed ones, and at last the computations of other calls waited for.
//!
//! A call never waits while it has claims: it runs and ends its own computations before, so that two calls that have each
//! claimed what the other one misses don't wait for one another.

mod writes;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::freshness::Freshness;
use super::inputs::Call;
use super::look::Look;
use super::place::Place;
use super::policy::Policy;
use super::round::PATIENCE;
use super::sharing;
use super::store::{Duty, Former, Settled, Verdict};
use crate::engine::flight::{Role, Together, Wait, Waited};
use crate::engine::remote::{Budget, Io};
use crate::engine::stats::Event;
use crate::engine::{Engine, Hold, Snapshot};
use writes::Writes;

/// A call on its way to the values of several entries.
pub(crate) struct Batch<'a, R> {
    call: Call<'a>,
    policy: Policy<R>,
    slots: Vec<Slot<'a, R>>,
    /// The longest that the waits for other calls may take together.
    flight_timeout: Duration,
    /// When the first of them began.
    waits: Option<Instant>,
}

/// One entry.
struct Slot<'a, R> {
    /// None once it is claimed.
    place: Option<Place>,
    state: State<'a, R>,
}

enum State<'a, R> {
    /// To be looked up.
    Open,
    /// Not there, or due: a value that serves until it is computed anew.
    Missed { look: Look, due: Option<(R, Freshness)> },
    /// The same with the state under which it would be computed.
    Ready { look: Look, snapshot: Snapshot, due: Option<(R, Freshness)> },
    /// This call computes it.
    Claimed(Box<Duty<'a>>),
    /// Another call computes it.
    Waiting(Wait, Snapshot),
    /// The other one had no value to share: this call computes it without waiting for another one.
    Alone(Snapshot),
    /// Its value; none if the body returned none.
    Done(Option<R>),
}

impl<'a, R> Batch<'a, R> {
    pub(crate) fn new(
        call: Call<'a>,
        policy: Policy<R>,
        places: Vec<Place>,
        flight_timeout: Duration,
    ) -> Self {
        let slots = places.into_iter().map(|place| Slot { place: Some(place), state: State::Open }).collect();
        Self { call, policy, slots, flight_timeout, waits: None }
    }

    /// Looks the open entries up, and claims the computations of those that are missing and that no other call computes.
    /// `serves` says whether a stored value may be taken.
    pub(crate) async fn claim<D: Io>(&mut self, io: D, serves: &impl Fn(&R) -> bool) {
        for patience in (0..=PATIENCE).rev() {
            self.look(io, serves).await;
            self.take_snapshots(io).await;
            if !self.join(patience) {
                return;
            }
        }
    }

    async fn look<D: Io>(&mut self, io: D, serves: &impl Fn(&R) -> bool) {
        let (mut open, mut places) = (Vec::new(), Vec::new());
        for (at, slot) in self.slots.iter().enumerate() {
            if let (State::Open, Some(place)) = (&slot.state, &slot.place) {
                open.push(at);
                places.push(place);
            }
        }
        if open.is_empty() {
            return;
        }
        let looks = Look::many(io, &self.call, &places, &self.policy).await;
        for (at, (found, look)) in open.into_iter().zip(looks) {
            // A value for the case that the computation fails is none here: the call as a whole fails.
            let serves = |(value, state): &(R, Freshness)| *state != Freshness::Fallback && serves(value);
            let state = match found.filter(serves) {
                Some((value, Freshness::Fresh)) => self.found(value, Freshness::Fresh),
                Some((value, state)) if self.is_held(at) => self.found(value, state),
                due => State::Missed { look, due },
            };
            self.slots[at].state = state;
        }
    }

    /// A value that is taken from the store.
    fn found(&self, value: R, state: Freshness) -> State<'a, R> {
        self.call.count(if state == Freshness::Stale { Event::Stale } else { Event::Hit });
        State::Done(Some(value))
    }

    /// Whether another call is at the computation of a value that is due, or has failed a moment ago.
    fn is_held(&self, at: usize) -> bool {
        let Some(place) = &self.slots[at].place else { return true };
        let is_led = matches!(place, Place::Remote { .. }) && self.call.engine.flights.is_led(place.key());
        is_led || self.call.holds_back(place.key())
    }

    async fn take_snapshots<D: Io>(&mut self, io: D) {
        let call = &self.call;
        for slot in &mut self.slots {
            let Some(place) = &slot.place else { continue };
            if matches!(slot.state, State::Missed { .. })
                && let State::Missed { look, due } = std::mem::replace(&mut slot.state, State::Open)
            {
                let snapshot = look.snapshot(io, call, place).await;
                slot.state = State::Ready { look, snapshot, due };
            }
        }
    }

    /// Claims computations; returns whether an entry has to be looked up again.
    fn join(&mut self, patience: u8) -> bool {
        let mut again = false;
        for at in 0..self.slots.len() {
            let state = match std::mem::replace(&mut self.slots[at].state, State::Open) {
                State::Alone(snapshot) => self.alone(at, snapshot),
                State::Ready { look, snapshot, due: Some(due) } => self.refresh(at, &look, snapshot, due),
                State::Ready { look, snapshot, due: None } => self.joined(at, &look, snapshot, patience),
                other => other,
            };
            again |= matches!(state, State::Open);
            self.slots[at].state = state;
        }
        again
    }

    fn joined(&mut self, at: usize, look: &Look, snapshot: Snapshot, patience: u8) -> State<'a, R> {
        if self.call.refresh || !self.call.single_flight {
            if !self.call.refresh {
                self.call.count(Event::Miss);
            }
            return self.alone(at, snapshot);
        }
        let Some(place) = &self.slots[at].place else { return State::Done(None) };
        // Once it has looked often enough it joins or begins, whatever has ended meanwhile.
        let again = patience > 0 && self.call.may_look_again(snapshot);
        let patient = again && matches!(snapshot, Snapshot::Remote(_));
        match self.call.join(place, look.content(), snapshot, again.then_some(look.since), patient) {
            Role::Recheck => State::Open,
            Role::Lead(flight) | Role::Alone(flight) => {
                self.call.count(Event::Miss);
                self.claimed(at, |call, place| Duty::new(call, place, flight))
            }
            Role::Wait(wait) => State::Waiting(wait, snapshot),
        }
    }

    /// Takes the duty on to compute a value anew, unless another call has taken it; then the value serves.
    fn refresh(
        &mut self,
        at: usize,
        look: &Look,
        snapshot: Snapshot,
        (value, state): (R, Freshness),
    ) -> State<'a, R> {
        let Some(place) = &self.slots[at].place else { return State::Done(None) };
        // Without an answer of the backend it could not be stored.
        let joined = !matches!(snapshot, Snapshot::Remote(None));
        let role = joined.then(|| self.call.join(place, look.content(), snapshot, Some(look.since), false));
        match role {
            Some(Role::Lead(flight)) => {
                self.call.count(Event::Miss);
                self.claimed(at, |call, place| Duty::new(call, place, flight).with(Former::Served, false))
            }
            _ => self.found(value, state),
        }
    }

    fn alone(&mut self, at: usize, snapshot: Snapshot) -> State<'a, R> {
        let Some(place) = &self.slots[at].place else { return State::Done(None) };
        let flight = self.call.register(place, snapshot);
        self.claimed(at, |call, place| Duty::new(call, place, flight))
    }

    fn claimed(&mut self, at: usize, duty: impl FnOnce(Call<'a>, Place) -> Duty<'a>) -> State<'a, R> {
        let call = self.call.of_one();
        match self.slots[at].place.take() {
            Some(place) => State::Claimed(Box::new(duty(call, place))),
            None => State::Done(None),
        }
    }

    /// The entries that this call computes, by their numbers.
    pub(crate) fn claims(&self) -> Vec<usize> {
        let is_claimed = |at: &usize| matches!(self.slots[*at].state, State::Claimed(_));
        (0..self.slots.len()).filter(is_claimed).collect()
    }

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

    /// Runs a body as that of all computations that are claimed.
    pub(crate) fn run<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<R, F> {
        let leads = self.slots.iter().filter_map(|slot| match &slot.state {
            State::Claimed(duty) => duty.lead(),
            _ => None,
        });
        leads.collect::<Together>().scope(body)
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

    /// Waits for the computations of other calls. An entry that has no value afterwards is to be [claimed](Self::claim).
    pub(crate) async fn wait<D: Io>(&mut self, io: D) {
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            if matches!(slot.state, State::Waiting(..))
                && let State::Waiting(wait, snapshot) = std::mem::replace(&mut slot.state, State::Open)
                && let Some(place) = &slot.place
            {
                let began = *self.waits.get_or_insert_with(Instant::now);
                let limit = self.flight_timeout.saturating_sub(began.elapsed());
                let waited = self.call.wait(io, wait, place.key(), limit).await;
                let state = self.waited(waited, snapshot);
                self.slots[at].state = state;
            }
        }
    }

    fn waited(&self, waited: Option<Waited>, snapshot: Snapshot) -> State<'a, R> {
        let (value, otherwise) = match waited {
            Some(Waited::Again) => return State::Open,
            Some(Waited::Released) | None => (None, State::Alone(snapshot)),
            // Of another type: it is stored by now.
            Some(Waited::Output(output)) => ((self.policy.unbox)(output), State::Open),
            Some(Waited::Value(part)) => {
                let (engine, function) = (&self.call.engine, self.call.function);
                let value = self.policy.take(&*part);
                (
                    value.or_else(|| sharing::take(engine, function, &self.policy, &*part)),
                    State::Alone(snapshot),
                )
            }
        };
        self.call.count(Event::Miss);
        match value {
            Some(value) => {
                self.call.count(Event::Coalesced);
                State::Done(Some(value))
            }
            None => otherwise,
        }
    }

    /// Whether each entry has its value, or the body's word that it has none.
    pub(crate) fn is_done(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot.state, State::Done(_)))
    }

    /// The values, in the order of the places.
    pub(crate) fn values(self) -> Vec<Option<R>> {
        let value = |slot: Slot<'a, R>| match slot.state {
            State::Done(value) => value,
            _ => None,
        };
        self.slots.into_iter().map(value).collect()
    }
}

impl Call<'_> {
    /// The call of one of several entries. It spends no time of its own: all of them are looked up and stored together.
    fn of_one(&self) -> Self {
        let engine: Hold<'_, Engine> = match &self.engine {
            Hold::Borrowed(engine) => Hold::Borrowed(*engine),
            Hold::Shared(engine) => Hold::Shared(Arc::clone(engine)),
        };
        Self { engine, budget: Budget::default(), ..*self }
    }
}
