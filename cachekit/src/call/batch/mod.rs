//! The round of a call that asks for several entries at once: one look for all, the computations of those that are missing
//! claimed, one run of the body for the claimed ones, and at last the computations of other calls waited for.
//!
//! A call never waits while it has claims: it runs and ends its own computations before, so that two calls that have each
//! claimed what the other one misses don't wait for one another.

mod ends;
mod turns;
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
use super::store::{Duty, Former};
use super::turn::Fleet;
use crate::engine::flight::{Role, Together, Wait, Waited};
use crate::engine::remote::{Budget, Io};
use crate::engine::stats::Event;
use crate::engine::{Engine, Hold, Lead, Snapshot};

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
    /// Whether the last look found a value to be returned where the computation fails.
    falls_back: bool,
    /// Whether this call looks again after another one's computation that failed.
    retries: bool,
    /// None of a call that waits in its own process only.
    fleet: Option<Box<Fleet<'a>>>,
}

enum State<'a, R> {
    /// To be looked up.
    Open,
    /// Not there, or due: a value that serves until it is computed anew.
    Missed { look: Look, due: Option<(R, Freshness)> },
    /// The same with the state under which it would be computed.
    Ready { look: Look, snapshot: Snapshot, due: Option<(R, Freshness)> },
    /// This call leads the flight of its process, and has yet to ask for the lock among all processes.
    Led(Led<'a, R>),
    /// This call leads the flight of its process, and another process has the lock.
    Elsewhere(Led<'a, R>),
    /// This call computes it.
    Claimed(Box<Duty<'a>>),
    /// Another call computes it.
    Waiting(Wait, Snapshot),
    /// The other one had no value to share: this call computes it without waiting for another one.
    Alone(Snapshot),
    /// Its value; none if the body returned none.
    Done(Option<R>),
}

/// The flight of a call that asks for a lock, with the look before it.
struct Led<'a, R> {
    flight: Lead<'a>,
    look: Look,
    snapshot: Snapshot,
    /// A value that serves until it is computed anew.
    due: Option<(R, Freshness)>,
}

impl<'a, R> Batch<'a, R> {
    pub(crate) fn new(
        call: Call<'a>,
        policy: Policy<R>,
        places: Vec<Place>,
        flight_timeout: Duration,
    ) -> Self {
        let slot = |place| Slot {
            place: Some(place),
            state: State::Open,
            falls_back: false,
            retries: call.windows.fall_back(),
            fleet: Fleet::new(&call),
        };
        let slots = places.into_iter().map(slot).collect();
        Self { call, policy, slots, flight_timeout, waits: None }
    }

    /// Looks the open entries up, and claims the computations of those that are missing and that no other call computes.
    /// `serves` says whether a stored value may be taken.
    pub(crate) async fn claim<D: Io>(&mut self, io: D, serves: &impl Fn(&R) -> bool) {
        for patience in (0..=PATIENCE).rev() {
            self.look(io, serves).await;
            self.take_snapshots(io).await;
            let again = self.join(patience);
            if !(self.take_turns(io).await || again) {
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
            let state = self.looked(at, found, look, serves);
            self.slots[at].state = state;
        }
    }

    fn looked(
        &mut self,
        at: usize,
        found: Option<(R, Freshness)>,
        look: Look,
        serves: &impl Fn(&R) -> bool,
    ) -> State<'a, R> {
        let falls_back = found.is_some() && self.call.windows.fall_back();
        self.slots[at].falls_back = falls_back;
        let held_back = self.is_held_back(at);
        let due = match found {
            Some((value, Freshness::Fallback)) if held_back => Some((value, Freshness::Stale)),
            Some((value, state)) if held_back || (state != Freshness::Fallback && serves(&value)) => {
                Some((value, state))
            }
            _ => None,
        };
        match due {
            Some(value @ (_, Freshness::Fresh)) => {
                let fleet = &mut self.slots[at].fleet;
                if fleet.as_mut().is_some_and(|fleet| fleet.end_flight(&self.call, &self.policy, &value)) {
                    self.call.count(Event::Miss);
                    self.shared(value.0)
                } else {
                    self.found(value.0, value.1)
                }
            }
            Some((value, state)) if self.is_held(at) => self.found(value, state),
            due => State::Missed { look, due },
        }
    }

    /// A value that is taken from the store.
    fn found(&self, value: R, state: Freshness) -> State<'a, R> {
        self.call.count(if state == Freshness::Stale { Event::Stale } else { Event::Hit });
        State::Done(Some(value))
    }

    /// A value that another call has computed.
    fn shared(&self, value: R) -> State<'a, R> {
        self.call.count(Event::Coalesced);
        State::Done(Some(value))
    }

    /// Whether another call is at the computation of a value that is due, or has failed a moment ago.
    fn is_held(&self, at: usize) -> bool {
        let Some(place) = &self.slots[at].place else { return true };
        let is_led = matches!(place, Place::Remote { .. }) && self.call.engine.flights.is_led(place.key());
        is_led || self.call.holds_back(place.key())
    }

    /// Whether there is a value to be returned in place of a computation that is not to be tried now.
    fn is_held_back(&self, at: usize) -> bool {
        let Slot { place, falls_back, .. } = &self.slots[at];
        *falls_back && place.as_ref().is_some_and(|place| self.call.holds_back(place.key()))
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
                State::Ready { look, snapshot, due: Some(due) } => self.refresh(at, look, snapshot, due),
                State::Ready { look, snapshot, due: None } => self.joined(at, look, snapshot, patience),
                other => other,
            };
            again |= matches!(state, State::Open);
            self.slots[at].state = state;
        }
        again
    }

    fn joined(&mut self, at: usize, look: Look, snapshot: Snapshot, patience: u8) -> State<'a, R> {
        if self.call.refresh || !self.call.single_flight {
            if !self.call.refresh {
                self.call.count(Event::Miss);
            }
            return self.alone(at, snapshot);
        }
        let fleet = &mut self.slots[at].fleet;
        if let Some(flight) = fleet.as_mut().and_then(|fleet| fleet.still_led(snapshot)) {
            return self.led(at, Led { flight, look, snapshot, due: None });
        }
        let Some(place) = &self.slots[at].place else { return State::Done(None) };
        // Once it has looked often enough it joins or begins, whatever has ended meanwhile.
        let again = patience > 0 && self.call.may_look_again(snapshot);
        let patient = again && matches!(snapshot, Snapshot::Remote(_));
        match self.call.join(place, look.content(), snapshot, again.then_some(look.since), patient) {
            Role::Recheck => State::Open,
            // One has failed since the look.
            Role::Lead(flight) if self.is_held_back(at) => {
                flight.release();
                State::Open
            }
            Role::Lead(flight) => self.led(at, Led { flight, look, snapshot, due: None }),
            Role::Alone(flight) => {
                self.call.count(Event::Miss);
                self.claimed(at, flight, false)
            }
            Role::Wait(wait) => State::Waiting(wait, snapshot),
        }
    }

    /// Claims an entry whose flight this call leads, unless it has to ask for a lock.
    fn led(&mut self, at: usize, led: Led<'a, R>) -> State<'a, R> {
        if self.slots[at].fleet.is_some() {
            return State::Led(led);
        }
        self.call.count(Event::Miss);
        self.claimed(at, led.flight, led.due.is_some())
    }

    /// Takes the duty on to compute a value anew, unless another call has taken it; then the value serves.
    fn refresh(
        &mut self,
        at: usize,
        look: Look,
        snapshot: Snapshot,
        (value, state): (R, Freshness),
    ) -> State<'a, R> {
        let Some(place) = &self.slots[at].place else { return State::Done(None) };
        // Without an answer of the backend it could not be stored.
        let joined = !matches!(snapshot, Snapshot::Remote(None));
        let role = joined.then(|| self.call.join(place, look.content(), snapshot, Some(look.since), false));
        match role {
            Some(Role::Lead(flight)) => {
                self.led(at, Led { flight, look, snapshot, due: Some((value, state)) })
            }
            _ => self.found(value, state),
        }
    }

    fn alone(&mut self, at: usize, snapshot: Snapshot) -> State<'a, R> {
        let Some(place) = &self.slots[at].place else { return State::Done(None) };
        let flight = self.call.register(place, snapshot);
        self.claimed(at, flight, false)
    }

    /// The duty to compute an entry; `due` says that there is a value that serves until then.
    fn claimed(&mut self, at: usize, flight: Lead<'a>, due: bool) -> State<'a, R> {
        let call = self.call.of_one();
        let slot = &mut self.slots[at];
        let former = match (due, slot.falls_back) {
            (true, _) => Former::Served,
            (false, true) => Former::Kept,
            (false, false) => Former::None,
        };
        let held = slot.fleet.as_mut().and_then(|fleet| fleet.held());
        match slot.place.take() {
            Some(place) => {
                State::Claimed(Box::new(Duty::new(call, place, flight).under(held).with(former, false)))
            }
            None => State::Done(None),
        }
    }

    pub(crate) fn count(&self, event: Event) {
        self.call.count(event);
    }

    /// The entries that this call computes, by their numbers.
    pub(crate) fn claims(&self) -> Vec<usize> {
        let is_claimed = |at: &usize| matches!(self.slots[*at].state, State::Claimed(_));
        (0..self.slots.len()).filter(is_claimed).collect()
    }

    /// Runs a body as that of all computations that are claimed.
    pub(crate) fn run<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<R, F> {
        let leads = self.slots.iter().filter_map(|slot| match &slot.state {
            State::Claimed(duty) => duty.lead(),
            _ => None,
        });
        leads.collect::<Together>().scope(body)
    }

    /// Waits for the computations of other calls. An entry that has no value afterwards is to be [claimed](Self::claim).
    pub(crate) async fn wait<D: Io>(&mut self, io: D) {
        // Before those of this process: their calls may wait for the flights that this one leads.
        if self.wait_for_processes(io).await {
            return;
        }
        for at in 0..self.slots.len() {
            if !matches!(self.slots[at].state, State::Waiting(..)) {
                continue;
            }
            let limit = self.patience_left();
            let slot = &mut self.slots[at];
            if let State::Waiting(wait, snapshot) = std::mem::replace(&mut slot.state, State::Open)
                && let Some(place) = &slot.place
            {
                let waited = self.call.wait(io, wait, place.key(), limit).await;
                let state = self.waited(at, waited, snapshot);
                self.slots[at].state = state;
            }
        }
    }

    /// How long this call may still wait for others.
    fn patience_left(&mut self) -> Duration {
        let began = *self.waits.get_or_insert_with(Instant::now);
        self.flight_timeout.saturating_sub(began.elapsed())
    }

    fn waited(&mut self, at: usize, waited: Option<Waited>, snapshot: Snapshot) -> State<'a, R> {
        let (value, otherwise) = match waited {
            Some(Waited::Again) => return State::Open,
            Some(Waited::Released) if self.looks_after_failure(at) => return State::Open,
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
            Some(value) => self.shared(value),
            None => otherwise,
        }
    }

    /// Whether the computation that this call waited for has failed, and there may be a value to be returned in its place. Once
    /// for each entry, because each further wait would be for one more failure.
    fn looks_after_failure(&mut self, at: usize) -> bool {
        let Slot { place, retries, .. } = &mut self.slots[at];
        place.as_ref().is_some_and(|place| self.call.holds_back(place.key())) && std::mem::take(retries)
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
