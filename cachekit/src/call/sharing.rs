//! Values in the process whose clone is no deep copy, such as an `Arc<Mutex<..>>`: a caller that changes its value would change
//! the one that other callers get. The type doesn't tell this, so the encoding of the first values is compared between the
//! store and the hit. A function with a value that has changed keeps its values encoded, as a shared backend does.
//!
//! A caller may hold the lock of its value while it makes the same call, so a value is encoded on a thread of its own. One
//! that can't be encoded meanwhile is locked through a clone, which is a proof as good as a change.
//!
//! The hit path knows none of it: [`Kept`] is not the stored type, so the entry is refused there and read here, without a lock.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use cachekit_backends::simple::{Entry, Tagged, Weight};
use cachekit_backends::{EncodingDigest, KeyBytes, encoding_digest, unseal};

use super::aside::{Aside, aside};
use super::faithful::comes_back;
use super::freshness::Windows;
use super::inputs::Call;
use super::policy::{Encode, Envelope, Opened, Policy};
use crate::engine::Engine;
use crate::engine::flight::Shared;

/// How many hits of an entry a release build checks. A debug build checks all.
const FIRST: u8 = 8;

/// The envelope of values that stay in the process.
pub(super) const ENVELOPE: Envelope<'_> = Envelope {
    key: "",
    now: 0,
    life: None,
    generation: 0,
    is_err: false,
    windows: Windows::NONE,
    versions: &[],
};

/// A stored part that is not kept as it is.
enum Kept {
    /// With the digest that its encoding had at the store.
    Watched { part: Shared, digest: EncodingDigest, left: AtomicU8 },
    /// In its envelope: some value of the function was changed through a clone.
    Encoded(Vec<u8>),
}

/// Makes the entry of a value, which counts the bytes that are said, if any are.
pub(super) fn keep<R>(
    call: &Call<'_>,
    policy: &Policy<R>,
    said: Option<u64>,
    key: KeyBytes,
    output: &R,
) -> Option<Arc<Entry>> {
    if !(policy.clone_may_share)() {
        return (policy.keep)(key, said, output);
    }
    let checks = call.engine.sharing_of(call.function);
    if checks.have_failed() {
        return entry(key, policy, said, output, encoded(call, policy, output)?);
    }
    if !checks.is_due() {
        return (policy.keep)(key, said, output);
    }
    let part = (policy.share)(output)?;
    match digest(policy.encode, &part) {
        Aside::Done(digest) => {
            entry(key, policy, said, output, Kept::Watched { part, digest, left: AtomicU8::new(FIRST) })
        }
        // A value that can't be encoded is not watched.
        Aside::Failed => (policy.keep)(key, said, output),
        Aside::Blocked => {
            found(&call.engine, call.function, policy, "locked");
            None
        }
    }
}

fn entry<R>(
    key: KeyBytes,
    policy: &Policy<R>,
    said: Option<u64>,
    output: &R,
    kept: Kept,
) -> Option<Arc<Entry>> {
    let beside = size_of::<Kept>() as u64;
    let bytes = match (said, &kept) {
        (Some(bytes), _) => bytes,
        (None, Kept::Encoded(bytes)) => bytes.capacity() as u64 + beside,
        (None, Kept::Watched { .. }) => (policy.weight)(output)?.bytes.saturating_add(beside),
    };
    Some(Entry::new(key, Weight { bytes, exact: false }, kept))
}

/// Makes the part for the calls that wait for a value.
pub(super) fn share<R>(call: &Call<'_>, policy: &Policy<R>, output: &R) -> Option<Shared> {
    if (policy.clone_may_share)() && call.engine.sharing_of(call.function).have_failed() {
        // Without an encoding each of them computes.
        return Some(Arc::new(encoded(call, policy, output)?));
    }
    (policy.share)(output)
}

/// Returns an entry without its tags; none if one of them was deleted since.
pub(crate) fn untagged<'e>(engine: &Engine, entry: &'e Entry) -> Option<&'e Entry> {
    match entry.value::<Tagged>() {
        Some(tagged) => engine.local.serves(tagged).then(|| tagged.untagged()),
        None => Some(entry),
    }
}

