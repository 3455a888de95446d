//! Several keys at once.

use crate::conformance::case::Case;
use crate::conformance::outcome::{Outcome, same, same_value};

fn refs(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

/// `get_many` answers in the order of the keys, once for each, also for absent and repeated ones.
pub(in crate::conformance) fn get_many_keeps_the_order(case: &Case<'_>) -> Outcome {
    let (a, b, gone, empty) = (case.key("a"), case.key("b"), case.key("gone"), case.key("empty"));
    let store = &case.store;
    for (key, value) in [(&b, &b"2"[..]), (&a, b"1"), (&empty, b"")] {
        store.set(key, value, None)?;
    }
    let some = |value: &[u8]| Some(value.to_vec());
    let got = store.get_many(&[&b, &gone, &a, &b, &empty, &gone, &a])?;
    same("`get_many`", vec![some(b"2"), None, some(b"1"), some(b"2"), some(b""), None, some(b"1")], got)?;
    same("`get_many` without keys", Vec::new(), store.get_many(&[])?)
}

/// `set_many` stores each value under its key, with the one lifetime, and replaces what is there.
pub(in crate::conformance) fn set_many_stores_each(case: &Case<'_>) -> Outcome {
    let (store, life) = (&case.store, case.short());
    let keys = case.keys("k", 150);
    let value = |i: usize| vec![b'v'; i];
    let values: Vec<_> = (0..keys.len()).map(value).collect();
    let items: Vec<(&str, &[u8])> = refs(&keys).into_iter().zip(values.iter().map(Vec::as_slice)).collect();
    store.set_many(&[], None)?;
    store.set(&keys[3], b"old", None)?;
    store.set_many(&items, None)?;
    let wanted: Vec<_> = (0..keys.len()).map(|i| Some(value(i))).collect();
    same("`get_many` after `set_many`", wanted, store.get_many(&refs(&keys))?)?;
    same_value("`get` after `set_many`", Some(b"vvvvv"), store.get(&keys[5])?)?;
    store.set_many(&items[..2], Some(life))?;
    case.outlive(life);
    let got = store.get_many(&refs(&keys[..3]))?;
    same(
        "the values after the lifetime of `set_many` for the first two",
        vec![None, None, Some(value(2))],
        got,
    )
}

/// `delete_many` removes all, and counts those that were there, each once.
pub(in crate::conformance) fn delete_many_counts(case: &Case<'_>) -> Outcome {
    let (store, life) = (&case.store, case.short());
    let keys = case.keys("k", 150);
    for key in &keys[..100] {
        store.set(key, b"v", None)?;
    }
    store.set(&keys[100], b"v", Some(life))?;
    case.outlive(life);
    let (first, rest) = (refs(&keys[..2]), refs(&keys[2..]));
    same("`delete_many` of one live key given twice", 1, store.delete_many(&[first[0], first[0]])?)?;
    same("`delete_many` of 98 live keys, an expired one and absent ones", 98, store.delete_many(&rest)?)?;
    same_value("a key that was not among them", Some(b"v"), store.get(first[1])?)?;
    same("the values after `delete_many`", vec![None; rest.len()], store.get_many(&rest)?)?;
    same("`delete_many` of absent keys", 0, store.delete_many(&rest)?)?;
    same("`delete_many` without keys", 0, store.delete_many(&[])?)
}
