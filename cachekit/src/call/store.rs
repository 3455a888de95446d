//! The computation of a call and its end: the value is stored, unless something was deleted since it began.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::simple::{Ended, Entry, Left, Right, Tagged};
use cachekit_backends::{jittered, ttl_millis};

#[cfg(any(feature = "tower", feature = "minijinja"))]
use super::dependencies::{self, Dependency};
use super::faithful::comes_back;
use super::freshness::{Freshness, Stamped, Times, Windows};
use super::inputs::Call;
use super::look::{Look, survived};
use super::place::Place;
use super::policy::{Envelope, Policy};
use super::sharing;
use super::span::{Computation, InSpan};
use super::trace::{self, How, Trace};
use super::verdict::Verdict;
use crate::engine::fleet::Held;
use crate::engine::flight::{Berth, Key, Scope, Shared, scope};
use crate::engine::meter::Timer;
use crate::engine::remote::{BlockingIo, Delete, Io, PutIf, ready};
use crate::engine::stats::Event;
use crate::engine::{Content, Lead, LocalTable, Snapshot};

/// The duty to compute. If it is dropped, by a panic or a cancellation, one of the calls that wait takes over.
pub(crate) struct Duty<'a> {
    call: Call<'a>,
    /// None if the value must not be stored.
    place: Option<Place>,
    /// None after its end, and of a computation that stores nothing and that no call waits for.
    flight: Option<Lead<'a>>,
    former: Former,
    timer: Timer,
    span: Computation,
    /// Whether the source of the value is noted, for `traced!`.
    traced: bool,
    /// The lock among all processes. Released after the value is stored.
    held: Option<Held>,
    /// The entries that left for the value: dropped after the end.
    left: Left,
}

/// The value that the computed one is to follow.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Former {
    #[default]
    None,
    /// It is served until then.
    Served,
    /// It is served until then, and no call waits for this one.
    Behind,
    /// It is returned if the computation fails.
    Kept,
}

impl Drop for Duty<'_> {
    /// A refresh that did not come to its end has failed: the value before it is served on.
    fn drop(&mut self) {
        self.call.engine.computation_ends(self.call.function);
        if matches!(self.former, Former::Served | Former::Behind)
            && let Some(place) = &self.place
        {
            self.call.hold_back(place.key());
        }
    }
}

/// The end of a computation.
pub(super) enum Settled {
    /// With the write to the backend that is left to do.
    Stored(Option<Write>),
    /// The value before it is to be returned.
    Failed,
}

/// The body of an async function, which runs in its computation whenever it is polled.
pub(crate) type Running<F> = InSpan<Scope<F>>;

