//! `keys`: every key that starts with the prefix, literally, and nothing else, in parts.

use std::collections::BTreeSet;

use crate::ErrorKind;
use crate::conformance::case::Case;
use crate::conformance::outcome::{Outcome, same};

/// More parts than any list of a case has.
const MOST_PARTS: usize = 100_000;

/// Lists all keys with a prefix, without the prefix of the case.
fn list(case: &Case<'_>, prefix: &str) -> Outcome<BTreeSet<String>> {
    let (whole, own) = (case.key(prefix), case.key(""));
    let (mut keys, mut at) = (BTreeSet::new(), None);
    for _ in 0..MOST_PARTS {
        let part = case.store.keys(&whole, at.as_ref())?;
        for key in part.keys {
            match key.strip_prefix(&own) {
                Some(name) if key.starts_with(&whole) => keys.insert(name.to_owned()),
                _ => return Err(format!("the keys with {whole:?}, expected such keys, got {key:?}")),
            };
        }
        match part.next {
            Some(next) => at = Some(next),
            None => return Ok(keys),
        }
    }
    Err(format!("the keys with {whole:?}, expected an end, got {MOST_PARTS} parts"))
}

/// A store that does not claim `list_keys` says that it can't.
fn applies(case: &Case<'_>) -> Outcome<bool> {
    if case.caps.list_keys {
        return Ok(true);
    }
    let listed = case.store.0.keys(&case.key(""), None).map_err(|error| error.kind());
    same(
        "`keys` of a store that does not claim `list_keys`",
        Err(ErrorKind::Unsupported),
        listed.map(|_| ()),
    )?;
    case.skip("`list_keys` is not claimed")?;
    Ok(false)
}

/// Neighbours of the prefix are not listed, and characters of patterns in it stand for themselves.
pub(in crate::conformance) fn keys_lists_the_prefix_only(case: &Case<'_>) -> Outcome {
    if !applies(case)? {
        return Ok(());
    }
    let names = [
        "app:",
        "app:1",
        "app:é",
        "app:\r\n",
        "app",
        "ap",
        "app2_1",
        "App:1",
        "x:app:1",
        "a*b:1",
        "aXb:1",
        "a?b:1",
        "a[b]:1",
        "ab:1",
        "a\\b:1",
        "a^b:1",
        "{a}b:1",
        "app:#version",
        "app:#version:1",
    ];
    for name in names {
        case.store.set(&case.key(name), name.as_bytes(), None)?;
    }
    for prefix in
        ["", "app:", "app", "a*b:", "a?b:", "a[b]:", "a\\b:", "a^b:", "{a}", "*", "[a-z]", "nothing"]
    {
        let expected: BTreeSet<String> =
            names.iter().filter(|name| name.starts_with(prefix)).map(ToString::to_string).collect();
        same(format!("the keys with the prefix {prefix:?}"), expected, list(case, prefix)?)?;
    }
    Ok(())
}

/// More keys than fit into one answer of a server, and long ones, are all listed.
pub(in crate::conformance) fn keys_lists_all(case: &Case<'_>) -> Outcome {
    if !applies(case)? {
        return Ok(());
    }
    let (listed, others) = (case.keys("listed:", 400), case.keys("other:", 300));
    let long = case.key(format_args!("listed:{}", "x".repeat(10_000)));
    for key in listed.iter().chain(&others).chain([&long]) {
        case.store.set(key, b"v", None)?;
    }
    let found = list(case, "listed:")?;
    same("how many keys of 401 are listed", 401, found.len())?;
    same("how many keys of 701 are listed", 701, list(case, "")?.len())
}

/// Expired and removed keys are not listed, nor are those that only have a token or that were looked for.
pub(in crate::conformance) fn keys_lists_what_is_there(case: &Case<'_>) -> Outcome {
    if !applies(case)? {
        return Ok(());
    }
    let (store, life) = (&case.store, case.short());
    let [stays, ends, removed, empty, looked, absent] =
        ["stays", "ends", "removed", "empty", "looked", "absent"].map(|name| case.key(name));
    store.set(&stays, b"v", Some(100 * life))?;
    store.set(&ends, b"v", Some(life))?;
    store.set(&removed, b"v", None)?;
    store.set(&empty, b"", None)?;
    store.delete(&removed)?;
    if case.caps.conditional {
        store.token(&absent)?;
    }
    store.fetch(&looked, &[])?;
    store.get(&absent)?;
    case.outlive(life);
    let expected: BTreeSet<String> = ["stays", "empty"].map(String::from).into();
    same("the keys that are there", expected, list(case, "")?)
}
