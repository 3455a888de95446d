//! `token` and `put_if`: a write takes place only if the key was neither written nor deleted since the token.

use crate::Version;
use crate::conformance::case::{Case, race};
use crate::conformance::handle::Handle;
use crate::conformance::outcome::{Outcome, same, same_value};

const SKIPPED: &str = "`conditional` is not claimed";

/// A change of a key between the token and the write, with the value that it leaves.
type Change = (&'static str, fn(&Case<'_>, &Handle, &str) -> Outcome, Option<&'static [u8]>);

const CHANGES: &[Change] = &[
    ("`set`", |_, h, k| h.set(k, b"new", None), Some(b"new")),
    ("`set` of the same value", |_, h, k| h.set(k, b"old", None), Some(b"old")),
    ("`set_many`", |_, h, k| h.set_many(&[(k, b"new")], None), Some(b"new")),
    ("`delete`", |_, h, k| h.delete(k).map(drop), None),
    ("`delete_many`", |_, h, k| h.delete_many(&[k]).map(drop), None),
    (
        "`delete` and `set` of the same value",
        |_, h, k| h.delete(k).and_then(|_| h.set(k, b"old", None)),
        Some(b"old"),
    ),
    (
        "`delete` and `add`",
        |_, h, k| h.delete(k).and_then(|_| h.add(k, b"new", None)).map(drop),
        Some(b"new"),
    ),
    ("`set` and `delete`", |_, h, k| h.set(k, b"new", None).and_then(|()| h.delete(k)).map(drop), None),
    ("another `put_if`", |case, _, k| case.put_now(k, b"new", None), Some(b"new")),
    (
        "`set` with a lifetime that is over",
        |case, h, k| {
            h.set(k, b"new", Some(case.short()))?;
            case.outlive(case.short());
            Ok(())
        },
        None,
    ),
];

/// A token stays the same without a write or deletion, also under reads; and a write with it succeeds.
pub(in crate::conformance) fn tokens_keep_still(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let key = case.key("k");
    let read = |h: &Handle| {
        h.get(&key)?;
        h.get_many(&[&key])?;
        h.entry_and_versions(&key, &[]).map(drop)
    };
    let absent = case.still(&key, read)?;
    case.put_now(&key, b"v", None)?;
    same_value("the value after `put_if` where nothing was", Some(b"v"), case.store.get(&key)?)?;
    let present = case.still(&key, read)?;
    same("whether the tokens before and after a write are equal", false, absent == present)?;
    case.put_now(&key, b"w", None)?;
    same_value("the value after `put_if` over a value", Some(b"w"), case.store.get(&key)?)?;
    case.store.delete(&key)?;
    let again = case.still(&key, read)?;
    same("whether the tokens of an absent key before and after a visit are equal", false, absent == again)
}

/// A token is void after each way to write or delete the key, whether it was present or absent, and the refused write leaves
/// what is there. A key that is back in its old state is no exception (ABA).
pub(in crate::conformance) fn changes_void_tokens(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let other = case.another()?;
    for (n, &(change, apply, left)) in CHANGES.iter().enumerate() {
        for (state, old) in [("absent", None), ("present", Some(b"old"))] {
            let key = case.key(format_args!("{state} {n}"));
            if let Some(old) = old {
                case.store.set(&key, old, None)?;
            }
            let token = case.store.token(&key)?;
            apply(case, &other, &key)?;
            let stored = case.store.put_if(&key, b"late", None, token)?;
            let what = format!("`put_if` with a token of the {state} key before {change}");
            same(&what, false, stored)?;
            same_value(format!("the value after the refused {what}"), left, case.store.get(&key)?)?;
        }
    }
    Ok(())
}

/// `add` voids the token of an absent key, and one that fails changes nothing.
pub(in crate::conformance) fn add_voids_tokens(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let (key, store) = (case.key("k"), &case.store);
    let token = store.token(&key)?;
    store.add(&key, b"added", None)?;
    same("`put_if` with a token of before `add`", false, store.put_if(&key, b"late", None, token)?)?;
    same_value("the value after it", Some(b"added"), store.get(&key)?)
}

