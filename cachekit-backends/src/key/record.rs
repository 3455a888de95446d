//! The bytes of a key that stays in the process: one writer records them, one compares them, so that no two calls are ever
//! taken for one another.

use std::hash::Hasher;

use super::KeyWriter;
use super::unordered::KeyedSum;

/// Records a key's bytes, once it is known that they have to be kept.
pub struct Recorder<'a>(&'a mut Vec<u8>);

impl<'a> Recorder<'a> {
    /// Appends to a buffer.
    pub fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self(buffer)
    }

    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend_from_slice(&bytes);
    }
}

/// Compares what is fed with recorded bytes.
pub struct Matcher<'a> {
    rest: &'a [u8],
    equal: bool,
}

impl<'a> Matcher<'a> {
    /// Whether what is fed equals `recorded`, to the last byte.
    #[inline]
    pub fn matches(recorded: &'a [u8], feed: impl FnOnce(&mut Self)) -> bool {
        let mut matcher = Matcher { rest: recorded, equal: true };
        feed(&mut matcher);
        matcher.equal && matcher.rest.is_empty()
    }

    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.equal &= *head == bytes;
                self.rest = rest;
            }
            None => self.equal = false,
        }
    }
}

/// Both writers see the same bytes: integers in the order of the platform, `write` with its length.
macro_rules! writers {
    ($($writer:ident)*) => {$(
        impl Hasher for $writer<'_> {
            fn finish(&self) -> u64 {
                0
            }
            #[inline]
            fn write(&mut self, bytes: &[u8]) {
                self.write_usize(bytes.len());
                self.write_delimited(bytes);
            }
            #[inline]
            fn write_u8(&mut self, i: u8) {
                self.put(i.to_ne_bytes());
            }
            #[inline]
            fn write_u16(&mut self, i: u16) {
                self.put(i.to_ne_bytes());
            }
            #[inline]
            fn write_u32(&mut self, i: u32) {
                self.put(i.to_ne_bytes());
            }
            #[inline]
            fn write_u64(&mut self, i: u64) {
                self.put(i.to_ne_bytes());
            }
            #[inline]
            fn write_u128(&mut self, i: u128) {
                self.put(i.to_ne_bytes());
            }
            #[inline]
            fn write_usize(&mut self, i: usize) {
                self.put(i.to_ne_bytes());
            }
        }
    )*};
}
writers!(Recorder Matcher);

impl KeyWriter for Recorder<'_> {
    type Unordered = KeyedSum;

    #[inline]
    fn write_delimited(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn write_collected(&mut self, collected: KeyedSum) {
        collected.feed(self);
    }
}

impl KeyWriter for Matcher<'_> {
    type Unordered = KeyedSum;

    #[inline]
    fn write_delimited(&mut self, bytes: &[u8]) {
        match self.rest.split_at_checked(bytes.len()) {
            Some((head, rest)) => {
                self.equal &= same(head, bytes);
                self.rest = rest;
            }
            None => self.equal = false,
        }
    }
    fn write_collected(&mut self, collected: KeyedSum) {
        collected.feed(self);
    }
}

/// Whether two slices of one length are equal. Short ones, which arguments mostly are, without a call: by their first and
/// last bytes, which may overlap.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        a.first_chunk::<N>() == b.first_chunk() && a.last_chunk::<N>() == b.last_chunk()
    }
    match a.len() {
        4..=8 => ends::<4>(a, b),
        9..=16 => ends::<8>(a, b),
        17..=32 => ends::<16>(a, b),
        _ => a == b,
    }
}
