//! The writers for keys that stay in the process: one digests, one records, one compares. None copies an argument to
//! look it up, and the comparison is exact, so that no two calls are ever taken for one another.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::{FoldHasher, RandomState};

use super::{CacheKey, KeyWriter, unordered};

/// The secret of a store: two hasher states seeded by the operating system.
#[derive(Clone, Default)]
pub struct KeySecret {
    first: RandomState,
    second: RandomState,
}

impl KeySecret {
    /// A fresh secret.
    pub fn new() -> Self {
        Self::default()
    }

    /// A digest of what is fed; 64 bits under the secret.
    #[inline]
    pub fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        let mut hasher = KeyHasher { inner: self.first.build_hasher() };
        feed(&mut hasher);
        hasher.inner.finish()
    }

    /// A digest of one value; 128 bits under the secret.
    pub(super) fn digest_128<T: CacheKey>(&self, value: &T) -> u128 {
        let mut one = KeyHasher { inner: self.first.build_hasher() };
        let mut two = KeyHasher { inner: self.second.build_hasher() };
        value.cache_key(&mut one);
        value.cache_key(&mut two);
        u128::from(one.inner.finish()) << 64 | u128::from(two.inner.finish())
    }
}

/// The secret under which collections without an order are digested; one for all writers of a process, because the
/// recorded bytes and the compared bytes must agree.
fn process_secret() -> &'static KeySecret {
    static SECRET: std::sync::OnceLock<KeySecret> = std::sync::OnceLock::new();
    SECRET.get_or_init(KeySecret::new)
}

/// Digests a key. It only has to spread: [`Matcher`] decides.
pub struct KeyHasher {
    inner: FoldHasher<'static>,
}

impl Hasher for KeyHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.inner.finish()
    }
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.inner.write(bytes);
    }
    #[inline]
    fn write_u8(&mut self, i: u8) {
        self.inner.write_u8(i);
    }
    #[inline]
    fn write_u16(&mut self, i: u16) {
        self.inner.write_u16(i);
    }
    #[inline]
    fn write_u32(&mut self, i: u32) {
        self.inner.write_u32(i);
    }
    #[inline]
    fn write_u64(&mut self, i: u64) {
        self.inner.write_u64(i);
    }
    #[inline]
    fn write_u128(&mut self, i: u128) {
        self.inner.write_u128(i);
    }
    #[inline]
    fn write_usize(&mut self, i: usize) {
        self.inner.write_usize(i);
    }
}

impl KeyWriter for KeyHasher {
    fn write_unordered<I>(&mut self, items: I)
    where
        I: ExactSizeIterator,
        I::Item: CacheKey,
    {
        self.write_usize(items.len());
        self.write_u128(unordered::keyed_sum(process_secret(), items));
    }
}

/// Records a key's bytes, once it is known that they have to be kept.
pub struct Recorder<'a>(&'a mut Vec<u8>);

impl<'a> Recorder<'a> {
    /// Appends to a buffer.
    pub fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self(buffer)
    }
}

impl Hasher for Recorder<'_> {
    fn finish(&self) -> u64 {
        0
    }
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl KeyWriter for Recorder<'_> {
    fn write_unordered<I>(&mut self, items: I)
    where
        I: ExactSizeIterator,
        I::Item: CacheKey,
    {
        self.write_usize(items.len());
        self.write_u128(unordered::keyed_sum(process_secret(), items));
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
    fn compare<const N: usize>(&mut self, bytes: [u8; N]) {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.equal &= *head == bytes;
                self.rest = rest;
            }
            None => self.equal = false,
        }
    }
}

impl Hasher for Matcher<'_> {
    fn finish(&self) -> u64 {
        0
    }
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        match self.rest.split_at_checked(bytes.len()) {
            Some((head, rest)) => {
                self.equal &= same(head, bytes);
                self.rest = rest;
            }
            None => self.equal = false,
        }
    }
    #[inline]
    fn write_u8(&mut self, i: u8) {
        self.compare(i.to_ne_bytes());
    }
    #[inline]
    fn write_u16(&mut self, i: u16) {
        self.compare(i.to_ne_bytes());
    }
    #[inline]
    fn write_u32(&mut self, i: u32) {
        self.compare(i.to_ne_bytes());
    }
    #[inline]
    fn write_u64(&mut self, i: u64) {
        self.compare(i.to_ne_bytes());
    }
    #[inline]
    fn write_u128(&mut self, i: u128) {
        self.compare(i.to_ne_bytes());
    }
    #[inline]
    fn write_usize(&mut self, i: usize) {
        self.compare(i.to_ne_bytes());
    }
}

impl KeyWriter for Matcher<'_> {
    fn write_unordered<I>(&mut self, items: I)
    where
        I: ExactSizeIterator,
        I::Item: CacheKey,
    {
        self.write_usize(items.len());
        self.write_u128(unordered::keyed_sum(process_secret(), items));
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

/// The bytes of a key in a store: short ones in place, long ones shared.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyBytes(Repr);

const INLINE: usize = 22;

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE]),
    Shared(Arc<[u8]>),
}

impl KeyBytes {
    /// Keeps a key's bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut inline = [0; INLINE];
        match (inline.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(bytes);
                Self(Repr::Inline(len, inline))
            }
            _ => Self(Repr::Shared(bytes.into())),
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl PartialEq for Repr {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Repr::Inline(n, a), Repr::Inline(m, b)) => n == m && a == b,
            (Repr::Shared(a), Repr::Shared(b)) => a == b,
            _ => false,
        }
    }
}
impl Eq for Repr {}

impl std::hash::Hash for KeyBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl std::fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyBytes({} bytes)", self.as_slice().len())
    }
}
