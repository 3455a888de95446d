//! The flights under way, by key.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::nesting::{self, Edge, Entered};
use super::state::{Flight, Node, Shared, Wait, Waited};
use super::sync::{AtomicU64, COUNTERS, HashState, Mutex, Ordering};

const SHARDS: usize = 16;
/// A shard's table that was larger gives its memory back once it is empty.
const KEPT: usize = 64;

/// What a caller who missed has to do.
#[must_use]
pub(crate) enum Role<K: Clone + Eq + Hash, E: Send + Sync + 'static> {
    /// Compute; others wait.
    Lead(Lead<K, E>),
    /// Wait for the one that computes.
    Wait(Wait),
    /// Compute, for waiting would never end: the one that computes waits for this caller. Nobody waits for this lead.
    Alone(Lead<K, E>),
    /// Look into the store again: a flight of this key (or, seldom, of another one) landed since the last look.
    Recheck,
}

/// The computations under way, by key: at most one that others join, and any number that nobody waits for.
///
/// `E` is evidence, what a computation's leader knew when it began; it decides who may join.
///
/// No lock is held over a computation, a waker or the drop of a value. Memory: a fixed 10 KB and what is under way.
pub(crate) struct Flights<K, E> {
    hashes: HashState,
    shards: Box<[Mutex<Table<K, E>>]>,
    completions: Box<[AtomicU64]>,
}

type Table<K, E> = HashMap<K, Slot<E>, HashState>;

struct Slot<E> {
    /// The one that callers join.
    current: Option<Arc<Flight<E>>>,
    /// Those that nobody joins (any more), by address; here so that a deletion finds them. Seldom any.
    others: Option<BTreeMap<usize, Arc<Flight<E>>>>,
}

impl<E> Default for Slot<E> {
    fn default() -> Self {
        Self { current: None, others: None }
    }
}

impl<E> Slot<E> {
    fn add_other(&mut self, flight: Arc<Flight<E>>) {
        self.others.get_or_insert_default().insert(Arc::as_ptr(&flight).addr(), flight);
    }

    /// Whether it was there.
    fn remove(&mut self, flight: &Arc<Flight<E>>) -> bool {
        if self.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, flight)) {
            self.current = None;
            return true;
        }
        let others = self.others.as_mut();
        others.is_some_and(|others| others.remove(&Arc::as_ptr(flight).addr()).is_some())
    }

    fn is_empty(&self) -> bool {
        self.current.is_none() && self.others.as_ref().is_none_or(BTreeMap::is_empty)
    }

    fn doom(&self) {
        let others = self.others.iter().flat_map(|others| others.values());
        self.current.iter().chain(others).for_each(|flight| flight.doom());
    }
}

impl<K, E> Default for Flights<K, E> {
    fn default() -> Self {
        let hashes = HashState::default();
        let table = || Mutex::new(HashMap::with_hasher(hashes.clone()));
        Self {
            shards: (0..SHARDS).map(|_| table()).collect(),
            completions: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            hashes,
        }
    }
}

