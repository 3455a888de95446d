//! The steps that all changes of a table are made of. Under the writers' lock.

use super::super::sync::Ordering;
use super::bucket::{Snapshot, tag};
use super::grow::{Growth, Path};
use super::{Contents, Place, Spot, Table, Writer};

/// An entry on its way from one place to another.
pub(super) struct Entry<const K: usize, const V: usize> {
    pub(super) words: Snapshot<K, V>,
    pub(super) expiry: u64,
    pub(super) instance: u32,
}

impl<C: Contents<K, V>, const K: usize, const V: usize> Table<C, K, V> {
    /// The entry of a key. What is over on the way is taken out.
    #[inline]
    pub(super) fn find(
        &self,
        writer: &mut Writer<C::Exact, K>,
        hash: u64,
        key: &[u64; K],
        left: &mut C::Left,
    ) -> Option<Spot<'_, K, V>> {
        let mut path = writer.growth.path(hash);
        let home = self.pages.at(path.next()?);
        self.tend(writer, home, left);
        if let Some(way) = home.bucket.ways(tag(hash)).find(|&way| home.bucket.has_key(way, key)) {
            return Some(Spot { place: home, way });
        }
        if home.rest.passed() == 0 {
            return None;
        }
        self.find_on(writer, path, hash, key, left)
    }

    /// Goes on with the search.
    #[cold]
    #[inline(never)]
    fn find_on(
        &self,
        writer: &mut Writer<C::Exact, K>,
        path: Path,
        hash: u64,
        key: &[u64; K],
        left: &mut C::Left,
    ) -> Option<Spot<'_, K, V>> {
        for index in path {
            let place = self.pages.at(index);
            self.tend(writer, place, left);
            if let Some(way) = place.bucket.ways(tag(hash)).find(|&way| place.bucket.has_key(way, key)) {
                return Some(Spot { place, way });
            }
            if place.rest.passed() == 0 {
                return None;
            }
        }
        None
    }

    /// The entry of a hash that `is` the one.
    #[cold]
    #[inline(never)]
    pub(super) fn find_where(
        &self,
        writer: &Writer<C::Exact, K>,
        hash: u64,
        is: impl Fn(Spot<'_, K, V>) -> bool,
    ) -> Option<Spot<'_, K, V>> {
        for index in writer.growth.path(hash) {
            let place = self.pages.at(index);
            let mut spots = place.bucket.ways(tag(hash)).map(|way| Spot { place, way });
            if let Some(spot) = spots.find(|&spot| is(spot)) {
                return Some(spot);
            }
            if place.rest.passed() == 0 {
                return None;
            }
        }
        None
    }

    /// Takes what is deleted or expired out of a bucket. Returns whether there was anything.
    #[inline]
    pub(super) fn tend(
        &self,
        writer: &mut Writer<C::Exact, K>,
        place: Place<'_, K, V>,
        left: &mut C::Left,
    ) -> bool {
        let generation = self.generation.load(Ordering::Relaxed);
        if place.bucket.stamp() == generation && !self.is_over(place.bucket.least_expiry()) {
            return false;
        }
        self.take_out_what_is_over(writer, place, generation, left)
    }

    /// The same for a bucket that an entry is about to leave, if something was deleted since it was tended last: the buckets that a
    /// deleted entry passed may have forgotten it.
    #[inline]
    pub(super) fn tend_after_deletions(
        &self,
        writer: &mut Writer<C::Exact, K>,
        place: Place<'_, K, V>,
        left: &mut C::Left,
    ) -> bool {
        place.bucket.stamp() != self.generation.load(Ordering::Relaxed) && self.tend(writer, place, left)
    }

    #[cold]
    #[inline(never)]
    fn take_out_what_is_over(
        &self,
        writer: &mut Writer<C::Exact, K>,
        place: Place<'_, K, V>,
        generation: u32,
        left: &mut C::Left,
    ) -> bool {
        let Place { bucket, rest, .. } = place;
        let before = writer.len;
        let stamp = bucket.stamp();
        if self.deletions.is_below_floor(stamp) {
            for way in bucket.taken() {
                let value = bucket.read(way).value;
                self.budget.release(self.contents.weight(&value));
                self.leave(writer, value, left);
            }
            bucket.vacate_all();
            // Entries that passed this bucket since would have tended it.
            rest.set_passed(0);
        } else if stamp != generation {
            for way in bucket.taken() {
                if !self.deletions.spare(|| place.instance(way), stamp) {
                    self.erase(writer, Spot { place, way }, left);
                }
            }
        }
        bucket.set_stamp(generation);
        if self.is_over(bucket.least_expiry()) {
            let mut least = u64::MAX;
            for way in bucket.taken() {
                let expiry = rest.expiry(way);
                if self.is_over(expiry) {
                    writer.eviction.expirations += 1;
                    self.erase(writer, Spot { place, way }, left);
                } else {
                    least = least.min(expiry);
                }
            }
            bucket.set_least_expiry(least);
        }
        writer.len < before
    }

    /// Removes an entry for good.
    pub(super) fn erase(&self, writer: &mut Writer<C::Exact, K>, spot: Spot<'_, K, V>, left: &mut C::Left) {
        self.budget.release(self.contents.weight(&spot.value()));
        self.erase_for_another(writer, (spot, self.hash_at(spot)), left);
    }

    /// Removes an entry of a hash, whose room in the budget goes to another one.
    #[inline]
    pub(super) fn erase_for_another(
        &self,
        writer: &mut Writer<C::Exact, K>,
        (spot, hash): (Spot<'_, K, V>, u64),
        left: &mut C::Left,
    ) {
        let value = spot.value();
        self.detach(writer.growth, hash, spot);
        self.leave(writer, value, left);
    }

    fn leave(&self, writer: &mut Writer<C::Exact, K>, value: [u64; V], left: &mut C::Left) {
        self.contents.leave(value, left);
        writer.len -= 1;
        if writer.len == 0 {
            self.budget.count_table(false);
        }
    }

    /// Takes an entry out of its bucket.
    pub(super) fn detach(&self, growth: Growth, hash: u64, spot: Spot<'_, K, V>) {
        spot.vacate();
        self.forget_passed(growth, hash, spot);
    }

    /// Takes an entry off the counts of the buckets that it passed. Most have passed none. Its own bucket must be tended: one before it
    /// counts none of the entries that were deleted before it was tended itself.
    #[inline]
    pub(super) fn forget_passed(&self, growth: Growth, hash: u64, spot: Spot<'_, K, V>) {
        let path = growth.path(hash);
        if path.first() != spot.place.index {
            self.forget_passed_on(path, spot);
        }
    }

    #[inline(never)]
    fn forget_passed_on(&self, path: Path, spot: Spot<'_, K, V>) {
        for passed in path.take_while(|&index| index != spot.place.index) {
            let rest = self.pages.at(passed).rest;
            debug_assert!(rest.passed() > 0, "a bucket counts each entry that passed it");
            rest.set_passed(rest.passed().saturating_sub(1));
        }
    }

    /// Puts an entry into the first bucket of a path with room; it is marked by the caller. None if there is no room at all.
    #[inline]
    pub(super) fn attach(
        &self,
        writer: &mut Writer<C::Exact, K>,
        mut path: Path,
        tag: u8,
        entry: &Entry<K, V>,
        left: &mut C::Left,
    ) -> Option<Spot<'_, K, V>> {
        let home = self.pages.at(path.next()?);
        self.tend(writer, home, left);
        let spot = match home.vacant() {
            Some(spot) => spot,
            None => self.pass(writer, home, path, left)?,
        };
        Self::fill(spot, tag, entry);
        Some(spot)
    }

    /// Finds room after a full bucket, and counts the buckets that are passed.
    #[inline(never)]
    fn pass(
        &self,
        writer: &mut Writer<C::Exact, K>,
        full: Place<'_, K, V>,
        later: Path,
        left: &mut C::Left,
    ) -> Option<Spot<'_, K, V>> {
        let fits = |index| {
            let place = self.pages.at(index);
            self.tend(writer, place, left);
            place.vacant()
        };
        let spot = later.clone().find_map(fits)?;
        full.rest.set_passed(full.rest.passed() + 1);
        for passed in later.take_while(|&index| index != spot.place.index) {
            let rest = self.pages.at(passed).rest;
            rest.set_passed(rest.passed() + 1);
        }
        Some(spot)
    }

    /// Writes an entry into a vacant way.
    pub(super) fn fill(spot: Spot<'_, K, V>, tag: u8, entry: &Entry<K, V>) {
        let Spot { place, way } = spot;
        place.bucket.fill(way, tag, &entry.words, entry.expiry, || {
            place.rest.set_expiry(way, entry.expiry);
            place.set_instance(way, entry.instance);
        });
    }

    pub(super) fn entry(spot: Spot<'_, K, V>) -> Entry<K, V> {
        Entry {
            words: spot.place.bucket.read(spot.way),
            expiry: spot.expiry(),
            instance: spot.place.instance(spot.way),
        }
    }

    pub(super) fn hash_at(&self, spot: Spot<'_, K, V>) -> u64 {
        self.contents.hash(&spot.place.bucket.key(spot.way))
    }
}

