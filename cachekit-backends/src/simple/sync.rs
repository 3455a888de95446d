//! The synchronisation primitives of the tables, in one place, so that a test can put a model checker's in theirs.

pub(super) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

pub(super) use parking_lot::{Mutex, MutexGuard, RwLock};
