//! Values that are counted while they live.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

static ALIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
/// Those of the caches before.
static OTHERS: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A value, which its clones share.
#[derive(Clone)]
pub struct Blob(#[expect(dead_code, reason = "it is there to be dropped")] Arc<Counted>);

impl Blob {
    pub fn new() -> Self {
        MOST.fetch_max(ALIVE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(Arc::new(Counted))
    }

    /// Begins to count anew the most that live at once, those that live now left out.
    pub fn forget_most() {
        let alive = ALIVE.load(Ordering::SeqCst);
        OTHERS.store(alive, Ordering::SeqCst);
        MOST.store(alive, Ordering::SeqCst);
    }
}

/// The most that lived at once.
pub fn most_alive() -> usize {
    MOST.load(Ordering::SeqCst).saturating_sub(OTHERS.load(Ordering::SeqCst))
}
