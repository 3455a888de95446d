//! A table grows in place: hashes are spread over the buckets in order, so with more buckets each entry moves to a later one
//! or stays. Buckets are moved from the last to the first, some at a time; writers go on in between, and lookups all the time.

use super::super::sync::{MutexGuard, Ordering};
use super::bucket::{WAYS, tag};
use super::pages::{buckets_of, pages_for};
use super::{Contents, Spot, Table, Writer, home};

/// Of ten ways, so many are taken at most.
const MOST_TAKEN: usize = 7;
/// A table of fewer buckets doubles; a larger one grows by a quarter.
const LARGE: u32 = 1024;
/// The buckets of a table with its first entry.
const FIRST: u32 = 4;
/// Buckets that are moved before others get the lock.
const AT_ONCE: usize = 32;

/// How many buckets so many entries need.
pub(super) fn buckets_for(entries: usize) -> u32 {
    u32::try_from(entries.saturating_mul(10).div_ceil(WAYS * MOST_TAKEN) + 1).unwrap_or(u32::MAX)
}

/// Where hashes belong: of `from` buckets those of the first, the others already of `to`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Growth {
    from: u32,
    to: u32,
    /// The first bucket of `from` whose hashes are spread anew.
    moved: u32,
}

impl Growth {
    /// Of a table that doesn't grow.
    pub(super) fn over(buckets: u32) -> Self {
        Self { from: buckets, to: buckets, moved: buckets }
    }

    /// How many buckets are in use.
    pub(super) fn buckets(self) -> u32 {
        self.to
    }

    fn is_over(self) -> bool {
        self.from == self.to
    }

    /// In one word, for lookups: sizes by their pages, of which there are few. 0 when it is over.
    fn pack(self) -> u64 {
        let pages = |buckets| pages_for(buckets) as u64;
        if self.is_over() { 0 } else { u64::from(self.moved) << 16 | pages(self.to) << 8 | pages(self.from) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the part above the lower 16 bits has 32")]
    pub(super) fn unpack(packed: u64) -> Self {
        let buckets = |pages: u64| buckets_of((pages & 0xff) as usize);
        Self { from: buckets(packed), to: buckets(packed >> 8), moved: (packed >> 16) as u32 }
    }

    /// The buckets in which a hash may be, in the order of the search.
    #[inline]
    pub(super) fn path(self, hash: u64) -> Path {
        let first = home(hash, self.from);
        if first < self.moved { Path::new(first, self.from) } else { self.path_after(hash) }
    }

    fn path_after(self, hash: u64) -> Path {
        Path::new(home(hash, self.to), self.to)
    }
}

/// A bucket and those after it, once around.
#[derive(Clone)]
pub(super) struct Path {
    next: u32,
    left: u32,
    buckets: u32,
}

impl Path {
    fn new(first: u32, buckets: u32) -> Self {
        Self { next: first, left: buckets, buckets }
    }

    /// The bucket where it begins, before the first step.
    pub(super) fn first(&self) -> u32 {
        self.next
    }
}

impl Iterator for Path {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let bucket = self.next;
        self.next = if bucket + 1 == self.buckets { 0 } else { bucket + 1 };
        Some(bucket)
    }
}

impl<C: Contents<K, V>, const K: usize, const V: usize> Table<C, K, V> {
    /// Locks the table, with room for one more entry.
    #[inline]
    pub(super) fn lock_with_room(&self, left: &mut C::Left) -> MutexGuard<'_, Writer<C::Exact, K>> {
        let mut writer = self.writer.0.lock();
        if !writer.growth.is_over() {
            // Another thread is at it, which may be slow.
            self.move_some(&mut writer, left);
            return writer;
        }
        let buckets = writer.growth.buckets() as usize;
        if (writer.len + 1) * 10 <= buckets * WAYS * MOST_TAKEN {
            return writer;
        }
        let before = writer.growth;
        drop(writer);
        self.grow(before, left)
    }

    #[cold]
    #[inline(never)]
    fn grow(&self, before: Growth, left: &mut C::Left) -> MutexGuard<'_, Writer<C::Exact, K>> {
        let buckets = before.buckets();
        let more = if buckets < LARGE { buckets.max(FIRST) } else { buckets / 4 };
        let pages = self.pages.pages_for(buckets);
        let more_pages = self.pages.pages_within(buckets + more).max(self.pages.pages_for(buckets + 1));
        // Without the lock, for large pages take a while.
        self.pages.make(pages, more_pages);
        let mut writer = self.writer.0.lock();
        if writer.growth != before || more_pages == pages {
            return writer;
        }
        self.set_growth(&mut writer, Growth { to: buckets_of(more_pages), ..before });
        while !self.move_some(&mut writer, left) {
            drop(writer);
            writer = self.writer.0.lock();
        }
        writer
    }

    fn set_growth(&self, writer: &mut Writer<C::Exact, K>, growth: Growth) {
        writer.growth = growth;
        self.growth.0.store(growth.pack(), Ordering::Release);
    }

    /// Moves some buckets. Returns whether all are done.
    #[inline(never)]
    pub(super) fn move_some(&self, writer: &mut Writer<C::Exact, K>, left: &mut C::Left) -> bool {
        for _ in 0..AT_ONCE {
            let growth = writer.growth;
            if growth.is_over() {
                return true;
            }
            if growth.moved == 0 {
                self.buckets.store(growth.to, Ordering::Release);
                self.set_growth(writer, Growth::over(growth.to));
                return true;
            }
            self.move_bucket(writer, growth.moved - 1, left);
            self.set_growth(writer, Growth { moved: growth.moved - 1, ..growth });
        }
        false
    }

    /// Spreads the entries of a bucket anew, wherever they are.
    fn move_bucket(&self, writer: &mut Writer<C::Exact, K>, from: u32, left: &mut C::Left) {
        let growth = writer.growth;
        let before = growth.from;
        let mut found = Vec::new();
        for index in Path::new(from, before) {
            let place = self.pages.at(index);
            self.tend(writer, place, left);
            for way in place.bucket.taken() {
                let spot = Spot { place, way };
                let hash = self.hash_at(spot);
                if home(hash, before) == from {
                    found.push((spot, hash));
                }
            }
            if place.rest.passed() == 0 {
                break;
            }
        }
        for (spot, hash) in found {
            let path = growth.path_after(hash);
            if path.first() == spot.place.index {
                // It stays, and has passed no bucket any more.
                self.forget_passed(growth, hash, spot);
                continue;
            }
            let entry = Self::entry(spot);
            let (uses, young) = (spot.uses(), spot.is_young());
            self.detach(growth, hash, spot);
            if let Some(spot) = self.attach(writer, path, tag(hash), &entry, left) {
                spot.set_uses(uses);
                spot.set_young(young);
            }
        }
    }
}
