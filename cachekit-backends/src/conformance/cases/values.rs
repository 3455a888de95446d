//! Values: stored whole, read back byte for byte, deleted.

use crate::ErrorKind;
use crate::conformance::case::{Case, race};
use crate::conformance::outcome::{Outcome, same, same_value};

/// A value comes back byte for byte: empty, of any bytes, with the syntax of protocols in it, of 1 MiB; also after a longer
/// one and after a shorter one.
pub(in crate::conformance) fn values_come_back(case: &Case<'_>) -> Outcome {
    let key = case.key("k");
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let big: Vec<u8> = (0..=250).cycle().take(case.size(1 << 20)).collect();
    let parts = [&b""[..], b"\0", b"v", b"END\r\n", b"nil", b"1", &all, &big, b"short again", b""];
    same_value("a key that was never written", None, case.store.get(&key)?)?;
    for value in parts.iter().map(|value| &value[..case.size(value.len())]) {
        case.store.set(&key, value, None)?;
        same_value("the value after `set`", Some(value), case.store.get(&key)?)?;
    }
    Ok(())
}

/// A value over the limit that the backend claims is an error of the kind `Full`, and leaves the old value or none.
pub(in crate::conformance) fn too_large_is_refused(case: &Case<'_>) -> Outcome {
    /// More memory than a test should take.
    const TOO_MUCH: usize = 64 << 20;
    let Some(most) = case.caps.max_value_len else { return case.skip("no limit is claimed") };
    if most > TOO_MUCH {
        return case.skip("the limit is beyond 64 MiB");
    }
    let key = case.key("k");
    let mut value = vec![b'x'; most];
    case.store.set(&key, &value, None)?;
    same_value("a value as large as the limit", Some(&value), case.store.get(&key)?)?;
    let old = &value[..most.min(3)].to_vec();
    value.push(b'x');
    for name in ["set", "add", "set_many"] {
        case.store.set(&key, old, None)?;
        let result = match name {
            "set" => case.store.0.set(&key, &value, None),
            "set_many" => case.store.0.set_many(&[(&key, &value)], None),
            _ => {
                case.store.delete(&key)?;
                case.store.0.add(&key, &value, None).map(drop)
            }
        };
        let kind = result.err().map(|e| e.kind());
        same(format!("the error of `{name}` with a byte over the limit"), Some(ErrorKind::Full), kind)?;
        if let got @ Some(_) = case.store.get(&key)? {
            same_value(format!("the value after a refused `{name}`, if there is one"), Some(old), got)?;
        }
    }
    Ok(())
}

/// A reader sees the old value, the new one or none, never a mixture; values differ in length and content.
pub(in crate::conformance) fn writes_are_seen_whole(case: &Case<'_>) -> Outcome {
    let key = case.key("k");
    let size = case.size(48 << 10);
    let value = |n: u8| vec![n; size - usize::from(n) * (size / 16)];
    let other = case.another()?;
    case.store.set(&key, &value(0), None)?;
    race(3, |thread| {
        for round in 0..100u8 {
            if thread == 0 {
                case.store.set(&key, &value(round % 8), None)?;
            } else if let Some(got) = other.get(&key)? {
                let whole = value(got.first().copied().unwrap_or_default() % 8);
                same_value("a value read while it is overwritten", Some(&whole), Some(got))?;
            }
        }
        Ok(())
    })
    .map(drop)
}

/// `delete` removes a value and says whether a live one was there.
pub(in crate::conformance) fn delete_says_what_was_there(case: &Case<'_>) -> Outcome {
    let (key, store, life) = (case.key("k"), &case.store, case.short());
    same("`delete` of a key that was never written", false, store.delete(&key)?)?;
    for value in [&b""[..], b"v"] {
        store.set(&key, value, None)?;
        same("`delete` of a value that is there", true, store.delete(&key)?)?;
        same_value("the value after `delete`", None, store.get(&key)?)?;
        same("a second `delete`", false, store.delete(&key)?)?;
    }
    store.set(&key, b"v", Some(life))?;
    case.outlive(life);
    same("`delete` of a value whose time is over", false, store.delete(&key)?)
}
