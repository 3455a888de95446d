//! The computation of an entry in process, by a call without an option that concerns it: claim, run the body, store. The same
//! steps as those of a [`Duty`](crate::call::store::Duty), without what only other calls need.

use std::cell::Cell;
use std::sync::Arc;

use cachekit_backends::simple::{
    ClaimId, Claims, Ended, Hook, Left, Look, MOST_KEY_WORDS, PlainKey, PlainTable, Right, Shape, ValueCall,
    Values,
};
use cachekit_backends::{Ttl, Words};

use super::function::Function;
use super::life::Life;
use super::lookup::Body;
use super::steering::is_steered;
use crate::call::arguments::KeyPart;
use crate::call::policy::Policy;
use crate::call::verdict::Verdict;
use crate::call::{has_instances, instance_digest, is_observed, recorded};
use crate::engine::flight::{Candidate, Shared, Table};
use crate::engine::meter::Timer;
use crate::engine::stats::Event;
use crate::engine::{Bound, Claimed, Content, Engine};

thread_local! {
    /// The memory for this thread's next computation: a miss that follows another one allocates nothing for it.
    static SPARE: Cell<Option<Box<Option<Computation>>>> = const { Cell::new(None) };
}

/// The duty to compute. If it is dropped, by a panic, one of the calls that wait takes over.
pub(super) struct Direct(Option<Box<Option<Computation>>>);

struct Computation {
    lead: Claimed<'static>,
    claim: ClaimId,
    engine: &'static Engine,
    bound: &'static Bound,
    entry: At,
    life: Ttl,
    function: u32,
    timer: Timer,
    /// The decision about the value and its stored part, from the body to the end. Not on the stack, where the body runs.
    judged: Cell<Option<(Verdict, Option<Content>)>>,
}

/// Where the entry is.
enum At {
    Words(&'static PlainTable, PlainKey),
    Values(&'static Values, ValueCall),
}

/// The properties of a type of values that decide how an entry keeps them.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    /// How many words a stored part is.
    words: usize,
    /// Whether it may have to be kept in another way than as it is.
    may_share: bool,
}

impl Parts {
    pub(super) fn of<R>(policy: &Policy<R>) -> Self {
        Self { words: (policy.words)(), may_share: (policy.clone_may_share)() }
    }
}

/// Claims the computation of a call that found nothing. None if the call takes the longer way: another one computes, or there is
/// more to be asked than this way asks.
#[cold]
#[inline(never)]
pub(super) fn begin<K: KeyPart, I: KeyPart>(
    (function, bound): (&'static Function, &'static Bound),
    engine: &'static Arc<Engine>,
    parts: Parts,
    arguments: &K,
    instance: &I,
    life: &Life,
) -> Option<Direct> {
    if const { I::VIEW } || asks_more(function, engine, life) {
        return None;
    }
    let instance =
        || if has_instances::<I>() { instance_digest(engine, function.number, instance) } else { 0 };
    if const { K::WORDS <= MOST_KEY_WORDS }
        && let Some(shape) = Shape::for_words(K::WORDS, parts.words)
    {
        let table = bound.plain.as_ref().filter(|table| table.shape() == shape)?;
        if let Some(words) = Words::<MOST_KEY_WORDS>::of(|words| arguments.feed(words)) {
            let key = PlainKey { words, instance: instance() };
            return claim((function, bound), engine, At::Words(table, key), life);
        }
    }
    let values = bound.values.as_deref().filter(|_| !parts.may_share)?;
    let digest = values.digest(|writer| arguments.feed(writer));
    let bytes = recorded(|recorder| arguments.feed(recorder));
    let call = ValueCall { digest, bytes, instance: instance() };
    claim((function, bound), engine, At::Values(values, call), life)
}

/// Whether a call has options that this way doesn't ask for.
fn asks_more(function: &Function, engine: &Engine, life: &Life) -> bool {
    is_steered(function, engine) || is_observed() || life.jitter.is_some() || engine.jitter > 0.0
}

/// The part that is the same for all types of arguments.
fn claim(
    (function, bound): (&'static Function, &'static Bound),
    engine: &'static Arc<Engine>,
    entry: At,
    life: &Life,
) -> Option<Direct> {
    let mut candidate = Candidate::new(engine.local.now());
    let mut left = Left::default();
    let claim = entry.claim(&mut candidate, &mut left)?;
    let lead = candidate.lead(Table::Borrowed(entry.claims()), claim, (), true);
    lead.drop_inside(left);
    bound.count(Event::Miss, function.number, engine);
    let timer = engine.computation_begins(function.number);
    let life = life.timeout.resolve(engine.default_timeout);
    let mut room = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
    let (function, judged) = (function.number, Cell::new(None));
    *room = Some(Computation { lead, claim, engine, bound, entry, life, function, timer, judged });
    Some(Direct(Some(room)))
}

impl At {
    /// Looks again, and claims the computation for all callers. None if there is an entry, or another one computes.
    fn claim(&self, candidate: &mut Candidate, left: &mut Left) -> Option<ClaimId> {
        // Its entries have no tags, so no birth is too early.
        let may_join = |hook: &Hook| Candidate::may_join(hook, |_| true);
        let look = match self {
            Self::Words(table, key) => table.claim(key, None, may_join, || candidate.begin()),
            Self::Values(table, call) => table.claim(call, None, may_join, || candidate.begin(), left),
        };
        if let Look::Claimed(claim) = look { Some(claim) } else { None }
    }

