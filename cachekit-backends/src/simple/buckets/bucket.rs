//! Eight entries and what a lookup needs to know of them, as atomic words.
//!
//! A reader takes the sequence number, then the tags, then the words that it wants, and takes the sequence number again: if
//! it is the same, all it has read belonged together. A writer, of which there is one at a time, raises the number before
//! each change. A tag is set after the words that it stands for, and is only ever changed by clearing it.
//!
//! Why that is enough: a reader that sees a word of a later change and then passes an acquire fence sees the raised number
//! too, because the writer passed a release fence between the two. A reader that begins with the raised number sees every
//! change before it.

use super::super::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

/// Entries of a bucket: one byte of a tag each, so that one word holds all of them.
pub(super) const WAYS: usize = 8;
/// An entry that was found so often is not marked again: in steady use a hit writes nothing.
pub(super) const MOST_USES: u8 = 3;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// The part of a bucket that a lookup reads beside the entry itself; half a cache line.
#[repr(C, align(32))]
pub(super) struct Head {
    /// A byte for each way: seven bits of the hash below a set bit; 0 where there is no entry.
    tags: AtomicU64,
    /// How often each entry was found, up to [`MOST_USES`], since the eviction policy asked. Two uses at once may count as one.
    uses: [AtomicU8; WAYS],
    /// Raised before every change. A reader would have to sleep through exactly 2^32 changes of one bucket to be misled.
    sequence: AtomicU32,
    /// The table's generation when all that was deleted was last taken out.
    stamp: AtomicU32,
    /// No entry expires before this; `u64::MAX` if none ever does.
    expiry: AtomicU64,
}

/// The words of an entry.
struct Slot<const K: usize, const V: usize> {
    key: [AtomicU64; K],
    value: [AtomicU64; V],
}

#[repr(C, align(32))]
pub(super) struct Bucket<const K: usize, const V: usize> {
    head: Head,
    slots: [Slot<K, V>; WAYS],
}

/// An entry as a lookup found it.
pub(super) struct Snapshot<const K: usize, const V: usize> {
    pub(super) key: [u64; K],
    pub(super) value: [u64; V],
}

/// The ways whose tag may be the one asked for.
pub(super) struct Ways(u64);

impl Iterator for Ways {
    type Item = usize;
    #[inline]
    fn next(&mut self) -> Option<usize> {
        let way = (self.0 != 0).then(|| self.0.trailing_zeros() as usize / WAYS)?;
        self.0 &= self.0 - 1;
        Some(way)
    }
}

/// The tag of a hash.
#[inline]
pub(super) fn tag(hash: u64) -> u8 {
    // The lowest bits: the place comes from the uppermost.
    (hash & 0x7f) as u8 | 0x80
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

/// Whether some words are these. One after another: as arrays, they would be copied to be compared.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit")]
fn are<const N: usize>(there: &[AtomicU64; N], words: &[u64; N]) -> bool {
    there.iter().zip(words).all(|(there, word)| there.load(Ordering::Relaxed) == *word)
}

#[inline]
fn words<const N: usize>(from: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|i| from[i].load(Ordering::Relaxed))
}

fn set_words<const N: usize>(to: &[AtomicU64; N], words: &[u64; N]) {
    for (to, word) in to.iter().zip(words) {
        to.store(*word, Ordering::Relaxed);
    }
}

impl<const K: usize, const V: usize> Default for Bucket<K, V> {
    fn default() -> Self {
        Self {
            head: Head {
                tags: AtomicU64::new(0),
                uses: std::array::from_fn(|_| AtomicU8::new(0)),
                sequence: AtomicU32::new(0),
                stamp: AtomicU32::new(0),
                expiry: AtomicU64::new(u64::MAX),
            },
            slots: std::array::from_fn(|_| Slot { key: zeros(), value: zeros() }),
        }
    }
}