impl<K: Clone + Eq + Hash, E: Send + Sync + 'static> Flights<K, E> {
    /// No flight.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// How many flights of this key have landed that may have stored something, for [`join`](Self::join). Read it before
    /// looking into the store. Asked by the key, or by what hashes alike.
    pub(crate) fn completions(&self, key: &impl Hash) -> u64 {
        // Acquire: who sees a completion, sees what it stored.
        self.counter(self.hashes.hash_one(key)).load(Ordering::Acquire)
    }

    /// Joins the flight of a key, or starts it.
    ///
    /// `joinable(theirs, ours)` says whether a flight's evidence is good enough for this caller, by the caller's own. If it
    /// isn't, this caller leads a new flight in the old one's place, and the old one lands for those who have joined it. It
    /// runs under a lock: no user's code in it.
    ///
    /// `since` is what [`completions`](Self::completions) was before the look into the store that missed. If a flight has
    /// landed in between, its value may be there by now, and the answer is [`Role::Recheck`]. Without it, a caller who was
    /// slow between look and join computes once more.
    ///
    /// A `patient` caller is told to look again, too, if there is a flight that it can't join: the flight may have stored
    /// between the caller's look and the gathering of its evidence, so that the two don't fit and the value is there.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: &K,
        evidence: E,
        joinable: impl FnOnce(&E, &E) -> bool,
        since: Option<u64>,
        patient: bool,
    ) -> Role<K, E> {
        let hash = self.hashes.hash_one(key);
        let parent = nesting::current();
        let mut table = self.shard(hash).lock();
        let current = table.get(key).and_then(|slot| slot.current.as_ref());
        if let Some(flight) = current.filter(|flight| joinable(flight.evidence(), &evidence)) {
            let target: Node = flight.clone();
            drop(table);
            return self.wait_for(target, key, evidence, parent);
        }
        // A landing counts under this lock, in the same step as it leaves the table. So if no flight is here and none was
        // counted, then none that could have stored after the caller's look has landed.
        if since.is_some_and(|since| since != self.counter(hash).load(Ordering::Acquire)) {
            return Role::Recheck;
        }
        if patient && current.is_some() {
            return Role::Recheck;
        }
        let flight = Arc::new(Flight::new(evidence, parent));
        let slot = table.entry(key.clone()).or_default();
        if let Some(older) = slot.current.replace(flight.clone()) {
            slot.add_other(older);
        }
        drop(table);
        Role::Lead(self.lead(key, flight))
    }

    /// Starts the flight of a key if there is none, and none has landed `since` the look into the store that missed: the
    /// common case of [`join`](Self::join).
    pub(crate) fn lead_at_once(self: &Arc<Self>, key: &K, evidence: E, since: u64) -> Option<Lead<K, E>> {
        let hash = self.hashes.hash_one(key);
        let mut table = self.shard(hash).lock();
        if since != self.counter(hash).load(Ordering::Acquire) {
            return None;
        }
        let Entry::Vacant(slot) = table.entry(key.clone()) else { return None };
        let flight = Arc::new(Flight::new(evidence, nesting::current()));
        slot.insert(Slot { current: Some(flight.clone()), others: None });
        drop(table);
        Some(self.lead(key, flight))
    }

    fn wait_for(self: &Arc<Self>, target: Node, key: &K, evidence: E, parent: Option<Node>) -> Role<K, E> {
        let Some(parent) = parent else {
            return Role::Wait(Wait::new(target, None));
        };
        match Edge::record(parent, &target) {
            Some(edge) => Role::Wait(Wait::new(target, Some(edge))),
            None => Role::Alone(self.register(key, evidence)),
        }
    }

    /// Starts a computation that nobody waits for. It is known here only so that a deletion can doom it.
    pub(crate) fn register(self: &Arc<Self>, key: &K, evidence: E) -> Lead<K, E> {
        let flight = Arc::new(Flight::new(evidence, nesting::current()));
        let mut table = self.shard(self.hashes.hash_one(key)).lock();
        table.entry(key.clone()).or_default().add_other(flight.clone());
        drop(table);
        self.lead(key, flight)
    }

    /// Dooms every flight of a key: its leader learns that its value must not be stored, and no later caller joins it.
    ///
    /// Call it before removing the entry from the store.
    pub(crate) fn doom(&self, key: &K) {
        // Dropped after the lock: this may be the last of a flight that lands just now, and so hold a user's value.
        let _slot = {
            let mut table = self.shard(self.hashes.hash_one(key)).lock();
            let slot = table.remove(key);
            slot.iter().for_each(Slot::doom);
            slot
        };
    }

    /// Dooms every flight of a key but one, whose value is to replace theirs.
    fn doom_others(&self, key: &K, kept: &Arc<Flight<E>>) {
        let _slot = {
            let mut table = self.shard(self.hashes.hash_one(key)).lock();
            let Some(slot) = table.get_mut(key) else { return };
            let mut others = std::mem::take(slot);
            if others.remove(kept) {
                slot.add_other(Arc::clone(kept));
            } else {
                // It was taken off by a deletion meanwhile.
                table.remove(key);
            }
            others.doom();
            others
        };
    }

    /// Dooms every flight.
    pub(crate) fn doom_all(&self) {
        for shard in &self.shards {
            let _slots = {
                let mut table = shard.lock();
                table.values().for_each(Slot::doom);
                std::mem::replace(&mut *table, HashMap::with_hasher(self.hashes.clone()))
            };
        }
    }

    fn lead(self: &Arc<Self>, key: &K, flight: Arc<Flight<E>>) -> Lead<K, E> {
        Lead { flights: self.clone(), key: key.clone(), flight, landed: false }
    }

    /// Takes a flight off the table, so that no further caller joins it, and counts it if it may have stored.
    fn remove(&self, key: &K, flight: &Arc<Flight<E>>, counts: bool) {
        let hash = self.hashes.hash_one(key);
        let mut table = self.shard(hash).lock();
        if counts {
            self.counter(hash).fetch_add(1, Ordering::Release);
        }
        // Most have the slot for themselves, and so it goes with them.
        let Some(mut slot) = table.remove(key) else { return };
        slot.remove(flight);
        if !slot.is_empty() {
            table.insert(key.clone(), slot);
        } else if table.is_empty() && table.capacity() > KEPT {
            *table = HashMap::with_hasher(self.hashes.clone());
        }
    }

    fn shard(&self, hash: u64) -> &Mutex<Table<K, E>> {
        // The table inside uses the lowest and the highest bits.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    fn counter(&self, hash: u64) -> &AtomicU64 {
        &self.completions[(hash >> 16) as usize % COUNTERS]
    }

    /// How many computations are under way, and for how many the table has room.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let flights = |slot: &Slot<E>| {
            slot.others.as_ref().map_or(0, BTreeMap::len) + usize::from(slot.current.is_some())
        };
        self.shards.iter().map(Mutex::lock).fold((0, 0), |(under_way, room), table| {
            (under_way + table.values().map(flights).sum::<usize>(), room + table.capacity())
        })
    }
}

