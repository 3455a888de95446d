//! The flights under way, by key.

use std::sync::Arc;

use super::lead::Lead;
use super::nesting;
use super::seat::Seat;
use super::slots::{Current, Slot, Slots};
use super::state::{Node, Wait};
use super::sync::{AtomicU64, COUNTERS, Mutex, Ordering};

const SHARDS: usize = 16;

/// The key of a computation, as the table needs it.
pub(crate) trait Digested {
    /// A hash of it under a secret of the process. Equal keys have equal ones.
    fn digest(&self) -> u64;
}

impl Digested for u64 {
    fn digest(&self) -> u64 {
        *self
    }
}

/// The role of a caller that missed.
#[must_use]
pub(crate) enum Role<'a, K, E: Clone> {
    /// Compute; others wait.
    Lead(Lead<'a, K, E>),
    /// Wait for the one that computes.
    Wait(Wait),
    /// Compute, for waiting would never end: the leader waits for this caller. No caller waits for this lead.
    Alone(Lead<'a, K, E>),
    /// Look into the store again: a flight of this key (or, seldom, of another one) landed since the last look.
    Recheck,
}

impl<K, E: Clone> Role<'_, K, E> {
    /// The same, with a share in its table, for holders that can't borrow it.
    #[allow(dead_code, reason = "for the web, which is a feature")]
    pub(crate) fn holding(self, flights: &Arc<Flights<K, E>>) -> Role<'static, K, E> {
        match self {
            Self::Lead(lead) => Role::Lead(lead.holding(flights)),
            Self::Alone(lead) => Role::Alone(lead.holding(flights)),
            Self::Wait(wait) => Role::Wait(wait),
            Self::Recheck => Role::Recheck,
        }
    }
}

/// The computations under way of entries on a backend, by key: at most one that other callers join, and any number that they
/// don't. Those in process are [claims](super::claimed).
///
/// `E` is the snapshot under which a computation began; it decides which callers may join.
///
/// No lock is held over a computation, a waker or the drop of a value. Memory: a fixed 10 KB and what is under way.
pub(crate) struct Flights<K, E> {
    shards: Box<[Mutex<Slots<K, E>>]>,
    /// How many flights have landed. Each counter belongs to one shard and is written under its lock.
    completions: Box<[AtomicU64]>,
}

/// Which counter and which shard a digest belongs to.
#[derive(Clone, Copy)]
struct Place(usize);

impl Place {
    fn of(digest: u64) -> Self {
        // The upper bits of a product by the golden ratio (Knuth's): other ones than those that the slots' table uses.
        Self((digest.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize % COUNTERS)
    }
}

impl<K, E> Default for Flights<K, E> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Slots::default())).collect(),
            completions: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl<K, E> Flights<K, E> {
    fn shard(&self, place: Place) -> &Mutex<Slots<K, E>> {
        &self.shards[place.0 % SHARDS]
    }

    fn counter(&self, place: Place) -> &AtomicU64 {
        &self.completions[place.0]
    }

    /// Takes a flight off the table, so that no further caller joins it, and counts it if it may have stored. Gives back
    /// the table's reference to it.
    #[inline]
    pub(super) fn remove(&self, digest: u64, flight: &Node, counts: bool) -> Option<Node> {
        let place = Place::of(digest);
        let mut slots = self.shard(place).lock();
        if counts {
            // The only writer, under the lock.
            let counter = self.counter(place);
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
        }
        slots.remove(digest, flight)
    }

    /// Invalidates every flight of a digest but one, whose value is to replace theirs.
    pub(super) fn invalidate_others(&self, digest: u64, kept: &Node) {
        let _slot = {
            let mut slots = self.shard(Place::of(digest)).lock();
            let kept = slots.remove(digest, kept);
            let slot = slots.take(digest);
            slot.iter().for_each(Slot::invalidate);
            // Unless it was taken off by a deletion meanwhile.
            if let Some(kept) = kept {
                slots.add_other(digest, kept);
            }
            slot
        };
    }
}

impl<K: Clone + Eq + Digested, E: Clone> Flights<K, E> {
    /// No flight.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// How many flights of this key have landed that may have stored something, for [`join`](Self::join). Read it before
    /// looking into the store. Asked by the key or by its digest.
    pub(crate) fn completions(&self, key: &impl Digested) -> u64 {
        // Acquire: a caller that sees a completion sees the stored value.
        self.counter(Place::of(key.digest())).load(Ordering::Acquire)
    }