/// Returns the value of a part that [`Policy::take`] refuses: one that is watched or encoded, or that has tags. Logs at the function's first value that was changed, and
/// invalidates the entries that the function has so far.
#[cold]
pub(crate) fn take<R>(
    engine: &Engine,
    function: u32,
    policy: &Policy<R>,
    part: &(dyn Any + Send + Sync),
) -> Option<R> {
    if let Some(tagged) = part.downcast_ref::<Tagged>() {
        let part = engine.local.serves(tagged).then(|| tagged.untagged().any())?;
        return policy.take(part).or_else(|| take(engine, function, policy, part));
    }
    match part.downcast_ref()? {
        Kept::Encoded(bytes) => match (policy.open)(&ENVELOPE, bytes) {
            Opened::Value(value) | Opened::Due(value, _) => Some(value),
            Opened::Gone | Opened::Unreadable => None,
        },
        Kept::Watched { part, digest, left } => {
            let done = if is_due(left) { differs(policy.encode, part, digest) } else { None };
            if let Some(done) = done {
                found(engine, function, policy, done);
                return None;
            }
            policy.take(&**part)
        }
    }
}

/// Returns the part of an entry that is not watched any more.
#[cold]
pub(super) fn settled(part: &(dyn Any + Send + Sync)) -> Option<&(dyn Any + Send + Sync)> {
    match part.downcast_ref()? {
        Kept::Watched { part, left, .. } if left.load(Ordering::Relaxed) == 0 => Some(&**part),
        _ => None,
    }
}

fn is_due(left: &AtomicU8) -> bool {
    cfg!(debug_assertions)
        || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// How often a part is encoded, at most, to find out whether its `Serialize` writes it in another order each time.
const TRIES: usize = 8;

/// Returns what was done to a part through a clone since it was stored, if anything was.
fn differs(encode: Encode, part: &Shared, stored: &EncodingDigest) -> Option<&'static str> {
    for _ in 0..TRIES {
        match digest(encode, part) {
            Aside::Done(now) if now.ordered == stored.ordered => return None,
            Aside::Done(now) if now.unordered != stored.unordered => return Some("changed"),
            Aside::Done(_) => {}
            Aside::Failed => return None,
            Aside::Blocked => return Some("locked"),
        }
    }
    Some("changed")
}

/// Notes that a function has a value whose clone shares.
fn found<R>(engine: &Engine, function: u32, policy: &Policy<R>, done: &str) {
    engine.local.delete_function(function);
    if engine.sharing_of(function).failed() {
        let type_name = (policy.type_name)();
        tracing::warn!(
            target: "cachekit",
            "a cached value of type `{type_name}` was {done} by a caller, because its `Clone` shares (`Arc<Mutex<..>>`, \
             atomics): the function's values are computed again and kept encoded from now on, which makes hits slower; return \
             a value whose clone is a copy, or say `local` if callers are to share it",
        );
    }
}

/// None also if the value's caller holds its lock.
fn encoded<R>(call: &Call<'_>, policy: &Policy<R>, output: &R) -> Option<Kept> {
    let (encode, part) = (policy.encode, (policy.share)(output)?);
    let Aside::Done(Some(bytes)) = aside(move || encode(&*part)) else { return None };
    comes_back(call, policy, &ENVELOPE, &bytes, output).then_some(Kept::Encoded(bytes))
}

/// The digest of a part's encoding.
fn digest(encode: Encode, part: &Shared) -> Aside<EncodingDigest> {
    let part = Arc::clone(part);
    let digest = move || {
        let bytes = encode(&*part)?;
        let (_, payload) = unseal(ENVELOPE.key, &bytes).ok()?;
        encoding_digest(payload).ok()
    };
    match aside(digest) {
        Aside::Done(Some(digest)) => Aside::Done(digest),
        Aside::Done(None) | Aside::Failed => Aside::Failed,
        Aside::Blocked => Aside::Blocked,
    }
}
