use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockWriteGuard};

use super::functions::{FunctionState, InstanceHorizons};
use super::shard::{ByDigest, Probe, Shard, Slot};
use super::table::SlotTable;
use crate::{Clock, KeyBytes, KeyHasher, KeySecret, Lifetime, Matcher, lifetime_millis};

/// A stored value of any type.
pub type Value = Arc<dyn Any + Send + Sync>;

/// An entry: a value and what decides whether it still counts.
#[derive(Clone)]
pub struct Record {
    /// The moment of [`Clock::monotonic`] at which it is gone; `u64::MAX` for never.
    pub expiry: u64,
    /// The store's sequence before the value was computed.
    pub birth: u64,
    /// The keyed digest of the instance, for methods; 0 else.
    pub instance: u64,
    /// The function's number; 0 for the cache object's own entries.
    pub function: u32,
    /// The value.
    pub value: Value,
}

/// What [`SimpleStore::insert`] needs to store a value.
pub struct Insert {
    /// The digest of the key.
    pub digest: u64,
    /// The bytes of the key.
    pub bytes: KeyBytes,
    /// The entry.
    pub record: Record,
}

/// A bounded store of typed values. Shared by reference; all methods may be called from many threads.
pub struct SimpleStore {
    shards: Box<[RwLock<Shard>]>,
    secret: KeySecret,
    clock: Clock,
    /// Counts deletions; see [`FunctionState`].
    sequence: AtomicU64,
    /// Everything born before this was cleared.
    cleared: AtomicU64,
    functions: SlotTable<FunctionState>,
    instances: InstanceHorizons,
    evictions: AtomicU64,
}

/// The least capacity of a shard: below, entries that spread unevenly would be evicted before the store is full.
const SHARD_CAPACITY: usize = 1024;
const MOST_SHARDS: usize = 64;

impl SimpleStore {
    /// A store of at most `threshold` entries; 0 is without limit.
    pub fn new(threshold: usize, clock: Clock) -> Arc<Self> {
        let count = match threshold {
            0 => MOST_SHARDS,
            n => (n / SHARD_CAPACITY).next_power_of_two().clamp(1, MOST_SHARDS),
        };
        let shards = (0..count)
            .map(|i| {
                // The shares add up to the threshold exactly.
                let share = threshold / count + usize::from(i < threshold % count);
                RwLock::new(Shard::new((threshold != 0).then_some(share as u64)))
            })
            .collect();
        let store = Arc::new(Self {
            shards,
            secret: KeySecret::new(),
            clock,
            sequence: AtomicU64::new(1),
            cleared: AtomicU64::new(0),
            functions: SlotTable::new(),
            instances: InstanceHorizons::default(),
            evictions: AtomicU64::new(0),
        });
        super::sweep::watch(&store);
        store
    }

