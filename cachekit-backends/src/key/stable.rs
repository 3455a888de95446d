//! The writer for keys that leave the process.

use std::hash::Hasher;

use sha2::{Digest, Sha256};

use super::KeyWriter;
use super::unordered::SortedDigests;

/// Feeds SHA-256 with the same bytes in every process, build and platform width.
#[derive(Clone, Default)]
pub struct StableWriter(Sha256);

impl StableWriter {
    /// A writer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The digest of what was fed so far.
    pub fn sha256(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// The first 160 bits of the digest, as 32 letters and digits: what a shared key ends in.
    pub fn to_text(self) -> String {
        base32(&self.sha256()[..20])
    }
}

impl Hasher for StableWriter {
    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
    }
    fn write(&mut self, bytes: &[u8]) {
        self.write_usize(bytes.len());
        self.write_delimited(bytes);
    }
    fn write_u8(&mut self, i: u8) {
        self.write_delimited(&[i]);
    }
    fn write_u16(&mut self, i: u16) {
        self.write_delimited(&i.to_le_bytes());
    }
    fn write_u32(&mut self, i: u32) {
        self.write_delimited(&i.to_le_bytes());
    }
    fn write_u64(&mut self, i: u64) {
        self.write_delimited(&i.to_le_bytes());
    }
    fn write_u128(&mut self, i: u128) {
        self.write_delimited(&i.to_le_bytes());
    }
    fn write_usize(&mut self, i: usize) {
        self.write_u64(i as u64);
    }
    fn write_i8(&mut self, i: i8) {
        self.write_delimited(&i.to_le_bytes());
    }
    fn write_i16(&mut self, i: i16) {
        self.write_delimited(&i.to_le_bytes());
    }
    fn write_i32(&mut self, i: i32) {
        self.write_delimited(&i.to_le_bytes());
    }
    fn write_i64(&mut self, i: i64) {
        self.write_delimited(&i.to_le_bytes());
    }
    fn write_i128(&mut self, i: i128) {
        self.write_delimited(&i.to_le_bytes());
    }
    fn write_isize(&mut self, i: isize) {
        self.write_i64(i as i64);
    }
}

impl KeyWriter for StableWriter {
    const SHARED: bool = true;

    type Unordered = SortedDigests;

    fn write_delimited(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    fn write_collected(&mut self, collected: SortedDigests) {
        collected.feed(self);
    }
}

/// Lower-case base 32 (RFC 4648's alphabet, no padding): readable, and safe in every protocol and file system.
pub fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    push_base32(&mut out, bytes);
    out
}

/// Appends the same text.
pub(crate) fn push_base32(out: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    // A key's digest is one part: its text is checked at once.
    for part in bytes.chunks(20) {
        let mut letters = [0; 32];
        for (letters, group) in letters.chunks_exact_mut(8).zip(part.chunks(5)) {
            let mut whole = [0; 8];
            whole[3..3 + group.len()].copy_from_slice(group);
            let bits = u64::from_be_bytes(whole);
            for (i, letter) in letters.iter_mut().enumerate() {
                *letter = ALPHABET[(bits >> (35 - 5 * i) & 31) as usize];
            }
        }
        // All of them are letters and digits.
        let text = std::str::from_utf8(&letters[..(8 * part.len()).div_ceil(5)]);
        out.push_str(text.unwrap_or_default());
    }
}
