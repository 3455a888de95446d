//! Deletions of more than one call. Each takes the next generation of the table; a bucket carries the generation at which
//! all that was deleted before was taken out of it, and an entry is only put into a bucket that carries the present one. So
//! an entry is as old as its bucket's stamp at least, and needs no date of its own.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::super::sync::{AtomicU32, Ordering, RwLock};
use super::claims::Claim;
use super::{Contents, Spot, Subject, Table, Writer};

/// So many records of deleted instances may be kept before the table is swept for them.
const MOST_RECORDS: usize = 4096;

/// Buckets that are swept before others get the lock.
const AT_ONCE: u32 = 64;

#[derive(Default)]
pub(super) struct Deletions {
    /// Entries stored before this generation are deleted.
    floor: AtomicU32,
    /// The generations at which single instances were deleted.
    instances: RwLock<HashMap<u32, u32, RandomState>>,
    /// Whether there may be any.
    any: AtomicU32,
}

impl Deletions {
    /// Whether something that was current at the generation `since` still is.
    pub(super) fn spare(&self, instance: impl FnOnce() -> u32, since: u32) -> bool {
        let is_recorded = self.any.load(Ordering::Acquire) != 0
            && self.instances.read().get(&instance()).is_some_and(|&deleted| since < deleted);
        // The floor last: it rose before the records went that it stands for.
        !is_recorded && since >= self.floor.load(Ordering::Acquire)
    }

    /// Changes the records.
    fn change<R>(&self, change: impl FnOnce(&mut HashMap<u32, u32, RandomState>) -> R) -> R {
        let mut instances = self.instances.write();
        let result = change(&mut instances);
        self.any.store(u32::from(!instances.is_empty()), Ordering::Release);
        result
    }

    pub(super) fn is_below_floor(&self, stamp: u32) -> bool {
        stamp < self.floor.load(Ordering::Relaxed)
    }
}

impl<C: Contents<K, V>, const K: usize, const V: usize> Table<C, K, V> {
    /// Deletes a call: its entry, and the claims of computations that have begun. Calls `also` under the lock. Returns whether a
    /// live entry was there.
    pub(in crate::simple) fn remove(
        &self,
        subject: &Subject<C::Exact, K>,
        is: impl Fn(&[u64; V]) -> bool,
        also: impl FnOnce(),
        left: &mut C::Left,
    ) -> bool {
        let mut writer = self.writer.0.lock();
        also();
        writer.claims.void(subject);
        let Some(spot) = self.find(&mut writer, subject.hash, &subject.key, left) else { return false };
        if !is(&spot.value()) {
            return false;
        }
        let lives = !self.is_over(spot.expiry());
        self.erase(&mut writer, spot, left);
        lives
    }

    /// Deletes everything: one write, however many entries there are. They are taken out later.
    pub(in crate::simple) fn delete_all(&self, left: &mut C::Left) {
        let mut writer = self.writer.0.lock();
        let generation = self.next_generation(&mut writer, left);
        self.deletions.floor.store(generation, Ordering::Release);
        self.generation.store(generation, Ordering::Release);
        // They say nothing that the floor doesn't.
        self.deletions.change(HashMap::clear);
    }

    /// Deletes the entries of an instance: one write, however many there are; a sweep at one in thousands.
    pub(in crate::simple) fn delete_instance(&self, instance: u32, left: &mut C::Left) {
        let mut writer = self.writer.0.lock();
        if writer.len == 0 && writer.claims.is_empty() {
            return;
        }
        let generation = self.next_generation(&mut writer, left);
        let records = self.deletions.change(|instances| {
            instances.insert(instance, generation);
            instances.len()
        });
        let many = records > MOST_RECORDS.max(writer.len / 4);
        self.generation.store(generation, Ordering::Release);
        drop(writer);
        if many {
            self.sweep(left);
        }
    }

    /// Removes the entries whose values are `doomed`, and calls `also`, in one step. Costs a look at every entry.
    pub(in crate::simple) fn remove_where(
        &self,
        doomed: impl Fn(&[u64; V]) -> bool,
        also: impl Fn(),
        left: &mut C::Left,
    ) {
        let mut writer = self.writer.0.lock();
        also();
        for index in 0..writer.growth.buckets() {
            let place = self.pages.at(index);
            self.tend(&mut writer, place, left);
            for way in place.bucket.taken() {
                let spot = Spot { place, way };
                if doomed(&spot.value()) {
                    self.erase(&mut writer, spot, left);
                }
            }
        }
        writer.claims.void_where(|_| true);
    }

    /// Takes out all that is deleted or expired, and the records of deleted instances. Costs a look at every entry.
    pub(in crate::simple) fn sweep(&self, left: &mut C::Left) {
        let mut writer = self.writer.0.lock();
        let began = self.generation.load(Ordering::Relaxed);
        // A store from now on lowers it; the loop below visits the entries that are there.
        writer.next_expiry = u64::MAX;
        let mut index = 0;
        while index < writer.growth.buckets() {
            for index in index..writer.growth.buckets().min(index + AT_ONCE) {
                let place = self.pages.at(index);
                self.tend(&mut writer, place, left);
                writer.next_expiry = writer.next_expiry.min(place.bucket.least_expiry());
            }
            index += AT_ONCE;
            // Others get the lock in between.
            drop(writer);
            writer = self.writer.0.lock();
        }
        writer.swept = began;
        // Every bucket was tended since, so only computations could still need the records.
        writer.claims.void_where(|claim| !self.is_current(claim));
        self.deletions.change(|instances| instances.retain(|_, deleted| *deleted > began));
    }

    /// Whether a sweep would find something: an entry whose time is over, or what was deleted since the last one.
    pub(in crate::simple) fn needs_sweep(&self) -> bool {
        let writer = self.writer.0.lock();
        writer.swept != self.generation.load(Ordering::Relaxed) || self.is_over(writer.next_expiry)
    }

    /// The earliest moment at which an entry may expire.
    pub(in crate::simple) fn next_expiry(&self) -> u64 {
        self.writer.0.lock().next_expiry
    }

    /// Whether nothing was deleted that a computation stands for since it began.
    pub(super) fn is_current(&self, claim: &Claim<C::Exact, K>) -> bool {
        self.deletions.spare(|| claim.subject.instance, claim.birth)
    }

    /// How many records of deleted instances there are.
    #[cfg(test)]
    pub(in crate::simple) fn records(&self) -> usize {
        self.deletions.instances.read().len()
    }

    fn next_generation(&self, writer: &mut Writer<C::Exact, K>, left: &mut C::Left) -> u32 {
        let generation = self.generation.load(Ordering::Relaxed);
        if generation < u32::MAX {
            return generation + 1;
        }
        // Once in 2^32 deletions the count begins anew, with an empty table.
        for index in 0..writer.growth.buckets() {
            let place = self.pages.at(index);
            for way in place.bucket.taken() {
                self.erase(writer, Spot { place, way }, left);
            }
            place.bucket.set_stamp(0);
        }
        writer.claims.void_where(|_| true);
        self.deletions.change(HashMap::clear);
        self.deletions.floor.store(0, Ordering::Release);
        1
    }
}
