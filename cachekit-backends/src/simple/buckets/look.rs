use super::super::sync::Ordering;
use super::bucket::tag;
use super::grow::Growth;
use super::{Contents, Place, Table, home};

/// How often a lookup begins anew because something was changed under it. It gives up then: the caller claims the
/// computation next, and looks again under the lock.
const TRIES: usize = 4;

enum Probe<T> {
    Found(T),
    Absent,
    Changed,
}

impl<C: Contents<K, V>, const K: usize, const V: usize> Table<C, K, V> {
    /// The value of a key, if all that is read on the way is as simple as with most hits; else [`look`](Self::look) decides.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(in crate::simple) fn straight(&self, hash: u64, key: &[u64; K]) -> Option<[u64; V]> {
        let bucket = self.pages.bucket(home(hash, self.buckets.load(Ordering::Acquire)))?;
        bucket.straight(tag(hash), key, |stamp, expiry| {
            stamp == self.generation.load(Ordering::Relaxed) && self.is_certainly_ahead(expiry)
        })
    }

    /// The value of a key. Without one there may still be one, which was moved or changed at the same time: see
    /// [`get_surely`](Self::get_surely) and [`claim`](Self::claim).
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of many hits")]
    pub(in crate::simple) fn get(&self, hash: u64, key: &[u64; K]) -> Option<[u64; V]> {
        self.straight(hash, key).or_else(|| self.look(hash, *key))
    }

    /// The value of a key, or the certainty that there is none. Takes the writers' lock where [`get`](Self::get) finds nothing.
    pub(in crate::simple) fn get_surely(
        &self,
        hash: u64,
        key: &[u64; K],
        left: &mut C::Left,
    ) -> Option<[u64; V]> {
        self.get(hash, key).or_else(|| {
            let mut writer = self.writer.0.lock();
            let spot = self.find(&mut writer, hash, key, left)?;
            spot.place.bucket.touch(spot.way);
            Some(spot.value())
        })
    }

    /// Whether a moment has certainly not passed.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(in crate::simple) fn is_certainly_ahead(&self, moment: u64) -> bool {
        self.clock.is_certainly_ahead(moment)
    }

    /// Whether a moment has passed.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(in crate::simple) fn is_over(&self, expiry: u64) -> bool {
        self.clock.is_past(expiry)
    }

    /// As [`get`](Self::get), for a call that is not as simple as most hits.
    #[cold]
    #[inline(never)]
    pub(in crate::simple) fn look(&self, hash: u64, key: [u64; K]) -> Option<[u64; V]> {
        for _ in 0..TRIES {
            match self.probe(hash, &key) {
                Probe::Found((value, None)) => return Some(value),
                Probe::Found((value, Some(untidy))) => {
                    self.tidy(untidy);
                    return Some(value);
                }
                Probe::Absent => return None,
                Probe::Changed => {}
            }
        }
        None
    }

    /// Goes through all buckets in which the key may be. Gives with a value its bucket if something in there may be
    /// deleted or expired.
    fn probe(&self, hash: u64, key: &[u64; K]) -> Probe<([u64; V], Option<u32>)> {
        let growth = match self.growth.0.load(Ordering::Acquire) {
            0 => Growth::over(self.buckets.load(Ordering::Acquire)),
            packed => Growth::unpack(packed),
        };
        for index in growth.path(hash) {
            let Some(place @ Place { bucket, rest, .. }) = self.pages.get(index) else {
                return Probe::Absent;
            };
            let began = bucket.begin_read();
            for way in bucket.ways(tag(hash)) {
                if !bucket.has_key(way, key) {
                    continue;
                }
                let value = bucket.value(way);
                let stamp = bucket.stamp();
                let tidy =
                    stamp == self.generation.load(Ordering::Acquire) && !self.is_over(bucket.least_expiry());
                let lives = tidy
                    || !self.is_over(rest.expiry(way)) && self.deletions.spare(|| place.instance(way), stamp);
                if !bucket.is_since(began) {
                    return Probe::Changed;
                }
                if !lives {
                    return Probe::Absent;
                }
                bucket.touch(way);
                return Probe::Found((value, (!tidy).then_some(index)));
            }
            let passed = rest.passed();
            if !bucket.is_since(began) {
                return Probe::Changed;
            }
            if passed == 0 {
                return Probe::Absent;
            }
        }
        Probe::Absent
    }

    /// Takes out of a bucket what sends lookups of its other entries this way, unless a writer is at work.
    fn tidy(&self, index: u32) {
        let mut left = C::Left::default();
        if let Some(mut writer) = self.writer.0.try_lock() {
            self.tend(&mut writer, self.pages.at(index), &mut left);
        }
    }
}