impl<const K: usize, const V: usize> Bucket<K, V> {
    /// Has the processor load the cache lines of all entries together with that of the head, which would tell it the right one only
    /// after it has arrived. Worth it only where both come from far away, as in a large table.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(super) fn load_early(&self) {
        // Of larger entries these would be too many lines.
        if const { K + V == 2 } {
            for way in [WAYS / 2 - 1, WAYS - 1] {
                // A relaxed load is made though its result is of no use.
                let _: u64 = self.slots[way].key[0].load(Ordering::Relaxed);
            }
        }
    }

    /// The value of a key whose tag is the first of its kind here, if nothing that is read on the way asks for a closer
    /// look: `valid` is given the bucket's stamp and its least expiry.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(super) fn straight(
        &self,
        tag: u8,
        key: &[u64; K],
        valid: impl FnOnce(u32, u64) -> bool,
    ) -> Option<[u64; V]> {
        let Head { tags, uses, sequence, stamp, expiry } = &self.head;
        let began = sequence.load(Ordering::Acquire);
        let matches = matching(tags.load(Ordering::Acquire), tag);
        if matches == 0 {
            return None;
        }
        let way = matches.trailing_zeros() as usize / WAYS;
        let slot = &self.slots[way];
        if !are(&slot.key, key) || !valid(stamp.load(Ordering::Relaxed), expiry.load(Ordering::Relaxed)) {
            return None;
        }
        let value = words(&slot.value);
        fence(Ordering::Acquire);
        if sequence.load(Ordering::Relaxed) != began {
            return None;
        }
        note(&uses[way]);
        Some(value)
    }

    /// The number that [`is_since`](Self::is_since) compares.
    #[inline]
    pub(super) fn begin_read(&self) -> u32 {
        self.head.sequence.load(Ordering::Acquire)
    }

    /// Whether all that was read since belonged together.
    #[inline]
    pub(super) fn is_since(&self, began: u32) -> bool {
        fence(Ordering::Acquire);
        self.head.sequence.load(Ordering::Relaxed) == began
    }

    /// The ways that may hold an entry of this tag; some that it names have another one.
    #[inline]
    pub(super) fn ways(&self, tag: u8) -> Ways {
        Ways(matching(self.head.tags.load(Ordering::Acquire), tag))
    }

    /// The tag in a way; 0 where there is no entry.
    #[inline]
    pub(super) fn tag(&self, way: usize) -> u8 {
        self.head.tags.load(Ordering::Relaxed).to_le_bytes()[way]
    }

    /// The ways that hold an entry.
    #[inline]
    pub(super) fn taken(&self) -> Ways {
        Ways(self.head.tags.load(Ordering::Acquire) & HIGH)
    }

    /// The ways that hold an entry, from one on and around.
    pub(super) fn taken_from(&self, way: usize) -> impl Iterator<Item = usize> + use<K, V> {
        let all = self.head.tags.load(Ordering::Acquire) & HIGH;
        let before = all & ((1 << (WAYS * way)) - 1);
        Ways(all & !before).chain(Ways(before))
    }

    /// A way without an entry.
    #[inline]
    pub(super) fn vacant(&self) -> Option<usize> {
        Ways(!self.head.tags.load(Ordering::Relaxed) & HIGH).next()
    }

    #[inline]
    pub(super) fn read(&self, way: usize) -> Snapshot<K, V> {
        Snapshot { key: words(&self.slots[way].key), value: words(&self.slots[way].value) }
    }

    #[inline]
    pub(super) fn key(&self, way: usize) -> [u64; K] {
        words(&self.slots[way].key)
    }

    /// Whether the key in a way is this one.
    #[inline]
    pub(super) fn has_key(&self, way: usize, key: &[u64; K]) -> bool {
        are(&self.slots[way].key, key)
    }

    #[inline]
    pub(super) fn value(&self, way: usize) -> [u64; V] {
        words(&self.slots[way].value)
    }

    #[inline]
    pub(super) fn stamp(&self) -> u32 {
        self.head.stamp.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn least_expiry(&self) -> u64 {
        self.head.expiry.load(Ordering::Relaxed)
    }

    /// Notes a use.
    #[inline]
    pub(super) fn touch(&self, way: usize) {
        note(&self.head.uses[way]);
    }

    pub(super) fn uses(&self, way: usize) -> u8 {
        self.head.uses[way].load(Ordering::Relaxed)
    }

    pub(super) fn set_uses(&self, way: usize, uses: u8) {
        self.head.uses[way].store(uses, Ordering::Relaxed);
    }

    // Below: under the lock of the table's writers.

    /// Tells readers that what they have read so far may not go with what they read from now on.
    fn begin_write(&self) {
        let sequence = self.head.sequence.load(Ordering::Relaxed);
        self.head.sequence.store(sequence.wrapping_add(1), Ordering::Release);
        fence(Ordering::Release);
    }

    /// Fills a vacant way; `beside` writes what belongs to the entry elsewhere.
    pub(super) fn fill(
        &self,
        way: usize,
        tag: u8,
        entry: &Snapshot<K, V>,
        expiry: u64,
        beside: impl FnOnce(),
    ) {
        self.begin_write();
        beside();
        set_words(&self.slots[way].key, &entry.key);
        set_words(&self.slots[way].value, &entry.value);
        if expiry < self.least_expiry() {
            self.head.expiry.store(expiry, Ordering::Relaxed);
        }
        let tags = self.head.tags.load(Ordering::Relaxed);
        self.head.tags.store(tags | u64::from(tag) << (WAYS * way), Ordering::Release);
    }

    /// Takes the entry out of a way.
    pub(super) fn vacate(&self, way: usize) {
        self.begin_write();
        let tags = self.head.tags.load(Ordering::Relaxed);
        self.head.tags.store(tags & !(0xff << (WAYS * way)), Ordering::Release);
    }

    /// Takes all entries out.
    pub(super) fn vacate_all(&self) {
        self.begin_write();
        self.head.tags.store(0, Ordering::Release);
        self.head.expiry.store(u64::MAX, Ordering::Relaxed);
    }

    /// Says that nothing is left here that was deleted before this generation.
    pub(super) fn set_stamp(&self, stamp: u32) {
        self.begin_write();
        self.head.stamp.store(stamp, Ordering::Release);
    }

    /// Says that no entry expires before this.
    pub(super) fn set_least_expiry(&self, expiry: u64) {
        self.begin_write();
        self.head.expiry.store(expiry, Ordering::Release);
    }
}

/// A bit in each byte that equals the tag. Bytes above such a one may have a bit by mistake, those below never.
#[inline]
fn matching(tags: u64, tag: u8) -> u64 {
    let other = tags ^ (LOW * u64::from(tag));
    other.wrapping_sub(LOW) & !other & HIGH
}

#[inline]
fn note(uses: &AtomicU8) {
    let noted = uses.load(Ordering::Relaxed);
    if noted < MOST_USES {
        uses.store(noted + 1, Ordering::Relaxed);
    }
}