    /// The digest under which a key is looked up.
    #[inline]
    pub fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        self.secret.digest(feed)
    }

    /// The clock that its entries live by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The present sequence: the birth of what is computed from now on.
    #[inline]
    pub fn now(&self) -> u64 {
        self.sequence.load(Ordering::SeqCst)
    }

    /// When an entry that is stored now is gone.
    pub fn expiry(&self, life: Lifetime) -> u64 {
        life.map_or(u64::MAX, |life| self.clock.monotonic().saturating_add(lifetime_millis(life)).min(u64::MAX - 1))
    }

    /// The deletions of a function.
    #[inline]
    pub fn function(&self, number: u32) -> &FunctionState {
        self.functions.get(number)
    }

    #[inline]
    fn shard(&self, digest: u64) -> &RwLock<Shard> {
        // The table takes the upper seven and the lower bits; these are from the middle.
        &self.shards[(digest >> 40) as usize & (self.shards.len() - 1)]
    }

    /// Whether an entry still counts.
    #[inline]
    pub fn is_live(&self, record: &Record) -> bool {
        let state = self.functions.get(record.function);
        !state.is_deleted(record.birth)
            && (record.expiry == u64::MAX || !self.clock.is_past(record.expiry))
            && !(state.has_instances() && self.instances.is_deleted(record.function, record.instance, record.birth))
    }

    /// Whether nothing was deleted that a computation of this birth stands for.
    pub fn is_current(&self, function: u32, instance: u64, birth: u64) -> bool {
        let state = self.functions.get(function);
        birth >= self.cleared.load(Ordering::SeqCst)
            && !state.is_deleted(birth)
            && !(state.has_instances() && self.instances.is_deleted(function, instance, birth))
    }

    /// Looks a key up whose feeding runs no code of the user's, and hands the entry to `read`, which runs none either,
    /// under the lock.
    #[inline]
    pub fn read<R>(
        &self,
        digest: u64,
        feed: impl Fn(&mut Matcher<'_>),
        read: impl FnOnce(&Record) -> R,
    ) -> Option<R> {
        let shard = self.shard(digest).read_recursive();
        let record = shard.table.get(&Probe { digest, feed: &feed })?;
        self.is_live(record).then(|| read(record))
    }

    /// Looks a key up whose feeding may run any code: the candidate is taken out first and compared without a lock.
    pub fn read_foreign(&self, digest: u64, feed: impl Fn(&mut Matcher<'_>)) -> Option<Record> {
        let probe = ByDigest { digest, bytes: Cell::new(None) };
        let record = self.shard(digest).read_recursive().table.get(&probe)?.clone();
        let bytes = probe.bytes.take()?;
        (Matcher::matches(bytes.as_slice(), feed) && self.is_live(&record)).then_some(record)
    }

    /// Stores a value, unless it was deleted since its birth or `admit` says no. `admit` is asked under the lock that
    /// [`remove`](Self::remove) takes, so that a deletion which marks the computation and then removes beats it always.
    pub fn insert(&self, insert: Insert, admit: impl FnOnce() -> bool) -> bool {
        let Insert { digest, bytes, record } = insert;
        let expiry = record.expiry;
        let mut shard = self.shard(digest).write();
        let born_late = record.birth >= self.cleared.load(Ordering::SeqCst);
        if !(born_late && self.function(record.function).admits(record.birth) && admit()) {
            return false;
        }
        let mut dropped = Vec::new();
        let probe = Probe { digest, feed: &|m: &mut Matcher<'_>| std::hash::Hasher::write(m, bytes.as_slice()) };
        match shard.table.peek_mut(&probe) {
            Some(mut old) => dropped.push(std::mem::replace(&mut *old, record)),
            None => {
                shard.table.insert_with_lifecycle(Slot { digest, bytes: bytes.clone() }, record, &mut dropped);
                self.evictions.fetch_add(dropped.len() as u64, Ordering::Relaxed);
            }
        }
        shard.next_expiry = shard.next_expiry.min(expiry);
        self.sweep_sometimes(&mut shard, &mut dropped);
        drop(shard);
        true
    }

    /// Removes a key; the live entry that was there.
    pub fn remove(&self, digest: u64, bytes: &[u8]) -> Option<Record> {
        self.remove_and(digest, bytes, || ())
    }

    /// Removes a key, and calls `also` under the same lock.
    pub(super) fn remove_and(&self, digest: u64, bytes: &[u8], also: impl FnOnce()) -> Option<Record> {
        let feed = |m: &mut Matcher<'_>| std::hash::Hasher::write(m, bytes);
        let mut shard = self.shard(digest).write();
        let removed = shard.table.remove(&Probe { digest, feed: &feed });
        also();
        drop(shard);
        removed.map(|(_, record)| record).filter(|record| self.is_live(record))
    }

    /// Removes the entries whose keys' bytes are `doomed`, shard by shard, and calls `also` under the lock of each. Costs a
    /// look at every entry.
    pub(super) fn remove_where(&self, doomed: impl Fn(&[u8]) -> bool, also: impl Fn()) {
        for shard in &self.shards {
            let mut shard = shard.write();
            let removed = shard.sweep(|bytes, record| doomed(bytes) || !self.is_live(record));
            also();
            drop(shard);
            drop(removed);
        }
    }

    /// Reads and replaces an entry in one step. `change` gets the live entry, and gives what to store instead; it runs
    /// under the lock and must not run code of the user's.
    pub fn update<R>(
        &self,
        digest: u64,
        bytes: &[u8],
        change: impl FnOnce(Option<&Record>) -> (Option<Record>, R),
    ) -> R {
        let feed = |m: &mut Matcher<'_>| std::hash::Hasher::write(m, bytes);
        let mut dropped = Vec::new();
        let mut shard = self.shard(digest).write();
        let probe = Probe { digest, feed: &feed };
        let (record, result) = change(shard.table.get(&probe).filter(|record| self.is_live(record)));
        if let Some(record) = record {
            shard.next_expiry = shard.next_expiry.min(record.expiry);
            if let Some(mut old) = shard.table.peek_mut(&probe) {
                dropped.push(std::mem::replace(&mut *old, record));
            } else {
                let slot = Slot { digest, bytes: KeyBytes::new(bytes) };
                shard.table.insert_with_lifecycle(slot, record, &mut dropped);
                self.evictions.fetch_add(dropped.len() as u64, Ordering::Relaxed);
            }
            self.sweep_sometimes(&mut shard, &mut dropped);
        }
        drop(shard);
        result
    }

    /// Deletes a function: one write.
    pub fn delete_function(&self, function: u32) {
        self.function(function).raise(self.sequence.fetch_add(1, Ordering::SeqCst) + 1);
    }

    /// Deletes an instance of a function: one write.
    pub fn delete_instance(&self, function: u32, instance: u64) {
        let now = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        self.instances.raise(self.function(function), function, instance, now);
    }

    /// Removes everything, and keeps what is being computed from coming back.
    pub fn clear(&self) {
        self.cleared.fetch_max(self.sequence.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        for shard in &self.shards {
            let mut shard = shard.write();
            let all: Vec<_> = shard.table.drain().collect();
            shard.next_expiry = u64::MAX;
            drop(shard);
            drop(all);
        }
    }

    /// How many entries there are, those included that are over but not reclaimed yet.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read_recursive().table.len()).sum()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries the threshold has pushed out.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// Reclaims all entries that are over or deleted, and the memory of instance-wide deletions. Runs by itself; costs a
    /// look at every entry.
    pub fn sweep(&self) {
        let horizons = self.instances.begin_reclaim(|f| self.function(f));
        for shard in &self.shards {
            let removed = shard.write().sweep(|_, record| !self.is_live(record));
            drop(removed);
        }
        self.instances.end_reclaim(&horizons, |f| self.function(f));
    }

    /// The earliest moment at which a sweep may find something expired.
    pub(super) fn next_expiry(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read_recursive().next_expiry).min().unwrap_or(u64::MAX)
    }

    /// Sweeps the shard of a write, once in as many writes as a quarter of its entries: four looks a write.
    fn sweep_sometimes(&self, shard: &mut RwLockWriteGuard<'_, Shard>, dropped: &mut Vec<Record>) {
        shard.writes_since_sweep += 1;
        if shard.writes_since_sweep * 4 >= shard.table.len().max(64) {
            if self.clock.is_past(shard.next_expiry) {
                dropped.append(&mut shard.sweep(|_, record| !self.is_live(record)));
            } else {
                shard.writes_since_sweep = 0;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn instance_horizons(&self) -> usize {
        self.instances.len()
    }
}
