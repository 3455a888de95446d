use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use quick_cache::unsync::Cache;
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder, UnitWeighter};

use super::entry::Entry;
use crate::Matcher;

/// One table with what its owner needs to know to reclaim expired entries.
pub(super) struct Shard {
    pub(super) table: Cache<Slot, (), UnitWeighter, Identity, Collect>,
    /// No entry expires before this; `u64::MAX` while none expires.
    pub(super) next_expiry: u64,
    pub(super) writes_since_sweep: usize,
    /// The store's sequence before the last sweep: what was deleted since is still here.
    pub(super) swept: u64,
}

/// An entry as the key of its table, which has no values beside: the digest, and the bytes that decide.
pub(super) struct Slot(pub(super) Arc<Entry>);

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.0.has_key_of(&other.0)
    }
}
impl Eq for Slot {}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.draft.digest);
    }
}

/// A key that is looked up, compared as it is fed. The table gives out values, and these are in its keys: so what is found
/// is visited in the comparison that finds it.
pub(super) struct Probe<'a, F, V> {
    digest: u64,
    feed: &'a F,
    visit: V,
}

impl<F, V> Hash for Probe<'_, F, V> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

impl<F: Fn(&mut Matcher<'_>), V: Fn(&Arc<Entry>)> Equivalent<Slot> for Probe<'_, F, V> {
    #[inline]
    fn equivalent(&self, slot: &Slot) -> bool {
        let found =
            slot.0.draft.digest == self.digest && Matcher::matches(slot.0.draft.bytes.as_slice(), self.feed);
        if found {
            (self.visit)(&slot.0);
        }
        found
    }
}

/// A key that is looked up by its digest alone, to be compared later.
struct ByDigest<'a>(u64, &'a Cell<Option<Arc<Entry>>>);

impl Hash for ByDigest<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

impl Equivalent<Slot> for ByDigest<'_> {
    fn equivalent(&self, slot: &Slot) -> bool {
        let found = slot.0.draft.digest == self.0;
        if found {
            self.1.set(Some(Arc::clone(&slot.0)));
        }
        found
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

/// Entries that left their table, to be dropped outside of its lock. Mostly there is one, which costs no allocation.
#[derive(Default)]
pub(super) struct Dropped {
    first: Option<Arc<Entry>>,
    more: Vec<Arc<Entry>>,
}

impl Dropped {
    fn push(&mut self, entry: Arc<Entry>) {
        if self.first.is_none() {
            self.first = Some(entry);
        } else {
            self.more.push(entry);
        }
    }

    pub(super) fn append(&mut self, mut more: Vec<Arc<Entry>>) {
        self.more.append(&mut more);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.first.iter().chain(&self.more)
    }
}

/// Takes evicted and replaced entries out of the lock, where their values may be dropped.
pub(super) struct Collect;

impl Lifecycle<Slot, ()> for Collect {
    type RequestState = Dropped;

    fn on_evict(&self, dropped: &mut Dropped, Slot(entry): Slot, (): ()) {
        entry.leave();
        dropped.push(entry);
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

    /// What `visit` makes of the entry of a key. Feeding and visiting run no code of the user's.
    #[inline]
    pub(super) fn find<R>(
        &self,
        digest: u64,
        feed: &impl Fn(&mut Matcher<'_>),
        visit: impl Fn(&Arc<Entry>) -> R,
    ) -> Option<R> {
        let found = Cell::new(None);
        self.table.get(&Probe { digest, feed, visit: |entry: &_| found.set(Some(visit(entry))) })?;
        found.into_inner()
    }

    /// The entry that has the digest of a key, and so is likely the key's.
    pub(super) fn candidate(&self, digest: u64) -> Option<Arc<Entry>> {
        let found = Cell::new(None);
        self.table.get(&ByDigest(digest, &found))?;
        found.into_inner()
    }

    /// Removes an entry; the caller drops it after the lock.
    pub(super) fn remove(&mut self, digest: u64, feed: &impl Fn(&mut Matcher<'_>)) -> Option<Arc<Entry>> {
        let (Slot(entry), ()) = self.table.remove(&Probe { digest, feed, visit: |_: &_| () })?;
        entry.leave();
        Some(entry)
    }

    /// Removes what `dead` names, as of the sequence `now`; returns it, to be dropped outside of the lock.
    pub(super) fn sweep(&mut self, now: u64, dead: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        // `retain` takes a `Fn`, hence the cells.
        let removed = RefCell::new(Vec::new());
        let next = Cell::new(u64::MAX);
        self.table.retain(|Slot(entry), ()| {
            if dead(entry) {
                entry.leave();
                removed.borrow_mut().push(Arc::clone(entry));
                return false;
            }
            next.set(next.get().min(entry.draft.expiry));
            true
        });
        self.next_expiry = next.get();
        self.swept = now;
        self.writes_since_sweep = 0;
        removed.into_inner()
    }
}