    fn claims(&self) -> &'static dyn Claims {
        match self {
            Self::Words(table, _) => table.as_claims(),
            Self::Values(table, _) => *table,
        }
    }

    /// The stored part of a value, as the table keeps it.
    fn content<R>(&self, policy: &Policy<R>, weight: Option<u64>, output: &R) -> Option<Content> {
        match self {
            Self::Words(..) => (policy.to_words)(output).map(Content::Words),
            Self::Values(_, call) => (policy.keep)(call.bytes.clone(), weight, output).map(Content::Entry),
        }
    }

    /// Ends a computation and stores its part.
    fn fill(&self, claim: ClaimId, content: Content, expiry: u64, left: &mut Left) -> Ended {
        let right = Right::Claim(claim);
        match (self, content) {
            (Self::Words(table, key), Content::Words(words)) => {
                table.fill(key, right, &words, expiry, || true)
            }
            (Self::Values(table, call), Content::Entry(entry)) => {
                table.fill(call, right, entry, expiry, || true, left)
            }
            _ => unreachable!("a part is made for its table"),
        }
    }
}

impl Direct {
    /// Runs the body, stores its value and returns it. Its frame is on the stack while the body runs, as `finish_by`'s is.
    #[inline(never)]
    pub(super) fn finish<R, V: Into<Verdict>>(
        self,
        policy: &Policy<R>,
        judge: impl FnOnce(&R) -> V,
        body: &mut dyn Body<R>,
    ) -> R {
        // In one frame, also where nothing is optimized.
        let inside = match self.0.as_deref() {
            Some(Some(computation)) => computation.lead.enter(),
            _ => None,
        };
        let output = body.run();
        self.judge(policy, &output, judge);
        drop(inside);
        self.settle(policy, &output);
        output
    }

    /// Asks the user's code about the value, and clones it: a part of the computation.
    #[inline(never)]
    fn judge<R, V: Into<Verdict>>(&self, policy: &Policy<R>, output: &R, judge: impl FnOnce(&R) -> V) {
        let Some(Some(computation)) = self.0.as_deref() else { return };
        computation.engine.body_returned(computation.function, &computation.timer);
        let verdict = Verdict::of(policy, output, judge);
        let keeps = verdict.keeps();
        let content = keeps.then(|| computation.entry.content(policy, verdict.weight(), output)).flatten();
        computation.judged.set(Some((verdict, content)));
    }

    /// Stores the value if it is to be stored, and hands it to the calls that wait.
    #[inline(never)]
    fn settle<R>(mut self, policy: &Policy<R>, output: &R) {
        let Some(Some(computation)) = self.0.as_deref_mut() else { return };
        if let Some((verdict, content)) = computation.judged.take() {
            computation.end(&verdict, content, &mut || (policy.share)(output));
        }
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        if let Some(mut room) = self.0.take() {
            *room = None;
            let _ = SPARE.try_with(|spare| spare.set(Some(room)));
        }
    }
}

impl Computation {
    /// The end, without the type of the value, so that it is compiled with cachekit and not in each program.
    fn end(
        &mut self,
        verdict: &Verdict,
        content: Option<Content>,
        share: &mut dyn FnMut() -> Option<Shared>,
    ) {
        if !verdict.keeps() {
            return self.lead.release_now();
        }
        // Dropped after the end.
        let mut left = Left::default();
        if let Some(content) = content {
            let life = verdict.life(self.life, self.engine.default_timeout);
            let expiry = self.engine.local.expiry(life);
            let Ended { stored, hook } = {
                // An entry of another function may leave for it, which is dropped in there.
                let _inside = self.lead.enter();
                self.entry.fill(self.claim, content, expiry, &mut left)
            };
            self.lead.claim_ended(hook);
            if stored {
                self.bound.count(Event::Store, self.function, self.engine);
            }
        }
        self.lead.end(share);
    }
}

impl Drop for Computation {
    fn drop(&mut self) {
        self.engine.computation_ends(self.function);
    }
}
