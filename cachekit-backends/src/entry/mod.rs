//! The envelope around a stored value: its type, its creation and expiry, its generation and a checksum.
//!
//! All numbers are little endian:
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 2 | magic `c1 6b`; no `MessagePack` begins so |
//! | 2 | 1 | format, 2 |
//! | 3 | 1 | flags: bit 0, the value is an integer; bit 1, the value is an `Err`; bit 2, there are dependencies; the others are written as 0 |
//! | 4 | 4 | length of the payload |
//! | 8 | 8 | created, in milliseconds since the Unix epoch |
//! | 16 | 8 | expiry, in milliseconds since the Unix epoch; 0 is never |
//! | 24 | 8 | end of freshness, in milliseconds since the Unix epoch; 0 is the expiry |
//! | 32 | 16 | generation |
//! | 48 | 8 | fingerprint of the value's type; 0 for an integer |
//! | 56 | n | payload |
//! | 56 + n | 8 d | with bit 2: XXH3 of the keys of the versions that the generation is made of, in their order |
//! | 56 + n + 8 d | 8 | checksum: XXH3 of all bytes before, seeded with XXH3 of the key |
//!
//! A reader refuses a format or a flag that it doesn't know, so that compression, signatures or encryption can be
//! added without an older build misreading the entry of a newer one. For a reader that serves nothing stale, an entry with an end of
//! freshness expires then. A call knows the versions that its entry depends on. The dependencies are for programs that don't, and
//! entries of at most two versions have none: those are found by trying. An instant after the year 9999 is refused, so that no reader computes with it. The checksum finds
//! damage, not forgery.

#[cfg(test)]
#[expect(clippy::option_option, reason = "nested options are what the tests are about")]
mod tests;
mod value;

use std::fmt;
use std::time::Duration;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use crate::{Error, ErrorKind, Result, Ttl, Version, ttl_millis};

pub use value::{
    Unsealed, fingerprint, read_payload, seal_integer, seal_value, seal_with, unseal_if, unseal_value,
};

const MAGIC: [u8; 2] = [0xc1, b'k'];
const FORMAT: u8 = 2;
const FLAG_INTEGER: u8 = 1;
const FLAG_ERR: u8 = 2;
const FLAG_DEPENDENCIES: u8 = 4;
/// A dependency.
const DEPENDENCY_LEN: usize = 8;
const HEADER_LEN: usize = 56;
const CHECKSUM_LEN: usize = 8;
/// The last millisecond of the year 9999.
const LATEST: u64 = 253_402_300_799_999;

/// The properties of an entry's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// When the value was stored, in milliseconds since the Unix epoch.
    pub created: u64,
    /// When the entry expires, in milliseconds since the Unix epoch; `None` is never.
    pub expiry: Option<u64>,
    /// When the value ceases to be fresh, in milliseconds since the Unix epoch; `None` is the expiry. From then on only readers that
    /// serve stale values have it.
    pub fresh: Option<u64>,
    /// The versions it was stored under, [combined](combine).
    pub generation: u128,
    /// The kind of the payload.
    pub content: Content,
    /// Whether the value is an `Err`.
    pub is_err: bool,
}

/// The kind of an entry's payload, which is always the value's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A value of the type with this [`fingerprint`].
    Value(u64),
    /// An integer, readable as every integer type of at most 64 bits that it fits in.
    Integer,
}

/// Why bytes can't be read as an entry or its value. All of these are a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reject {
    /// Not written by cachekit, or cut off within the header.
    NotAnEntry,
    /// Written by another version of cachekit, in a format or with a feature that this one doesn't know.
    OtherFormat,
    /// Damaged, cut off, or stored under another key.
    Corrupt,
    /// The value has another type.
    OtherType,
    /// The value doesn't decode: its type has changed, or the integer doesn't fit.
    Undecodable,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reject::NotAnEntry => "not an entry of cachekit",
            Reject::OtherFormat => "written in another format",
            Reject::Corrupt => "damaged or stored under another key",
            Reject::OtherType => "a value of another type",
            Reject::Undecodable => "a value that its type can't read",
        })
    }
}