    /// Joins the flight of a key, or starts it.
    ///
    /// `joinable(theirs, ours)` says whether a flight's snapshot is good enough for this caller, by the caller's own. If it
    /// isn't, this caller leads a new flight in the old one's place, and the old one lands for the callers that have joined it. It
    /// runs under a lock: no user's code in it.
    ///
    /// `since` is what [`completions`](Self::completions) was before the look into the store that missed. If a flight has
    /// landed in between, its value may be there by now, and the answer is [`Role::Recheck`]. Without it, a caller that was
    /// slow between look and join computes once more.
    ///
    /// A `patient` caller is told to look again, too, if there is a flight that it can't join: the flight may have stored
    /// between the caller's look and the taking of its snapshot, so that the two don't fit and the value is there.
    pub(crate) fn join(
        &self,
        key: &K,
        snapshot: E,
        joinable: impl FnOnce(&E, &E) -> bool,
        since: Option<u64>,
        patient: bool,
    ) -> Role<'_, K, E> {
        let digest = key.digest();
        let place = Place::of(digest);
        let parent = nesting::current();
        let mut slots = self.shard(place).lock();
        if slots.current(digest).is_some_and(|current| !current.flight.is_of_this_process()) {
            slots.close(digest);
        }
        let current = slots.current(digest);
        let same = current.filter(|current| current.key == *key);
        if let Some(current) = same.filter(|current| joinable(&current.snapshot, &snapshot)) {
            let target = current.flight.clone();
            drop(slots);
            return self.wait_for(target, key, snapshot, parent);
        }
        // A landing counts under this lock, in the same step as it leaves the table. So if no flight is here and none was
        // counted, then none that could have stored after the caller's look has landed.
        if since.is_some_and(|since| since != self.counter(place).load(Ordering::Acquire)) {
            return Role::Recheck;
        }
        if patient && same.is_some() {
            return Role::Recheck;
        }
        let another = current.is_some() && same.is_none();
        let (seat, flight) = Seat::take(parent);
        if another {
            slots.add_other(digest, flight);
            drop(slots);
            return Role::Alone(Lead::alone(self, digest, snapshot, seat));
        }
        slots.replace(digest, Current { key: key.clone(), snapshot: snapshot.clone(), flight });
        drop(slots);
        Role::Lead(Lead::new(self, digest, snapshot, seat))
    }

    /// Whether a computation of a key is under way that other calls may join.
    pub(crate) fn is_led(&self, key: &K) -> bool {
        let digest = key.digest();
        let slots = self.shard(Place::of(digest)).lock();
        slots
            .current(digest)
            .is_some_and(|current| current.key == *key && current.flight.is_of_this_process())
    }

    fn wait_for(&self, target: Node, key: &K, snapshot: E, parent: Option<Node>) -> Role<'_, K, E> {
        match Wait::inside(parent, target) {
            Some(wait) => Role::Wait(wait),
            None => Role::Alone(self.register(key, snapshot)),
        }
    }

    /// Starts a computation that no caller waits for. It is in the table only so that a deletion can invalidate it.
    pub(crate) fn register(&self, key: &K, snapshot: E) -> Lead<'_, K, E> {
        let digest = key.digest();
        let (seat, flight) = Seat::take(nesting::current());
        self.shard(Place::of(digest)).lock().add_other(digest, flight);
        Lead::alone(self, digest, snapshot, seat)
    }

    /// Invalidates every flight of a key: its leader learns that its value must not be stored, and no later caller joins it.
    ///
    /// Call it before removing the entry from the store.
    pub(crate) fn invalidate(&self, key: &K) {
        let digest = key.digest();
        // Dropped after the lock: this may be the last of a flight that lands just now, and so hold a user's value.
        let _slot = {
            let mut slots = self.shard(Place::of(digest)).lock();
            let slot = slots.take(digest);
            slot.iter().for_each(Slot::invalidate);
            slot
        };
    }

    /// Invalidates every flight.
    pub(crate) fn invalidate_all(&self) {
        for shard in &self.shards {
            let _slots = {
                let mut slots = shard.lock();
                slots.invalidate();
                std::mem::take(&mut *slots)
            };
        }
    }

    /// How many computations are under way, and for how many the table has room beside a fixed number.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        self.shards.iter().map(Mutex::lock).fold((0, 0), |(under_way, room), slots| {
            let size = slots.size();
            (under_way + size.0, room + size.1)
        })
    }
}
