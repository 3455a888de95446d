//! The tables of a cache: one for each function and shape of entry, under one bound.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::SlotTable;
use super::budget::{Budget, Tenant};
use super::functions::{FunctionState, InstanceHorizons, InstanceNumber};
use super::plain::Plain;
use super::shapes::{MakePlain, PlainTable, Shape};
use super::tags::{TagHorizons, Tagged};
use super::values::Values;
use crate::{Clock, KeyHasher, KeySecret, Ttl, ttl_millis};

/// The operations on tables of all shapes.
pub(super) trait Kind: Tenant + Any {
    /// Deletes all entries: one write.
    fn delete_all(&self);
    /// Deletes the entries of an instance: one write.
    fn delete_instance(&self, instance: InstanceNumber);
    /// Reclaims what is deleted or expired.
    fn sweep(&self);
    /// Reclaims what is deleted by tag.
    fn sweep_tags(&self, _: &TagHorizons) {}
    /// Whether a sweep would find something.
    fn needs_sweep(&self) -> bool;
    /// The earliest moment at which an entry may expire.
    fn next_expiry(&self) -> u64;
    /// How many entries made room for others.
    fn evictions(&self) -> u64;
    /// How many entries were taken out after their time.
    fn expirations(&self) -> u64;
}

/// A life so long that some milliseconds less don't matter, so that a store needn't read the system's clock.
const LONG: Duration = Duration::from_secs(10);

/// The in-process entries of a cache. Shared by reference; all methods may be called from many threads.
pub struct Tables {
    secret: KeySecret,
    clock: Clock,
    budget: Arc<Budget>,
    /// Counts deletions of more than one entry; see [`FunctionState`].
    sequence: AtomicU64,
    /// Values whose computation began before this were cleared.
    cleared: AtomicU64,
    functions: SlotTable<Function>,
    instances: InstanceHorizons,
    tags: TagHorizons,
}

/// The tables of a function, and what was deleted of it.
#[derive(Default)]
struct Function {
    state: FunctionState,
    tables: RwLock<Vec<Arc<dyn Kind>>>,
}

impl Tables {
    /// Tables that hold at most so many entries and bytes together; 0 is without a limit.
    pub fn new(threshold: usize, max_bytes: u64, clock: Clock) -> Arc<Self> {
        let tables = Self::unwatched(threshold, max_bytes, clock);
        super::sweep::watch(&tables);
        tables
    }

