//! The entries of a function whose keys and values are a few words: they stand in the table itself.

use std::sync::{Arc, Weak};

use super::buckets::{Claimed, Contents, Draft, Ended, Right, Subject, Table};
use super::budget::{Budget, Tenant};
use super::functions::InstanceNumber;
use super::seeds::Seeds;
use super::tables::Kind;
use super::{ClaimId, Hook};
use crate::Clock;

/// The bytes that an entry takes beside its words: its share of tags and marks, its date, and of the ways that stand empty.
const BESIDE: usize = 20;

struct Words<const K: usize>(Seeds<K>);

impl<const K: usize, const V: usize> Contents<K, V> for Words<K> {
    type Left = ();
    type Exact = ();

    #[inline]
    fn hash(&self, key: &[u64; K]) -> u64 {
        self.0.hash(key)
    }

    fn weight(&self, _: &[u64; V]) -> u64 {
        (8 * (K + V) + BESIDE) as u64
    }

    fn leave(&self, _: [u64; V], (): &mut ()) {}
}

/// A function's entries, each a key of `K` words and a value of `V`.
pub struct Plain<const K: usize, const V: usize>(Table<Words<K>, K, V>);

/// A call of a plain function.
#[derive(Clone, Copy, Debug)]
pub struct PlainCall<const K: usize> {
    /// The words of the arguments.
    pub key: [u64; K],
    /// The keyed digest of the instance, for methods; 0 else.
    pub instance: u64,
}

/// The computations of a function that are under way, by their claims.
pub trait Claims: Send + Sync {
    /// Whether nothing was deleted since the claim that its value would bring back.
    fn holds(&self, claim: ClaimId) -> bool;

    /// Ends a computation whose value isn't stored. Returns its hook.
    fn end(&self, claim: ClaimId) -> Option<Hook>;
}

/// How a look under the lock ended.
pub enum Look<T> {
    /// There is an entry.
    Found(T),
    /// The computation is the caller's.
    Claimed(ClaimId),
    /// Another caller computes.
    Busy(Hook),
}

impl<const K: usize, const V: usize> Plain<K, V> {
    pub(super) fn new(clock: Clock, budget: &Arc<Budget>, methods: bool) -> Arc<Self> {
        let table = Table::new(Words(Seeds::new()), clock, Arc::clone(budget), methods);
        let table = Arc::new(Self(table));
        let tenant: Weak<dyn Tenant> = Arc::<Self>::downgrade(&table) as _;
        budget.add_tenant(tenant);
        table
    }

    fn subject(&self, call: &PlainCall<K>) -> Subject<(), K> {
        let PlainCall { key, instance } = *call;
        let instance = InstanceNumber::of(instance).into();
        Subject { hash: self.0.contents.0.hash(&key), key, exact: (), instance }
    }