/// Runs the body of an async function in no computation.
pub(crate) fn run_apart<F: Future>(body: F) -> Running<F> {
    InSpan::none(scope(None::<&Lead<'_>>, body))
}

/// The rest of the end of a computation: the part that asks the backend.
pub(crate) enum Unsettled {
    Write(Write),
    /// The value before it is to be returned.
    Failed,
}

/// An operation that stores a value on the backend, or removes the one that it was to replace.
pub(crate) enum Write {
    Put(PutIf),
    Remove(String),
}

impl<'a> Duty<'a> {
    pub(crate) fn new(call: Call<'a>, place: Place, flight: Lead<'a>) -> Self {
        Self::of(call, Some((place, flight)))
    }

    /// The duty of a call whose value can be neither stored nor shared.
    pub(crate) fn apart(call: Call<'a>) -> Self {
        Self::of(call, None)
    }

    fn of(call: Call<'a>, entry: Option<(Place, Lead<'a>)>) -> Self {
        let timer = call.engine.computation_begins(call.function);
        let (place, flight) = entry.unzip();
        let span = Computation::new(&call, place.as_ref().map(Place::key));
        Self {
            call,
            place,
            flight,
            former: Former::None,
            timer,
            span,
            traced: false,
            held: None,
            left: Left::default(),
        }
    }

    /// The same under a lock among all processes.
    pub(super) fn under(mut self, held: Option<Held>) -> Self {
        self.held = held;
        self
    }

    /// The same, where there is a value. `traced` notes its source if it is returned.
    pub(super) fn with(mut self, former: Former, traced: bool) -> Self {
        (self.former, self.traced) = (former, traced);
        self
    }

    #[cfg(feature = "tower")]
    pub(crate) fn call(&self) -> &Call<'a> {
        &self.call
    }

    /// Whether there is a value that stays if the computation fails.
    #[cfg(feature = "tower")]
    pub(crate) fn follows(&self) -> bool {
        self.former != Former::None
    }

    /// Whether no call waits for the computation.
    #[cfg(feature = "tower")]
    pub(crate) fn is_behind(&self) -> bool {
        self.former == Former::Behind
    }

    /// Sets the time to live of the new entry.
    #[cfg(feature = "tower")]
    pub(crate) fn set_life(&mut self, life: cachekit_backends::Ttl) {
        self.call.life = life;
    }

    /// Adds the dependencies of the new entry: their versions must be there as long as it is, and the looks that follow bring them.
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    pub(crate) fn depends_on<'d>(&mut self, all: impl Iterator<Item = &'d Dependency> + Clone) {
        if let Some(Place::Remote { key, versions, .. }) = &mut self.place {
            dependencies::remember(&self.call.engine, key.digest, None, all.clone());
            for key in dependencies::version_keys(all) {
                if !versions.contains(&key) {
                    versions.push(key);
                }
            }
        }
    }

    /// Runs the body of a function. Inlined even where nothing else is: its frame would be on the stack while the body runs.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a level of a recursive function takes less of the stack")]
    pub(crate) fn run<B>(&self, body: impl FnOnce() -> B) -> B {
        let _span = self.span.enter();
        let _inside = self.flight.as_ref().and_then(Lead::enter);
        body()
    }

    /// Runs the body of an async function.
    pub(crate) fn run_async<F: Future>(&self, body: F) -> Running<F> {
        self.span.around(scope(self.flight.as_ref(), body))
    }

    /// The right to compute, until its end.
    pub(super) fn lead(&self) -> Option<&Lead<'a>> {
        self.flight.as_ref()
    }

    /// The place for a body that owns all it needs, if other calls may wait for it.
    pub(crate) fn berth(&self) -> Option<Berth> {
        self.flight.as_ref()?.berth()
    }

    /// Makes this the computation that the thread's code belongs to, until [`step_out`](Self::step_out).
    #[cfg(feature = "minijinja")]
    pub(crate) fn step_in(&self) {
        self.flight.iter().for_each(Lead::step_in);
    }

    /// Ends what [`step_in`](Self::step_in) began.
    #[cfg(feature = "minijinja")]
    pub(crate) fn step_out(&self) {
        self.flight.iter().for_each(Lead::step_out);
    }

    /// Ends the computation with nothing that is stored or shared: the calls that wait compute, side by side.
    #[cfg(feature = "tower")]
    pub(crate) fn release(mut self) {
        self.release_flight();
    }

    /// The same, of a value that takes the place of the one before: that is removed.
    #[cfg(feature = "tower")]
    pub(crate) async fn discard<D: Io>(mut self, io: D) {
        if let Some(write) = self.store_nothing() {
            write.run(io, &self.call).await;
        }
    }

    /// Ends a computation that has failed, so that none begins for a while. Returns the value to be taken in its place, if there
    /// still is one.
    #[cfg(feature = "tower")]
    pub(crate) async fn failed<R, D: Io>(&mut self, io: D, policy: &Policy<R>) -> Option<R> {
        let looks = self.former != Former::Behind;
        self.fail();
        if looks { self.fall_back(io, policy).await.map(|(value, _)| value) } else { None }
    }

    /// Lets the calls that wait go on by themselves. The computation goes on, and a deletion still keeps it from storing.
    #[cfg(feature = "tower")]
    pub(crate) fn release_waiters(&mut self) {
        let (Some(flight), Some(place)) = (self.flight.take(), &self.place) else { return };
        // Before the old flight is looked at: a deletion marks one of the two.
        self.flight = Some(self.call.register(place, *flight.snapshot()));
        if flight.invalidated() {
            self.place = None;
        }
        flight.release();
    }

    pub(super) fn release_flight(&mut self) {
        if let Some(held) = &mut self.held {
            held.open();
        }
        if let Some(flight) = self.flight.take() {
            flight.release();
        }
    }

    /// Stores the value if it is to be stored, and hands it to the calls that wait. Returns the one before it, if the
    /// computation has failed and the options say so. Blocks the thread.
    pub(crate) fn settle_blocking<R, V: Into<Verdict>>(
        &mut self,
        policy: &Policy<R>,
        output: &R,
        judge: impl FnOnce(&R) -> V,
    ) -> Option<R> {
        let rest = self.settle_here(policy, output, judge)?;
        let Some((value, trace)) = ready(self.ask(BlockingIo, policy, rest)) else {
            self.land(policy, output);
            return None;
        };
        trace.into_iter().for_each(trace::note);
        Some(value)
    }

    /// The same over a driver. Returns the value that the call returns, and for `traced!` the source of one from before.
    pub(crate) async fn settle<R, D: Io, V: Into<Verdict>>(
        mut self,
        io: D,
        policy: &Policy<R>,
        output: R,
        judge: impl FnOnce(&R) -> V,
    ) -> (R, Option<Trace>) {
        match self.settle_here(policy, &output, judge) {
            None => (output, None),
            Some(rest) => self.settle_rest(io, policy, output, rest).await,
        }
    }

    /// The part of it that asks no backend, which is all of it in most calls: a call that is a task needs no future for this. Returns
    /// the rest, if there is one.
    pub(crate) fn settle_here<R, V: Into<Verdict>>(
        &mut self,
        policy: &Policy<R>,
        output: &R,
        judge: impl FnOnce(&R) -> V,
    ) -> Option<Unsettled> {
        match self.store(policy, output, judge) {
            Settled::Stored(Some(write)) => Some(Unsettled::Write(write)),
            Settled::Failed => Some(Unsettled::Failed),
            Settled::Stored(None) => {
                self.land(policy, output);
                None
            }
        }
    }

    /// The rest of [`settle_here`](Self::settle_here), over a driver. Returns the same as [`settle`](Self::settle).
    pub(crate) async fn settle_rest<R, D: Io>(
        mut self,
        io: D,
        policy: &Policy<R>,
        output: R,
        rest: Unsettled,
    ) -> (R, Option<Trace>) {
        // The value is not borrowed while the backend is waited for: it need not be `Sync`.
        if let Some(former) = self.ask(io, policy, rest).await {
            return former;
        }
        self.land(policy, &output);
        (output, None)
    }

    /// Asks the backend for the rest. Returns the value before the computation, if that is to be returned. After a computation that
    /// has failed the flight is over, and nothing lands.
    async fn ask<R, D: Io>(
        &mut self,
        io: D,
        policy: &Policy<R>,
        rest: Unsettled,
    ) -> Option<(R, Option<Trace>)> {
        match rest {
            Unsettled::Failed => self.fall_back(io, policy).await,
            Unsettled::Write(write) => {
                write.run(io, &self.call).await;
                None
            }
        }
    }

    /// Looks for the value before the computation, which has failed. Anew, because what was deleted meanwhile is not to come back.
    #[cold]
    async fn fall_back<R, D: Io>(&mut self, io: D, policy: &Policy<R>) -> Option<(R, Option<Trace>)> {
        let place = self.place.take()?;
        self.call.windows.while_revalidate = Duration::ZERO;
        let (value, look) = Look::new(io, &self.call, &place, policy, None).await;
        let (value, state) = value?;
        let how = match state {
            Freshness::Fresh | Freshness::Due => How::Hit,
            Freshness::Stale | Freshness::Fallback => {
                self.call.count(Event::Stale);
                How::Stale
            }
        };
        let found = || Trace::found(how, look.tier(&place), look.times(&self.call.engine, &place));
        Some((value, self.traced.then(found)))
    }

    /// Ends the computation, which has failed without a value. Returns the place of the value before it, if that may be returned.
    #[cold]
    pub(super) fn give_up(&mut self) -> Option<Place> {
        self.call.engine.body_returned(self.call.function, &self.timer);
        if self.former == Former::None {
            self.release_flight();
            return None;
        }
        match self.fail() {
            Settled::Failed => self.place.take(),
            Settled::Stored(_) => None,
        }
    }

    /// Notes that the computation has failed, and ends the flight. The calls that wait look again, so in this order.
    #[cold]
    fn fail(&mut self) -> Settled {
        let former = std::mem::take(&mut self.former);
        self.place.iter().for_each(|place| self.call.hold_back(place.key()));
        self.release_flight();
        if self.call.windows.fall_back() && former != Former::Behind {
            Settled::Failed
        } else {
            Settled::Stored(None)
        }
    }

    /// Stores a value in process, or returns the write to the backend. If the value is not stored, this ends the flight.
    pub(super) fn store<R, V: Into<Verdict>>(
        &mut self,
        policy: &Policy<R>,
        output: &R,
        judge: impl FnOnce(&R) -> V,
    ) -> Settled {
        self.call.engine.body_returned(self.call.function, &self.timer);
        let verdict = {
            // The user's code that is asked about the value is a part of the computation.
            let _inside = self.lead().and_then(Lead::enter);
            Verdict::of(policy, output, judge)
        };
        if self.former != Former::None && (verdict.is_err || (policy.fails)(output)) {
            return self.fail();
        }
        Settled::Stored(self.store_judged(policy, output, verdict))
    }

    fn store_judged<R>(&mut self, policy: &Policy<R>, output: &R, verdict: Verdict) -> Option<Write> {
        let Verdict { keep, timeout, of_value, is_err, weight } = verdict;
        if !keep {
            return self.store_nothing();
        }
        self.former = Former::None;
        if is_err {
            // Never served past its own time.
            self.call.windows = Windows::NONE;
        }
        if let Some(timeout) = timeout
            && !(of_value && self.call.life_by_name)
        {
            self.call.life = timeout.resolve(self.call.engine.default_timeout);
        }
        let flight = self.flight.as_mut()?;
        self.call.life = jittered(self.call.life, self.call.jitter);
        if let Some(Place::Local { key, instance, tags, table }) = &self.place {
            let at = (*instance, &**tags, table);
            store_locally(&self.call, policy, (weight, output), key, at, flight, &mut self.left);
            return None;
        }
        match self.place.take()? {
            Place::Local { .. } => None,
            Place::Remote { entry, versions, .. } => {
                sealed(&self.call, policy, (entry, versions), flight, (output, is_err))
            }
        }
    }

    /// Ends the flight with no value. Removes the one that was to be followed, here or by the write that it returns.
    pub(super) fn store_nothing(&mut self) -> Option<Write> {
        self.release_flight();
        if std::mem::take(&mut self.former) == Former::None { None } else { self.remove() }
    }

    /// Removes the value that was to be followed by one that isn't stored, here or by the write that it returns.
    #[cold]
    fn remove(&mut self) -> Option<Write> {
        match self.place.take()? {
            Place::Local { key, instance, table, .. } => {
                table.remove(&key, instance);
                None
            }
            Place::Remote { entry, .. } => Some(Write::Remove(entry)),
        }
    }

    #[inline]
    pub(super) fn land<R>(&mut self, policy: &Policy<R>, output: &R) {
        if let Some(flight) = &mut self.flight {
            let call = &self.call;
            end(flight, &mut || sharing::share(call, policy, output));
        }
    }
}

