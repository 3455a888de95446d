//! The round of a call that missed: look, take a snapshot, join the computation under way or start one. Written once, for
//! every surface, over [`Io`].

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Known;
use super::freshness::Freshness;
use super::inputs::{Call, Dropped};
use super::look::Look;
use super::place::Place;
use super::policy::Policy;
use super::sharing;
use super::store::{Duty, Former};
use super::times::Times;
use super::trace::{self, How, Trace};
use super::turn::{Asked, Fleet};
use crate::engine::flight::{Role, Wait, Waited};
#[cfg(feature = "tower")]
use crate::engine::remote::Budget;
use crate::engine::remote::Io;
use crate::engine::stats::Event;
use crate::engine::{Engine, Hold, Lead, Snapshot};

/// How often a call looks again because the computation under way began in another state than its own: that computation may
/// have stored in between. If it has not, something was deleted, and the call computes anew.
pub(super) const PATIENCE: u8 = 2;

/// A call on its way to a value.
///
/// [`next`](Self::next) gives one step after another. A surface that takes the value of a step is done. One that does not
/// asks for the next step: after a look comes the computation of another call, and at last its own.
pub(crate) struct Round<'a> {
    call: Call<'a>,
    place: Place,
    state: State,
    patience: u8,
    /// The longest that the waits for other calls may take together.
    flight_timeout: Duration,
    /// When the first of them began.
    waits: Option<Instant>,
    /// Whether the source of the value is noted, for `traced!`.
    traced: bool,
    /// Whether the last look found a value to be returned where the computation fails.
    falls_back: bool,
    /// Whether this call may still look again after another one's computation that failed.
    retries: bool,
    /// How long this call waits for a new value, with one at hand that isn't fresh.
    soft_timeout: Duration,
    /// None of a call that waits in its own process only.
    fleet: Option<Box<Fleet<'a>>>,
    /// Versions that each look brings too.
    beside: Option<Arc<Known>>,
}

enum State {
    Start,
    Looked(Look),
    /// The value of another call's computation was not taken.
    Refused(Snapshot),
}

/// A step of a round.
pub(crate) enum Step<'a, R> {
    /// The stored value, if there is one.
    Looked(Option<R>),
    /// The stored value, which is to be computed anew. [`Round::refresh`] says whether by this call.
    Due(R, Freshness),
    /// The value of another call's computation.
    Shared(R),
    /// This call computes. The flight goes to [`Round::compute`].
    Compute(Lead<'a>),
}

/// The end of a round that may compute in the background.
pub(crate) enum Reached<'a, R> {
    Value(R),
    Compute(Duty<'a>),
    /// Compute, without a call that waits for it.
    Behind(Duty<'a>, AtHand<'a, R>),
}

/// A value that was found, while the one that follows is computed.
pub(crate) struct AtHand<'a, R> {
    value: R,
    source: Source,
    trace: Option<Trace>,
    /// The computation of the new value, and how long it is waited for.
    wait: Option<(Wait, Duration)>,
    engine: Hold<'a, Engine>,
    function: u32,
}

/// The computation that follows a value.
enum Renewal<'a> {
    /// It is this call's, which may wait for it as well.
    Lead(Lead<'a>, Option<Wait>),
    /// Another call is at it.
    Wait(Wait),
    None,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Store,
    /// A stored value that is past its freshness.
    Stale,
    Flight,
}

/// The end of a round.
pub(crate) enum Outcome<R, D> {
    Value(R),
    Compute(D),
}

impl<R, D> Outcome<R, D> {
    /// The same with the duty on the heap.
    pub(crate) fn boxed(self) -> Outcome<R, Box<D>> {
        match self {
            Self::Value(value) => Outcome::Value(value),
            Self::Compute(duty) => Outcome::Compute(Box::new(duty)),
        }
    }
}