impl std::error::Error for Reject {}

impl Header {
    /// A header for a value that lives for `life` from `created` on. An expiry after the year 9999 is none.
    pub fn new(created: u64, life: Ttl, generation: u128, content: Content) -> Self {
        let expiry = life.map(|life| created.saturating_add(ttl_millis(life)));
        let (created, expiry) = (created.min(LATEST), expiry.filter(|expiry| *expiry <= LATEST));
        Self { created, expiry, fresh: None, generation, content, is_err: false }
    }

    /// The same entry, kept for so much longer than it is fresh, for readers that serve stale values.
    #[must_use]
    pub fn kept_stale(self, stale: Duration) -> Self {
        match self.expiry {
            Some(fresh) if !stale.is_zero() => {
                let expiry = fresh.saturating_add(ttl_millis(stale)).min(LATEST);
                Self { expiry: Some(expiry), fresh: Some(fresh), ..self }
            }
            _ => self,
        }
    }

    /// The end of freshness, in milliseconds since the Unix epoch; `None` is never.
    pub fn end(&self) -> Option<u64> {
        [self.expiry, self.fresh].into_iter().flatten().min()
    }

    /// Whether the entry isn't fresh any more at a moment, in milliseconds since the Unix epoch.
    pub fn is_expired(&self, now: u64) -> bool {
        self.end().is_some_and(|end| end <= now)
    }

    /// The time left at a moment, at least a millisecond, so that an entry is stored again without living longer.
    pub fn life_left(&self, now: u64) -> Ttl {
        self.end().map(|expiry| Duration::from_millis(expiry.saturating_sub(now).max(1)))
    }

    fn to_bytes(self, payload_len: u32) -> [u8; HEADER_LEN] {
        let (flags, fingerprint) = match self.content {
            Content::Value(fingerprint) => (0, fingerprint),
            Content::Integer => (FLAG_INTEGER, 0),
        };
        let mut bytes = [0; HEADER_LEN];
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2] = FORMAT;
        bytes[3] = if self.is_err { flags | FLAG_ERR } else { flags };
        bytes[4..8].copy_from_slice(&payload_len.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.created.to_le_bytes());
        // 0 is never: an entry that expires at the epoch expires a millisecond later.
        bytes[16..24].copy_from_slice(&self.expiry.map_or(0, |expiry| expiry.max(1)).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.fresh.map_or(0, |fresh| fresh.max(1)).to_le_bytes());
        bytes[32..48].copy_from_slice(&self.generation.to_le_bytes());
        bytes[48..].copy_from_slice(&fingerprint.to_le_bytes());
        bytes
    }
}