/// Ends a flight. Without the type of the value, so that it is compiled with cachekit and not in each program.
fn end(flight: &mut Lead<'_>, value: &mut dyn FnMut() -> Option<Shared>) {
    flight.end(value);
}

#[inline]
fn store_locally<R>(
    call: &Call<'_>,
    policy: &Policy<R>,
    (weight, output): (Option<u64>, &R),
    key: &Key,
    (instance, tags, table): (u64, &[u64], &LocalTable),
    flight: &mut Lead<'_>,
    left: &mut Left,
) {
    let (Snapshot::Local { at }, Some(claim)) = (*flight.snapshot(), flight.claim()) else { return };
    let local = &call.engine.local;
    let expiry = local.expiry(call.windows.kept(call.life));
    let content = if table.is_plain() {
        (policy.to_words)(output).map(Content::Words)
    } else {
        let entry = {
            let _inside = flight.enter();
            sharing::keep(call, policy, weight, key.bytes.clone(), output)
        };
        entry
            .map(|entry| stamped(call, key, entry))
            .map(|entry| Content::Entry(if tags.is_empty() { entry } else { Tagged::entry(entry, tags, at) }))
    };
    let Some(content) = content else { return };
    let right = if call.refresh { Right::Newest(claim) } else { Right::Claim(claim) };
    let Ended { stored, hook } = {
        // An entry of another function may leave for it, which is dropped in there.
        let _inside = flight.enter();
        table.fill(key, instance, right, (content, expiry), || local.admits(tags, at), left)
    };
    flight.claim_ended(hook);
    if stored {
        call.count(Event::Store);
    }
}