impl<'a> Round<'a> {
    pub(crate) fn new(call: Call<'a>, place: Place, flight_timeout: Duration) -> Self {
        let soft_timeout = call.windows.soft_timeout;
        let fleet = Fleet::new(&call);
        Self {
            call,
            place,
            state: State::Start,
            patience: PATIENCE,
            flight_timeout,
            waits: None,
            traced: false,
            falls_back: false,
            retries: true,
            fleet,
            soft_timeout,
            beside: None,
        }
    }

    /// Notes where the value of [`run`](Self::run) comes from.
    pub(crate) fn trace(&mut self) {
        self.traced = true;
    }

    #[cfg(feature = "tower")]
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The time that the call has for the backend.
    #[cfg(feature = "tower")]
    pub(crate) fn budget(&self) -> &Budget {
        &self.call.budget
    }

    /// Has each look bring versions that the entry has depended on.
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    pub(crate) fn look_beside(&mut self, versions: Option<Arc<Known>>) {
        self.beside = versions;
    }

    /// Makes this call compute without waiting for another one.
    #[cfg(feature = "tower")]
    pub(crate) fn go_alone(&mut self) {
        self.call.single_flight = false;
    }

    /// Says whether the value of the last look is to be returned where the computation fails, for a surface whose values know
    /// their own windows.
    #[cfg(feature = "tower")]
    pub(crate) fn fall_back(&mut self, yes: bool) {
        self.falls_back = yes;
    }