/// `clear` voids the tokens of all keys under its prefix, also of absent ones.
pub(in crate::conformance) fn clear_voids_tokens(case: &Case<'_>) -> Outcome {
    if !(case.caps.conditional && case.caps.clear_by_prefix) {
        return case.skip("`conditional` and `clear_by_prefix` are not both claimed");
    }
    let (absent, present, other) = (case.key("absent"), case.key("present"), case.another()?);
    case.store.set(&present, b"old", None)?;
    for key in [&absent, &present] {
        let token = case.store.token(key)?;
        other.clear(&case.key(""))?;
        same(
            "`put_if` with a token of before `clear`",
            false,
            case.store.put_if(key, b"late", None, token)?,
        )?;
        same_value("the value after it", None, case.store.get(key)?)?;
    }
    Ok(())
}

/// `put_if` gives its value the lifetime that it was told, and works over a value whose time is over.
pub(in crate::conformance) fn put_if_follows_the_time(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let (key, store, life) = (case.key("k"), &case.store, case.short());
    case.put_now(&key, b"v", Some(life))?;
    case.outlive(life);
    same_value("a value of `put_if` after its lifetime", None, store.get(&key)?)?;
    case.put_now(&key, b"w", None)?;
    case.outlive(life);
    same_value("a value of `put_if` for ever, over an expired one", Some(b"w"), store.get(&key)?)
}

/// The token that `fetch` brings, if it does, is as good as that of `token`.
pub(in crate::conformance) fn fetch_brings_a_token(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let (key, version, store) = (case.key("k"), case.key("version"), &case.store);
    let token =
        || store.0.fetch(&key, &[&version]).map(|fetched| fetched.token).map_err(|e| format!("`fetch`: {e}"));
    for old in [None, Some(b"old")] {
        if let Some(old) = old {
            store.set(&key, old, None)?;
        }
        let Some(void) = token()? else { return Ok(()) };
        store.delete(&key)?;
        same(
            "`put_if` with the token of `fetch`, after `delete`",
            false,
            store.put_if(&key, b"late", None, void)?,
        )?;
        same_value("the value after it", None, store.get(&key)?)?;
    }
    for _ in 0..32 {
        let Some(fresh) = token()? else {
            return Err("the token of a second `fetch`, expected one, got none".into());
        };
        if store.put_if(&key, b"v", None, fresh)? {
            return same_value("the value after `put_if`", Some(b"v"), store.get(&key)?);
        }
    }
    Err("`put_if` with a fresh token of `fetch`, expected true once in 32 tries, got false each time".into())
}

/// Of eight conditional writes with one token at once, at most one is told that it stored, and its value is there.
pub(in crate::conformance) fn put_if_is_won_by_one(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let handles = [case.store.clone(), case.another()?];
    let mut stored = 0;
    for round in 0..20 {
        let key = case.key(format_args!("k{round}"));
        let old = (round % 2 == 1).then_some(&b"old"[..]);
        if let Some(old) = old {
            case.store.set(&key, old, None)?;
        }
        let token = case.store.token(&key)?;
        let value = |i: usize| format!("from thread {i}").into_bytes();
        let won = race(8, |i| handles[i % 2].put_if(&key, &value(i), None, token))?;
        let winners: Vec<usize> = (0..8).filter(|&i| won[i]).collect();
        same("whether more than one of eight `put_if`s with one token stored", false, winners.len() > 1)?;
        stored += winners.len();
        let left = winners.first().map(|&i| value(i)).or(old.map(Vec::from));
        same_value("the value after eight `put_if`s", left.as_deref(), case.store.get(&key)?)?;
    }
    same("whether any of 20 times eight `put_if`s stored", true, stored > 0)
}

