//! Digests of collections without an order, entry by entry.

use std::hash::Hasher;
use std::sync::OnceLock;

use foldhash::fast::FoldHasher;
use sha2::{Digest, Sha256};

use super::{KeySecret, KeyWriter, Scout, StableWriter};

/// A collection without an order that is being fed.
pub trait Unordered: Default {
    /// The writer of one entry.
    type Entry: KeyWriter;

    /// A writer for the next entry.
    fn entry(&self) -> Self::Entry;

    /// Adds an entry that has been fed whole.
    fn add(&mut self, entry: Self::Entry);
}

/// The sum of the entries' digests, each 128 bits under the process's secret: without the secret, no two collections of one
/// sum can be built. Allocates nothing.
#[derive(Default)]
pub struct KeyedSum {
    len: usize,
    sum: u128,
}

impl KeyedSum {
    pub(super) fn feed<W: KeyWriter>(self, writer: &mut W) {
        writer.write_usize(self.len);
        writer.write_u128(self.sum);
    }
}

impl Unordered for KeyedSum {
    type Entry = EntryHasher;

    fn entry(&self) -> EntryHasher {
        // One for all writers of a process, because the recorded bytes and the compared bytes must agree.
        static SECRET: OnceLock<KeySecret> = OnceLock::new();
        SECRET.get_or_init(KeySecret::new).entry()
    }

    fn add(&mut self, entry: EntryHasher) {
        self.len += 1;
        self.sum = self.sum.wrapping_add(entry.finish_128());
    }
}

/// Digests one entry: 128 bits, of two hashers under two secrets.
pub struct EntryHasher {
    first: FoldHasher<'static>,
    second: FoldHasher<'static>,
}

impl EntryHasher {
    pub(super) fn new(first: FoldHasher<'static>, second: FoldHasher<'static>) -> Self {
        Self { first, second }
    }

    fn finish_128(&self) -> u128 {
        u128::from(self.first.finish()) << 64 | u128::from(self.second.finish())
    }
}

macro_rules! both {
    ($($name:ident($t:ty);)*) => {$(
        #[inline]
        fn $name(&mut self, i: $t) {
            self.first.$name(i);
            self.second.$name(i);
        }
    )*};
}

impl Hasher for EntryHasher {
    fn finish(&self) -> u64 {
        self.first.finish()
    }
    fn write(&mut self, bytes: &[u8]) {
        // At its full width it keeps the numbers before it apart from those after it, which the hasher buffers.
        self.write_u128(bytes.len() as u128);
        self.write_delimited(bytes);
    }
    both! {
        write_u8(u8);
        write_u16(u16);
        write_u32(u32);
        write_u64(u64);
        write_u128(u128);
        write_usize(usize);
    }
}

impl KeyWriter for EntryHasher {
    type Unordered = KeyedSum;

    #[inline]
    fn write_delimited(&mut self, bytes: &[u8]) {
        self.first.write(bytes);
        self.second.write(bytes);
    }
    fn write_collected(&mut self, collected: KeyedSum) {
        collected.feed(self);
    }
}

/// The entries' SHA-256 digests. They are sorted and digested again: a sum would not do here, because every client can compute
/// the digests, and sums of known terms collide by Wagner's generalised birthday attack.
#[derive(Default)]
pub struct SortedDigests(Vec<[u8; 32]>);

impl SortedDigests {
    pub(super) fn feed(mut self, writer: &mut StableWriter) {
        self.0.sort_unstable();
        let mut sha = Sha256::new();
        for digest in &self.0 {
            sha.update(digest);
        }
        writer.write_usize(self.0.len());
        writer.write_delimited(&sha.finalize());
    }
}

impl Unordered for SortedDigests {
    type Entry = StableWriter;

    fn entry(&self) -> StableWriter {
        StableWriter::new()
    }

    fn add(&mut self, entry: StableWriter) {
        self.0.push(entry.sha256());
    }
}

impl Unordered for Scout {
    type Entry = Self;

    fn entry(&self) -> Self {
        Self::default()
    }

    fn add(&mut self, entry: Self) {
        self.merge(&entry);
    }
}
