//! The first look: a hit ends here, without a lock, without an allocation, and without a clock.

use std::any::Any;
use std::rc::Rc;

use cachekit_backends::simple::{
    self, AsStored, Entry, Form, MOST_KEY_WORDS, MOST_VALUE_WORDS, Pinned, PlainTable, Shape, ValueWords,
    Values,
};
use cachekit_backends::{Matcher, Words};

use super::function::Function;
use super::life::{Lifespan, Tagging};
use super::options::StaleIf;
use crate::cache::Cache;
use crate::call::arguments::KeyPart;
use crate::call::freshness::WithTimes;
use crate::call::policy::Policy;
use crate::call::{has_instances, may_take_near, sharing};
use crate::engine::stats::Tally;
use crate::engine::{Bound, InProcess as _};

/// Whether a call's entry may be words: of its key and of its value.
const fn has_words<K: KeyPart>() -> bool {
    Shape::key_for_words(K::WORDS).is_some()
}

/// The words of a key, filled up with zeros; none of one that is not words, or too long for them. Taken before anything is read
/// that other threads change, while the compiler still has the arguments in registers.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit, which folds all that the types say")]
pub(super) fn words<K: KeyPart>(arguments: &K) -> Option<[u64; MOST_KEY_WORDS]> {
    if const { has_words::<K>() } { Words::of(|words| arguments.feed(words)) } else { None }
}

/// The result of a look in the way of most hits.
pub(super) enum Straight {
    /// The value is in the slot.
    Found,
    /// This thread holds the entry, and its value is kept as it is.
    Pinned(Rc<Pinned>),
    /// [`unpinned`] decides about the entry of this number.
    Unpinned(u64),
    /// It is no entry of words: [`look`] decides.
    Unknown,
    /// [`closer`] decides among words.
    Closer,
    /// The key is too long for words: [`straight_long`].
    Long,
}

/// The result of looks that found no value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// There may be one.
    NotYet,
    /// There is an entry that doesn't serve.
    Stale,
    Absent,
}

/// Looks a call up in the way of most hits, and puts the value into the slot.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit, which folds all that the types say")]
pub(super) fn straight<R, K: KeyPart, T: Lifespan, G: Tagging>(
    bound: &'static Bound,
    policy: &Policy<R>,
    arguments: &K,
    words: Option<&[u64; MOST_KEY_WORDS]>,
    slot: &mut Option<R>,
) -> Straight {
    // An entry with tags is not kept as it is.
    if const { G::TAGGED } {
        return Straight::Unknown;
    }
    if const { !T::STAMPED && has_words::<K>() } && (policy.words)() <= MOST_VALUE_WORDS {
        return look_plain::<_, K, true>(bound.plain.as_ref(), policy, words, slot);
    }
    let Some(values) = &bound.values else { return Straight::Unknown };
    if const { T::STAMPED } {
        straight_values::<WithTimes, _, _>(values, policy, arguments)
    } else {
        straight_values::<AsStored, _, _>(values, policy, arguments)
    }
}

/// Looks a key of words up that [`straight`] didn't find, and counts the hit. Nothing that is at hand needs to be saved for the
/// call.
#[cold]
#[inline(never)]
pub(super) fn closer<R, K: KeyPart>(
    bound: &'static Bound,
    policy: &Policy<R>,
    arguments: &K,
    stale_if: &impl StaleIf<R>,
) -> Result<R, Looked> {
    let (Some(table), Some(hits)) = (&bound.plain, bound.hits()) else { return Err(Looked::NotYet) };
    let mut slot = None;
    look_plain::<_, K, false>(Some(table), policy, words(arguments).as_ref(), &mut slot);
    let found = slot.ok_or(Looked::Absent)?;
    serving(found, &hits, stale_if)
}

/// As [`closer`], of a key that is too long for words.
#[cold]
#[inline(never)]
pub(super) fn straight_long<R, K: KeyPart>(
    bound: &'static Bound,
    policy: &Policy<R>,
    arguments: &K,
    stale_if: &impl StaleIf<R>,
) -> Result<R, Looked> {
    let (Some(values), Some(hits)) = (&bound.values, bound.hits()) else { return Err(Looked::NotYet) };
    let found = match straight_values::<AsStored, _, _>(values, policy, arguments) {
        Straight::Pinned(pin) => Some((policy.value)(pin.entry().any())),
        Straight::Unpinned(number) => {
            let mut slot = None;
            read_unpinned::<AsStored, _, _>(values, policy, arguments, number, &mut slot);
            slot
        }
        _ => None,
    };
    serving(found.ok_or(Looked::NotYet)?, &hits, stale_if)
}