    /// The same, which no thread sweeps.
    pub(super) fn unwatched(threshold: usize, max_bytes: u64, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            secret: KeySecret::new(),
            clock,
            budget: Arc::new(Budget::new(threshold, max_bytes)),
            sequence: AtomicU64::new(1),
            cleared: AtomicU64::new(0),
            functions: SlotTable::new(),
            instances: InstanceHorizons::default(),
            tags: TagHorizons::default(),
        })
    }

    /// The digest under which a key is looked up in a table of [`Values`].
    #[inline]
    pub fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        self.secret.digest(feed)
    }

    /// The clock that its entries live by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// When an entry that is stored now is gone. A life of ten seconds or more may be short by the coarse clock's lag.
    pub fn expiry(&self, life: Ttl) -> u64 {
        let Some(life) = life else { return u64::MAX };
        let now = if life >= LONG { self.clock.coarse() } else { self.clock.monotonic() };
        now.saturating_add(ttl_millis(life)).min(u64::MAX - 1)
    }

    /// The table of a function's entries of a shape; `methods` have instances. None if there is no such shape.
    pub fn plain(&self, function: u32, shape: Shape, methods: bool) -> Option<PlainTable> {
        PlainTable::make(shape, &Maker { tables: self, function, methods })
    }

    /// The table of a function's entries of any type; `methods` have instances.
    pub fn values(&self, function: u32, methods: bool) -> Arc<Values> {
        self.table(function, || Values::new(self.clock.clone(), &self.budget, self.secret.clone(), methods))
    }

    fn table<T: Kind>(&self, function: u32, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        let find = |tables: &[Arc<dyn Kind>]| {
            tables.iter().find_map(|table| (Arc::clone(table) as Arc<dyn Any + Send + Sync>).downcast().ok())
        };
        let known = &self.functions.get(function).tables;
        if let Some(table) = find(&known.read()) {
            return table;
        }
        let mut known = known.write();
        find(&known).unwrap_or_else(|| {
            let table = make();
            known.push(Arc::clone(&table) as _);
            table
        })
    }

    fn each(&self, mut act: impl FnMut(&dyn Kind)) {
        for (_, function) in self.functions.iter() {
            // Dropped values' code may run in `act`, so no lock is held over it.
            let tables = function.tables.read().clone();
            for table in &tables {
                act(&**table);
            }
        }
    }

    fn each_of(&self, function: u32, act: impl Fn(&dyn Kind)) {
        let tables = self.functions.get(function).tables.read().clone();
        for table in &tables {
            act(&**table);
        }
    }

    /// The present sequence: the birth of what is computed from now on.
    #[inline]
    pub fn now(&self) -> u64 {
        self.sequence.load(Ordering::SeqCst)
    }

    fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether nothing was deleted that a computation of this birth stands for, as far as is known: where the horizons
    /// that would tell were reclaimed, it is not. Asked under the lock under which its value is stored, it decides whether that
    /// may be: a deletion raises its horizon before it goes to the tables.
    pub fn is_current(&self, function: u32, instance: u64, birth: u64) -> bool {
        let state = &self.functions.get(function).state;
        let of_instance = || self.instances.is_deleted(function, InstanceNumber::of(instance), birth);
        // The floor last: it rose before a horizon went that the look for one didn't find.
        birth >= self.cleared.load(Ordering::SeqCst)
            && !(state.has_instances() && of_instance())
            && state.admits(birth)
    }

    /// Deletes a function's entries, and what is being computed: one write.
    pub fn delete_function(&self, function: u32) {
        self.functions.get(function).state.raise(self.next());
        self.each_of(function, Kind::delete_all);
    }

    /// Deletes an instance's entries, and what is being computed: one write, and now and then a [`sweep`](Self::sweep).
    pub fn delete_instance(&self, function: u32, instance: u64) {
        let (state, number) = (&self.functions.get(function).state, InstanceNumber::of(instance));
        let many = self.instances.raise(state, function, number, || self.next());
        self.each_of(function, |table| table.delete_instance(number));
        if many {
            self.sweep();
        }
    }

    /// Whether no tag was deleted that a computation of this birth has, as far as is known: see [`is_current`](Self::is_current).
    pub fn admits(&self, tags: &[u64], birth: u64) -> bool {
        self.tags.admits(tags, birth)
    }

    /// Whether no tag of an entry was deleted since its computation began.
    pub fn serves(&self, tagged: &Tagged) -> bool {
        self.tags.serves(tagged)
    }

    /// Deletes what carries a tag, by its keyed digest, and what is being computed with it: one write, and now and then a
    /// [`sweep`](Self::sweep).
    pub fn delete_tag(&self, tag: u64) {
        if self.tags.raise(tag, || self.next()) {
            self.sweep();
        }
    }

    /// Removes everything, and keeps what is being computed from coming back.
    pub fn clear(&self) {
        self.cleared.fetch_max(self.next(), Ordering::SeqCst);
        self.each(|table| {
            table.delete_all();
            table.sweep();
        });
    }

    /// How many entries there are, those included that are over but not reclaimed yet.
    pub fn len(&self) -> usize {
        usize::try_from(self.budget.entries()).unwrap_or(usize::MAX)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the entries count.
    pub fn bytes(&self) -> u64 {
        self.budget.bytes()
    }

    /// How many entries made room for others.
    pub fn evictions(&self) -> u64 {
        let mut all = 0;
        self.each(|table| all += table.evictions());
        all
    }

    /// How many entries were reclaimed after their time.
    pub fn expirations(&self) -> u64 {
        let mut all = 0;
        self.each(|table| all += table.expirations());
        all
    }

    /// Reclaims all entries that are over or deleted, and the memory of deletions by instance and by tag. Runs by itself; costs
    /// a look at every entry.
    pub fn sweep(&self) {
        let state = |function| &self.functions.get(function).state;
        let instances_until = self.instances.begin_reclaim(state, || self.now());
        let tags_until = self.tags.begin_reclaim(|| self.now());
        self.each(|table| {
            if table.needs_sweep() {
                table.sweep();
            }
            if tags_until.is_some() {
                table.sweep_tags(&self.tags);
            }
        });
        if let Some(until) = tags_until {
            self.tags.end_reclaim(until, self.len());
        }
        if let Some(until) = instances_until {
            self.instances.end_reclaim(until, state, self.len());
        }
    }

    /// Whether a sweep would find something: an entry whose time is over, or what was deleted since the last one.
    pub(super) fn needs_sweep(&self) -> bool {
        let mut needs = self.instances.any() || self.tags.any();
        self.each(|table| needs |= table.needs_sweep());
        needs
    }

    #[cfg(test)]
    pub(super) fn records(&self) -> usize {
        self.instances.all().len()
    }

    #[cfg(test)]
    pub(super) fn tag_horizons(&self) -> usize {
        self.tags.len()
    }

    #[cfg(test)]
    pub(super) fn record_capacity(&self) -> usize {
        self.instances.all().capacity()
    }

    #[cfg(test)]
    pub(super) fn records_allowed(&self) -> usize {
        self.instances.all().most()
    }

    /// The earliest moment at which an entry may expire.
    pub(super) fn next_expiry(&self) -> u64 {
        let mut first = u64::MAX;
        self.each(|table| first = first.min(table.next_expiry()));
        first
    }
}

/// Makes plain tables of a function.
struct Maker<'t> {
    tables: &'t Tables,
    function: u32,
    methods: bool,
}

impl MakePlain for Maker<'_> {
    fn make<const K: usize, const V: usize>(&self) -> Arc<Plain<K, V>>
    where
        Plain<K, V>: Kind,
    {
        let Self { tables, function, methods } = *self;
        tables.table(function, || Plain::new(tables.clock.clone(), &tables.budget, methods))
    }
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("entries", &self.len()).finish_non_exhaustive()
    }
}
