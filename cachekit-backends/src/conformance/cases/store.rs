//! Properties of the store as a whole.

use crate::conformance::case::{Case, race};
use crate::conformance::handle::Handle;
use crate::conformance::outcome::{Outcome, same, same_value};
use crate::{Backend, ErrorKind, Token};

/// The changes of one handle are seen by the others, at once.
pub(in crate::conformance) fn handles_share(case: &Case<'_>) -> Outcome {
    if !case.caps.shared {
        return case.skip("`shared` is not claimed");
    }
    let (key, ours, theirs) = (case.key("k"), &case.store, case.another()?);
    ours.set(&key, b"one", None)?;
    same_value("another handle's `get` after `set`", Some(b"one"), theirs.get(&key)?)?;
    theirs.set(&key, b"two", None)?;
    same_value("`get` after another handle's `set`", Some(b"two"), ours.get(&key)?)?;
    same("another handle's `add` over a live value", false, theirs.add(&key, b"three", None)?)?;
    same("another handle's `delete`", true, theirs.delete(&key)?)?;
    same_value("`get` after another handle's `delete`", None, ours.get(&key)?)?;
    if case.caps.marks {
        let mark =
            |handle: &Handle| handle.0.mark().map_err(|e| format!("`mark`, expected success, got {e}"));
        let before = mark(ours)?;
        same("whether there is a mark", true, before.is_some())?;
        same("another handle's `mark`", before, mark(&theirs)?)?;
        theirs.0.renew_mark().map_err(|e| format!("`renew_mark`, expected success, got {e}"))?;
        same(
            "whether `mark` is another one after another handle's `renew_mark`",
            true,
            mark(ours)? != before,
        )?;
    }
    ours.set(&key, b"four", Some(case.short()))?;
    drop(theirs);
    let third = case.another()?;
    same_value("`get` of a handle that was opened later", Some(b"four"), third.get(&key)?)?;
    case.outlive(case.short());
    same_value("another handle's `get` after the lifetime", None, third.get(&key)?)
}

/// A store that keeps nothing accepts all, has nothing, and claims no conditional write to have taken place.
pub(in crate::conformance) fn nothing_is_kept(case: &Case<'_>) -> Outcome {
    if !case.caps.discards {
        return case.skip("`discards` is not claimed");
    }
    let (key, version, store) = (case.key("k"), case.key("version"), &case.store);
    let empty = |what: &str| same_value(format!("`get` after `{what}`"), None, store.get(&key)?);
    store.set(&key, b"v", None)?;
    empty("set")?;
    store.set_many(&[(&key, b"v")], None)?;
    empty("set_many")?;
    for _ in 0..2 {
        same("`add`, with nothing in its way", true, store.add(&key, b"v", None)?)?;
        empty("add")?;
    }
    same("`get_many`", vec![None, None], store.get_many(&[&key, &key])?)?;
    same("`delete`", false, store.delete(&key)?)?;
    same("`delete_many`", 0, store.delete_many(&[&key])?)?;
    let (found, versions) = store.entry_and_versions(&key, &[&version, &version])?;
    same_value("the entry of `fetch`", None, found)?;
    same(
        "whether versions of `fetch` are new each time",
        true,
        versions != store.entry_and_versions(&key, &[&version, &version])?.1,
    )?;
    if case.caps.conditional {
        let token = store.token(&key)?;
        same("`put_if`", false, store.put_if(&key, b"v", None, token)?)?;
    }
    if case.caps.clear_by_prefix { store.clear(&case.key("")) } else { Ok(()) }
}

/// Never more than the threshold and one are kept, and what was written last is among them; also by many writers, for
/// lifetimes of all kinds, and by every kind of write.
pub(in crate::conformance) fn the_threshold_holds(case: &Case<'_>) -> Outcome {
    let Some((most, make)) = &case.suite.bounded else {
        return case.skip("no store with a threshold is given");
    };
    let (most, store) = (*most, case.open(make)?);
    let keys = case.keys("k", 3 * most + 24);
    let count = || {
        let kept =
            keys.iter().try_fold(0, |n, key| Ok::<_, String>(n + usize::from(store.get(key)?.is_some())))?;
        same(format!("whether at most {most} and one entries are kept ({kept} are)"), true, kept <= most + 1)
    };
    for (i, key) in keys.iter().enumerate() {
        let life = (i % 3 != 0).then_some(1_000 * case.short());
        match i % 3 {
            0 => store.set(key, b"v", life)?,
            1 => store.set_many(&[(key, b"v")], life)?,
            _ => same("`add` where nothing is", true, store.add(key, b"v", life)?)?,
        }
        same_value("the entry that was just written", Some(b"v"), store.get(key)?)?;
    }
    count()?;
    race(4, |thread| keys.iter().skip(thread).step_by(4).try_for_each(|key| store.set(key, b"w", None)))?;
    count()?;
    let refs: Vec<&str> = keys.iter().map(String::as_str).collect();
    store.delete_many(&refs).map(drop)
}

/// On a store that can't be reached each operation is an error, of a kind that says so; none panics or makes an answer up.
pub(in crate::conformance) fn failures_are_errors(case: &Case<'_>) -> Outcome {
    let Some(make) = &case.suite.unreachable else {
        return case.skip("no store that can't be reached is given");
    };
    let store = case.open(make)?;
    let (b, key): (&dyn Backend, _) = (&*store.0, &*case.key("k"));
    let results = [
        ("get", b.get(key).err()),
        ("set", b.set(key, b"v", None).err()),
        ("delete", b.delete(key).err()),
        ("get_many", b.get_many(&[key]).err()),
        ("set_many", b.set_many(&[(key, b"v")], None).err()),
        ("delete_many", b.delete_many(&[key]).err()),
        ("add", b.add(key, b"v", None).err()),
        ("fetch", b.fetch(key, &[key]).err()),
        ("clear", b.clear(key).err()),
        ("token", b.token(key).err()),
        ("put_if", b.put_if(key, b"v", None, Token(0)).err()),
    ];
    for (method, error) in results {
        let Some(error) = error else {
            return Err(format!("`{method}` on an unreachable store, expected an error, got success"));
        };
        let misleading = matches!(error.kind(), ErrorKind::Config | ErrorKind::Type | ErrorKind::Codec);
        same(format!("whether the kind {:?} misleads about `{method}`", error.kind()), false, misleading)?;
        same(format!("whether the error of `{method}` has a message"), false, error.to_string().is_empty())?;
    }
    Ok(())
}

/// The capabilities are the same each time they are asked, and a backend that claims `conditional` has its methods.
pub(in crate::conformance) fn capabilities_agree(case: &Case<'_>) -> Outcome {
    let (b, key) = (&*case.store.0, case.key("k"));
    same("the capabilities, asked again", b.capabilities(), b.capabilities())?;
    same(
        "the capabilities of another handle",
        b.capabilities(),
        case.open(&case.suite.make)?.0.capabilities(),
    )?;
    if case.caps.conditional {
        return case.store.token(&key).map(drop);
    }
    let unsupported = |kind| matches!(kind, None | Some(ErrorKind::Unsupported));
    let kind = b.token(&key).err().map(|e| e.kind());
    same(format!("whether the error {kind:?} of `token` says `Unsupported`"), true, unsupported(kind))
}
