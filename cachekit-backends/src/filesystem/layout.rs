//! The layout of an entry's file: a head with expiry and lengths, the key, the value, and a checksum over all of them.
//!
//! A file has room for two values if its entry was overwritten before: the next value is written beside the present one, and
//! then the head, which says where the value is. So a reader or a crash finds the one or the other.
//!
//! The lengths in a head are untrusted. [`peek`] checks them against the file's length, and that against [`LONGEST`], before
//! any of them is used.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The first bytes of each file of this store.
pub(super) const MAGIC: [u8; 8] = *b"cachekit";
/// The number of the layout below. Files of another one are misses.
const FORMAT: u32 = 2;
/// Bytes before the key. All numbers are little-endian:
///
/// | at | bytes | |
/// |---|---|---|
/// | 0 | 8 | magic |
/// | 8 | 8 | XXH3-64 of the value, seeded with that of the head from 16 on and the key |
/// | 16 | 4 | format |
/// | 20 | 4 | length of the key |
/// | 24 | 8 | length of the value |
/// | 32 | 8 | expiry |
/// | 40 | 8 | moment of writing |
/// | 48 | 16 | stamp |
/// | 64 | 8 | place of the value |
/// | 72 | 8 | length of the file |
pub(super) const HEAD_LEN: usize = 80;
/// Where the checksummed part starts.
const BODY: usize = 16;
/// Files with room for two values are filled up to a multiple of this, the block of most file systems.
pub(super) const BLOCK: usize = 4096;

/// The longest file of an entry: the longest value that the cache encodes, and some room for its envelope and the key. A longer
/// file is damaged or foreign.
pub(super) const LONGEST: u64 = (1 << 32) + (1 << 20);

/// The properties of one written entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Milliseconds since the Unix epoch at which the entry is gone; 0 is never.
    pub(super) expiry: u64,
    /// When it was written, in nanoseconds since the Unix epoch. For the order of eviction only.
    pub(super) written: u64,
    /// Random bits of this one write.
    pub(super) stamp: u128,
}

impl Head {
    /// Whether the entry is expired.
    pub(super) fn is_past(&self, now: u64) -> bool {
        self.expiry != 0 && now >= self.expiry
    }
}

/// The kind of a file by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peek {
    /// An entry, as far as its head tells; the key and the value are within the file.
    Entry { head: Head, key_len: usize, place: Place },
    /// A file of this store that holds no entry: cut short, damaged, or of another format.
    Broken,
    /// Not a file of this store.
    Foreign,
}

/// Where the value is in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    at: u64,
    len: u64,
    file_len: u64,
}

impl Place {
    /// Where another value fits beside this one: right behind the key, or at the end of the file.
    pub(super) fn beside(self, key: &str, len: usize) -> Option<Self> {
        let len = len as u64;
        let first = (HEAD_LEN + key.len()) as u64;
        let last = self.file_len.checked_sub(len)?;
        let at = if first.checked_add(len)? <= self.at { first } else { last };
        (at == first || self.at + self.len <= last).then_some(Self { at, len, ..self })
    }

    /// The first byte of the value.
    pub(super) fn at(self) -> u64 {
        self.at
    }

    /// The length of the value.
    pub(super) fn len(self) -> u64 {
        self.len
    }

    /// The value in a file's first bytes, if it is among them.
    pub(super) fn within(self, start: &[u8]) -> Option<&[u8]> {
        let end = self.at.checked_add(self.len)?;
        start.get(usize::try_from(self.at).ok()?..usize::try_from(end).ok()?)
    }
}

/// The length of the file of an entry.
pub(super) fn file_len(key: &str, value: &[u8], roomy: bool) -> u64 {
    let len = HEAD_LEN + key.len() + value.len();
    let len = if roomy { (len + value.len()).next_multiple_of(BLOCK) } else { len };
    len as u64
}