/// A deletion beats a conditional write of before, however the two meet: after both nothing is there.
pub(in crate::conformance) fn deletion_beats_put_if(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let (other, prefix) = (case.another()?, case.key("race:"));
    let keys = case.keys("race:", 3);
    for round in 0..150 {
        // `clear` is dear on some stores, and one in three rounds enough.
        let (key, by) = (&keys[round % 3], round % 3);
        if round % 2 == 0 {
            case.store.set(key, b"old", None)?;
        }
        let token = case.store.token(key)?;
        race(2, |thread| match (thread, by) {
            (0, _) => case.store.put_if(key, b"late", None, token).map(drop),
            (_, 0) if case.caps.clear_by_prefix && round % 5 == 0 => other.clear(&prefix),
            (_, 1) => other.delete_many(&[key]).map(drop),
            _ => other.delete(key).map(drop),
        })?;
        let what = "the value after a deletion at the same time as a `put_if` with an older token";
        same_value(what, None, case.store.get(key)?)?;
    }
    Ok(())
}

/// A plain write beats a conditional write of before, and of `add` and `put_if` only one stores.
pub(in crate::conformance) fn writes_beat_put_if(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let (key, other) = (case.key("k"), case.another()?);
    for round in 0..100 {
        case.store.delete(&key)?;
        let token = case.store.token(&key)?;
        let stored = race(2, |thread| match (thread, round % 3) {
            (0, _) => case.store.put_if(&key, b"late", None, token),
            (_, 0) => other.set(&key, b"new", None).map(|()| true),
            (_, 1) => other.set_many(&[(&key, b"new")], None).map(|()| true),
            _ => other.add(&key, b"new", None),
        })?;
        let got = case.store.get(&key)?;
        if round % 3 < 2 {
            same_value(
                "the value after a `set` at the same time as a `put_if` with an older token",
                Some(b"new"),
                got,
            )?;
        } else if case.caps.atomic_add {
            same("whether both `put_if` and `add` stored", false, stored[0] && stored[1])?;
            let winner = if stored[0] { &b"late"[..] } else { b"new" };
            same_value("the value of the one that stored", Some(winner), got)?;
        }
    }
    Ok(())
}

/// A token of one key says nothing about another, and random tokens are refused.
pub(in crate::conformance) fn foreign_tokens_do_no_harm(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let key = case.key("k");
    case.store.set(&key, b"v", None)?;
    for _ in 0..32 {
        let token = crate::Token(Version::fresh().0);
        same("`put_if` with a random token", false, case.store.put_if(&key, b"late", None, token)?)?;
    }
    same_value("the value after it", Some(b"v"), case.store.get(&key)?)
}

/// A key is removed if its state is that of the token, so a removal neither undoes a write nor takes a value that it has not
/// seen.
pub(in crate::conformance) fn delete_if_follows_the_token(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip(SKIPPED);
    }
    let store = &case.store;
    for (what, change, left) in CHANGES {
        let key = case.key(what);
        store.set(&key, b"old", None)?;
        let token = case.still(&key, |_| Ok(()))?;
        change(case, store, &key)?;
        same(format!("`delete_if` with a token from before {what}"), false, store.delete_if(&key, token)?)?;
        same_value(format!("the value after {what} and a refused removal"), *left, store.get(&key)?)?;
    }
    let key = case.key("k");
    store.set(&key, b"v", None)?;
    let mut tries = 0..32;
    let removed = tries.try_fold(false, |removed, _| {
        Ok::<_, String>(removed || store.delete_if(&key, store.token(&key)?)?)
    })?;
    same("whether `delete_if` with a fresh token removes, once in 32 tries", true, removed)?;
    // The default stores what is over soon.
    case.outlive(std::time::Duration::from_millis(1));
    same_value("the value after its removal", None, store.get(&key)?)?;
    same("`delete` after it", false, store.delete(&key)?)
}
