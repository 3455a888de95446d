//! Several keys at once.

use crate::conformance::case::Case;
use crate::conformance::outcome::{Outcome, same, same_value};
use crate::{Put, Version};

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

/// `fetch_many` answers for each entry as `fetch` does, in the order of the entries, and makes a version once, however many
/// entries depend on it.
pub(in crate::conformance) fn fetch_many_is_fetch_of_each(case: &Case<'_>) -> Outcome {
    let (store, absent) = (&case.store, case.key("absent"));
    let keys = case.keys("entry", 20);
    let versions = case.keys("version", 3);
    for (n, key) in keys.iter().enumerate() {
        store.set(key, &[b'v'; 30][..n], None)?;
    }
    same("`fetch_many` without entries", 0, store.fetch_many(&[])?.len())?;
    let of = refs(&versions);
    let mut asked: Vec<(&str, &[&str])> = keys.iter().map(|key| (key.as_str(), &of[..1])).collect();
    asked.push((&absent, &of[1..]));
    asked.push((&keys[3], &[]));
    asked.push((&keys[3], &of));
    // The first makes the versions, the second finds them.
    let first = store.fetch_many(&asked)?;
    let got = store.fetch_many(&asked)?;
    same("the answers of `fetch_many`", asked.len(), got.len())?;
    for (((key, of), got), first) in asked.iter().zip(&got).zip(first) {
        let (entry, versions) = store.entry_and_versions(key, of)?;
        same("an entry of `fetch_many`", &entry, &got.entry)?;
        same("the versions of `fetch_many`", &versions, &got.versions)?;
        same("the versions that it made", &first.versions, &got.versions)?;
        if let (true, Some(token)) = (case.caps.conditional, got.token) {
            same("a token of `fetch_many`", store.token(key)?, token)?;
        }
    }
    store.set(&versions[0], b"junk", None)?;
    let healed = store.fetch_many(&asked[..2])?;
    let expected: Vec<Vec<Version>> = vec![store.entry_and_versions(&keys[0], &of[..1])?.1; 2];
    same("the versions in the place of junk", expected, healed.into_iter().map(|one| one.versions).collect())
}

/// `put_under_many` stores each value under its token, with its lifetime, and not those whose keys have changed. A store may void
/// the tokens of its neighbours, but it says so.
pub(in crate::conformance) fn put_under_many_stores_each(case: &Case<'_>) -> Outcome {
    if !case.caps.conditional {
        return case.skip("`conditional` is not claimed");
    }
    let (store, life) = (&case.store, case.short());
    let keys = case.keys("k", 40);
    store.set(&keys[1], b"old", None)?;
    let tokens = keys.iter().map(|key| store.token(key)).collect::<Outcome<Vec<_>>>()?;
    store.set(&keys[2], b"other", None)?;
    store.delete(&keys[1])?;
    let item = |(n, key): (usize, &'_ String)| (key.clone(), [b'v'; 40][..n].to_vec(), tokens[n]);
    let items: Vec<_> = keys.iter().enumerate().map(item).collect();
    let lives = |n: usize| if n == 3 { Some(life) } else { None };
    let asked: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(n, (key, value, token))| Put { key, value, life: lives(n), token: *token, versions: &[] })
        .collect();
    same("`put_under_many` without values", Vec::new(), store.put_under_many(&[])?)?;
    let stored = store.put_under_many(&asked)?;
    same("how many answers `put_under_many` gave", keys.len(), stored.len())?;
    same("whether `put_under_many` stored what had changed", [false, false], [stored[1], stored[2]])?;
    case.outlive(life);
    let value = |n: usize| match n {
        2 => Some(b"other".to_vec()),
        n if !stored[n] || n == 3 => None,
        n => Some(vec![b'v'; n]),
    };
    let expected: Vec<_> = (0..keys.len()).map(value).collect();
    same("the values after `put_under_many`", expected, store.get_many(&refs(&keys))?)?;
    let token = store.token(&keys[0])?;
    let alone = Put { key: &keys[0], value: b"alone", life: None, token, versions: &[] };
    same("`put_under_many` of one value", vec![true], store.put_under_many(&[alone])?)?;
    same("the value", Some(b"alone".to_vec()), store.get(&keys[0])?)
}
