//! Values in the process whose clone is no deep copy, such as an `Arc<Mutex<..>>`: a caller that changes its value would change
//! the one that other callers get. The type doesn't tell this, so the encoding of the first values is compared between the
//! store and the hit. A function with a value that has changed keeps its values encoded, as a shared backend does.
//!
//! The hit path knows none of it: [`Kept`] is not the stored type, so the entry is refused there and read here, without a lock.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use cachekit_backends::simple::{Draft, Entry, SimpleStore};
use cachekit_backends::{encoding_digest, unseal};

use super::faithful::comes_back;
use super::inputs::Call;
use super::policy::{Envelope, Opened, Policy};
use crate::engine::flight::Shared;
use crate::engine::{Checks, Engine};

/// How many hits of an entry a release build checks. A debug build checks all.
const FIRST: u8 = 8;

/// The envelope of values that stay in the process.
const ENVELOPE: Envelope<'_> = Envelope { key: "", now: 0, life: None, generation: 0 };

/// A stored part that is not kept as it is.
enum Kept {
    /// With the digest that its encoding had at the store.
    Watched { part: Shared, digest: u128, left: AtomicU8 },
    /// In its envelope: some value of the function was changed through a clone.
    Encoded(Vec<u8>),
}

/// Makes the entry of a value.
pub(super) fn keep<R>(call: &Call<'_>, policy: &Policy<R>, draft: Draft, output: &R) -> Option<Arc<Entry>> {
    if !(policy.clone_may_share)() {
        return (policy.keep)(draft, output);
    }
    let checks = call.engine.sharing_of(call.function);
    if checks.have_failed() {
        return Some(SimpleStore::entry(draft, encoded(call, policy, output)?));
    }
    match watched(checks, policy, output) {
        Some(kept) => Some(SimpleStore::entry(draft, kept)),
        None => (policy.keep)(draft, output),
    }
}

/// Makes the part for the calls that wait for a value.
pub(super) fn share<R>(call: &Call<'_>, policy: &Policy<R>, output: &R) -> Option<Shared> {
    if (policy.clone_may_share)() && call.engine.sharing_of(call.function).have_failed() {
        // Without an encoding each of them computes.
        return Some(Arc::new(encoded(call, policy, output)?));
    }
    (policy.share)(output)
}

/// Returns the value of a part that [`Policy::take`] refuses. Logs at the function's first value that was changed, and
/// invalidates the entries that the function has so far.
#[cold]
pub(crate) fn take<R>(
    engine: &Engine,
    function: u32,
    policy: &Policy<R>,
    part: &(dyn Any + Send + Sync),
) -> Option<R> {
    match part.downcast_ref()? {
        Kept::Encoded(bytes) => match (policy.open)(&ENVELOPE, bytes) {
            Opened::Value(value) => Some(value),
            Opened::Gone | Opened::Unreadable => None,
        },
        Kept::Watched { part, digest, left } => {
            let output = policy.take(&**part)?;
            // A response that came from an entry has no encoding of its own.
            if !is_due(left) || self::digest(policy, &output).is_none_or(|now| now == *digest) {
                return Some(output);
            }
            engine.local.delete_function(function);
            if engine.sharing_of(function).failed() {
                say_shares((policy.type_name)());
            }
            None
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

/// A value that can't be encoded is not watched.
fn watched<R>(checks: &Checks, policy: &Policy<R>, output: &R) -> Option<Kept> {
    if !checks.is_due() {
        return None;
    }
    let digest = digest(policy, output)?;
    Some(Kept::Watched { part: (policy.share)(output)?, digest, left: AtomicU8::new(FIRST) })
}

fn encoded<R>(call: &Call<'_>, policy: &Policy<R>, output: &R) -> Option<Kept> {
    let bytes = (policy.seal)(&ENVELOPE, output).ok()??;
    comes_back(call, policy, &ENVELOPE, &bytes, output).then_some(Kept::Encoded(bytes))
}

/// The digest of a value's encoding.
fn digest<R>(policy: &Policy<R>, output: &R) -> Option<u128> {
    let bytes = (policy.seal)(&ENVELOPE, output).ok()??;
    let (_, payload) = unseal(ENVELOPE.key, &bytes).ok()?;
    encoding_digest(payload).ok()
}

fn say_shares(type_name: &str) {
    tracing::warn!(
        target: "cachekit",
        "a cached value of type `{type_name}` was changed by a caller, because its `Clone` shares (`Arc<Mutex<..>>`, atomics): \
         the function's values are computed again and kept encoded from now on, which makes hits slower; return a value \
         whose clone is a copy, or say `local` if callers are to share it",
    );
}