/// Puts the value of an entry that this thread doesn't hold into the slot, and counts the hit.
#[cold]
#[inline(never)]
pub(super) fn unpinned<R, K: KeyPart, T: Lifespan>(
    bound: &'static Bound,
    policy: &Policy<R>,
    arguments: &K,
    number: u64,
    stale_if: &impl StaleIf<R>,
    slot: &mut Option<R>,
) -> Result<(), Looked> {
    let (Some(values), Some(hits)) = (&bound.values, bound.hits()) else { return Err(Looked::NotYet) };
    if const { T::STAMPED } {
        read_unpinned::<WithTimes, _, _>(values, policy, arguments, number, slot);
    } else {
        read_unpinned::<AsStored, _, _>(values, policy, arguments, number, slot);
    }
    match slot {
        None => Err(Looked::NotYet),
        Some(value) if stale_if.is_stale(value) => {
            *slot = None;
            Err(Looked::Stale)
        }
        Some(_) => {
            hits.add_one();
            Ok(())
        }
    }
}

fn read_unpinned<F: Form, R, K: KeyPart>(
    values: &Values,
    policy: &Policy<R>,
    arguments: &K,
    number: u64,
    slot: &mut Option<R>,
) {
    let feed = |m: &mut Matcher<'_>| arguments.feed(m);
    values.read_unpinned::<F, _>(number, feed, |entry| policy.take_into(entry.any(), slot));
}

/// Returns a value that serves, and counts the hit.
pub(super) fn serving<R>(found: R, hits: &Tally, stale_if: &impl StaleIf<R>) -> Result<R, Looked> {
    if stale_if.is_stale(&found) {
        return Err(Looked::Stale);
    }
    hits.add_one();
    Ok(found)
}

/// Looks up values of any type in the way of most hits.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit, which folds all that the types say")]
fn straight_values<F: Form, R, K: KeyPart>(values: &Values, policy: &Policy<R>, arguments: &K) -> Straight {
    let digest = values.digest(|w| arguments.feed(w));
    match values.straight::<F>(digest, |m: &mut Matcher<'_>| arguments.feed(m)) {
        simple::Straight::Pinned(pin) if pin.value_type() == (policy.stored)() => Straight::Pinned(pin),
        simple::Straight::Unpinned(number) => Straight::Unpinned(number),
        simple::Straight::Pinned(_) | simple::Straight::Unknown => Straight::Unknown,
    }
}

/// Looks a call up among the entries in process, and puts the value into the slot. Returns whether there is one.
pub(super) fn look<R, K: KeyPart, I: KeyPart, T: Lifespan>(
    bound: &'static Bound,
    function: &'static Function,
    cache: &'static Cache,
    policy: &Policy<R>,
    arguments: &K,
    slot: &mut Option<R>,
) -> bool {
    if const { T::STAMPED } {
        let Some(values) = &bound.values else {
            return look_apart::<_, _, I>(bound, function, cache, policy, arguments, slot);
        };
        return look_values::<WithTimes, _, _>(values, function, cache, policy, arguments, slot);
    }
    if const { has_words::<K>() } && (policy.words)() <= MOST_VALUE_WORDS && bound.plain.is_some() {
        match look_plain::<_, K, false>(bound.plain.as_ref(), policy, words(arguments).as_ref(), slot) {
            Straight::Found => return true,
            Straight::Long => {}
            _ => return false,
        }
    }
    match &bound.values {
        Some(values) => look_values::<AsStored, _, _>(values, function, cache, policy, arguments, slot),
        None => look_apart::<_, _, I>(bound, function, cache, policy, arguments, slot),
    }
}

