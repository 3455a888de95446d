//! One bound over all tables of a cache: how many entries there may be, and how many bytes.

use std::sync::Weak;

use super::sync::{AtomicU64, Mutex, Ordering};

/// A table that shares the bound with others.
pub(super) trait Tenant: Send + Sync {
    /// Removes an entry to make room. With `idle`, only what was deleted, is expired or was not used lately. Returns whether
    /// there was one.
    fn evict(&self, idle: bool) -> bool;

    /// How many entries it has.
    fn entries(&self) -> u64;

    /// Takes out what is deleted or expired.
    fn reclaim(&self);
}

/// The entries and bytes of all tables of a cache together. Bounds hold exactly: room is reserved before an entry is stored.
pub(super) struct Budget {
    most_entries: u64,
    most_bytes: u64,
    entries: AtomicU64,
    bytes: AtomicU64,
    /// Tables with entries.
    in_use: AtomicU64,
    /// Stores since the tables were reclaimed.
    stores: AtomicU64,
    tenants: Mutex<Tenants>,
}

#[derive(Default)]
struct Tenants {
    all: Vec<Weak<dyn Tenant>>,
    /// The table that the next victim comes from.
    hand: usize,
    /// How many more victims come from it before the hand moves on.
    left: u64,
}

impl Tenants {
    /// The table whose turn it is to make room. A table has a turn for each eighth of its entries.
    fn next(&mut self) -> Option<std::sync::Arc<dyn Tenant>> {
        for _ in 0..=self.all.len() {
            if self.hand >= self.all.len() {
                self.hand = 0;
                self.all.retain(|tenant| tenant.strong_count() > 0);
            }
            let tenant = self.all.get(self.hand)?.upgrade();
            if self.left == 0 {
                self.left = tenant.as_ref().map_or(0, |tenant| tenant.entries().div_ceil(8));
            }
            match tenant {
                Some(tenant) if self.left > 0 => {
                    self.left -= 1;
                    self.hand += usize::from(self.left == 0);
                    return Some(tenant);
                }
                _ => self.hand += 1,
            }
        }
        None
    }
}

impl Budget {
    /// At most so many entries and bytes; 0 is without a limit.
    pub(super) fn new(entries: usize, bytes: u64) -> Self {
        let limit = |n: u64| if n == 0 { u64::MAX } else { n };
        Self {
            most_entries: limit(entries as u64),
            most_bytes: limit(bytes),
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            in_use: AtomicU64::new(0),
            stores: AtomicU64::new(0),
            tenants: Mutex::new(Tenants::default()),
        }
    }

    pub(super) fn add_tenant(&self, tenant: Weak<dyn Tenant>) {
        self.tenants.lock().all.push(tenant);
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn most_entries(&self) -> Option<usize> {
        usize::try_from(self.most_entries).ok().filter(|&most| most != usize::MAX)
    }

    /// Whether an entry of this weight can be stored at all.
    pub(super) fn admits(&self, weight: u64) -> bool {
        weight <= self.most_bytes
    }

    /// Whether there is room for an entry now.
    pub(super) fn has_room(&self, weight: u64) -> bool {
        self.entries() < self.most_entries && self.bytes().saturating_add(weight) <= self.most_bytes
    }

    /// Takes room for an entry, if there is.
    pub(super) fn reserve(&self, weight: u64) -> bool {
        // A look first: a full cache is not written to.
        if self.entries() >= self.most_entries || !grow(&self.entries, 1, self.most_entries) {
            return false;
        }
        if grow(&self.bytes, weight, self.most_bytes) {
            return true;
        }
        self.entries.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Gives the room of an entry to another one, if that is enough.
    pub(super) fn exchange(&self, old: u64, new: u64) -> bool {
        if new > old {
            return grow(&self.bytes, new - old, self.most_bytes);
        }
        if new < old {
            self.bytes.fetch_sub(old - new, Ordering::Relaxed);
        }
        true
    }

    /// Gives the room of an entry back.
    pub(super) fn release(&self, weight: u64) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(weight, Ordering::Relaxed);
    }

    /// A table has its first entry, or has lost its last.
    pub(super) fn count_table(&self, in_use: bool) {
        if in_use {
            self.in_use.fetch_add(1, Ordering::Relaxed);
        } else {
            self.in_use.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether a table with so many entries finds its victims among them, rather than elsewhere.
    pub(super) fn is_above_share(&self, entries: u64) -> bool {
        let tables = self.in_use.load(Ordering::Relaxed).max(1);
        tables == 1 && entries > 0 || entries.saturating_mul(tables) > self.entries()
    }

    /// Whether several tables share the bound.
    pub(super) fn is_shared(&self) -> bool {
        self.in_use.load(Ordering::Relaxed) > 1
    }

    /// Counts stores. Once in as many as a quarter of all entries, which makes four looks at entries a store, it takes out of all
    /// tables what is deleted or expired. Called with no table locked.
    pub(super) fn stored(&self, stores: u64) {
        let since = self.stores.fetch_add(stores, Ordering::Relaxed) + stores;
        if since.saturating_mul(4) < self.entries().max(64) {
            return;
        }
        self.stores.store(0, Ordering::Relaxed);
        let tenants: Vec<_> = self.tenants.lock().all.iter().filter_map(Weak::upgrade).collect();
        for tenant in tenants {
            tenant.reclaim();
        }
    }

    /// Removes an entry of the table whose turn it is. Called with no table locked.
    pub(super) fn evict(&self, idle: bool) -> bool {
        let tenant = self.tenants.lock().next();
        tenant.is_some_and(|tenant| tenant.evict(idle))
    }
}

/// Adds to a count, unless that would exceed its limit.
fn grow(count: &AtomicU64, by: u64, most: u64) -> bool {
    if most == u64::MAX {
        count.fetch_add(by, Ordering::Relaxed);
        return true;
    }
    let grown = |now: u64| now.checked_add(by).filter(|&then| then <= most);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
}
