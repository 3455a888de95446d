//! Whether a stored value comes back equal. A type whose `Deserialize` is not the inverse of its `Serialize` is noticed on a
//! function's first stores: their bytes are decoded and compared with the value.

use std::any::type_name;
use std::marker::PhantomData;

use cachekit_backends::{Error, ErrorKind, Result, encode, same_encoding};
use serde::Serialize;

use super::inputs::Call;
use super::policy::{Envelope, Opened, Policy, Storable};
use crate::engine::stats::Event;

/// How a decoded value is compared with the stored one.
pub(crate) trait Comparison<T> {
    /// Whether they are equal.
    fn same(stored: &T, decoded: &T) -> bool;
}

/// Compares the encodings, with the parts of maps, sets and sequences in any order.
#[derive(Debug)]
pub(crate) struct ByEncoding(());

/// Compares by `PartialEq`; a value that is not equal to itself, such as NaN, by its encoding.
#[derive(Debug)]
pub(crate) struct ByEq(());

impl<T: Serialize> Comparison<T> for ByEncoding {
    fn same(stored: &T, decoded: &T) -> bool {
        let bytes = |value: &T| {
            let mut bytes = Vec::new();
            encode(value, &mut bytes).ok().map(|()| bytes)
        };
        match (bytes(stored), bytes(decoded)) {
            (Some(stored), Some(decoded)) => stored == decoded || same_encoding(&stored, &decoded),
            _ => false,
        }
    }
}

impl<T: Serialize + PartialEq> Comparison<T> for ByEq {
    #[expect(clippy::eq_op, reason = "a value with NaN is not equal to itself")]
    fn same(stored: &T, decoded: &T) -> bool {
        if stored == stored { stored == decoded } else { ByEncoding::same(stored, decoded) }
    }
}

/// The check of values of type `T`.
#[derive(Debug)]
pub(super) struct Check<T, C>(PhantomData<(T, C)>);

impl<T: Storable, C: Comparison<T>> Check<T, C> {
    /// Decodes the bytes of a value and compares.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the value does not come back equal.
    pub(super) fn run(envelope: &Envelope<'_>, bytes: &[u8], value: &T) -> Result<()> {
        let reason = match envelope.open::<T>(bytes) {
            Opened::Value(decoded) if C::same(value, &decoded) => return Ok(()),
            // Only the time to live is over.
            Opened::Gone => return Ok(()),
            Opened::Value(_) => "is another value when it is read back",
            Opened::Unreadable => "can't be read back",
        };
        Err(Error::new(
            ErrorKind::Codec,
            format!(
                "a value of type `{}` {reason}, so it isn't stored: its `Deserialize` is not the inverse of its \
                 `Serialize` (look for `untagged`, `flatten`, `skip` and 128-bit integers); with `local` it is kept as it is",
                type_name::<T>()
            ),
        ))
    }
}

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
    if !checks.is_due() {
        return true;
    }
    let Err(error) = (policy.check)(envelope, bytes, output) else { return true };
    call.count(Event::Error);
    if checks.failed() {
        tracing::warn!(target: "cachekit", kind = ?error.kind(), "a call goes on without the cache: {error}");
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{ByEncoding, ByEq, Comparison};

    #[test]
    fn nan_is_compared_by_its_bits() {
        assert!(ByEq::same(&[1.0, f64::NAN], &[1.0, f64::NAN]));
        assert!(!ByEq::same(&[1.0, f64::NAN], &[2.0, f64::NAN]));
        assert!(!ByEncoding::same(&1, &2));
    }
}
