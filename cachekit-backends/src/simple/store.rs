use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{RwLock, RwLockWriteGuard};

use super::entry::{Draft, Entry};
use super::functions::{FunctionState, InstanceHorizons, InstanceNumber};
use super::near;
use super::shard::Shard;
use super::table::SlotTable;
use crate::{Clock, KeyHasher, KeySecret, Matcher, Ttl, ttl_millis};

/// A bounded store of typed values. Shared by reference; all methods may be called from many threads.
pub struct SimpleStore {
    shards: Box<[RwLock<Shard>]>,
    /// Tells stores apart in what threads keep of them; never 0.
    number: u32,
    secret: KeySecret,
    clock: Clock,
    /// Counts deletions; see [`FunctionState`].
    sequence: AtomicU64,
    /// Everything born before this was cleared.
    cleared: AtomicU64,
    /// The last deletion of a function or an instance: what was born since needn't ask which.
    deleted: AtomicU64,
    functions: SlotTable<FunctionState>,
    instances: InstanceHorizons,
}

/// What left a table, to be dropped outside of its lock.
type Dropped = (Option<Arc<Entry>>, Vec<Arc<Entry>>);

/// The least capacity of a shard: below, entries that spread unevenly would be evicted before the store is full.
const SHARD_CAPACITY: usize = 1024;
const MOST_SHARDS: usize = 64;
/// A life so long that some milliseconds less don't matter, so that a store needn't read the system's clock.
const LONG: Duration = Duration::from_secs(10);

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    // Four thousand million stores later two may share a number; they still compare whole keys.
    NEXT.fetch_add(1, Ordering::Relaxed).max(1)
}

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
                RwLock::new(Shard::new((threshold != 0).then_some(share)))
            })
            .collect();
        let store = Arc::new(Self {
            shards,
            number: next_number(),
            secret: KeySecret::new(),
            clock,
            sequence: AtomicU64::new(1),
            cleared: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            functions: SlotTable::new(),
            instances: InstanceHorizons::default(),
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

    /// When an entry that is stored now is gone. A life of ten seconds or more may be short by the coarse clock's lag.
    pub fn expiry(&self, life: Ttl) -> u64 {
        let Some(life) = life else { return u64::MAX };
        let now = if life >= LONG { self.clock.coarse() } else { self.clock.monotonic() };
        now.saturating_add(ttl_millis(life)).min(u64::MAX - 1)
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

    /// Tells it from other stores.
    #[inline]
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Whether an entry still counts. Ask under the lock of its shard, or ask afterwards whether it is
    /// [in the store](Entry::is_in): a sweep may have removed the entry, and then the record of the deletion.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn is_live(&self, entry: &Entry) -> bool {
        if entry.expiry != u64::MAX && self.clock.is_past(entry.expiry) {
            return false;
        }
        entry.birth >= self.deleted.load(Ordering::Acquire) || self.is_kept(entry)
    }

    /// Whether no deletion of a function or an instance meant this entry.
    fn is_kept(&self, &Entry { function, instance, birth, .. }: &Entry) -> bool {
        let state = self.functions.get(function);
        let by_instance = || state.has_instances() && self.instances.is_deleted(function, instance, birth);
        !state.is_deleted(birth) && !by_instance()
    }

    /// Whether nothing was deleted that a computation of this birth stands for, as far as is known: where the horizons
    /// that would tell were reclaimed, it is not.
    pub fn is_current(&self, function: u32, instance: u64, birth: u64) -> bool {
        let state = self.functions.get(function);
        birth >= self.cleared.load(Ordering::SeqCst)
            && state.admits(birth)
            && !(state.has_instances()
                && self.instances.is_deleted(function, InstanceNumber::of(instance), birth))
    }

    /// Whether an entry still counts. If it does, this is a use of it, which the eviction policy hears of.
    #[inline]
    fn serves(&self, entry: &Entry) -> bool {
        let lives = self.is_live(entry);
        if lives {
            entry.touch();
        }
        lives
    }

    /// As [`serves`](Self::serves), for an entry that was taken out of its shard.
    fn serves_outside(&self, entry: &Entry) -> bool {
        // One that a new entry has replaced may serve, if nothing was deleted since its birth.
        let is_known = || entry.birth >= self.deleted.load(Ordering::Acquire) || entry.is_in(self.number);
        self.serves(entry) && is_known()
    }

    /// Looks a key up whose feeding runs no code of the user's, and hands the entry to `read`, which runs none either,
    /// under the lock.
    #[inline]
    pub fn read<R>(
        &self,
        digest: u64,
        feed: impl Fn(&mut Matcher<'_>),
        read: impl Fn(&Arc<Entry>) -> R,
    ) -> Option<R> {
        let shard = self.shard(digest).read_recursive();
        let entry = shard.entries.find(digest, |entry| Matcher::matches(entry.bytes.as_slice(), &feed))?;
        self.serves(entry).then(|| read(entry))
    }

    /// Looks a key up among this thread's hot ones, without a lock. `read` runs no code of the user's; `feed` may: if it
    /// comes back here, it is sent to the table.
    #[inline(always)]
    // The hottest path there is.
    #[allow(clippy::inline_always)]
    pub fn read_near<R>(
        &self,
        digest: u64,
        feed: impl Fn(&mut Matcher<'_>),
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        near::look(self, digest, feed, read)
    }

    /// As [`read`](Self::read), after [`read_near`](Self::read_near) found nothing. A `small` entry may become one of the
    /// thread's.
    pub fn read_far<R>(
        &self,
        digest: u64,
        feed: impl Fn(&mut Matcher<'_>),
        read: impl FnOnce(&Entry) -> R,
        small: impl Fn(&Entry) -> bool,
    ) -> Option<R> {
        let shard = self.shard(digest).read_recursive();
        let entry = shard.entries.find(digest, |entry| Matcher::matches(entry.bytes.as_slice(), &feed))?;
        if !self.serves(entry) {
            return None;
        }
        let found = read(entry);
        let way = if small(entry) { near::wants(entry) } else { None };
        let keep = way.map(|way| (Arc::clone(entry), way));
        drop(shard);
        if let Some((entry, way)) = keep {
            near::keep(entry, way);
        }
        Some(found)
    }

    /// As [`read_far`](Self::read_far), where `read` may run any code, and, unless it is `trusted`, `feed` as well: no lock is
    /// held over it.
    pub fn read_far_foreign<R>(
        &self,
        digest: u64,
        feed: impl Fn(&mut Matcher<'_>),
        read: impl FnOnce(&Entry) -> R,
        small: impl Fn(&Entry) -> bool,
        trusted: bool,
    ) -> Option<R> {
        let entry =
            if trusted { self.read(digest, feed, Arc::clone)? } else { self.read_foreign(digest, feed)? };
        let found = read(&entry);
        if small(&entry)
            && let Some(way) = near::wants(&entry)
        {
            near::keep(entry, way);
        }
        Some(found)
    }

    /// Looks a key up whose feeding may run any code: the candidate is taken out first and compared without a lock.
    pub fn read_foreign(&self, digest: u64, feed: impl Fn(&mut Matcher<'_>)) -> Option<Arc<Entry>> {
        let entry = self.shard(digest).read_recursive().entries.find(digest, |_| true).cloned()?;
        (Matcher::matches(entry.bytes.as_slice(), feed) && self.serves_outside(&entry)).then_some(entry)
    }

    /// Makes an entry, to be [inserted](Self::insert).
    pub fn entry<V: Any + Send + Sync>(draft: Draft, value: V) -> Arc<Entry> {
        Entry::new(draft, value)
    }

    /// Stores an entry, unless it was deleted since its birth or `admit` says no. `admit` is asked under the lock that
    /// [`remove`](Self::remove) takes, so that a deletion which marks the computation and then removes beats it always.
    pub fn insert(&self, entry: Arc<Entry>, admit: impl FnOnce() -> bool) -> bool {
        let birth = entry.birth;
        let mut shard = self.shard(entry.digest).write();
        let current =
            birth >= self.cleared.load(Ordering::SeqCst) && self.functions.get(entry.function).admits(birth);
        if !(current && admit()) {
            drop(shard);
            return false;
        }
        let dropped = self.place(&mut shard, entry);
        drop(shard);
        drop(dropped);
        true
    }

    /// Puts an entry into its table; what it displaced, to be dropped outside of the lock.
    fn place(&self, shard: &mut RwLockWriteGuard<'_, Shard>, entry: Arc<Entry>) -> Dropped {
        shard.next_expiry = shard.next_expiry.min(entry.expiry);
        entry.enter(self.number);
        let displaced = shard.entries.insert(entry);
        (displaced, self.sweep_sometimes(shard))
    }

    /// Removes a key; whether a live entry was there.
    pub fn remove(&self, digest: u64, bytes: &[u8]) -> bool {
        self.remove_and(digest, bytes, || ())
    }

    /// Removes a key, and calls `also` under the same lock.
    pub(super) fn remove_and(&self, digest: u64, bytes: &[u8], also: impl FnOnce()) -> bool {
        let mut shard = self.shard(digest).write();
        let removed = shard.entries.remove(digest, |entry| entry.bytes.as_slice() == bytes);
        let lived = removed.as_ref().is_some_and(|entry| self.is_live(entry));
        also();
        drop(shard);
        drop(removed);
        lived
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
        change: impl FnOnce(Option<&Entry>) -> (Option<Arc<Entry>>, R),
    ) -> R {
        let mut shard = self.shard(digest).write();
        let old = shard.entries.find(digest, |entry| entry.bytes.as_slice() == bytes).cloned();
        let (entry, result) = change(old.as_deref().filter(|entry| self.is_live(entry)));
        let dropped = entry.map(|entry| self.place(&mut shard, entry));
        drop(shard);
        drop((old, dropped));
        result
    }

    /// Calls `visit` with the function's number and the key's bytes of each live entry in a part of the store, under the lock
    /// of the part; false if there is no such part. `visit` must not run code of the user's.
    pub fn visit(&self, part: usize, mut visit: impl FnMut(u32, &[u8])) -> bool {
        let Some(shard) = self.shards.get(part) else { return false };
        let shard = shard.read_recursive();
        let live = shard.entries.iter().filter(|entry| self.is_live(entry));
        live.for_each(|entry| visit(entry.function, entry.bytes.as_slice()));
        true
    }

    /// Deletes a function: one write.
    pub fn delete_function(&self, function: u32) {
        let now = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        self.function(function).raise(now);
        self.deleted.fetch_max(now, Ordering::SeqCst);
    }

    /// Deletes an instance of a function: one write, and now and then a [`sweep`](Self::sweep).
    pub fn delete_instance(&self, function: u32, instance: u64) {
        let moment = || {
            let now = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
            // Before the horizon can be seen: a sweep that is to reclaim it must find the instance's entries deleted.
            self.deleted.fetch_max(now, Ordering::SeqCst);
            now
        };
        let state = self.function(function);
        if self.instances.raise(state, function, InstanceNumber::of(instance), moment) {
            self.sweep();
        }
    }

    /// Removes everything, and keeps what is being computed from coming back.
    pub fn clear(&self) {
        self.cleared.fetch_max(self.sequence.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        for shard in &self.shards {
            let mut shard = shard.write();
            let all = shard.entries.drain();
            shard.next_expiry = u64::MAX;
            drop(shard);
            drop(all);
        }
    }

    /// How many entries there are, those included that are over but not reclaimed yet.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read_recursive().entries.len()).sum()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries the threshold has pushed out.
    pub fn evictions(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read_recursive().entries.evictions()).sum()
    }

    /// Reclaims all entries that are over or deleted, and the memory of instance-wide deletions. Runs by itself; costs a
    /// look at every entry.
    pub fn sweep(&self) {
        let now = self.instances.begin_reclaim(|f| self.function(f), || self.now());
        for shard in &self.shards {
            let removed = shard.write().sweep(now, |entry| !self.is_live(entry));
            drop(removed);
        }
        self.instances.end_reclaim(now, |f| self.function(f), self.len());
    }

    /// Whether a sweep would find something: an entry whose time is over, or what was deleted since the last one.
    pub(super) fn needs_sweep(&self) -> bool {
        let now = self.now();
        self.shards.iter().any(|shard| self.is_due(&shard.read_recursive(), now))
    }

    fn is_due(&self, shard: &Shard, now: u64) -> bool {
        let deleted = shard.swept < now && (!shard.entries.is_empty() || self.instances.any());
        deleted || self.clock.is_past(shard.next_expiry)
    }

    /// The earliest moment at which an entry expires.
    pub(super) fn next_expiry(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read_recursive().next_expiry).min().unwrap_or(u64::MAX)
    }

    /// Sweeps the shard of a write, once in as many writes as a quarter of its entries: four looks a write.
    fn sweep_sometimes(&self, shard: &mut RwLockWriteGuard<'_, Shard>) -> Vec<Arc<Entry>> {
        shard.writes_since_sweep += 1;
        if shard.writes_since_sweep * 4 < shard.entries.len().max(64) {
            return Vec::new();
        }
        let now = self.now();
        if self.is_due(shard, now) {
            return shard.sweep(now, |entry| !self.is_live(entry));
        }
        shard.writes_since_sweep = 0;
        Vec::new()
    }

    #[cfg(test)]
    pub(super) fn instance_horizons(&self) -> usize {
        self.instances.len()
    }

    #[cfg(test)]
    pub(super) fn instance_capacity(&self) -> usize {
        self.instances.capacity()
    }

    #[cfg(test)]
    pub(super) fn records_allowed(&self) -> usize {
        self.instances.most()
    }
}
