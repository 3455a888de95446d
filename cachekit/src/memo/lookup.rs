//! The way of a call of a memoized function: the first look, where a [`hit`] ends, and what comes after a miss.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use cachekit_backends::simple::{Pinned, Shape};

use super::Op;
use super::direct::{self, Direct, Parts};
use super::finishing::{self, Finishing, Owning};
use super::function::{Function, Handle, Mode};
use super::hit::{self, Looked, Straight};
use super::life::{Life, Lifespan, Tagging};
use super::options::{Join, Joining, Judged, Never, Options, StaleIf};
use super::owned::Owned;
use crate::cache::Cache;
use crate::call::arguments::KeyPart;
use crate::call::policy::Policy;
use crate::call::store::Duty;
use crate::call::tags::TagList;
use crate::call::trace::{self, How, Trace};
use crate::call::verdict::Verdict;
use crate::call::{Call, Outcome, Place, Round, Source, has_instances, takes_part};
use crate::engine::remote::{BlockingIo, ready};
use crate::engine::{Engine, Needs};

/// A call that missed; owns all it needs, so that the arguments are free for the body.
pub struct Pending<F> {
    pub(super) state: State,
    pub(super) stale_if: F,
}

/// The state of a call that missed. On the heap, so that a level of a recursive function takes little of the stack.
pub(super) enum State {
    /// The computation is this call's, as most misses in process are; it blocks, and has no option to be kept in mind.
    Direct(Direct),
    Begun(Begun),
}

