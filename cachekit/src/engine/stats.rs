//! Counters that threads don't share on the hit path, and what they add up to.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The counters of a memoized function in one cache of this process, since the cache was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionStats {
    /// Calls answered from the cache.
    pub hits: u64,
    /// Looks that found the value in the near tier, and asked the backend nothing.
    pub near: u64,
    /// Calls that found nothing, including those that waited for another call's computation.
    pub misses: u64,
    /// Values stored.
    pub stores: u64,
    /// Operations of the backend that failed, and values that did not come back equal; the calls went on without them.
    pub errors: u64,
    /// Misses answered by another call's computation.
    pub coalesced: u64,
    /// Calls that waited for another call's computation, gave up, and computed: it took longer than `flight_timeout`, or its
    /// task was not polled any more.
    pub given_up: u64,
    /// Calls that were dropped while they waited for another call's computation: their callers were cancelled.
    pub abandoned: u64,
    /// Calls that were given a value past its timeout, by `stale_while_revalidate` or `stale_if_error`. They are not among the
    /// hits; one that computed, and failed, is among the misses too.
    pub stale: u64,
}

impl FunctionStats {
    /// Adds the counts of another cache.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { hits, near, misses, stores, errors, coalesced, given_up, abandoned, stale } = other;
        self.hits += hits;
        self.near += near;
        self.misses += misses;
        self.stores += stores;
        self.errors += errors;
        self.coalesced += coalesced;
        self.given_up += given_up;
        self.abandoned += abandoned;
        self.stale += stale;
    }

    /// The share of calls that were answered from the cache, 0 to 1; 0 before the first call.
    pub fn hit_rate(&self) -> f64 {
        rate(self.hits, self.misses)
    }
}

/// The counters of a cache in this process since it was bound: all its functions and its own methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Lookups answered from the cache.
    pub hits: u64,
    /// Looks that found the value in the near tier, and asked the backend nothing.
    pub near: u64,
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
    /// Calls that waited for another call's computation, gave up, and computed: it took longer than `flight_timeout`, or its
    /// task was not polled any more.
    pub given_up: u64,
    /// Calls that were dropped while they waited for another call's computation: their callers were cancelled.
    pub abandoned: u64,
    /// Calls that were given a value past its timeout, by `stale_while_revalidate` or `stale_if_error`. They are not among the
    /// hits; one that computed, and failed, is among the misses too.
    pub stale: u64,
    /// Entries that the cache has now, including expired ones that are not reclaimed yet: those in this process and, of
    /// `filesystem`, those in the directory, of all processes. None where they aren't known: a server is not asked.
    pub entries: Option<u64>,
    /// The bytes that the entries count against `max_bytes`: those in this process, and the files of a directory.
    pub bytes: u64,
    /// Live entries that this process has evicted because of the threshold or of `max_bytes`, here or in the directory. None where they
    /// aren't known: what a server evicts.
    pub evictions: Option<u64>,
    /// Entries that this process has reclaimed after their time, here or in the directory. None where they aren't known: what a server
    /// reclaims.
    pub expirations: Option<u64>,
}

impl CacheStats {
    /// The share of lookups that were answered from the cache, 0 to 1; 0 before the first.
    pub fn hit_rate(&self) -> f64 {
        rate(self.hits, self.misses)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
fn rate(hits: u64, misses: u64) -> f64 {
    match hits + misses {
        0 => 0.0,
        all => hits as f64 / all as f64,
    }
}

/// A counted event.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    Hit,
    Miss,
    Store,
    /// A look that found the value in the near tier.
    Near,
    Error,
    Coalesced,
    Deletion,
    GivenUp,
    Abandoned,
    Stale,
}

const EVENTS: usize = 10;
const STRIPES: usize = 8;

/// A cache line of counters.
#[derive(Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; EVENTS]);

/// Counters that many threads add to.
///
/// Each thread counts hits, misses and stores in memory of its own ([`per_thread`]), because they must cost next to nothing.
/// The other events are counted in stripes, so that threads seldom write to one line. Exact when read.
pub(crate) struct Counters {
    stripes: [Stripe; STRIPES],
    number: u32,
}

impl Default for Counters {
    fn default() -> Self {
        Self { stripes: Default::default(), number: per_thread::number() }
    }
}

impl Counters {
    /// The number of these counters in the memory of each thread.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The thread's place for an event of the counters of a number; none while it has none.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(crate) fn tally(number: u32, event: Event) -> Option<Tally> {
        per_thread::place_of(number, event).map(Tally)
    }

    /// Counts under a number. `counters` is called only if the thread has no place for it. Returns whether the thread's places
    /// are [suspended](suspend).
    #[inline]
    pub(crate) fn count_as<'a>(number: u32, event: Event, counters: impl FnOnce() -> &'a Self) -> bool {
        if per_thread::count(number, event) {
            return false;
        }
        counters().count_striped(event);
        per_thread::is_suspended()
    }

    pub(crate) fn count(&self, event: Event) {
        let _suspended = Self::count_as(self.number, event, || self);
    }

    #[cold]
    fn count_striped(&self, event: Event) {
        self.add(event, 1);
    }

    pub(crate) fn add(&self, event: Event, n: u64) {
        self.stripes[stripe()].0[event as usize].fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sum(&self, event: Event) -> u64 {
        let striped: u64 =
            self.stripes.iter().map(|stripe| stripe.0[event as usize].load(Ordering::Relaxed)).sum();
        striped + per_thread::sum(self.number, event)
    }

    pub(crate) fn function(&self) -> FunctionStats {
        FunctionStats {
            hits: self.sum(Event::Hit),
            near: self.sum(Event::Near),
            misses: self.sum(Event::Miss),
            stores: self.sum(Event::Store),
            errors: self.sum(Event::Error),
            coalesced: self.sum(Event::Coalesced),
            given_up: self.sum(Event::GivenUp),
            abandoned: self.sum(Event::Abandoned),
            stale: self.sum(Event::Stale),
        }
    }
}