    /// The value of a call, in most cases in which it is stored; else [`look`](Self::look) decides. Takes no lock, and writes
    /// nothing for a call that was found three times.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub fn straight(&self, key: &[u64; K]) -> Option<[u64; V]> {
        self.0.straight(self.0.contents.0.hash(key), key)
    }

    /// The value of a call, if it is stored. Takes no lock.
    pub fn look(&self, key: &[u64; K]) -> Option<[u64; V]> {
        self.0.look(self.0.contents.0.hash(key), *key)
    }

    /// Looks again and, where there is no value but the one that the caller has `seen`, claims the computation, in one step: of
    /// any number of callers one has the claim. The others get its `hook`, if they `may_join` it; both run under the lock.
    pub fn claim(
        &self,
        call: &PlainCall<K>,
        seen: Option<&[u64; V]>,
        may_join: impl Fn(&Hook) -> bool,
        hook: impl FnOnce() -> Hook,
    ) -> Look<[u64; V]> {
        match self.0.claim(self.subject(call), |value| seen != Some(value), may_join, hook, &mut ()) {
            Claimed::Found(value) => Look::Found(value),
            Claimed::Yours(id) => Look::Claimed(id),
            Claimed::Busy(hook) => Look::Busy(hook),
        }
    }

    /// Claims a computation that runs beside all others.
    pub fn claim_apart(&self, call: &PlainCall<K>, hook: Hook) -> ClaimId {
        self.0.claim_apart(self.subject(call), hook)
    }

    /// The value of a call, or the certainty that there is none.
    pub(super) fn get_surely(&self, key: &[u64; K]) -> Option<[u64; V]> {
        self.0.get_surely(self.0.contents.0.hash(key), key, &mut ())
    }

    /// When the entry of a call expires, by the monotonic clock; none if there is no live one. Takes the lock.
    pub(super) fn expiry(&self, call: &PlainCall<K>) -> Option<u64> {
        let mut found = None;
        let look = |old: Option<([u64; V], u64)>| {
            found = old.map(|(_, expiry)| expiry);
            None
        };
        self.0.update(self.subject(call), |_| true, look, &mut ());
        found
    }

    /// Calls `visit` with the words of the key of each live entry in a part of the table, under the lock, so it must not run code of
    /// the user's. Returns the next part; the first is 0.
    pub(super) fn visit(&self, part: u64, mut visit: impl FnMut(&[u64; K])) -> Option<u64> {
        let look = |key: &[u64; K], _: &[u64; V]| {
            visit(key);
            false
        };
        self.0.visit(part, look, &mut ())
    }

    /// Ends a computation and stores its value, unless it was deleted since the claim or `admit`, which is asked under the lock,
    /// refuses it.
    pub fn fill(
        &self,
        call: &PlainCall<K>,
        right: Right,
        value: [u64; V],
        expiry: u64,
        admit: impl Fn() -> bool,
    ) -> Ended {
        let PlainCall { key, instance } = *call;
        // The claim knows it already.
        let hash = right.claim().map_or_else(|| self.0.contents.0.hash(&key), |claim| claim.hash);
        let subject = Subject { hash, key, exact: (), instance: InstanceNumber::of(instance).into() };
        let draft = Draft { subject, value, weight: self.0.contents.weight(&value), expiry };
        self.0.store(right, &draft, admit, &mut ())
    }

    /// Deletes a call: its entry and the claims of its computations. Returns whether a live entry was there.
    pub fn remove(&self, call: &PlainCall<K>) -> bool {
        self.0.remove(&self.subject(call), |_| true, || (), &mut ())
    }

    #[cfg(test)]
    pub(super) fn records(&self) -> usize {
        self.0.records()
    }

    #[cfg(test)]
    pub(super) fn passed(&self) -> (u32, u32) {
        self.0.passed()
    }

    /// The memory of the table, in bytes.
    pub fn memory(&self) -> usize {
        self.0.memory()
    }
}

impl<const K: usize, const V: usize> Claims for Plain<K, V> {
    fn holds(&self, claim: ClaimId) -> bool {
        self.0.holds(claim)
    }

    fn end(&self, claim: ClaimId) -> Option<Hook> {
        self.0.end(claim)
    }
}

impl<const K: usize, const V: usize> Tenant for Plain<K, V> {
    fn evict(&self, idle: bool) -> bool {
        self.0.evict(idle, &mut ())
    }

    fn entries(&self) -> u64 {
        self.0.len() as u64
    }

    fn reclaim(&self) {
        if self.0.needs_sweep() {
            self.0.sweep(&mut ());
        }
    }
}

impl<const K: usize, const V: usize> Kind for Plain<K, V> {
    fn delete_all(&self) {
        self.0.delete_all(&mut ());
    }

    fn delete_instance(&self, instance: InstanceNumber) {
        self.0.delete_instance(instance.into(), &mut ());
    }

    fn sweep(&self) {
        self.0.sweep(&mut ());
    }

    fn needs_sweep(&self) -> bool {
        self.0.needs_sweep()
    }

    fn next_expiry(&self) -> u64 {
        self.0.next_expiry()
    }

    fn evictions(&self) -> u64 {
        self.0.evictions()
    }

    fn expirations(&self) -> u64 {
        self.0.expirations()
    }
}

impl<const K: usize, const V: usize> std::fmt::Debug for Plain<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("entries", &self.0.len()).finish_non_exhaustive()
    }
}
