//! Time to live.

use std::time::Duration;

use crate::conformance::case::Case;
use crate::conformance::outcome::{Outcome, same, same_value};

const MILLI: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An entry is there until its time, and gone at it. By hand-moved time, exact to the granularity.
pub(in crate::conformance) fn entries_end_at_their_time(case: &Case<'_>) -> Outcome {
    let (key, store, life) = (case.key("k"), &case.store, case.short());
    store.set(&key, b"v", Some(life))?;
    if case.is_manual() {
        case.manual.advance(life.saturating_sub(MILLI));
        same_value("the value a millisecond before its time is over", Some(b"v"), store.get(&key)?)?;
        let step = case.suite.granularity;
        let rest = if step == MILLI { step } else { 2 * step };
        case.manual.advance(rest);
    } else {
        case.outlive(life);
    }
    same_value("the value when its time is over", None, store.get(&key)?)?;
    same("the same by `get_many`", vec![None], store.get_many(&[&key])?)?;
    same_value("the same by `fetch`", None, store.entry_and_versions(&key, &[])?.0)
}

/// Lifetimes of less than a millisecond are rounded up, never to zero, which stores may take for an error or for ever.
pub(in crate::conformance) fn tiny_lifetimes_are_rounded_up(case: &Case<'_>) -> Outcome {
    let store = &case.store;
    for nanos in [0, 1, 999, 1_000, 999_999, 1_000_001, 1_500_000] {
        let (life, key) = (Duration::from_nanos(nanos), case.key(nanos));
        let added = case.key(format_args!("add {nanos}"));
        store.set(&key, b"v", Some(life))?;
        same("`add` with a tiny lifetime", true, store.add(&added, b"v", Some(life))?)?;
        if case.is_manual() {
            // Time stands still, so the shortest lifetime has not begun to pass.
            same_value(format!("a value that lives {life:?}, at once"), Some(b"v"), store.get(&key)?)?;
            same_value(
                format!("an added value that lives {life:?}, at once"),
                Some(b"v"),
                store.get(&added)?,
            )?;
        }
        case.outlive(life);
        same_value(format!("a value that lives {life:?}, afterwards"), None, store.get(&key)?)?;
        same_value(format!("an added value that lives {life:?}, afterwards"), None, store.get(&added)?)?;
    }
    Ok(())
}

/// Lifetimes of more than 30 days, of a century and of all time that a `Duration` has work.
pub(in crate::conformance) fn long_lifetimes_work(case: &Case<'_>) -> Outcome {
    let store = &case.store;
    let lives =
        [30 * DAY, 30 * DAY + Duration::from_secs(1), 31 * DAY, 400 * DAY, 36_525 * DAY, Duration::MAX];
    for (i, life) in lives.into_iter().enumerate() {
        let key = case.key(i);
        store.set(&key, b"v", Some(life))?;
        same_value(format!("a value that lives {life:?}, at once"), Some(b"v"), store.get(&key)?)?;
        same("`add` over it", false, store.add(&key, b"w", Some(life))?)?;
    }
    if case.is_manual() {
        case.manual.advance((31 * DAY).saturating_sub(MILLI));
        same_value("a value that lives 31 days, a millisecond before", Some(b"v"), store.get(&case.key(2))?)?;
        case.outlive(MILLI);
        same_value("a value that lives 31 days, after them", None, store.get(&case.key(2))?)?;
        same_value("a value that lives 400 days, after 31", Some(b"v"), store.get(&case.key(3))?)?;
    }
    Ok(())
}

/// Overwriting gives the new value its own time: longer, shorter, or none.
pub(in crate::conformance) fn overwriting_resets_the_time(case: &Case<'_>) -> Outcome {
    let (store, life) = (&case.store, case.short());
    let [longer, shorter, never, ended] = ["longer", "shorter", "never", "ended"].map(|name| case.key(name));
    for (key, before, after) in [
        (&longer, Some(life), Some(DAY)),
        (&shorter, Some(DAY), Some(life)),
        (&never, Some(life), None),
        (&ended, None, Some(life)),
    ] {
        store.set(key, b"old", before)?;
        store.set(key, b"new", after)?;
        same_value("the value after a second `set`", Some(b"new"), store.get(key)?)?;
    }
    case.outlive(life);
    same_value("a value overwritten with a longer lifetime", Some(b"new"), store.get(&longer)?)?;
    same_value("a value overwritten with a shorter lifetime", None, store.get(&shorter)?)?;
    same_value("a value overwritten for ever", Some(b"new"), store.get(&never)?)?;
    same_value("a value for ever, overwritten with a lifetime", None, store.get(&ended)?)
}

/// A value without a lifetime stays; ten years, where time is moved by hand.
pub(in crate::conformance) fn for_ever_does_not_end(case: &Case<'_>) -> Outcome {
    let (key, store, life) = (case.key("k"), &case.store, case.short());
    store.set(&key, b"v", None)?;
    if case.is_manual() {
        case.manual.advance(3_650 * DAY);
    } else {
        case.outlive(life);
    }
    same_value("a value for ever, later", Some(b"v"), store.get(&key)?)
}