/// The place where a thread counts an event.
pub(crate) struct Tally(&'static AtomicU64);

impl Tally {
    /// Counts one.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(crate) fn add_one(&self) {
        // Only this thread writes here.
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// Takes this thread's places away, or gives them back. While they are away there is no [`Tally`] and each hit is counted in
/// stripes, which [`Counters::count_as`] says: a hit asks nothing more than the place that it needs anyway.
#[cfg(any(feature = "tower", feature = "minijinja"))]
pub(crate) fn suspend(away: bool) {
    per_thread::suspend(away);
}

fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
    MINE.try_with(|mine| *mine).unwrap_or(0)
}

/// Counts in memory that only one thread writes to: a load and a store instead of an atomic addition.
mod per_thread {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use parking_lot::Mutex;

    use super::{Event, Tally};

    /// Counters that have a place, 32 bytes for each thread; later ones are counted in stripes.
    const PLACES: usize = 1024;
    /// The events that have places: the first ones of [`Event`].
    const OWN: usize = 4;

    type Block = [[AtomicU64; PLACES]; OWN];

    /// All blocks, and those whose threads have ended. A block is never freed: the next thread goes on with it, so that its
    /// counts stay.
    static BLOCKS: Mutex<(Vec<&'static Block>, Vec<&'static Block>)> = Mutex::new((Vec::new(), Vec::new()));

    thread_local! {
        static MINE: Cell<Option<&'static Block>> = const { Cell::new(None) };
        static LEASE: Lease = const { Lease };
        /// Where the block is while it is taken away.
        static AWAY: Cell<Option<Away>> = const { Cell::new(None) };
    }

    /// The block of a thread that counts in stripes for a while, if it had one.
    #[derive(Clone, Copy)]
    struct Away(Option<&'static Block>);

    /// Gives the thread's block back at its end.
    struct Lease;

    impl Drop for Lease {
        fn drop(&mut self) {
            if let Some(block) = MINE.take().or_else(|| AWAY.take().and_then(|Away(block)| block)) {
                BLOCKS.lock().1.push(block);
            }
        }
    }

    #[cfg(any(feature = "tower", feature = "minijinja"))]
    pub(super) fn suspend(away: bool) {
        match (away, AWAY.take()) {
            (true, None) => AWAY.set(Some(Away(MINE.take()))),
            (true, known) => AWAY.set(known),
            (false, Some(Away(block))) => MINE.set(block),
            (false, None) => {}
        }
    }

    pub(super) fn is_suspended() -> bool {
        AWAY.get().is_some()
    }

    /// A number for a new counter.
    pub(super) fn number() -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Stays where it is when all places are given.
        NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1)).unwrap_or(u32::MAX)
    }

    /// Counts; false if there is no place for this counter and event or on this thread.
    #[inline]
    pub(super) fn count(number: u32, event: Event) -> bool {
        match MINE.get() {
            Some(block) => count_in(block, number, event),
            None => lease().is_some_and(|block| count_in(block, number, event)),
        }
    }

    #[inline]
    fn count_in(block: &'static Block, number: u32, event: Event) -> bool {
        let place = place(block, number, event).map(Tally);
        place.as_ref().map(Tally::add_one).is_some()
    }

    /// The place of this thread, if it has one by now.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(super) fn place_of(number: u32, event: Event) -> Option<&'static AtomicU64> {
        place(MINE.get()?, number, event)
    }

    #[inline]
    fn place(block: &Block, number: u32, event: Event) -> Option<&AtomicU64> {
        block.get(event as usize)?.get(number as usize)
    }

    #[cold]
    fn lease() -> Option<&'static Block> {
        if is_suspended() {
            return None;
        }
        // Not while the thread ends: the block would not be given back.
        LEASE.try_with(|_| ()).ok()?;
        let mut blocks = BLOCKS.lock();
        let block = if let Some(block) = blocks.1.pop() {
            block
        } else {
            // Row by row, which takes little of the stack.
            let rows: Box<[_]> = (0..OWN).map(|_| [const { AtomicU64::new(0) }; PLACES]).collect();
            let block: &'static Block = Box::leak(rows.try_into().ok()?);
            blocks.0.push(block);
            block
        };
        MINE.set(Some(block));
        Some(block)
    }

    pub(super) fn sum(number: u32, event: Event) -> u64 {
        let blocks = BLOCKS.lock();
        let places = blocks.0.iter().filter_map(|block| place(block, number, event));
        places.map(|place| place.load(Ordering::Relaxed)).sum()
    }

    #[cfg(test)]
    mod tests {
        use super::Event;

        #[test]
        fn the_counts_of_ended_threads_stay_and_blocks_are_used_again() {
            let number = super::number();
            for _ in 0..50 {
                let count = move || {
                    for event in [Event::Hit, Event::Miss, Event::Store, Event::Store] {
                        assert!(super::count(number, event));
                    }
                };
                std::thread::spawn(count).join().unwrap();
            }
            let sums = [Event::Hit, Event::Miss, Event::Store].map(|event| super::sum(number, event));
            assert_eq!(sums, [50, 50, 100]);
            assert!(super::BLOCKS.lock().0.len() < 50);
            assert!(!super::count(u32::MAX, Event::Miss), "no place");
            assert!(!super::count(number, Event::Error), "counted in stripes");
        }
    }
}
