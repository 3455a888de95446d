//! Counters that threads don't share on the hit path, and what they add up to.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How often a memoized function did what, in one cache of this process, since the cache was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionStats {
    /// Calls answered from the cache.
    pub hits: u64,
    /// Calls that found nothing, those included that waited for another call's computation.
    pub misses: u64,
    /// Values stored.
    pub stores: u64,
    /// Operations of the backend that failed and were gone on without.
    pub errors: u64,
    /// Misses answered by another call's computation.
    pub coalesced: u64,
}

impl FunctionStats {
    /// The share of calls that were answered from the cache, 0 to 1; 0 before the first call.
    pub fn hit_rate(&self) -> f64 {
        rate(self.hits, self.misses)
    }
}

/// What a cache did in this process since it was bound: all its functions and its own methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Lookups answered from the cache.
    pub hits: u64,
    /// Lookups that found nothing.
    pub misses: u64,
    /// Values stored.
    pub stores: u64,
    /// Deletions, of one entry or of many at once.
    pub deletions: u64,
    /// Operations of the backend that failed.
    pub errors: u64,
    /// Misses answered by another call's computation.
    pub coalesced: u64,
    /// Entries in this process now, those included that are over but not reclaimed yet. Entries of a shared backend
    /// aren't counted.
    pub entries: u64,
    /// Entries that the threshold pushed out of this process.
    pub evictions: u64,
}

impl CacheStats {
    /// The share of lookups that were answered from the cache, 0 to 1; 0 before the first.
    pub fn hit_rate(&self) -> f64 {
        rate(self.hits, self.misses)
    }
}

#[allow(clippy::cast_precision_loss)]
fn rate(hits: u64, misses: u64) -> f64 {
    match hits + misses {
        0 => 0.0,
        all => hits as f64 / all as f64,
    }
}

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    Hit,
    Miss,
    Store,
    Error,
    Coalesced,
    Deletion,
}

const EVENTS: usize = 6;
const STRIPES: usize = 8;

/// A cache line of counters.
#[derive(Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; EVENTS]);

/// Counters in stripes; a thread keeps to one, so that threads seldom write to one line.
#[derive(Default)]
pub(crate) struct Counters([Stripe; STRIPES]);

impl Counters {
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        self.add(event, 1);
    }

    #[inline]
    pub(crate) fn add(&self, event: Event, n: u64) {
        self.0[stripe()].0[event as usize].fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sum(&self, event: Event) -> u64 {
        self.0.iter().map(|stripe| stripe.0[event as usize].load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn function(&self) -> FunctionStats {
        FunctionStats {
            hits: self.sum(Event::Hit),
            misses: self.sum(Event::Miss),
            stores: self.sum(Event::Store),
            errors: self.sum(Event::Error),
            coalesced: self.sum(Event::Coalesced),
        }
    }
}

#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: Cell<usize> = const { Cell::new(usize::MAX) });
    let mine = MINE.get();
    if mine < STRIPES {
        return mine;
    }
    let mine = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    MINE.set(mine);
    mine
}
