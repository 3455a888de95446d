//! Values to bytes and back: `MessagePack` with names, exact for everything that serde can say.
//!
//! The serializer and the deserializer are written over [`rmp`], not over `rmp-serde`, because four promises need the
//! last word about every token:
//!
//! - **`Some(None)` is not `None`.** `MessagePack` has one nil for `None`, `Some(None)`, `()` and `Some(())`. A `Some`
//!   around a nil is written as an extension that counts the `Some`s; every other `Some(x)` is written as `x`, so that
//!   flattened and untagged types keep working.
//! - **Nothing is read by position.** Structs and variants are found by name only, so that reordering them never
//!   misreads what is stored.
//! - **Bytes are compact and stay what they are.** A sequence of `u8` is an extension of its own, apart from a byte
//!   string, so that a `Vec<u8>` also comes back through a buffer of serde's (`untagged`, `flatten`), which knows no way
//!   from a byte string to a sequence.
//! - **Bytes are untrusted.** A length that the rest of the input can't hold is refused before anything is allocated,
//!   depth is limited, and nothing may be left over.
//!
//! The format counts as human-readable: serde's buffers always claim to be, and a type that writes itself in its binary
//! form (an `IpAddr`, a UUID) could not be read back through them. What those buffers can't hold at all is a 128-bit
//! integer: one inside an untagged or flattened type fails to decode, as it does with every format.

mod bytes;
mod de;
mod digest;
mod measure;
mod ser;
#[cfg(test)]
#[expect(clippy::option_option, reason = "nested options are what the tests are about")]
mod tests;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, ErrorKind, Result};
pub use digest::EncodingDigest;

/// How deep a value may nest: containers, variants with content, newtypes and `Some`s all count.
const MAX_DEPTH: u16 = 256;

/// The extension for nested options: one byte, the number of `Some`s around a nil.
const EXT_SOME: i8 = 1;
/// The extension for a sequence of `u8`.
const EXT_BYTES: i8 = 2;
/// The extension for an `i128` beyond 64 bits: sixteen bytes, big endian.
const EXT_I128: i8 = 3;
/// The extension for a `u128` beyond 64 bits: sixteen bytes, big endian.
const EXT_U128: i8 = 4;

/// The start of a nested option.
const SOME: [u8; 2] = [0xd4, EXT_SOME.to_be_bytes()[0]];
/// `None` and `()`.
const NIL: u8 = 0xc0;

/// Appends the encoding of a value.
///
/// Fails with [`ErrorKind::Codec`] when the type's `Serialize` does, or the value is nested deeper than 256 levels; `out`
/// is then as it was.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    value.serialize(&mut ser::Serializer::new(out)).map_err(|fault| {
        out.truncate(start);
        fault.describe::<T>("encoded")
    })
}

/// Reads a value from the bytes that [`encode`] wrote, all of them.
///
/// Any other bytes are an [`ErrorKind::Codec`] error, or some other value of the type; never a panic or an allocation
/// larger than the bytes warrant.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut deserializer = de::Deserializer::new(bytes);
    T::deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|fault| fault.describe::<T>("decoded"))
}

/// The bytes of an encoding that is nothing but a sequence of `u8` or a byte string.
pub(crate) fn only_bytes(encoding: &[u8]) -> Option<&[u8]> {
    let mut deserializer = de::Deserializer::new(encoding);
    let bytes = deserializer.bytes()?;
    deserializer.end().ok().map(|()| bytes)
}

/// Returns the memory that a value takes, in bytes, as far as its `Serialize` shows it; nothing is written. A number counts its
/// width, a text or a byte string its length and 24, a list or a map 24 beside its elements, what has no content 8.
///
/// A value whose `Serialize` fails, or that nests deeper than 256 levels, counts up to there. Costs no allocation, and a walk over the
/// value.
pub fn content_size<T: Serialize + ?Sized>(value: &T) -> u64 {
    let mut meter = measure::Meter::new();
    // A value that fails in the middle takes the memory that was counted so far.
    let _ = value.serialize(&mut meter);
    meter.bytes
}

/// Returns digests of an encoding.
///
/// # Errors
/// [`ErrorKind::Codec`] for bytes that [`encode`] did not write.
pub fn encoding_digest(bytes: &[u8]) -> Result<EncodingDigest> {
    digest::of(bytes).map_err(|fault| Error::new(ErrorKind::Codec, format!("not an encoding: {}", fault.0)))
}

/// Why a value can't be encoded or decoded, before it is known which type it was.
struct Fault(Box<str>);

impl Fault {
    #[cold]
    fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string().into())
    }

    #[cold]
    fn too_deep() -> Self {
        Self::new(format_args!("it nests deeper than {MAX_DEPTH} levels"))
    }

    #[cold]
    fn describe<T: ?Sized>(self, verb: &str) -> Error {
        let name = std::any::type_name::<T>();
        Error::new(ErrorKind::Codec, format!("a value of type `{name}` can't be {verb}: {}", self.0))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl serde::ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl<E: rmp::encode::RmpWriteErr> From<rmp::encode::ValueWriteError<E>> for Fault {
    fn from(error: rmp::encode::ValueWriteError<E>) -> Self {
        Self::new(error)
    }
}

/// Levels that may still be entered, on the way in or out.
#[derive(Clone, Copy)]
struct Depth(u16);

impl Depth {
    fn enter(&mut self) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(1).ok_or_else(Fault::too_deep)?;
        Ok(())
    }

    fn leave(&mut self) {
        self.0 += 1;
    }
}