/// The state of a call with all that it may be asked.
pub(super) enum Begun {
    /// The call only computes.
    Bypass(Op),
    /// The computation is this call's.
    Lead(Box<Duty<'static>>),
    Round(Box<Round<'static>>),
}

impl State {
    /// That of a call that is a task, or whose entries carry their times.
    pub(super) fn begun(self) -> Begun {
        match self {
            Self::Begun(begun) => begun,
            Self::Direct(_) => unreachable!("such a call does not begin so"),
        }
    }
}

/// The result of the look with which a call begins.
pub enum Probe<F> {
    /// The value is that of an entry which this thread holds, or in the slot: see [`value`].
    Hit(Option<Rc<Pinned>>),
    /// The rest of the call.
    Pending(Pending<F>),
}

/// Looks a call up. A value that is not cloned from an entry that the thread holds is put into the empty slot `found`.
///
/// Most hits end in what is inlined here. All else is in one `rest`, because the compiler saves registers for each call that
/// it returns from.
#[inline]
pub fn probe<M: Mode, R, K, I, U, Q, F, T, J, G>(
    handle: Handle<M>,
    policy: &Policy<R>,
    arguments: &K,
    instance: &I,
    op: Op,
    options: Options<U, Q, F, T, J, G>,
    found: &mut Option<R>,
) -> Probe<F>
where
    K: KeyPart,
    I: KeyPart,
    U: FnOnce() -> bool,
    Q: FnOnce() -> bool,
    F: StaleIf<R>,
    T: Lifespan,
    J: Joining,
    G: Tagging,
{
    let Options { unless, refresh_if, stale_if, life, joining, tags } = options;
    // Before the cache is looked at, which would bind it.
    if op == Op::Uncached || unless() {
        return Probe::Pending(bypass(stale_if, op));
    }
    let words = hit::words(arguments);
    let mut refresh = Refresh::Unasked(refresh_if);
    let mut looked = Looked::NotYet;
    if op == Op::Call
        && let Some(bound) = handle.bound()
        && !refresh.is_due()
        && let Some(hits) = bound.hits()
    {
        let late = match hit::straight::<_, _, T, G>(bound, policy, arguments, words.as_ref(), found) {
            Straight::Found if found.as_ref().is_some_and(|value| stale_if.is_stale(value)) => {
                Err(Looked::Stale)
            }
            Straight::Found => {
                hits.add_one();
                return Probe::Hit(None);
            }
            Straight::Pinned(pin) if !F::ASKS => {
                hits.add_one();
                return Probe::Hit(Some(pin));
            }
            Straight::Pinned(pin) => hit::serving((policy.value)(pin.entry().any()), &hits, &stale_if),
            Straight::Unpinned(number) => {
                match hit::unpinned::<_, _, T>(bound, policy, arguments, number, &stale_if, found) {
                    Ok(()) => return Probe::Hit(None),
                    Err(result) => Err(result),
                }
            }
            Straight::Closer => hit::closer(bound, policy, arguments, &stale_if),
            Straight::Long => hit::straight_long(bound, policy, arguments, &stale_if),
            Straight::Unknown => Err(Looked::NotYet),
        };
        match late {
            Ok(value) => {
                *found = Some(value);
                return Probe::Hit(None);
            }
            Err(result) => looked = result,
        }
    }
    let options = Rest { refresh, looked, stale_if, life, joining, tags };
    // A slot of its own, so that the address of the one for most hits is not known elsewhere.
    let mut late = None;
    if let Some(pending) = rest(handle, policy, arguments, instance, op, options, &mut late) {
        return Probe::Pending(pending);
    }
    *found = late;
    Probe::Hit(None)
}

/// Whether a call computes whatever is stored: an expression of the attribute, which is asked once.
enum Refresh<Q> {
    Unasked(Q),
    Is(bool),
}

impl<Q: FnOnce() -> bool> Refresh<Q> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    fn is_due(&mut self) -> bool {
        let due = match std::mem::replace(self, Self::Is(false)) {
            Self::Unasked(ask) => ask(),
            Self::Is(due) => due,
        };
        *self = Self::Is(due);
        due
    }
}

/// The options of a call that is no simple hit.
struct Rest<Q, F, T, J, G> {
    refresh: Refresh<Q>,
    looked: Looked,
    stale_if: F,
    life: T,
    joining: J,
    tags: G,
}

/// Looks a call up that is no simple hit, and begins it if it is none at all.
#[cold]
#[inline(never)]
#[expect(clippy::needless_pass_by_value, reason = "the handle is made for this call")]
fn rest<M: Mode, R, K, I, Q, F, T, J, G>(
    handle: Handle<M>,
    policy: &Policy<R>,
    arguments: &K,
    instance: &I,
    op: Op,
    options: Rest<Q, F, T, J, G>,
    found: &mut Option<R>,
) -> Option<Pending<F>>
where
    K: KeyPart,
    I: KeyPart,
    Q: FnOnce() -> bool,
    F: StaleIf<R>,
    T: Lifespan,
    J: Joining,
    G: Tagging,
{
    let (function, cache) = (handle.function(), handle.cache);
    let Rest { mut refresh, mut looked, stale_if, life, joining, tags } = options;
    // Tables of words have no room for times and tags.
    let shape = || if T::STAMPED || G::TAGGED { None } else { Shape::for_words(K::WORDS, (policy.words)()) };
    let needs = || Needs { shape: shape(), methods: has_instances::<I>() };
    let bound = function.bound(cache, needs);
    // Without a record the call doesn't begin with a look: it has options by its name that the tables of words know nothing of, or
    // it only computes.
    if bound.is_none() && !function.is_cached(cache) {
        return Some(bypass(stale_if, op));
    }
    let refresh = match op {
        Op::Call | Op::Traced => refresh.is_due(),
        Op::Refresh | Op::Uncached => true,
    };
    // A traced call looks in the round, which knows the entry.
    if let (Some(bound), Op::Call, false, Looked::NotYet) = (bound, op, refresh, looked)
        && hit::look::<_, _, I, T>(bound, function, cache, policy, arguments, found)
    {
        if found.as_ref().is_some_and(|value| stale_if.is_stale(value)) {
            looked = Looked::Stale;
        } else {
            let noticed = bound.count_hit(function.number, || cache.engine());
            if cfg!(any(feature = "tower", feature = "minijinja")) && noticed {
                took_part(cache.engine(), function, policy, arguments, instance, tags.tags().as_ref());
            }
            return None;
        }
    }
    let stale = looked == Looked::Stale;
    let (life, join) = (life.life(), joining.join());
    if const { M::BLOCKS && !T::STAMPED && !G::TAGGED }
        && let (Some(bound), Op::Call, false, false) = (bound, op, refresh, stale)
        && (join.single_flight && join.fleet.is_none())
        && let Some(direct) =
            direct::begin((function, bound), cache.engine(), Parts::of(policy), arguments, instance, &life)
    {
        return Some(Pending { state: State::Direct(direct), stale_if });
    }
    let settings = Settings { life, refresh, op, stale, join };
    let tags = tags.tags();
    let begun = begin(cache.engine(), function, &settings, policy, arguments, instance, tags.as_ref());
    Some(Pending { state: State::Begun(begun), stale_if })
}

/// Records a hit in process for what is being made of it.
#[cold]
#[inline(never)]
fn took_part<R>(
    engine: &Engine,
    function: &Function,
    policy: &Policy<R>,
    arguments: &impl KeyPart,
    instance: &impl KeyPart,
    tags: Option<&TagList>,
) {
    let place = function.identity().place(engine, (policy.words)(), arguments, instance, tags);
    takes_part(engine, &place);
}

/// How a call that missed computes and stores.
struct Settings {
    life: Life,
    refresh: bool,
    /// The purpose of the call.
    op: Op,
    /// Whether there is an entry that doesn't serve.
    stale: bool,
    join: Join,
}

impl Settings {
    fn call(&self, engine: &'static Arc<Engine>, function: &'static Function) -> Call<'static> {
        let (life, by_name) = self.life.steered(function, function, engine);
        life.call(engine, function, by_name, self.refresh, self.join)
    }
}

