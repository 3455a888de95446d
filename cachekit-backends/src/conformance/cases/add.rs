//! `add`: true exactly for the one that stored.

use crate::conformance::case::{Case, race};
use crate::conformance::outcome::{Outcome, same, same_value};

/// `add` stores where nothing is and says so; over a live value, also an empty one, it does neither.
pub(in crate::conformance) fn add_stores_once(case: &Case<'_>) -> Outcome {
    let (key, store) = (case.key("k"), &case.store);
    for value in [&b""[..], b"first"] {
        same("`add` where nothing is", true, store.add(&key, value, None)?)?;
        same("a second `add`", false, store.add(&key, b"second", None)?)?;
        same_value("the value after both", Some(value), store.get(&key)?)?;
        store.delete(&key)?;
    }
    store.set(&key, b"set", None)?;
    same("`add` after `set`", false, store.add(&key, b"added", None)?)?;
    same_value("the value after `set` and `add`", Some(b"set"), store.get(&key)?)
}

/// `add` stores over a value whose time is over, with a lifetime of its own; one that fails leaves the time of the value.
pub(in crate::conformance) fn add_follows_the_time(case: &Case<'_>) -> Outcome {
    let (key, store, life) = (case.key("k"), &case.store, case.short());
    store.set(&key, b"old", Some(life))?;
    case.outlive(life);
    same("`add` over an expired value", true, store.add(&key, b"new", Some(life))?)?;
    same_value("the added value", Some(b"new"), store.get(&key)?)?;
    same("`add` over a live value", false, store.add(&key, b"late", None)?)?;
    case.outlive(life);
    same_value("the added value after its lifetime, whatever a failed `add` asked", None, store.get(&key)?)?;
    same("`add` for ever, over an expired value", true, store.add(&key, b"for ever", None)?)?;
    same("`add` over a live value", false, store.add(&key, b"late", Some(life))?)?;
    case.outlive(life);
    same_value("a value for ever, after a failed `add` with a lifetime", Some(b"for ever"), store.get(&key)?)
}

/// Of eight that add one key at once, exactly one is told that it stored, and its value is there; through two handles if the
/// store is shared. Also over an expired value.
pub(in crate::conformance) fn add_is_won_by_one(case: &Case<'_>) -> Outcome {
    if !case.caps.atomic_add {
        return case.skip("`atomic_add` is not claimed");
    }
    let (life, handles) = (case.short(), [case.store.clone(), case.another()?]);
    for round in 0..20 {
        let key = case.key(format_args!("k{round}"));
        if round == 0 {
            case.store.set(&key, b"old", Some(life))?;
            case.outlive(life);
        }
        let value = |i: usize| format!("from thread {i}").into_bytes();
        let won = race(8, |i| handles[i % 2].add(&key, &value(i), None))?;
        same("how many of eight `add`s at once stored", 1, won.iter().filter(|&&won| won).count())?;
        let winner = won.iter().position(|&won| won).map(value);
        same_value("the value after eight `add`s", winner.as_deref(), case.store.get(&key)?)?;
    }
    Ok(())
}

/// `add_and_check` adds as `add` does, and tells whether another key has changed since its token was asked for.
pub(in crate::conformance) fn add_tells_of_another_key(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip("`conditional` is not claimed");
    }
    let (key, store) = (case.key("k"), &case.store);
    for round in 0..8 {
        let other = case.key(format_args!("other {round}"));
        let add = |value: &[u8], token| store.add_and_check(&key, value, None, &other, token);
        if round % 2 == 1 {
            store.set(&other, b"value", None)?;
        }
        let token = store.token(&other)?;
        let added = add(b"first", token)?;
        same("whether `add_and_check` stored where nothing is", true, added.is_some())?;
        // A change of a neighbour may void a token.
        if store.token(&other)? == token {
            same("`add_and_check` without a change of the other key", Some(true), added)?;
        }
        same("`add_and_check` over a live value", None, add(b"second", token)?)?;
        same_value("the value after both", Some(b"first"), store.get(&key)?)?;
        store.set(&other, b"another value", None)?;
        store.delete(&key)?;
        same("`add_and_check` after a change of the other key", Some(false), add(b"third", token)?)?;
        same_value("the value, which was stored all the same", Some(b"third"), store.get(&key)?)?;
        store.delete(&key)?;
        store.delete(&other)?;
    }
    Ok(())
}
