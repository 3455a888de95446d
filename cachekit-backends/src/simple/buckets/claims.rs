//! Computations under way: a claim is made in the critical section that found no entry, and is gone or void when the value
//! may not be stored any more.

use std::any::Any;
use std::sync::Arc;

use hashbrown::HashTable;

/// The state that the callers waiting for a computation share with the one that computes.
pub type Hook = Arc<dyn Any + Send + Sync>;

/// A claim, told from all others of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimId {
    /// Its number in the table.
    pub number: u64,
    /// The hash of its key.
    pub hash: u64,
}

/// Which call is being computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simple) struct Subject<E, const K: usize> {
    pub(in crate::simple) hash: u64,
    pub(in crate::simple) key: [u64; K],
    /// The whole key, where the words are only a digest of it.
    pub(in crate::simple) exact: E,
    /// The instance that a method is called on; 0 for none.
    pub(in crate::simple) instance: u32,
}

pub(super) struct Claim<E, const K: usize> {
    number: u64,
    pub(super) subject: Subject<E, K>,
    /// The table's generation when it was made.
    pub(super) birth: u32,
    kind: Kind,
    void: bool,
    hook: Option<Hook>,
}

/// The kind of a claim.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Whether other callers may wait for it.
    pub(super) open: bool,
    /// Whether there is certainly no entry of its hash: the look before the claim found none, and none came in since. The store
    /// needs no search then.
    pub(super) absent: bool,
}

/// The claims of a table. While they are few, they are searched one by one.
pub(super) struct Claims<E, const K: usize> {
    few: Vec<Claim<E, K>>,
    many: HashTable<Claim<E, K>>,
    next: u64,
}

const FEW: usize = 8;

impl<E, const K: usize> Default for Claims<E, K> {
    fn default() -> Self {
        Self { few: Vec::new(), many: HashTable::new(), next: 0 }
    }
}

impl<E: PartialEq, const K: usize> Claims<E, K> {
    pub(super) fn is_empty(&self) -> bool {
        self.few.is_empty() && self.many.is_empty()
    }

    /// Adds a claim.
    #[inline]
    pub(super) fn add(
        &mut self,
        subject: Subject<E, K>,
        birth: u32,
        kind: Kind,
        hook: Option<Hook>,
    ) -> ClaimId {
        self.next += 1;
        let (number, hash) = (self.next, subject.hash);
        let claim = Claim { number, subject, birth, kind, void: false, hook };
        if self.few.len() < FEW {
            self.few.push(claim);
        } else {
            self.add_to_many(claim);
        }
        ClaimId { number, hash }
    }

    #[cold]
    #[inline(never)]
    fn add_to_many(&mut self, claim: Claim<E, K>) {
        self.many.insert_unique(claim.subject.hash, claim, |claim| claim.subject.hash);
    }

    fn all_of(&mut self, hash: u64) -> impl Iterator<Item = &mut Claim<E, K>> {
        let many = if self.many.is_empty() { None } else { Some(self.many.iter_hash_mut(hash)) };
        self.few.iter_mut().chain(many.into_iter().flatten()).filter(move |claim| claim.subject.hash == hash)
    }

    /// The hook of the computation that a caller may wait for: of the same call, `current`, and one that it `may_join`. One that
    /// it may not is closed: from now on other callers wait for this caller's.
    pub(super) fn join(
        &mut self,
        subject: &Subject<E, K>,
        current: impl Fn(&Claim<E, K>) -> bool,
        may_join: impl Fn(&Hook) -> bool,
    ) -> Option<Hook> {
        let claim = self
            .all_of(subject.hash)
            .find(|claim| claim.kind.open && !claim.void && claim.subject == *subject && current(claim))?;
        let hook = claim.hook.as_ref().filter(|hook| may_join(hook)).cloned();
        claim.kind.open = hook.is_some();
        hook
    }

    /// The kind of a claim that is there and not void.
    #[inline]
    pub(super) fn held(&self, id: ClaimId, current: impl Fn(&Claim<E, K>) -> bool) -> Option<Kind> {
        let few = self.few.iter().find(|claim| claim.number == id.number);
        let claim = few.or_else(|| self.many.find(id.hash, |claim| claim.number == id.number));
        claim.filter(|claim| !claim.void && current(claim)).map(|claim| claim.kind)
    }

    /// An entry of a hash has come in.
    pub(super) fn entered(&mut self, hash: u64) {
        self.all_of(hash).for_each(|claim| claim.kind.absent = false);
    }

    /// Ends a claim; returns the hook of the calls that wait.
    #[inline]
    pub(super) fn end(&mut self, id: ClaimId) -> Option<Hook> {
        if let Some(at) = self.few.iter().position(|claim| claim.number == id.number) {
            return self.few.swap_remove(at).hook;
        }
        self.end_of_many(id)
    }

    #[cold]
    #[inline(never)]
    fn end_of_many(&mut self, id: ClaimId) -> Option<Hook> {
        let (claim, _) = self.many.find_entry(id.hash, |claim| claim.number == id.number).ok()?.remove();
        claim.hook
    }

    /// Voids all claims of a call.
    pub(super) fn void(&mut self, subject: &Subject<E, K>) {
        for claim in self.all_of(subject.hash) {
            let Subject { key, exact, .. } = &claim.subject;
            claim.void |= *key == subject.key && *exact == subject.exact;
        }
    }

    /// Voids those that are not to be stored any more.
    pub(super) fn void_where(&mut self, over: impl Fn(&Claim<E, K>) -> bool) {
        for claim in self.few.iter_mut().chain(&mut self.many) {
            claim.void |= over(claim);
        }
    }
}
