//! The first look: a hit ends here, without a lock, without an allocation, and without a clock.

use std::any::Any;

use cachekit_backends::simple::{Entry, MOST_VALUE_WORDS, PlainTable, Shape, ValueWords, Values};
use cachekit_backends::{Matcher, Words};

use super::function::Function;
use super::life::{Lifespan, Tagging};
use crate::cache::Cache;
use crate::call::arguments::KeyPart;
use crate::call::freshness::Stamped;
use crate::call::policy::Policy;
use crate::call::{has_instances, may_take_near, sharing};
use crate::engine::{Bound, InProcess as _};

/// Whether a call's entry may be words: of its key and of its value.
const fn has_words<K: KeyPart>() -> bool {
    Shape::key_for_words(K::WORDS).is_some()
}

/// The result of a look in the way of most hits.
#[derive(PartialEq, Eq)]
pub(super) enum Straight {
    Found,
    /// [`look`] decides.
    Unknown,
    /// The key is too long for words: [`straight_long`].
    Long,
}

impl Straight {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    fn of(found: bool) -> Self {
        if found { Self::Found } else { Self::Unknown }
    }
}

/// Looks a call up in the way of most hits, and puts the value into the slot.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit, which folds all that the types say")]
pub(super) fn straight<R, K: KeyPart, T: Lifespan, G: Tagging>(
    bound: &'static Bound,
    cache: &'static Cache,
    policy: &Policy<R>,
    arguments: &K,
    slot: &mut Option<R>,
) -> Straight {
    // An entry with tags is not kept as it is.
    if const { G::TAGGED } {
        return Straight::Unknown;
    }
    if const { !T::STAMPED && has_words::<K>() } && (policy.words)() <= MOST_VALUE_WORDS {
        return look_plain::<_, _, true>(bound.plain.as_ref(), policy, arguments, slot);
    }
    let Some(values) = &bound.values else { return Straight::Unknown };
    Straight::of(if const { T::STAMPED } {
        straight_values(values, policy, arguments, slot, |entry| fresh(cache, entry))
    } else {
        straight_values(values, policy, arguments, slot, whole)
    })
}

/// Looks up a key that is too long for words, and counts the hit. Nothing that is at hand needs to be saved for the call.
#[cold]
#[inline(never)]
pub(super) fn straight_long<R, K: KeyPart>(
    bound: &'static Bound,
    policy: &Policy<R>,
    arguments: &K,
    stale_if: &impl Fn(&R) -> bool,
) -> Option<R> {
    let (values, hits) = (bound.values.as_ref()?, bound.hits()?);
    let mut slot = None;
    let found = straight_values(values, policy, arguments, &mut slot, whole);
    let found = slot.filter(|value| found && !stale_if(value))?;
    hits.add_one();
    Some(found)
}

/// Looks up values of any type in the way of most hits. `part` gives the stored part of an entry that serves.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit, which folds all that the types say")]
fn straight_values<R, K: KeyPart>(
    values: &Values,
    policy: &Policy<R>,
    arguments: &K,
    slot: &mut Option<R>,
    part: impl FnOnce(&Entry) -> Option<&(dyn Any + Send + Sync)>,
) -> bool {
    let digest = values.digest(|w| arguments.feed(w));
    let feed = |m: &mut Matcher<'_>| arguments.feed(m);
    let take = |entry: &Entry| part(entry).is_some_and(|part| policy.take_into(part, slot));
    values.read_straight(digest, feed, take) == Some(true)
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
        return look_values(values, function, cache, policy, arguments, slot, |entry| fresh(cache, entry));
    }
    if const { has_words::<K>() } && (policy.words)() <= MOST_VALUE_WORDS && bound.plain.is_some() {
        match look_plain::<_, _, false>(bound.plain.as_ref(), policy, arguments, slot) {
            Straight::Found => return true,
            Straight::Unknown => return false,
            Straight::Long => {}
        }
    }
    match &bound.values {
        Some(values) => look_values(values, function, cache, policy, arguments, slot, whole),
        None => look_apart::<_, _, I>(bound, function, cache, policy, arguments, slot),
    }
}

/// Looks up words, `STRAIGHT` or in every case.
#[inline(always)]
fn look_plain<R, K: KeyPart, const STRAIGHT: bool>(
    table: Option<&PlainTable>,
    policy: &Policy<R>,
    arguments: &K,
    slot: &mut Option<R>,
) -> Straight {
    macro_rules! look {
        ($words:literal, $of_one:ident, $of_two:ident) => {{
            let key = || Words::<$words>::of(|words| arguments.feed(words));
            let words: Option<ValueWords> = if (policy.words)() <= 1 {
                let Some(table) = table.and_then(PlainTable::$of_one) else { return Straight::Unknown };
                let Some(key) = key() else { return Straight::Long };
                let found = if const { STRAIGHT } { table.straight(&key) } else { table.look(&key) };
                found.map(|[word]| [word, 0])
            } else {
                let Some(table) = table.and_then(PlainTable::$of_two) else { return Straight::Unknown };
                let Some(key) = key() else { return Straight::Long };
                if const { STRAIGHT } { table.straight(&key) } else { table.look(&key) }
            };
            Straight::of(words.is_some_and(|words| (policy.take_words)(words, slot)))
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

/// The stored part of an entry as it is.
#[inline(always)]
#[expect(clippy::inline_always, clippy::unnecessary_wraps, reason = "the way of every hit")]
fn whole(entry: &Entry) -> Option<&(dyn Any + Send + Sync)> {
    Some(entry.any())
}

/// The stored part of an entry that carries its times, while it is not due. One without was stored without windows, as those of a
/// policy may be, and serves until it expires.
#[inline]
fn fresh<'e>(cache: &'static Cache, entry: &'e Entry) -> Option<&'e (dyn Any + Send + Sync)> {
    let Some(stamped) = entry.value::<Stamped>() else { return Some(entry.any()) };
    (!cache.engine().clock.is_past(stamped.due)).then(|| stamped.entry.any())
}

/// Looks up values of any type. `part` gives the stored part of an entry that serves.
fn look_values<R, K: KeyPart>(
    values: &Values,
    function: &'static Function,
    cache: &'static Cache,
    policy: &Policy<R>,
    arguments: &K,
    slot: &mut Option<R>,
    part: impl FnOnce(&Entry) -> Option<&(dyn Any + Send + Sync)>,
) -> bool {
    let digest = values.digest(|w| arguments.feed(w));
    let feed = |m: &mut Matcher<'_>| arguments.feed(m);
    let taken = values.read(digest, feed, |entry| {
        part(entry).is_some_and(|part| {
            policy.take_into(part, slot) || take_kept(function, cache, policy, part, slot)
        })
    });
    taken == Some(true)
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
    look_values(values, function, cache, policy, arguments, slot, whole)
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
        found = match look_plain::<_, _, false>(tables.plain.get(), policy, arguments, slot) {
            Straight::Found => Some(true),
            Straight::Unknown => Some(false),
            Straight::Long => None,
        };
    }
    let found = found.unwrap_or_else(|| {
        let values = tables.values.get();
        values.is_some_and(|values| look_values(values, function, cache, policy, arguments, slot, whole))
    });
    if found {
        bound.count_near(function.number, engine);
    }
    found
}
