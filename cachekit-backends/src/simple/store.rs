use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockWriteGuard};

use super::entry::{Entry, Record};
use super::functions::{FunctionState, InstanceHorizons};
use super::near;
use super::shard::{ByDigest, Probe, Shard, Slot};
use super::table::SlotTable;
use crate::{Clock, KeyBytes, KeyHasher, KeySecret, Lifetime, Matcher, lifetime_millis};

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
    /// Tells stores apart in what threads keep of them.
    number: u64,
    secret: KeySecret,
    clock: Clock,
    /// Counts deletions; see [`FunctionState`].
    sequence: AtomicU64,
    /// Everything born before this was cleared.
    cleared: AtomicU64,
    functions: SlotTable<Arc<FunctionState>>,
    instances: InstanceHorizons,
    evictions: AtomicU64,
}

/// The least capacity of a shard: below, entries that spread unevenly would be evicted before the store is full.
const SHARD_CAPACITY: usize = 1024;
const MOST_SHARDS: usize = 64;

impl SimpleStore {
    /// A store of at most `threshold` entries; 0 is without limit.
    pub fn new(threshold: usize, clock: Clock) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
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
            number: NEXT.fetch_add(1, Ordering::Relaxed),
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
        life.map_or(u64::MAX, |life| {
            self.clock.monotonic().saturating_add(lifetime_millis(life)).min(u64::MAX - 1)
        })
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
    fn is_live(&self, Entry { record, state, .. }: &Entry) -> bool {
        if state.is_deleted(record.birth) || (record.expiry != u64::MAX && self.clock.is_past(record.expiry))
        {
            return false;
        }
        !state.has_instances() || !self.instances.is_deleted(record.function, record.instance, record.birth)
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
        let entry = shard.table.get(&Probe { digest, feed: &feed })?;
        self.is_live(entry).then(|| read(&entry.record))
    }