/// The file's content for an entry, followed by room for another value if it is `roomy`; `None` if it would be longer than
/// [`LONGEST`].
pub(super) fn encode(key: &str, value: &[u8], head: &Head, roomy: bool) -> Option<Vec<u8>> {
    let place = first_place(key, value, roomy)?;
    let file_len = usize::try_from(place.file_len).ok()?;
    let mut file = Vec::with_capacity(file_len);
    file.extend_from_slice(&encode_head(key, value, head, place)?);
    file.extend_from_slice(key.as_bytes());
    file.extend_from_slice(value);
    file.resize(file_len, 0);
    Some(file)
}

/// The head of such a file without further room; the key and the value follow it.
pub(super) fn encode_start(key: &str, value: &[u8], head: &Head) -> Option<[u8; HEAD_LEN]> {
    encode_head(key, value, head, first_place(key, value, false)?)
}

/// The place of the value in a new file.
fn first_place(key: &str, value: &[u8], roomy: bool) -> Option<Place> {
    let file_len = file_len(key, value, roomy);
    let at = (HEAD_LEN + key.len()) as u64;
    (file_len <= LONGEST).then_some(Place { at, len: value.len() as u64, file_len })
}

/// The head alone of a file in which the value has that place.
pub(super) fn encode_head(key: &str, value: &[u8], head: &Head, place: Place) -> Option<[u8; HEAD_LEN]> {
    let mut bytes = [0; HEAD_LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[16..20].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[20..24].copy_from_slice(&u32::try_from(key.len()).ok()?.to_le_bytes());
    bytes[24..32].copy_from_slice(&place.len.to_le_bytes());
    bytes[32..40].copy_from_slice(&head.expiry.to_le_bytes());
    bytes[40..48].copy_from_slice(&head.written.to_le_bytes());
    bytes[48..64].copy_from_slice(&head.stamp.to_le_bytes());
    bytes[64..72].copy_from_slice(&place.at.to_le_bytes());
    bytes[72..].copy_from_slice(&place.file_len.to_le_bytes());
    let sum = checksum(&bytes, key.as_bytes(), value);
    bytes[8..BODY].copy_from_slice(&sum.to_le_bytes());
    Some(bytes)
}

fn checksum(head: &[u8], key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64_with_seed(key, xxh3_64(&head[BODY..])))
}

/// Whether a file that begins so, with the head and all of the key, is an undamaged entry of the key with this value.
pub(super) fn is_whole(start: &[u8], key: &str, value: &[u8]) -> bool {
    let Some((head, rest)) = start.split_at_checked(HEAD_LEN) else { return false };
    rest.starts_with(key.as_bytes()) && u64_at(head, 8) == Some(checksum(head, key.as_bytes(), value))
}

/// Judges a file by its length and its first bytes, [`HEAD_LEN`] of them if it has as many. The checksum is not verified.
pub(super) fn peek(start: &[u8], file_len: u64) -> Peek {
    let Some((magic, _)) = start.split_at_checked(MAGIC.len()) else {
        // A crash of the system can leave a file that was named but not filled.
        return if MAGIC.starts_with(start) { Peek::Broken } else { Peek::Foreign };
    };
    if magic != MAGIC {
        return Peek::Foreign;
    }
    entry(start, file_len).unwrap_or(Peek::Broken)
}

fn entry(start: &[u8], file_len: u64) -> Option<Peek> {
    let head = Head { expiry: u64_at(start, 32)?, written: u64_at(start, 40)?, stamp: u128_at(start, 48)? };
    let key_len = u32_at(start, 20)?;
    let place = Place { at: u64_at(start, 64)?, len: u64_at(start, 24)?, file_len: u64_at(start, 72)? };
    let fits =
        HEAD_LEN as u64 + u64::from(key_len) <= place.at && place.at.checked_add(place.len)? <= file_len;
    if u32_at(start, 16)? != FORMAT || place.file_len != file_len || file_len > LONGEST || !fits {
        return None;
    }
    Some(Peek::Entry { head, key_len: usize::try_from(key_len).ok()?, place })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u128_at(bytes: &[u8], at: usize) -> Option<u128> {
    Some(u128::from_le_bytes(bytes.get(at..at + 16)?.try_into().ok()?))
}
