use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use quick_cache::unsync::Cache;
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder, UnitWeighter};

use super::entry::Entry;
use crate::Matcher;

/// One table with what its owner needs to know to reclaim expired entries.
pub(super) struct Shard {
    pub(super) table: Cache<Slot, Arc<Entry>, UnitWeighter, Identity, Collect>,
    /// No entry expires before this; `u64::MAX` while none expires.
    pub(super) next_expiry: u64,
    pub(super) writes_since_sweep: usize,
    /// The store's sequence before the last sweep: what was deleted since is still here.
    pub(super) swept: u64,
}

/// An entry as the key of its table: the digest, and the bytes that decide.
pub(super) struct Slot(pub(super) Arc<Entry>);

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest && self.0.bytes == other.0.bytes
    }
}
impl Eq for Slot {}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.digest);
    }
}

/// A key that is looked up, compared as it is fed.
pub(super) struct Probe<'a, F> {
    pub(super) digest: u64,
    pub(super) feed: &'a F,
}

impl<F> Hash for Probe<'_, F> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

impl<F: Fn(&mut Matcher<'_>)> Equivalent<Slot> for Probe<'_, F> {
    #[inline]
    fn equivalent(&self, slot: &Slot) -> bool {
        slot.0.digest == self.digest && Matcher::matches(slot.0.bytes.as_slice(), self.feed)
    }
}

/// A key that is looked up by its digest alone, to be compared later.
pub(super) struct ByDigest(pub(super) u64);

impl Hash for ByDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

impl Equivalent<Slot> for ByDigest {
    fn equivalent(&self, slot: &Slot) -> bool {
        slot.0.digest == self.0
    }
}

/// The digest is the hash.
#[derive(Clone, Copy, Default)]
pub(super) struct Identity;

pub(super) struct IdentityHasher(u64);

impl BuildHasher for Identity {
    type Hasher = IdentityHasher;
    #[inline]
    fn build_hasher(&self) -> IdentityHasher {
        IdentityHasher(0)
    }
}

impl Hasher for IdentityHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        // Only digests are hashed, by `write_u64`.
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    #[inline]
    fn write_u64(&mut self, i: u64) {
        self.0 = i;
    }
}

/// Takes evicted and replaced entries out of the lock, where their values may be dropped.
pub(super) struct Collect;

impl Lifecycle<Slot, Arc<Entry>> for Collect {
    type RequestState = Vec<Arc<Entry>>;

    fn on_evict(&self, evicted: &mut Vec<Arc<Entry>>, _: Slot, entry: Arc<Entry>) {
        entry.leave();
        evicted.push(entry);
    }
}

impl Shard {
    pub(super) fn new(capacity: Option<u64>) -> Self {
        let mut options = OptionsBuilder::new();
        match capacity {
            Some(capacity) => {
                // The share of entries that are protected as hot. The crate's default of 97 % leaves no room at all in a
                // table of a few entries, which would then refuse every insert.
                #[allow(clippy::cast_precision_loss)]
                let hot =
                    if capacity <= 1 { 1.0 } else { 0.97f64.min((capacity - 1) as f64 / capacity as f64) };
                let items = usize::try_from(capacity).unwrap_or(usize::MAX);
                options.weight_capacity(capacity).estimated_items_capacity(items).hot_allocation(hot)
            }
            None => options.weight_capacity(u64::MAX / 2).estimated_items_capacity(16),
        };
        let table = match options.build() {
            Ok(options) => Cache::with_options(options, UnitWeighter, Identity, Collect),
            // `build` fails only if one of the two capacities is missing.
            Err(_) => Cache::with(16, capacity.unwrap_or(u64::MAX / 2), UnitWeighter, Identity, Collect),
        };
        Self { table, next_expiry: u64::MAX, writes_since_sweep: 0, swept: 0 }
    }

    /// Removes what `dead` names, as of the sequence `now`; returns it, to be dropped outside of the lock.
    pub(super) fn sweep(&mut self, now: u64, dead: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        // `retain` takes a `Fn`, hence the cells.
        let removed = RefCell::new(Vec::new());
        let next = Cell::new(u64::MAX);
        self.table.retain(|_, entry| {
            if dead(entry) {
                entry.leave();
                removed.borrow_mut().push(Arc::clone(entry));
                return false;
            }
            next.set(next.get().min(entry.record.expiry));
            true
        });
        self.next_expiry = next.get();
        self.swept = now;
        self.writes_since_sweep = 0;
        removed.into_inner()
    }
}
