//! `clear`: every key that starts with the prefix, literally, and nothing else.

use crate::conformance::case::{Case, race};
use crate::conformance::outcome::{Outcome, same, same_value};

const SKIPPED: &str = "`clear_by_prefix` is not claimed";

/// Writes under all names, clears one prefix, and looks at what is left.
fn clears_exactly(case: &Case<'_>, names: &[&str], prefix: &str) -> Outcome {
    let store = &case.store;
    for name in names {
        store.set(&case.key(name), name.as_bytes(), None)?;
    }
    store.clear(&case.key(prefix))?;
    for name in names {
        let left = (!name.starts_with(prefix)).then_some(name.as_bytes());
        same_value(
            format!("the value under {name:?} after `clear({prefix:?})`"),
            left,
            store.get(&case.key(name))?,
        )?;
    }
    Ok(())
}

/// Keys that start with the prefix go, byte by byte, and their neighbours stay: `app:` and `app2_`, upper case, a key that is
/// the prefix itself or its beginning, one that has the prefix in its middle.
pub(in crate::conformance) fn clear_takes_the_prefix_only(case: &Case<'_>) -> Outcome {
    if !case.caps.clear_by_prefix {
        return case.skip(SKIPPED);
    }
    let names = [
        "app:",
        "app:1",
        "app:sub:2",
        "app:é",
        "app:\r\n",
        "app",
        "ap",
        "app2_",
        "app2_1",
        "App:1",
        "app.1",
        "x:app:1",
        "apq",
    ];
    for prefix in ["app:", "app2_", "app:s", "app", "app:é", "nothing starts with this"] {
        clears_exactly(case, &names, prefix)?;
    }
    Ok(())
}

/// Characters of patterns in a prefix stand for themselves.
pub(in crate::conformance) fn clear_is_literal(case: &Case<'_>) -> Outcome {
    if !case.caps.clear_by_prefix {
        return case.skip(SKIPPED);
    }
    let names = [
        "a*b:1", "aXb:1", "a?b:1", "a[b]:1", "ab:1", "a\\b:1", "a%b:1", "a_b:1", "a^b:1", "a.b:1", "{a}b:1",
        "a*", "a",
    ];
    let prefixes =
        ["a*b:", "a?b:", "a[b]:", "a\\b:", "a%b:", "a_b:", "a^b:", "a.b:", "{a}", "*", "a*", "[a-z]", "?"];
    prefixes.iter().try_for_each(|prefix| clears_exactly(case, &names, prefix))
}

/// More keys than fit into one answer of a server are all found, also expiring ones, and others as many stay.
pub(in crate::conformance) fn clear_finds_all(case: &Case<'_>) -> Outcome {
    if !case.caps.clear_by_prefix {
        return case.skip(SKIPPED);
    }
    let (gone, kept) = (case.keys("gone:", 300), case.keys("kept:", 100));
    let long = case.key(format_args!("gone:{}", "x".repeat(10_000)));
    let refs = |keys: &[String]| keys.to_vec();
    for (i, key) in gone.iter().chain(&kept).chain([&long]).enumerate() {
        case.store.set(key, b"v", (i % 2 == 0).then_some(100 * case.short()))?;
    }
    case.store.clear(&case.key("gone:"))?;
    let count = |keys: Vec<String>| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        case.store.get_many(&keys).map(|values| values.iter().flatten().count())
    };
    same("how many of 300 cleared keys are left", 0, count(refs(&gone))?)?;
    same("how many of 100 other keys are left", 100, count(refs(&kept))?)?;
    same_value("a cleared key of 10 kB", None, case.store.get(&long)?)?;
    case.store.clear(&case.key("gone:"))
}

/// A value that was written before a `clear` is gone after it, while others write next to it, under its prefix and clear as well;
/// and the others' keys stay.
pub(in crate::conformance) fn clear_works_under_traffic(case: &Case<'_>) -> Outcome {
    if !case.caps.clear_by_prefix {
        return case.skip(SKIPPED);
    }
    let (ours, theirs) = (case.keys("ours:", 20), case.keys("theirs:", 20));
    let (busy, prefix) = (case.keys("ours:busy", 20), case.key("ours:"));
    let other = case.another()?;
    race(4, |thread| {
        for round in 0..10 {
            match thread {
                0 => {
                    for key in &ours {
                        case.store.set(key, b"v", None)?;
                    }
                    case.store.clear(&prefix)?;
                    for key in &ours {
                        same_value("a value written before `clear`, after it", None, case.store.get(key)?)?;
                    }
                }
                1 => theirs.iter().try_for_each(|key| {
                    other.set(key, &[round], None)?;
                    same_value("a value under another prefix during `clear`", Some(&[round]), other.get(key)?)
                })?,
                2 => busy.iter().try_for_each(|key| other.set(key, b"v", None))?,
                _ => other.clear(&prefix)?,
            }
        }
        Ok(())
    })
    .map(drop)
}
