//! Keys: any UTF-8 without NUL, of any length, each with a value of its own.

use crate::conformance::case::Case;
use crate::conformance::outcome::{Outcome, same, same_value};

/// Writes a different value under each key and reads them all back, one by one and together; then deletes every second one.
fn each_has_its_own(case: &Case<'_>, names: &[String]) -> Outcome {
    let store = &case.store;
    let keys: Vec<String> = names.iter().map(|name| case.key(name)).collect();
    let value = |i: usize| format!("value {i}").into_bytes();
    for (i, key) in keys.iter().enumerate() {
        same_value(format!("the key {key:?} before any `set`"), None, store.get(key)?)?;
        store.set(key, &value(i), None)?;
    }
    for (i, key) in keys.iter().enumerate() {
        same_value(format!("the value under {key:?}"), Some(&value(i)), store.get(key)?)?;
    }
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    let wanted: Vec<_> = (0..keys.len()).map(|i| Some(value(i))).collect();
    same("all values by `get_many`", wanted, store.get_many(&all)?)?;
    for key in keys.iter().step_by(2) {
        same(format!("`delete` of {key:?}"), true, store.delete(key)?)?;
    }
    for (i, key) in keys.iter().enumerate() {
        let left = (i % 2 == 1).then(|| value(i));
        let what = format!("the value under {key:?} after the deletion of others");
        same_value(what, left.as_deref(), store.get(key)?)?;
    }
    Ok(())
}

/// Keys may have any character: spaces, line ends, control characters, what protocols, paths, patterns and queries use.
pub(in crate::conformance) fn keys_may_have_any_character(case: &Case<'_>) -> Outcome {
    let ascii = (1..=127u8).map(char::from);
    let beyond = ['\u{80}', 'é', 'ß', '\u{301}', '€', '\u{200d}', '\u{feff}', '\u{fffd}', '😀', '\u{10ffff}'];
    let mut names: Vec<String> = ascii.chain(beyond).map(|c| format!("a{c}b")).collect();
    names.extend(
        [
            "",
            "../../etc/passwd",
            "/",
            ".",
            "..",
            "CON",
            "a\r\nflush_all\r\n",
            "k 0 0 1\r\nx",
            "%00",
            "{tag}",
            "*",
            "a?b[c]",
        ]
        .map(String::from),
    );
    names.extend(
        ["'; DROP TABLE cache; --", "\u{1b}[2J", "\\u0000", "noreply", " leading", "trailing "]
            .map(String::from),
    );
    each_has_its_own(case, &names)
}

/// Keys of 10 kB work, and differ by their first byte or their last.
pub(in crate::conformance) fn keys_may_be_long(case: &Case<'_>) -> Outcome {
    // Around the limits of memcached, of file names and of one-byte and two-byte lengths.
    let mut names: Vec<String> = [200, 249, 250, 251, 255, 256, 10_000].map(|n| "x".repeat(n)).into();
    let long = "x".repeat(9_999);
    names.extend([format!("{long}y"), format!("y{long}"), "é".repeat(5_000)]);
    each_has_its_own(case, &names)
}

/// Keys that differ little differ: by case, by a space, by the form of a letter, by one being the other's beginning.
pub(in crate::conformance) fn similar_keys_differ(case: &Case<'_>) -> Outcome {
    let names = [
        "key", "Key", "KEY", "key ", " key", "key\t", "key\n", "ke", "keyy", "key:", "key::", "key/",
        "key%20", "key+", "\u{e9}", "e\u{301}", "\u{df}", "ss", "\u{131}", "i", "I", "1", "01", "1.0", "+1",
    ];
    each_has_its_own(case, &names.map(String::from))
}