impl<'t, const K: usize, const V: usize> Place<'t, K, V> {
    /// A place for an entry in this bucket.
    #[inline]
    pub(super) fn vacant(self) -> Option<Spot<'t, K, V>> {
        self.bucket.vacant().map(|way| Spot { place: self, way })
    }
}

impl<const K: usize, const V: usize> Spot<'_, K, V> {
    pub(super) fn vacate(self) {
        self.place.bucket.vacate(self.way);
    }

    pub(super) fn value(self) -> [u64; V] {
        self.place.bucket.value(self.way)
    }

    pub(super) fn expiry(self) -> u64 {
        self.place.rest.expiry(self.way)
    }

    /// Whether there is an entry, of this tag.
    #[inline]
    pub(super) fn has_tag(self, tag: u8) -> bool {
        self.place.bucket.tag(self.way) == tag
    }

    pub(super) fn uses(self) -> u8 {
        self.place.bucket.uses(self.way)
    }

    pub(super) fn set_uses(self, uses: u8) {
        self.place.bucket.set_uses(self.way, uses);
    }

    pub(super) fn is_young(self) -> bool {
        self.place.rest.is_young(self.way)
    }

    pub(super) fn set_young(self, young: bool) {
        self.place.rest.set_young(self.way, young);
    }
}