/// The right, and the duty, to compute. Dropped without [`finish`](Self::finish), by a panic or a cancellation, it hands
/// over to one of those who wait.
#[must_use]
pub(crate) struct Lead<K: Clone + Eq + Hash, E: Send + Sync + 'static> {
    flights: Arc<Flights<K, E>>,
    key: K,
    flight: Arc<Flight<E>>,
    landed: bool,
}

impl<K: Clone + Eq + Hash, E: Send + Sync + 'static> Lead<K, E> {
    /// What was known when the computation began.
    pub(crate) fn evidence(&self) -> &E {
        self.flight.evidence()
    }

    /// Whether the entry was deleted since the computation began, so that its value must not be stored.
    ///
    /// Ask under the lock under which the value is stored, if the deletion removes the entry under the same one: then
    /// either the flag is seen here, or the removal sees the value.
    pub(crate) fn doomed(&self) -> bool {
        self.flight.doomed()
    }

    /// Dooms the key's other flights: this one was asked for to replace what they compute. Call it before storing.
    pub(crate) fn supersede(&self) {
        self.flights.doom_others(&self.key, &self.flight);
    }

    /// Makes this the computation that the thread's code belongs to, for a body that is a function.
    pub(crate) fn enter(&self) -> Entered<'_> {
        nesting::enter(self.flight.clone())
    }

    /// The same for a body that is a future.
    pub(crate) fn scope<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<F, K, E> {
        nesting::scope(self.flight.clone(), body)
    }

    /// Makes this the computation that the thread's code belongs to, until [`step_out`](Self::step_out), for a body that is
    /// no scope of ours.
    #[allow(dead_code, reason = "for templates, which are a feature")]
    pub(crate) fn step_in(&self) {
        nesting::step_in(self.flight.clone());
    }

    /// Ends what [`step_in`](Self::step_in) began.
    #[allow(dead_code, reason = "for templates, which are a feature")]
    pub(crate) fn step_out(&self) {
        let node: Node = self.flight.clone();
        nesting::step_out(&node);
    }

    /// Ends the flight, and hands a value, if it is one to share, to everybody who waits. It is made only if somebody does.
    /// Store it before.
    pub(crate) fn finish(self, value: impl FnOnce() -> Option<Shared>) {
        self.land(true, || value().map_or(Waited::Released, Waited::Value));
    }

    /// Ends the flight with nothing that is stored or shared: those who wait compute by themselves, side by side.
    pub(crate) fn release(self) {
        self.land(false, || Waited::Released);
    }

    fn land(mut self, counts: bool, waited: impl FnOnce() -> Waited) {
        self.flights.remove(&self.key, &self.flight, counts);
        // Off the table nobody can join any more, and who has joined holds the flight.
        if Arc::strong_count(&self.flight) > 1 {
            let waited = waited();
            self.flight.land(waited);
        }
        self.landed = true;
    }

    #[cfg(test)]
    pub(super) fn flight(&self) -> &Arc<Flight<E>> {
        &self.flight
    }
}

impl<K: Clone + Eq + Hash, E: Send + Sync + 'static> Drop for Lead<K, E> {
    fn drop(&mut self) {
        if !self.landed {
            // It may have stored before it was dropped, so it counts.
            self.flights.remove(&self.key, &self.flight, true);
            self.flight.land(Waited::Again);
        }
    }
}
