//! Whether a stored value comes back equal. A type whose `Deserialize` is not the inverse of its `Serialize` is noticed on a
//! function's first stores: their bytes are decoded and compared with the value.

use std::any::type_name;
use std::marker::PhantomData;

use cachekit_backends::{Error, ErrorKind, Result};

use super::failure;
use super::inputs::Call;
use super::likeness::Comparison;
use super::policy::{Envelope, Opened, Policy};
use super::shape::Storable;
use crate::engine::stats::Event;

/// The check of values of type `T`.
#[derive(Debug)]
pub(super) struct Check<T, C>(PhantomData<(T, C)>);

impl<T: Storable, C: Comparison<T>> Check<T, C> {
    /// Decodes the bytes of a value and compares.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the value does not come back equal.
    pub(super) fn run(envelope: &Envelope<'_>, bytes: &[u8], value: &T) -> Result<()> {
        let mut again = || match envelope.open(bytes) {
            Opened::Value(decoded) | Opened::Due(decoded, _) => Some(decoded),
            Opened::Gone | Opened::Unreadable => None,
        };
        let reason = match envelope.open::<T>(bytes) {
            Opened::Value(decoded) | Opened::Due(decoded, _) if C::same(value, &decoded, &mut again) => {
                return Ok(());
            }
            // Only the time to live is over.
            Opened::Gone => return Ok(()),
            Opened::Value(_) | Opened::Due(..) => "is another value when it is read back",
            Opened::Unreadable => "can't be read back",
        };
        Err(Error::new(
            ErrorKind::Codec,
            format!(
                "a value of type `{}` {reason}, so it isn't stored: its `Deserialize` is not the inverse of its \
                 `Serialize` (look for `untagged`, `flatten`, `skip` and 128-bit integers; where the difference doesn't count, \
                 give it a `PartialEq` that says so); with `local` it is kept as it is",
                type_name::<T>()
            ),
        ))
    }
}

/// Longer bytes aren't decoded for the check, which would take the memory of the value once more.
const LONGEST: usize = 16 << 20;

/// Whether sealed bytes may be stored. A value that does not come back equal is counted, and logged at the first one of the
/// function.
pub(super) fn comes_back<R>(
    call: &Call<'_>,
    policy: &Policy<R>,
    envelope: &Envelope<'_>,
    bytes: &[u8],
    output: &R,
) -> bool {
    let checks = call.engine.checks_of(call.function);
    if bytes.len() > LONGEST || !checks.is_due() {
        return true;
    }
    let Err(error) = (policy.check)(envelope, bytes, output) else { return true };
    failure::note(&error);
    call.count(Event::Error);
    if checks.failed() {
        tracing::warn!(target: "cachekit", kind = ?error.kind(), "a call goes on without the cache: {error}");
    }
    false
}
