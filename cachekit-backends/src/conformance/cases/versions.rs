//! `fetch`: an entry and its versions in one go.

use std::time::Duration;

use crate::Version;
use crate::conformance::case::{Case, race};
use crate::conformance::outcome::{Outcome, same, same_value};

/// `fetch` makes the versions that are missing, each another one, and finds the same ones again, in the order of the keys and
/// through every handle.
pub(in crate::conformance) fn fetch_makes_versions_once(case: &Case<'_>) -> Outcome {
    let (entry, store) = (case.key("entry"), &case.store);
    let [a, b, c] = ["a", "b", "c"].map(|name| case.key(name));
    let (found, first) = store.entry_and_versions(&entry, &[&a, &b])?;
    same_value("the entry of `fetch`, never written", None, found)?;
    same("whether two missing versions became equal", false, first[0] == first[1])?;
    store.set(&entry, b"v", None)?;
    let (found, again) = store.entry_and_versions(&entry, &[&b, &c, &a, &b])?;
    same_value("the entry of `fetch`", Some(b"v"), found)?;
    same(
        "the versions found again, in another order",
        [first[1], first[0], first[1]],
        [again[0], again[2], again[3]],
    )?;
    let elsewhere = case.another()?.entry_and_versions(&case.key("other entry"), &[&a, &b, &c])?.1;
    same("the versions through another handle", vec![first[0], first[1], again[1]], elsewhere)?;
    let (found, none) = store.entry_and_versions(&entry, &[])?;
    same_value("the entry of `fetch` without versions", Some(b"v"), found)?;
    same("the versions of `fetch` without versions", Vec::new(), none)
}

/// A version is stored as its bytes under its key, for ever: to replace or remove them makes a new version.
pub(in crate::conformance) fn versions_are_entries(case: &Case<'_>) -> Outcome {
    let (entry, key, store) = (case.key("entry"), case.key("version"), &case.store);
    let first = store.entry_and_versions(&entry, &[&key])?.1;
    same_value("the bytes under a version's key", Some(&first[0].to_bytes()), store.get(&key)?)?;
    let second = Version::fresh();
    store.set(&key, &second.to_bytes(), None)?;
    same("the version after `set`", vec![second], store.entry_and_versions(&entry, &[&key])?.1)?;
    same("`delete` of a version", true, store.delete(&key)?)?;
    let third = store.entry_and_versions(&entry, &[&key])?.1;
    same("whether a deleted version comes back", false, third[0] == first[0] || third[0] == second)?;
    if case.is_manual() {
        case.manual.advance(Duration::from_secs(10 * 365 * 24 * 60 * 60));
        same("a version after ten years", third, store.entry_and_versions(&entry, &[&key])?.1)?;
    }
    Ok(())
}

/// Bytes under a version's key that are no version are replaced by one.
pub(in crate::conformance) fn fetch_heals_junk(case: &Case<'_>) -> Outcome {
    let (entry, key, good, store) = (case.key("entry"), case.key("version"), case.key("good"), &case.store);
    let kept = store.entry_and_versions(&entry, &[&good])?.1[0];
    for junk in [&b""[..], b"junk", &[0; 15], &[0; 17], &[0xFF; 1000]] {
        store.set(&key, &junk[..case.size(junk.len())], None)?;
        let healed = store.entry_and_versions(&entry, &[&key, &good])?.1;
        same("a good version beside junk", kept, healed[1])?;
        same_value("the bytes under the key after healing", Some(&healed[0].to_bytes()), store.get(&key)?)?;
        same("the version after healing", healed, store.entry_and_versions(&entry, &[&key, &good])?.1)?;
    }
    Ok(())
}

/// Eight that miss one version at once are given the same one; through two handles if the store is shared.
pub(in crate::conformance) fn racing_fetches_agree(case: &Case<'_>) -> Outcome {
    if !case.caps.atomic_add {
        return case.skip("`atomic_add` is not claimed");
    }
    let (entry, handles) = (case.key("entry"), [case.store.clone(), case.another()?]);
    for round in 0..20 {
        let key = case.key(format_args!("version {round}"));
        let seen = race(8, |i| Ok(handles[i % 2].entry_and_versions(&entry, &[&key])?.1[0]))?;
        let last = case.store.entry_and_versions(&entry, &[&key])?.1[0];
        same("the versions that eight were given at once", vec![last; 8], seen)?;
    }
    Ok(())
}

/// `put_under` stores as `put_if` does. It changes no version, and makes none: one that was deleted would come back.
pub(in crate::conformance) fn put_under_makes_no_version(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip("`conditional` is not claimed");
    }
    let (entry, store) = (case.key("entry"), &case.store);
    let [kept, gone] = ["kept", "gone"].map(|name| case.key(name));
    for life in [Some(Duration::from_secs(60)), None] {
        let versions = store.entry_and_versions(&entry, &[&kept, &gone])?.1;
        store.delete(&gone)?;
        let token = store.token(&entry)?;
        same("`put_under`", true, store.put_under(&entry, b"v", life, token, &[&kept, &gone])?)?;
        same_value("the value after it", Some(b"v"), store.get(&entry)?)?;
        same_value("a version that was deleted before", None, store.get(&gone)?)?;
        same_value("a version that was there", Some(&versions[0].to_bytes()), store.get(&kept)?)?;
        let late = store.put_under(&entry, b"late", life, token, &[&kept])?;
        same("`put_under` with a token of before a write", false, late)?;
        store.delete(&entry)?;
    }
    Ok(())
}

/// To delete one of the versions that an entry depends on, as a deletion by tag does, makes another one of it, and leaves its
/// neighbours.
pub(in crate::conformance) fn a_deleted_version_changes_alone(case: &Case<'_>) -> Outcome {
    let (entry, store) = (case.key("entry"), &case.store);
    let keys = case.keys("tag", 5);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    store.set(&entry, b"v", None)?;
    let before = store.entry_and_versions(&entry, &keys)?.1;
    store.delete(keys[2])?;
    let (found, after) = store.entry_and_versions(&entry, &keys)?;
    same_value("the entry after a deletion of one of its versions", Some(b"v"), found)?;
    let changed: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before != after).collect();
    same("which of five versions changed", vec![false, false, true, false, false], changed)?;
    same("the versions after that", after, store.entry_and_versions(&entry, &keys)?.1)
}

/// The versions that an entry is stored under live as long as it does, which `stale_while_revalidate` and `stale_if_error` may make
/// much longer than any of theirs.
pub(in crate::conformance) fn versions_outlive_their_entries(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip("`conditional` is not claimed");
    }
    let (entry, store, life) = (case.key("entry"), &case.store, case.short());
    let keys = case.keys("version", 2);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    for (life, name) in [(life, "short"), (100 * life, "long")] {
        let key = case.key(name);
        let before = store.entry_and_versions(&key, &keys)?.1;
        let token = store.token(&key)?;
        same("`put_under`", true, store.put_under(&key, b"v", Some(life), token, &keys)?)?;
        same("the versions after it", before, store.entry_and_versions(&entry, &keys)?.1)?;
    }
    let before = store.entry_and_versions(&entry, &keys)?.1;
    case.outlive(life);
    let (found, after) = store.entry_and_versions(&case.key("long"), &keys)?;
    same_value("the entry with the longer life", Some(b"v"), found)?;
    same("its versions, after the end of the other one", before, after)
}
