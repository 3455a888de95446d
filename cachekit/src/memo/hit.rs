//! The first look: a hit ends here, without a lock, without an allocation, and without a clock.

use std::any::Any;

use cachekit_backends::simple::{Entry, MOST_VALUE_WORDS, PlainTable, Shape, ValueWords, Values};
use cachekit_backends::{Matcher, Words};

use super::function::Function;
use super::life::Lifespan;
use crate::cache::Cache;
use crate::call::arguments::KeyPart;
use crate::call::freshness::Stamped;
use crate::call::policy::Policy;
use crate::call::{has_instances, may_take_near, sharing};
use crate::engine::{Bound, InProcess as _};

/// Looks a call up among the entries in process, and puts the value into the slot. Returns whether there is one.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit, which folds all that the types say")]
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
        // Of values that carry their times, those that are not due.
        return look_values(values, function, cache, policy, arguments, slot, |entry| {
            // One without times was stored without windows, as those of a policy may be, and serves until it expires.
            let Some(stamped) = entry.value::<Stamped>() else { return Some(entry.any()) };
            (!cache.engine().clock.is_past(stamped.due)).then(|| stamped.entry.any())
        });
    }
    if const { Shape::key_for_words(K::WORDS).is_some() } && (policy.words)() <= MOST_VALUE_WORDS {
        if let Some(table) = &bound.plain
            && let Some(found) = look_plain(table, policy, arguments, slot)
        {
            return found;
        }
        return look_apart::<_, _, I>(bound, function, cache, policy, arguments, slot);
    }
    match &bound.values {
        Some(values) => look_values(values, function, cache, policy, arguments, slot, whole),
        None => look_apart::<_, _, I>(bound, function, cache, policy, arguments, slot),
    }
}

/// Looks up words. Returns none if the key, for its length, or the table is not of the shape that the types say.
#[inline(always)]
fn look_plain<R, K: KeyPart>(
    table: &PlainTable,
    policy: &Policy<R>,
    arguments: &K,
    slot: &mut Option<R>,
) -> Option<bool> {
    macro_rules! look {
        ($words:literal, $of_one:ident, $of_two:ident) => {{
            let key = Words::<$words>::of(|words| arguments.feed(words))?;
            let words: Option<ValueWords> = if (policy.words)() <= 1 {
                table.$of_one()?.get(&key).map(|[word]| [word, 0])
            } else {
                table.$of_two()?.get(&key)
            };
            Some(words.is_some_and(|words| (policy.take_words)(words, slot)))
        }};
    }
    match const { Shape::key_for_words(K::WORDS) } {
        Some(1) => look!(1, of_1_1, of_1_2),
        Some(2) => look!(2, of_2_1, of_2_2),
        Some(4) => look!(4, of_4_1, of_4_2),
        Some(8) => look!(8, of_8_1, of_8_2),
        _ => None,
    }
}

/// The stored part of an entry as it is.
#[inline(always)]
#[expect(clippy::inline_always, clippy::unnecessary_wraps, reason = "the way of every hit")]
fn whole(entry: &Entry) -> Option<&(dyn Any + Send + Sync)> {
    Some(entry.any())
}

/// Looks up values of any type. `part` gives the stored part of an entry that serves.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit, which folds all that the types say")]
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

/// Looks up a key that is too long for words, one that is in the near tier, or one that means nothing outside of the process, of a function whose other
/// entries are on a backend.
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
    let values =
        bound.values.as_ref().unwrap_or_else(|| engine.values(function.number, has_instances::<I>()));
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
    if const { Shape::key_for_words(K::WORDS).is_some() }
        && (policy.words)() <= MOST_VALUE_WORDS
        && let Some(table) = tables.plain.get()
    {
        found = look_plain(table, policy, arguments, slot);
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