    /// Takes the duty on to compute the value anew that the last look found, while this call serves it. None if another call is at
    /// it, has just done it, or has failed a moment ago.
    #[cfg(feature = "tower")]
    pub(crate) async fn renew_behind<D: Io>(mut self, io: D) -> Option<Duty<'a>> {
        match self.renew(io, false).await {
            Renewal::Lead(flight, _) => Some(self.compute(flight).with(Former::Behind, false)),
            Renewal::Wait(_) | Renewal::None => None,
        }
    }

    /// Notes that the value could not be computed elsewhere. The next step is another look.
    #[cfg(feature = "tower")]
    pub(crate) fn failed(&mut self) {
        self.call.hold_back(self.place.key());
        self.state = State::Start;
    }

    /// The duty that comes with [`Step::Compute`].
    pub(crate) fn compute(self, flight: Lead<'a>) -> Duty<'a> {
        let held = self.fleet.and_then(|mut fleet| fleet.held());
        let duty = Duty::new(self.call, self.place, flight).under(held);
        if self.falls_back { duty.with(Former::Kept, self.traced) } else { duty }
    }

    /// Whether there is a value to be returned in place of a computation that is not to be tried now.
    pub(crate) fn is_held_back(&self) -> bool {
        self.falls_back && self.call.holds_back(self.place.key())
    }

    /// Goes on to the next value that may be taken, or to this call's own computation.
    pub(crate) async fn next<R, D: Io>(&mut self, io: D, policy: &Policy<R>) -> Step<'a, R> {
        loop {
            let look = match std::mem::replace(&mut self.state, State::Start) {
                State::Start => {
                    let beside = self.beside.as_deref();
                    let (value, look) = Look::new(io, &self.call, &self.place, policy, beside).await;
                    self.state = State::Looked(look);
                    self.falls_back = value.is_some() && self.call.windows.fall_back();
                    let waited = self.end_flight(policy, value.as_ref());
                    return match value {
                        Some((value, _)) if waited => {
                            self.call.count(Event::Miss);
                            Step::Shared(value)
                        }
                        Some((value, state @ (Freshness::Due | Freshness::Stale))) => Step::Due(value, state),
                        Some((value, Freshness::Fresh)) => Step::Looked(Some(value)),
                        Some((value, Freshness::Fallback)) if self.is_held_back() => {
                            Step::Due(value, Freshness::Stale)
                        }
                        Some((value, Freshness::Fallback)) if !self.soft_timeout.is_zero() => {
                            Step::Due(value, Freshness::Fallback)
                        }
                        Some((_, Freshness::Fallback)) | None => Step::Looked(None),
                    };
                }
                State::Looked(look) => look,
                State::Refused(snapshot) => return self.alone(snapshot),
            };
            // Boxed, as all that a hit doesn't need: the future of a call is as large as its largest step.
            let snapshot = Box::pin(look.snapshot(io, &self.call, &self.place)).await;
            let still_led = self.fleet.as_mut().and_then(|fleet| fleet.still_led(snapshot));
            let role = match still_led {
                Some(lead) => Role::Lead(lead),
                None => match self.role(&look, snapshot) {
                    Ok(role) => role,
                    Err(step) => return step,
                },
            };
            match role {
                Role::Recheck => self.patience = self.patience.saturating_sub(1),
                // One has failed since the look.
                Role::Lead(flight) if self.is_held_back() => flight.release(),
                Role::Lead(flight) => {
                    if let Some(flight) = Box::pin(self.take_turn(io, flight, (&look, snapshot))).await {
                        self.call.count(Event::Miss);
                        return Step::Compute(flight);
                    }
                }
                Role::Alone(flight) => {
                    self.call.count(Event::Miss);
                    return Step::Compute(flight);
                }
                Role::Wait(wait) => match Box::pin(self.wait(io, wait)).await {
                    Some(Waited::Again) => {}
                    Some(Waited::Released) if self.looks_after_failure() => {}
                    // It failed, isn't stored, or takes too long: each call computes. Still registered, so that a deletion is
                    // seen.
                    Some(Waited::Released) | None => {
                        self.call.count(Event::Miss);
                        return self.alone(snapshot);
                    }
                    Some(Waited::Output(output)) => {
                        self.call.count(Event::Miss);
                        match (policy.unbox)(output) {
                            Some(value) => {
                                self.state = State::Refused(snapshot);
                                return Step::Shared(value);
                            }
                            None => return self.alone(snapshot),
                        }
                    }
                    Some(Waited::Value(value)) => {
                        self.call.count(Event::Miss);
                        match policy.take(&*value).or_else(|| self.take_encoded(policy, &*value)) {
                            Some(value) => {
                                self.state = State::Refused(snapshot);
                                return Step::Shared(value);
                            }
                            None => return self.alone(snapshot),
                        }
                    }
                },
            }
        }
    }

    /// Takes the duty on to compute the value anew that was found, unless another call is at it, has just done it, or has failed
    /// a moment ago.
    async fn renew<D: Io>(&mut self, io: D, waits: bool) -> Renewal<'a> {
        let State::Looked(look) = std::mem::replace(&mut self.state, State::Start) else {
            return Renewal::None;
        };
        let (engine, key) = (&*self.call.engine, self.place.key());
        let is_led = || matches!(self.place, Place::Remote { .. }) && engine.flights.is_led(key);
        if self.call.holds_back(key) || (!waits && is_led()) {
            return Renewal::None;
        }
        let snapshot = look.snapshot(io, &self.call, &self.place).await;
        if matches!(snapshot, Snapshot::Remote(None)) {
            // It could not be stored.
            return Renewal::None;
        }
        let flight = match self.call.join(&self.place, look.content(), snapshot, Some(look.since), false) {
            Role::Lead(flight) => flight,
            Role::Wait(wait) if waits => return Renewal::Wait(wait),
            Role::Recheck | Role::Alone(_) | Role::Wait(_) => return Renewal::None,
        };
        if !self.is_first_of_fleet(io, (&look, snapshot)).await {
            return Renewal::None;
        }
        self.call.count(Event::Miss);
        // The computation is known already, so that this call can join it as any other one.
        let own = || self.call.join(&self.place, look.content(), snapshot, None, false);
        let wait = if waits && let Role::Wait(wait) = own() { Some(wait) } else { None };
        Renewal::Lead(flight, wait)
    }

    /// Takes the lock among all processes, or waits for the process that has it, if the option says so. Returns the flight that
    /// this call computes in; none if it is to look again.
    async fn take_turn<D: Io>(
        &mut self,
        io: D,
        flight: Lead<'a>,
        seen: (&Look, Snapshot),
    ) -> Option<Lead<'a>> {
        if self.fleet.is_none() {
            return Some(flight);
        }
        let limit = self.patience_left();
        let Some(fleet) = &mut self.fleet else { return Some(flight) };
        let mut dropped = Dropped(Some(&self.call));
        let asked = fleet.ask(io, (&self.call, &self.place), seen, limit).await;
        dropped.0 = None;
        drop(dropped);
        match asked {
            Asked::Look => {
                fleet.keep(flight);
                return None;
            }
            Asked::Elsewhere => self.call.count(Event::GivenUp),
            Asked::Compute | Asked::Failed => {}
        }
        Some(flight)
    }

    /// Takes the lock among all processes without waiting for one that has it. True also if the call needs none.
    async fn is_first_of_fleet<D: Io>(&mut self, io: D, seen: (&Look, Snapshot)) -> bool {
        let Some(fleet) = &mut self.fleet else { return true };
        fleet.ask(io, (&self.call, &self.place), seen, Duration::ZERO).await == Asked::Compute
    }

    /// Ends the flight of this process with the value of another one, if this call leads it and the value is there.
    fn end_flight<R>(&mut self, policy: &Policy<R>, value: Option<&(R, Freshness)>) -> bool {
        let (Some(fleet), Some(value)) = (&mut self.fleet, value) else { return false };
        fleet.end_flight(&self.call, policy, value)
    }

    fn at_hand<R>(&self, value: R, source: Source, trace: Option<Trace>) -> AtHand<'a, R> {
        let (engine, function) = (self.call.engine.clone(), self.call.function);
        AtHand { value, source, trace, wait: None, engine, function }
    }

    /// Whether the computation that this call waited for has failed, and there may be a value to be returned in its place. Once,
    /// because each further wait would be for one more failure.
    fn looks_after_failure(&mut self) -> bool {
        (self.falls_back || self.call.windows.fall_back())
            && self.call.holds_back(self.place.key())
            && std::mem::take(&mut self.retries)
    }

    /// Waits for another call's computation. Returns none if this call gives up.
    async fn wait<D: Io>(&mut self, io: D, wait: Wait) -> Option<Waited> {
        let limit = self.patience_left();
        self.call.wait(io, wait, self.place.key(), limit).await
    }

    /// How long this call may still wait for others.
    fn patience_left(&mut self) -> Duration {
        let began = *self.waits.get_or_insert_with(Instant::now);
        self.flight_timeout.saturating_sub(began.elapsed())
    }

    fn take_encoded<R>(&self, policy: &Policy<R>, part: &(dyn Any + Send + Sync)) -> Option<R> {
        sharing::take(&self.call.engine, self.call.function, policy, part)
    }

    /// Joins the computation under way, or returns the step of a call that waits for none.
    fn role<R>(&self, look: &Look, snapshot: Snapshot) -> Result<Role<'a, Snapshot>, Step<'a, R>> {
        if self.call.refresh || !self.call.single_flight {
            if !self.call.refresh {
                self.call.count(Event::Miss);
            }
            return Err(self.alone(snapshot));
        }
        let again = self.call.may_look_again(snapshot);
        let patient = again && self.patience > 0 && matches!(snapshot, Snapshot::Remote(_));
        Ok(self.call.join(&self.place, look.content(), snapshot, again.then_some(look.since), patient))
    }

    fn alone<R>(&self, snapshot: Snapshot) -> Step<'a, R> {
        Step::Compute(self.call.register(&self.place, snapshot))
    }

    /// Counts a value that was taken.
    #[cfg(feature = "tower")]
    pub(crate) fn took(&self, source: Source) {
        self.call.count(source.event());
    }

    fn traced_as(&self, source: Source) -> Trace {
        let how = match source {
            Source::Store => How::Hit,
            Source::Stale => How::Stale,
            Source::Flight => return Trace::of(How::Waited),
        };
        let (tier, times) = match &self.state {
            State::Looked(look) => (look.tier(&self.place), look.times(&self.call.engine, &self.place)),
            _ => (self.place.tier(), Times::default()),
        };
        Trace::found(how, tier, times)
    }

    /// Goes on until a value `serves`, or to this call's own computation.
    pub(crate) async fn run<R, D: Io>(
        self,
        io: D,
        policy: &Policy<R>,
        serves: impl Fn(&R, Source) -> bool,
    ) -> Outcome<R, Duty<'a>> {
        match self.reach(io, policy, serves).await {
            Reached::Value(value) => Outcome::Value(value),
            Reached::Compute(duty) | Reached::Behind(duty, _) => Outcome::Compute(duty),
        }
    }

    /// The same of a call that may compute in the background.
    pub(crate) async fn reach<R, D: Io>(
        mut self,
        io: D,
        policy: &Policy<R>,
        serves: impl Fn(&R, Source) -> bool,
    ) -> Reached<'a, R> {
        loop {
            let (value, source, state) = match self.next(io, policy).await {
                Step::Looked(None) => continue,
                Step::Looked(Some(value)) => (value, Source::Store, Freshness::Fresh),
                Step::Due(value, state @ (Freshness::Stale | Freshness::Fallback)) => {
                    (value, Source::Stale, state)
                }
                Step::Due(value, state) => (value, Source::Store, state),
                Step::Shared(value) => (value, Source::Flight, Freshness::Fresh),
                Step::Compute(flight) => return Reached::Compute(self.compute(flight)),
            };
            if !(serves(&value, source) || (source != Source::Flight && self.is_held_back())) {
                continue;
            }
            let trace = self.traced.then(|| self.traced_as(source));
            let mut at_hand = self.at_hand(value, source, trace);
            if state != Freshness::Fresh {
                let waits = source == Source::Stale && !self.soft_timeout.is_zero();
                match Box::pin(self.renew(io, waits)).await {
                    Renewal::Lead(flight, wait) if self.call.windows.background => {
                        at_hand.wait = wait.map(|wait| (wait, self.soft_timeout));
                        // The source is that of the value at hand.
                        return Reached::Behind(self.compute(flight).with(Former::Behind, false), at_hand);
                    }
                    Renewal::Lead(flight, _) => {
                        let traced = self.traced;
                        return Reached::Compute(self.compute(flight).with(Former::Served, traced));
                    }
                    Renewal::Wait(wait) => at_hand.wait = Some((wait, self.soft_timeout)),
                    Renewal::None if state == Freshness::Fallback => {
                        // Nothing is waited for, so it is a miss.
                        self.soft_timeout = Duration::ZERO;
                        continue;
                    }
                    Renewal::None => {}
                }
            }
            return Reached::Value(at_hand.end(io, policy).await);
        }
    }
}

impl<R> AtHand<'_, R> {
    /// Returns the new value, if it is computed in time, or else the one at hand.
    pub(crate) async fn end<D: Io>(self, io: D, policy: &Policy<R>) -> R {
        let Self { value, source, trace, wait, engine, function } = self;
        let waited = match wait {
            Some((wait, limit)) => Box::pin(io.wait(wait, limit)).await,
            None => None,
        };
        let new = match waited {
            Some(Waited::Value(part)) => {
                policy.take(&*part).or_else(|| sharing::take(&engine, function, policy, &*part))
            }
            Some(Waited::Output(output)) => (policy.unbox)(output),
            Some(Waited::Released | Waited::Again) | None => None,
        };
        let (value, source, trace) = match new {
            Some(new) => (new, Source::Flight, trace.map(|_| Trace::of(How::Waited))),
            None => (value, source, trace),
        };
        engine.count_of(function, source.event());
        trace.into_iter().for_each(trace::note);
        value
    }
}

impl Source {
    fn event(self) -> Event {
        match self {
            Self::Store => Event::Hit,
            Self::Stale => Event::Stale,
            Self::Flight => Event::Coalesced,
        }
    }
}