/// Begins the rest of a call that missed. A function of its own, because it needs more of the stack than its caller.
#[cold]
#[inline(never)]
fn begin<R>(
    engine: &'static Arc<Engine>,
    function: &'static Function,
    settings: &Settings,
    policy: &Policy<R>,
    arguments: &impl KeyPart,
    instance: &impl KeyPart,
    tags: Option<&TagList>,
) -> Begun {
    // A deletion by name must know this cache.
    function.note_use(engine);
    let call = settings.call(engine, function);
    if settings.op == Op::Call && !function.identity().keeps_here(engine, arguments) && call.is_cut_off() {
        return Begun::Lead(Box::new(Duty::apart(call)));
    }
    let place = function.identity().place(engine, (policy.words)(), arguments, instance, tags);
    begin_at(engine, function, settings, call, place)
}

/// Begins a call that computes whatever is stored at its place. It has no options but these.
pub(super) fn refresh(
    cache: &'static Cache,
    function: &'static Function,
    place: Place,
    life: Life,
    single_flight: bool,
) -> Pending<Never> {
    let (op, stale_if) = (Op::Refresh, Never);
    if !function.is_cached(cache) {
        return bypass(stale_if, op);
    }
    let engine = cache.engine();
    function.note_use(engine);
    let join = Join { single_flight, fleet: None, flight_timeout: None };
    let settings = Settings { life, refresh: true, op, stale: false, join };
    let begun = begin_at(engine, function, &settings, settings.call(engine, function), place);
    Pending { state: State::Begun(begun), stale_if }
}

fn begin_at(
    engine: &'static Arc<Engine>,
    function: &'static Function,
    &Settings { op, stale, join, .. }: &Settings,
    call: Call<'static>,
    place: Place,
) -> Begun {
    let limit = join.flight_timeout.unwrap_or(engine.flight_timeout);
    if matches!(place, Place::Local { .. }) && !function.identity().is_local(engine) {
        function.say_stays();
    }
    takes_part(engine, &place);
    if !stale && let Some(flight) = call.at_once(&place) {
        return Begun::Lead(Box::new(Duty::new(call, place, flight)));
    }
    let mut round = Round::new(call, place, limit);
    if op == Op::Traced {
        round.trace();
    }
    Begun::Round(Box::new(round))
}

/// The body of a function, for one call.
pub(super) trait Body<R> {
    /// Runs it.
    fn run(&mut self) -> R;
}

struct Once<B>(Option<B>);

impl<R, B: FnOnce() -> R> Body<R> for Once<B> {
    fn run(&mut self) -> R {
        match self.0.take() {
            Some(body) => body(),
            None => unreachable!("a body runs once"),
        }
    }
}

/// Returns the value that a hit has put into its slot.
#[inline]
pub fn found<R>(slot: Option<R>) -> R {
    slot.unwrap_or_else(|| unreachable!("a look gives a value or the rest of the call"))
}

/// Returns the value of a hit: that of an entry that the thread holds, with no copy in between, or what is in the slot.
#[inline]
pub fn value<R>(hit: Option<Rc<Pinned>>, slot: Option<R>, policy: &Policy<R>) -> R {
    match hit {
        Some(pin) => (policy.value)(pin.entry().any()),
        None => found(slot),
    }
}

impl<F> Pending<F> {
    /// The rest of a call that missed: waits for another call's computation, or runs the body and stores its value. Blocks
    /// the thread. Inlined even where nothing else is, as [`Duty::run`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a level of a recursive function takes less of the stack")]
    pub fn finish<R, V: Into<Verdict>>(
        self,
        policy: &Policy<R>,
        judge: impl FnOnce(&R) -> V,
        body: impl FnOnce() -> R,
    ) -> R
    where
        F: StaleIf<R>,
    {
        let mut body = Once(Some(body));
        match self.state {
            State::Direct(direct) => direct.finish(policy, judge, &mut body),
            State::Begun(begun) => finish_by(begun, self.stale_if, policy, judge, &mut body),
        }
    }

