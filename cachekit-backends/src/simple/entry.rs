use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use super::functions::InstanceNumber;
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
    pub(super) digest: u64,
    pub(super) bytes: KeyBytes,
    pub(super) expiry: u64,
    pub(super) birth: u64,
    pub(super) instance: InstanceNumber,
    pub(super) function: u32,
    /// The number of the store whose table it is in; [`GONE`] before and after.
    store: AtomicU32,
    /// How often it was found since the eviction policy asked, up to [`MOST_USES`].
    uses: AtomicU8,
    /// Whether it is in its table's queue of newcomers. Written under the table's lock.
    young: AtomicBool,
    value: V,
}

const GONE: u32 = 0;
/// So few that an entry in steady use isn't written to: threads that share it only read.
const MOST_USES: u8 = 3;

impl<V: Any + Send + Sync> Entry<V> {
    pub(super) fn new(draft: Draft, value: V) -> Arc<Self> {
        let Draft { digest, bytes, expiry, birth, instance, function } = draft;
        let instance = InstanceNumber::of(instance);
        let (store, uses, young) = (AtomicU32::new(GONE), AtomicU8::new(0), AtomicBool::new(false));
        Arc::new(Self { digest, bytes, expiry, birth, instance, function, store, uses, young, value })
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
        self.expiry
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
        self.digest == other.digest && self.bytes == other.bytes
    }

    /// Notes a use. Two at once may count as one.
    #[inline]
    pub(super) fn touch(&self) {
        let uses = self.uses.load(Ordering::Relaxed);
        if uses < MOST_USES {
            self.uses.store(uses + 1, Ordering::Relaxed);
        }
    }

    /// The uses that are noted.
    pub(super) fn uses(&self) -> u8 {
        self.uses.load(Ordering::Relaxed)
    }

    pub(super) fn set_uses(&self, uses: u8) {
        self.uses.store(uses, Ordering::Relaxed);
    }

    pub(super) fn is_young(&self) -> bool {
        self.young.load(Ordering::Relaxed)
    }

    pub(super) fn set_young(&self, young: bool) {
        self.young.store(young, Ordering::Relaxed);
    }
}