    /// As [`read`](Self::read), for values that are small: this thread's hot keys are looked up first, without a lock.
    #[inline]
    pub fn read_near<R>(
        &self,
        digest: u64,
        feed: impl Fn(&mut Matcher<'_>),
        read: impl Fn(&Record) -> R,
        small: impl FnOnce(&Record) -> bool,
    ) -> Option<R> {
        let near = |entry: &Entry| self.is_live(entry).then(|| read(&entry.record));
        if let Some(found) = near::look(self.number, digest, &feed, near) {
            return Some(found);
        }
        self.read_far(digest, feed, read, small)
    }

    fn read_far<R>(
        &self,
        digest: u64,
        feed: impl Fn(&mut Matcher<'_>),
        read: impl Fn(&Record) -> R,
        small: impl FnOnce(&Record) -> bool,
    ) -> Option<R> {
        let shard = self.shard(digest).read_recursive();
        let entry = shard.table.get(&Probe { digest, feed: &feed }).filter(|entry| self.is_live(entry))?;
        let found = read(&entry.record);
        if near::wants(entry) && small(&entry.record) {
            let entry = Arc::clone(entry);
            drop(shard);
            near::keep(entry);
        }
        Some(found)
    }

    /// As [`read_near`](Self::read_near), for keys whose feeding may run any code. Among the thread's own keys no lock is held
    /// over it; if it comes back here, it is sent to the table.
    #[inline]
    pub fn read_near_foreign<R>(
        &self,
        digest: u64,
        feed: impl Fn(&mut Matcher<'_>),
        read: impl Fn(&Record) -> R,
        small: impl FnOnce(&Record) -> bool,
    ) -> Option<R> {
        let near = |entry: &Entry| self.is_live(entry).then(|| read(&entry.record));
        if let Some(found) = near::look(self.number, digest, &feed, near) {
            return Some(found);
        }
        let entry = self.candidate(digest)?;
        if !(Matcher::matches(entry.bytes.as_slice(), feed) && self.is_live(&entry)) {
            return None;
        }
        let found = read(&entry.record);
        if near::wants(&entry) && small(&entry.record) {
            near::keep(entry);
        }
        Some(found)
    }

    /// The entry under a digest, whose key is still to be compared.
    fn candidate(&self, digest: u64) -> Option<Arc<Entry>> {
        self.shard(digest).read_recursive().table.get(&ByDigest(digest)).cloned()
    }

    /// Looks a key up whose feeding may run any code: the candidate is taken out first and compared without a lock.
    pub fn read_foreign(&self, digest: u64, feed: impl Fn(&mut Matcher<'_>)) -> Option<Record> {
        let entry = self.candidate(digest)?;
        (Matcher::matches(entry.bytes.as_slice(), feed) && self.is_live(&entry)).then(|| entry.record.clone())
    }

    /// Stores a value, unless it was deleted since its birth or `admit` says no. `admit` is asked under the lock that
    /// [`remove`](Self::remove) takes, so that a deletion which marks the computation and then removes beats it always.
    pub fn insert(&self, insert: Insert, admit: impl FnOnce() -> bool) -> bool {
        let Insert { digest, bytes, record } = insert;
        let entry = self.entry(record, digest, bytes);
        let birth = entry.record.birth;
        let mut shard = self.shard(digest).write();
        let born_late = birth >= self.cleared.load(Ordering::SeqCst);
        if !(born_late && entry.state.admits(birth) && admit()) {
            drop(shard);
            return false;
        }
        let dropped = self.place(&mut shard, &entry);
        drop(shard);
        drop(dropped);
        true
    }

    fn entry(&self, record: Record, digest: u64, bytes: KeyBytes) -> Arc<Entry> {
        let state = Arc::clone(self.functions.get(record.function));
        Entry::new(record, digest, self.number, bytes, state)
    }

    /// Puts an entry into its table; what it displaced, to be dropped outside of the lock.
    fn place(&self, shard: &mut RwLockWriteGuard<'_, Shard>, entry: &Arc<Entry>) -> Vec<Arc<Entry>> {
        let mut dropped = Vec::new();
        shard.next_expiry = shard.next_expiry.min(entry.record.expiry);
        shard.table.insert_with_lifecycle(Slot(Arc::clone(entry)), Arc::clone(entry), &mut dropped);
        let evicted =
            dropped.iter().filter(|gone| gone.digest != entry.digest || gone.bytes != entry.bytes).count();
        if evicted != 0 {
            self.evictions.fetch_add(evicted as u64, Ordering::Relaxed);
        }
        self.sweep_sometimes(shard, &mut dropped);
        dropped
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
        if let Some((_, entry)) = &removed {
            entry.leave();
        }
        also();
        drop(shard);
        removed.map(|(_, entry)| entry).filter(|entry| self.is_live(entry)).map(|entry| entry.record.clone())
    }

    /// Removes the entries whose keys' bytes are `doomed`, shard by shard, and calls `also` under the lock of each. Costs a
    /// look at every entry.
    pub(super) fn remove_where(&self, doomed: impl Fn(&[u8]) -> bool, also: impl Fn()) {
        let now = self.now();
        for shard in &self.shards {
            let mut shard = shard.write();
            let removed = shard.sweep(now, |entry| doomed(entry.bytes.as_slice()) || !self.is_live(entry));
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
        let mut shard = self.shard(digest).write();
        let old = shard.table.get(&Probe { digest, feed: &feed }).filter(|entry| self.is_live(entry));
        let (record, result) = change(old.map(|entry| &entry.record));
        let dropped = record.map(|record| {
            let entry = self.entry(record, digest, KeyBytes::new(bytes));
            self.place(&mut shard, &entry)
        });
        drop(shard);
        drop(dropped);
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
            for (_, entry) in &all {
                entry.leave();
            }
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
        let now = self.now();
        let horizons = self.instances.begin_reclaim(|f| self.function(f));
        for shard in &self.shards {
            let removed = shard.write().sweep(now, |entry| !self.is_live(entry));
            drop(removed);
        }
        self.instances.end_reclaim(&horizons, |f| self.function(f));
    }

    /// Whether a sweep would find something: an entry whose time is over, or what was deleted since the last one.
    pub(super) fn needs_sweep(&self) -> bool {
        let now = self.now();
        self.shards.iter().any(|shard| self.is_due(&shard.read_recursive(), now))
    }

    fn is_due(&self, shard: &Shard, now: u64) -> bool {
        let deleted = shard.swept < now && (!shard.table.is_empty() || self.instances.any());
        deleted || self.clock.is_past(shard.next_expiry)
    }

    /// The earliest moment at which an entry expires.
    pub(super) fn next_expiry(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read_recursive().next_expiry).min().unwrap_or(u64::MAX)
    }

    /// Sweeps the shard of a write, once in as many writes as a quarter of its entries: four looks a write.
    fn sweep_sometimes(&self, shard: &mut RwLockWriteGuard<'_, Shard>, dropped: &mut Vec<Arc<Entry>>) {
        shard.writes_since_sweep += 1;
        if shard.writes_since_sweep * 4 >= shard.table.len().max(64) {
            let now = self.now();
            if self.is_due(shard, now) {
                dropped.append(&mut shard.sweep(now, |entry| !self.is_live(entry)));
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