/// Adds its times to an entry that may be served while it is computed anew.
#[inline]
fn stamped(call: &Call<'_>, key: &Key, entry: Arc<Entry>) -> Arc<Entry> {
    if call.windows.is_none() {
        return entry;
    }
    let created = call.engine.clock.monotonic();
    let fresh = call.life.map(|life| created.saturating_add(ttl_millis(life)));
    Stamped::entry(key.bytes.clone(), entry, Times { created, fresh }, &call.windows)
}

/// Returns the write to the backend, if the value may be stored.
fn sealed<R>(
    call: &Call<'_>,
    policy: &Policy<R>,
    (entry, versions): (String, Vec<String>),
    flight: &Lead<'_>,
    (output, is_err): (&R, bool),
) -> Option<Write> {
    // Without a snapshot it isn't known under which versions the value would be stored.
    let (Some(remote), Snapshot::Remote(Some(state))) = (&call.engine.remote, *flight.snapshot()) else {
        return None;
    };
    let (now, life, generation) = (call.engine.clock.now(), call.life, state.generation());
    let windows = call.windows;
    let named = Envelope::named(&versions);
    let envelope = Envelope { key: &entry, now, life, generation, is_err, windows, versions: named };
    // The user's code that encodes the value, and reads it again, is a part of the computation.
    let _inside = flight.enter();
    let sealed = (policy.seal)(&envelope, output);
    if call.refresh {
        flight.supersede();
    }
    match sealed {
        Ok(_) if flight.invalidated() => None,
        Ok(None) => None,
        Ok(Some(value)) => {
            if comes_back(call, policy, &envelope, &value, output) {
                let (life, token) = (call.windows.kept(life), state.token());
                Some(Write::Put(PutIf { key: entry, value, life, token, replaces: call.refresh, versions }))
            } else {
                call.refresh.then_some(Write::Remove(entry))
            }
        }
        Err(error) => {
            survived(call, remote, &error);
            call.refresh.then_some(Write::Remove(entry))
        }
    }
}

impl Write {
    async fn run<D: Io>(self, io: D, call: &Call<'_>) {
        let (Some(remote), budget) = (&call.engine.remote, &call.budget) else { return };
        let result = match self {
            Self::Remove(key) => io.call_within(remote, budget, Delete { key }).await.map(|_| false),
            Self::Put(put) => {
                let replaced = call.refresh.then(|| put.key.clone());
                match (io.call_within(remote, budget, put).await, replaced) {
                    // The entry that was stored meanwhile may be older than the refresh that was to replace it.
                    (Ok(false), Some(key)) => {
                        io.call_within(remote, budget, Delete { key }).await.map(|_| false)
                    }
                    (result, _) => result,
                }
            }
        };
        match result {
            Ok(true) => call.count(Event::Store),
            Ok(false) => {}
            Err(error) => survived(call, remote, &error),
        }
    }
}