/// Looks up the words of a key, `STRAIGHT` or in every case.
#[inline(always)]
fn look_plain<R, K: KeyPart, const STRAIGHT: bool>(
    table: Option<&PlainTable>,
    policy: &Policy<R>,
    words: Option<&[u64; MOST_KEY_WORDS]>,
    slot: &mut Option<R>,
) -> Straight {
    macro_rules! look {
        ($words:literal, $of_one:ident, $of_two:ident) => {{
            let key = || words.and_then(|words| words.first_chunk::<$words>());
            let value: Option<ValueWords> = if (policy.words)() <= 1 {
                let Some(table) = table.and_then(PlainTable::$of_one) else { return Straight::Unknown };
                let Some(key) = key() else { return Straight::Long };
                let found = if const { STRAIGHT } { table.straight(key) } else { table.look(key) };
                found.map(|[word]| [word, 0])
            } else {
                let Some(table) = table.and_then(PlainTable::$of_two) else { return Straight::Unknown };
                let Some(key) = key() else { return Straight::Long };
                if const { STRAIGHT } { table.straight(key) } else { table.look(key) }
            };
            let found = value.is_some_and(|value| (policy.take_words)(value, slot));
            if found { Straight::Found } else { Straight::Closer }
        }};
    }
    match const { Shape::key_for_words(K::WORDS) } {
        Some(1) => look!(1, of_1_1, of_1_2),
        Some(2) => look!(2, of_2_1, of_2_2),
        Some(4) => look!(4, of_4_1, of_4_2),
        Some(8) => look!(8, of_8_1, of_8_2),
        _ => Straight::Unknown,
    }
}

/// Looks up values of any type.
fn look_values<F: Form, R, K: KeyPart>(
    values: &Values,
    function: &'static Function,
    cache: &'static Cache,
    policy: &Policy<R>,
    arguments: &K,
    slot: &mut Option<R>,
) -> bool {
    let digest = values.digest(|w| arguments.feed(w));
    let feed = |m: &mut Matcher<'_>| arguments.feed(m);
    let take = |entry: &Entry| {
        policy.take_into(entry.any(), slot) || take_kept(function, cache, policy, entry.any(), slot)
    };
    values.read::<F, _>(digest, feed, take) == Some(true)
}

/// Takes a value that is not kept as it is.
#[cold]
#[inline(never)]
fn take_kept<R>(
    function: &'static Function,
    cache: &'static Cache,
    policy: &Policy<R>,
    part: &(dyn Any + Send + Sync),
    slot: &mut Option<R>,
) -> bool {
    *slot = sharing::take(cache.engine(), function.number, policy, part);
    slot.is_some()
}

/// Looks up a call of a function whose entries are on a backend: in the near tier, or, if its key means nothing outside of the
/// process, among the entries here.
#[cold]
#[inline(never)]
fn look_apart<R, K: KeyPart, I: KeyPart>(
    bound: &'static Bound,
    function: &'static Function,
    cache: &'static Cache,
    policy: &Policy<R>,
    arguments: &K,
    slot: &mut Option<R>,
) -> bool {
    let engine = cache.engine();
    let identity = function.identity();
    if !identity.is_local(engine) {
        // No entry of the tier has a key that means nothing outside of the process, so that need not be asked first.
        if look_near(bound, function, cache, policy, arguments, slot) {
            return true;
        }
        if !identity.keeps_here(engine, arguments) {
            return false;
        }
    }
    let values = engine.values(function.number, has_instances::<I>());
    look_values::<AsStored, _, _>(values, function, cache, policy, arguments, slot)
}

/// Looks a call up in the near tier.
fn look_near<R, K: KeyPart>(
    bound: &'static Bound,
    function: &'static Function,
    cache: &'static Cache,
    policy: &Policy<R>,
    arguments: &K,
    slot: &mut Option<R>,
) -> bool {
    let engine = cache.engine();
    // The clock is read here, after the call began.
    let Some(near) = engine.near().filter(|near| may_take_near() && near.serves()) else { return false };
    let tables = near.tables_of(function.number);
    let mut found = None;
    if const { has_words::<K>() } && (policy.words)() <= MOST_VALUE_WORDS && tables.plain.get().is_some() {
        found = match look_plain::<_, K, false>(tables.plain.get(), policy, words(arguments).as_ref(), slot) {
            Straight::Found => Some(true),
            Straight::Long => None,
            _ => Some(false),
        };
    }
    let found = found.unwrap_or_else(|| {
        let values = tables.values.get();
        values.is_some_and(|values| {
            look_values::<AsStored, _, _>(values, function, cache, policy, arguments, slot)
        })
    });
    if found {
        bound.count_near(function.number, engine);
    }
    found
}
