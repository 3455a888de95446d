//! The frame of an entry in its file: what it is, until when, for which key, and a checksum over all of it.

use xxhash_rust::xxh3::xxh3_64;

/// The first bytes of each file of ours.
pub(super) const MAGIC: [u8; 8] = *b"cachekit";
/// The layout below. Files of another layout are misses.
const FORMAT: u32 = 1;
/// Bytes before the key. All numbers are little-endian:
///
/// | at | bytes | |
/// |---|---|---|
/// | 0 | 8 | magic |
/// | 8 | 8 | XXH3-64 of all that follows |
/// | 16 | 4 | format |
/// | 20 | 4 | length of the key |
/// | 24 | 8 | length of the value |
/// | 32 | 8 | expiry |
/// | 40 | 8 | moment of writing |
/// | 48 | 16 | stamp |
pub(super) const HEAD_LEN: usize = 64;
/// Where the checksummed part starts.
const BODY: usize = 16;

/// What a frame says about its entry.
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
    /// Whether the entry's time is over.
    pub(super) fn is_past(&self, now: u64) -> bool {
        self.expiry != 0 && now >= self.expiry
    }
}

/// What the first bytes of a file show it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peek {
    /// An entry, as far as its head tells; the key's length is within the file.
    Entry { head: Head, key_len: usize },
    /// A file of ours that holds no entry: cut short, damaged, or of another format.
    Broken,
    /// Not a file of ours.
    Foreign,
}

/// The file's content for an entry; `None` if the key is 4 GiB long.
pub(super) fn encode(key: &str, value: &[u8], head: &Head) -> Option<Vec<u8>> {
    let key_len = u32::try_from(key.len()).ok()?;
    let mut file = Vec::with_capacity(HEAD_LEN + key.len() + value.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&[0; 8]);
    file.extend_from_slice(&FORMAT.to_le_bytes());
    file.extend_from_slice(&key_len.to_le_bytes());
    file.extend_from_slice(&(value.len() as u64).to_le_bytes());
    file.extend_from_slice(&head.expiry.to_le_bytes());
    file.extend_from_slice(&head.written.to_le_bytes());
    file.extend_from_slice(&head.stamp.to_le_bytes());
    file.extend_from_slice(key.as_bytes());
    file.extend_from_slice(value);
    let sum = xxh3_64(&file[BODY..]);
    file[8..BODY].copy_from_slice(&sum.to_le_bytes());
    Some(file)
}

/// The head and the value in a whole file, if it is an undamaged entry of this key.
pub(super) fn decode(mut file: Vec<u8>, key: &str) -> Option<(Head, Vec<u8>)> {
    let Peek::Entry { head, key_len } = peek(&file, file.len() as u64) else { return None };
    let value = HEAD_LEN + key_len;
    if &file[HEAD_LEN..value] != key.as_bytes() || u64_at(&file, 8)? != xxh3_64(&file[BODY..]) {
        return None;
    }
    file.drain(..value);
    Some((head, file))
}

/// Judges a file by its first bytes, [`HEAD_LEN`] of them if it has as many, and its length. No checksum is looked at.
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
    let len = (HEAD_LEN as u64).checked_add(key_len.into())?.checked_add(u64_at(start, 24)?)?;
    if u32_at(start, 16)? != FORMAT || len != file_len {
        return None;
    }
    Some(Peek::Entry { head, key_len: usize::try_from(key_len).ok()? })
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
