use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::KeyBytes;

/// What decides whether an entry is found and whether it still counts.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The digest of the key.
    pub digest: u64,
    /// The bytes of the key.
    pub bytes: KeyBytes,
    /// The moment of [`Clock::monotonic`](crate::Clock::monotonic) at which it is gone; `u64::MAX` for never.
    pub expiry: u64,
    /// The store's sequence before the value was computed.
    pub birth: u64,
    /// The keyed digest of the instance, for methods; 0 else.
    pub instance: u64,
    /// The function's number; 0 for the cache object's own entries.
    pub function: u32,
}

/// An entry with its value, of any type, in one allocation: what a table holds, and a thread's hot keys beside it.
pub struct Entry<V: ?Sized = dyn Any + Send + Sync> {
    pub(super) draft: Draft,
    /// The number of the store whose table it is in; [`GONE`] before and after.
    store: AtomicU32,
    value: V,
}

const GONE: u32 = 0;

impl<V: Any + Send + Sync> Entry<V> {
    pub(super) fn new(draft: Draft, value: V) -> Arc<Self> {
        Arc::new(Self { draft, store: AtomicU32::new(GONE), value })
    }
}

impl Entry {
    /// The value, if it is of this type.
    #[inline]
    pub fn value<T: Any>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }

    /// The value.
    #[inline]
    pub fn any(&self) -> &(dyn Any + Send + Sync) {
        &self.value
    }

    /// The moment at which it is gone; `u64::MAX` for never.
    pub fn expiry(&self) -> u64 {
        self.draft.expiry
    }

    /// Marks the entry as in a store's table. Done under the table's lock.
    pub(super) fn enter(&self, store: u32) {
        self.store.store(store, Ordering::Release);
    }

    /// Marks the entry as no longer in its table. Done under the table's lock, before a removal returns.
    pub(super) fn leave(&self) {
        self.store.store(GONE, Ordering::Release);
    }

    /// Whether it is in the table of this store.
    #[inline]
    pub(super) fn is_in(&self, store: u32) -> bool {
        self.store.load(Ordering::Acquire) == store
    }

    #[inline]
    pub(super) fn is_gone(&self) -> bool {
        self.is_in(GONE)
    }

    pub(super) fn has_key_of(&self, other: &Self) -> bool {
        self.draft.digest == other.draft.digest && self.draft.bytes == other.draft.bytes
    }
}