/// Makes an entry: the header, the payload that `payload` appends, and the checksum.
///
/// Fails when `payload` does, and with [`ErrorKind::Codec`] when it is longer than a `u32` can say.
pub fn seal(key: &str, header: &Header, payload: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Vec<u8>> {
    seal_under(key, header, &[], payload)
}

/// Makes an entry that says under which versions it was stored, by their keys.
///
/// Fails as [`seal`].
pub(crate) fn seal_under(
    key: &str,
    header: &Header,
    versions: &[String],
    payload: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + CHECKSUM_LEN + 128);
    bytes.resize(HEADER_LEN, 0);
    payload(&mut bytes)?;
    let payload_len = bytes.len().checked_sub(HEADER_LEN).and_then(|len| u32::try_from(len).ok());
    let payload_len = payload_len.ok_or_else(too_long)?;
    bytes[..HEADER_LEN].copy_from_slice(&header.to_bytes(payload_len));
    if !versions.is_empty() {
        bytes[3] |= FLAG_DEPENDENCIES;
        bytes.reserve_exact(versions.len() * DEPENDENCY_LEN + CHECKSUM_LEN);
        for version in versions {
            bytes.extend_from_slice(&dependency(version).to_le_bytes());
        }
    }
    let checksum = checksum(key, &bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// Reads what [`seal`] made for this key. Any other bytes are rejected; the payload is not looked at.
pub fn unseal<'a>(key: &str, bytes: &'a [u8]) -> Result<(Header, &'a [u8]), Reject> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else { return Err(Reject::NotAnEntry) };
    if head[..2] != MAGIC {
        return Err(Reject::NotAnEntry);
    }
    // Before the checksum, which another format may have elsewhere.
    if head[2] != FORMAT {
        return Err(Reject::OtherFormat);
    }
    let (content_of, stored) = rest.split_last_chunk::<CHECKSUM_LEN>().ok_or(Reject::Corrupt)?;
    let len = usize::try_from(u32::from_le_bytes(field(head, 4))).map_err(|_| Reject::Corrupt)?;
    let (payload, beyond) = content_of.split_at_checked(len).ok_or(Reject::Corrupt)?;
    let has_dependencies = head[3] & FLAG_DEPENDENCIES != 0;
    let whole = has_dependencies != beyond.is_empty() && beyond.len() % DEPENDENCY_LEN == 0;
    if !whole || u64::from_le_bytes(*stored) != checksum(key, &bytes[..bytes.len() - CHECKSUM_LEN]) {
        return Err(Reject::Corrupt);
    }
    let content = match head[3] & !(FLAG_ERR | FLAG_DEPENDENCIES) {
        0 => Content::Value(u64::from_le_bytes(field(head, 48))),
        FLAG_INTEGER => Content::Integer,
        _ => return Err(Reject::OtherFormat),
    };
    let [created, expiry, fresh] = [8, 16, 24].map(|at| u64::from_le_bytes(field(head, at)));
    if created.max(expiry).max(fresh) > LATEST {
        return Err(Reject::Corrupt);
    }
    let header = Header {
        created,
        expiry: (expiry != 0).then_some(expiry),
        fresh: (fresh != 0).then_some(fresh),
        generation: u128::from_le_bytes(field(head, 32)),
        content,
        is_err: head[3] & FLAG_ERR != 0,
    };
    Ok((header, payload))
}

/// The number that stands in entries for the key of a version.
pub fn dependency(version_key: &str) -> u64 {
    xxh3_64(version_key.as_bytes())
}

/// The [`dependency`] numbers of the versions that an entry was stored under, in the order in which they are [combined](combine).
/// None at all for an entry that doesn't say, and for bytes that [`unseal`] refuses.
pub fn dependencies(key: &str, bytes: &[u8]) -> Vec<u64> {
    let Ok((_, payload)) = unseal(key, bytes) else { return Vec::new() };
    let all = bytes.get(HEADER_LEN + payload.len()..bytes.len() - CHECKSUM_LEN).unwrap_or_default();
    all.as_chunks::<DEPENDENCY_LEN>().0.iter().map(|number| u64::from_le_bytes(*number)).collect()
}

/// One number for several versions; it depends on their order. No versions are 0.
pub fn combine(versions: &[Version]) -> u128 {
    versions.iter().fold(0, |combined: u128, version| {
        let mut both = [0; 32];
        both[..16].copy_from_slice(&combined.to_le_bytes());
        both[16..].copy_from_slice(&version.to_bytes());
        // Versions are random and can't be chosen by a client: a hash against accidents suffices.
        xxh3_128(&both)
    })
}

fn checksum(key: &str, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, xxh3_64(key.as_bytes()))
}

/// `N` bytes of a header at a constant offset.
fn field<const N: usize>(head: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    std::array::from_fn(|i| head[at + i])
}

#[cold]
fn too_long() -> Error {
    Error::new(ErrorKind::Codec, "a value is longer than 4 GiB when it is encoded, which no entry can hold")
}