    /// The same as a task. In a box, so that the future of a call, which is a hit most of the time, is small to move.
    pub fn finish_async<R, B, V: Into<Verdict>>(
        self,
        policy: &Policy<R>,
        judge: impl FnOnce(&R) -> V,
        body: B,
    ) -> Pin<Box<impl Future<Output = R>>>
    where
        F: StaleIf<R>,
        B: Future<Output = R>,
    {
        let before = finishing::before(self.state.begun(), policy, self.stale_if);
        let end = move |computes, output| finishing::settle(computes, policy, output, judge);
        Box::pin(Finishing::new(before, body, end))
    }

    /// The same for a body whose value is judged by `judge`: one that may own all it needs, but can't be sent to another thread.
    pub fn finish_judged<R, B>(
        self,
        policy: &Policy<R>,
        body: B,
        judge: fn(B::Output) -> Judged<R>,
    ) -> Pin<Box<impl Future<Output = R>>>
    where
        F: StaleIf<R>,
        B: Future,
    {
        let before = finishing::before(self.state.begun(), policy, self.stale_if);
        let end = move |computes, output| {
            let Judged { output, verdict } = judge(output);
            finishing::settle(computes, policy, output, move |_| verdict)
        };
        Box::pin(Finishing::new(before, body, end))
    }

    /// The same for a body that owns all it needs, and so belongs to its flight: other calls go on with it if this one is
    /// dropped or not polled.
    pub fn finish_owned<R>(self, policy: &Policy<R>, owned: Owned<R>) -> Pin<Box<impl Future<Output = R>>>
    where
        F: StaleIf<R>,
    {
        let policy = owned.policy(policy);
        let before = finishing::before(self.state.begun(), &policy, self.stale_if);
        Box::pin(Owning::new(before, owned, policy))
    }
}

/// Finishes a call. One function for all memoized functions of a return type, so that each adds little code to the program. Its frame
/// is on the stack while the body runs, so what comes before and after the body has frames of its own.
#[inline(never)]
fn finish_by<R, F: StaleIf<R>, V: Into<Verdict>>(
    begun: Begun,
    stale_if: F,
    policy: &Policy<R>,
    judge: impl FnOnce(&R) -> V,
    body: &mut dyn Body<R>,
) -> R {
    let duty = match begun {
        Begun::Bypass(op) => return bypassed(op, body.run()),
        Begun::Lead(duty) => duty,
        Begun::Round(round) => match wait(round, policy, stale_if) {
            Outcome::Value(output) => return output,
            Outcome::Compute(duty) => duty,
        },
    };
    let mut output = duty.run(|| body.run());
    settle(duty, policy, &mut output, judge);
    output
}

/// Waits for another call's computation, or takes this call's own on.
#[inline(never)]
fn wait<R>(
    round: Box<Round<'static>>,
    policy: &Policy<R>,
    stale_if: impl StaleIf<R>,
) -> Outcome<R, Box<Duty<'static>>> {
    ready(round.run(BlockingIo, policy, unless_stale(stale_if))).boxed()
}

#[inline(never)]
pub(super) fn settle<R, V: Into<Verdict>>(
    mut duty: Box<Duty<'static>>,
    policy: &Policy<R>,
    output: &mut R,
    judge: impl FnOnce(&R) -> V,
) {
    if let Some(former) = duty.settle_blocking(policy, output, judge) {
        *output = former;
    }
}

/// Whether a value serves: a stored one unless it is stale, a computed one always.
pub(super) fn unless_stale<R, F: StaleIf<R>>(stale_if: F) -> impl Fn(&R, Source) -> bool {
    move |value, source| source == Source::Flight || !stale_if.is_stale(value)
}

#[cold]
fn bypass<F>(stale_if: F, op: Op) -> Pending<F> {
    Pending { state: State::Begun(Begun::Bypass(op)), stale_if }
}

/// Returns a value that was computed with the cache left alone.
pub(super) fn bypassed<R>(op: Op, output: R) -> R {
    if op == Op::Traced {
        trace::note(Trace::of(How::Bypassed));
    }
    output
}
