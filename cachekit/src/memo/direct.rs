//! The computation of an entry that is words and in process, by a call without an option that concerns it: claim, run the body,
//! store. The same steps as those of a [`Duty`](crate::call::store::Duty), without what only other calls need.

use std::cell::Cell;
use std::sync::Arc;

use cachekit_backends::simple::{
    ClaimId, Ended, Hook, Look, MOST_KEY_WORDS, PlainKey, PlainTable, Right, Shape, ValueWords,
};
use cachekit_backends::{Ttl, Words};

use super::function::Function;
use super::life::Life;
use super::lookup::Body;
use super::steering::is_steered;
use crate::call::arguments::KeyPart;
use crate::call::policy::Policy;
use crate::call::store::Verdict;
use crate::call::{has_instances, instance_digest, is_observed};
use crate::engine::flight::{Candidate, Table};
use crate::engine::meter::Timer;
use crate::engine::stats::Event;
use crate::engine::{Bound, Claimed, Engine};

thread_local! {
    /// The memory for this thread's next computation: a miss that follows another one allocates nothing.
    static SPARE: Cell<Option<Box<Option<Computation>>>> = const { Cell::new(None) };
}

/// The duty to compute. If it is dropped, by a panic, one of the calls that wait takes over.
pub(super) struct Direct(Option<Box<Option<Computation>>>);

struct Computation {
    lead: Claimed<'static>,
    claim: ClaimId,
    engine: &'static Engine,
    bound: &'static Bound,
    table: &'static PlainTable,
    key: PlainKey,
    life: Ttl,
    function: u32,
    timer: Timer,
}

/// Claims the computation of a call that found nothing. None if the call takes the longer way: another one computes, or there is
/// more to be asked than this way asks.
#[cold]
#[inline(never)]
pub(super) fn begin<K: KeyPart, I: KeyPart>(
    (function, bound): (&'static Function, &'static Bound),
    engine: &'static Arc<Engine>,
    value_words: usize,
    arguments: &K,
    instance: &I,
    life: &Life,
) -> Option<Direct> {
    if const { I::VIEW || K::WORDS > MOST_KEY_WORDS } {
        return None;
    }
    let table = bound.plain.as_ref()?;
    let asks_more = is_steered(function, engine)
        || is_observed()
        || life.jitter.is_some()
        || engine.jitter > 0.0
        || Shape::for_words(K::WORDS, value_words) != Some(table.shape());
    if asks_more {
        return None;
    }
    let words = Words::<MOST_KEY_WORDS>::of(|words| arguments.feed(words))?;
    let instance = if has_instances::<I>() { instance_digest(engine, function.number, instance) } else { 0 };
    let key = PlainKey { words, instance };
    claim(function, bound, engine, table, &key, life.timeout.resolve(engine.default_timeout))
}

/// The part that is the same for all types of arguments.
fn claim(
    function: &'static Function,
    bound: &'static Bound,
    engine: &'static Arc<Engine>,
    table: &'static PlainTable,
    key: &PlainKey,
    life: Ttl,
) -> Option<Direct> {
    let mut candidate = Candidate::new(engine.local.now());
    // Its entries have no tags, so no birth is too early.
    let may_join = |hook: &Hook| Candidate::may_join(hook, |_| true);
    let Look::Claimed(claim) = table.claim(key, None, may_join, || candidate.begin()) else { return None };
    let lead = candidate.lead(Table::Borrowed(table.as_claims()), claim, (), true);
    bound.count(Event::Miss, function.number, engine);
    let timer = engine.computation_begins(function.number);
    let (key, function) = (*key, function.number);
    let mut room = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
    *room = Some(Computation { lead, claim, engine, bound, table, key, life, function, timer });
    Some(Direct(Some(room)))
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
        drop(inside);
        self.settle(policy, &output, judge);
        output
    }

    /// Stores the value if it is to be stored, and hands it to the calls that wait.
    #[inline(never)]
    fn settle<R, V: Into<Verdict>>(mut self, policy: &Policy<R>, output: &R, judge: impl FnOnce(&R) -> V) {
        let Some(Some(computation)) = self.0.as_deref_mut() else { return };
        computation.engine.body_returned(computation.function, &computation.timer);
        let verdict = Verdict::of(policy, output, judge);
        if !verdict.keeps() {
            return computation.lead.release_now();
        }
        if let Some(words) = (policy.to_words)(output) {
            let life = verdict.life(computation.life, computation.engine.default_timeout);
            computation.store(&words, life);
        }
        computation.lead.end(|| (policy.share)(output));
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
    fn store(&mut self, words: &ValueWords, life: Ttl) {
        let expiry = self.engine.local.expiry(life);
        let Ended { stored, hook } =
            self.table.fill(&self.key, Right::Claim(self.claim), words, expiry, || true);
        self.lead.claim_ended(hook);
        if stored {
            self.bound.count(Event::Store, self.function, self.engine);
        }
    }
}

impl Drop for Computation {
    fn drop(&mut self) {
        self.engine.computation_ends(self.function);
    }
}
