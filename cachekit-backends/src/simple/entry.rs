use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::functions::FunctionState;
use crate::KeyBytes;

/// A stored value of any type.
pub type Value = Arc<dyn Any + Send + Sync>;

/// A value and what decides whether it still counts.
#[derive(Clone)]
pub struct Record {
    /// The moment of [`Clock::monotonic`](crate::Clock::monotonic) at which it is gone; `u64::MAX` for never.
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

/// A record in its place: what a table holds, and a thread's hot keys beside it.
pub(super) struct Entry {
    pub(super) record: Record,
    pub(super) digest: u64,
    /// The store's number.
    pub(super) store: u64,
    pub(super) bytes: KeyBytes,
    /// The deletions of its function, at hand.
    pub(super) state: Arc<FunctionState>,
    gone: AtomicBool,
}

impl Entry {
    pub(super) fn new(
        record: Record,
        digest: u64,
        store: u64,
        bytes: KeyBytes,
        state: Arc<FunctionState>,
    ) -> Arc<Self> {
        Arc::new(Self { record, digest, store, bytes, state, gone: AtomicBool::new(false) })
    }

    /// Marks the entry as no longer in its table. Done under the table's lock, before a removal returns.
    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}
