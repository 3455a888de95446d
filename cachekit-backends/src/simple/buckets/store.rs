//! A computation's two critical sections: one looks and claims, the other fills and makes room.

use super::super::sync::{MutexGuard, Ordering};
use super::bucket::{Snapshot, tag};
use super::claims::{ClaimId, Hook, Kind, Subject};
use super::writer::Entry;
use super::{Contents, Spot, Table, Writer};

/// How often a store tries to find room while others take it.
const TRIES: usize = 64;
/// The budget is told of so many stores at once.
const AT_ONCE: u64 = 16;
/// So many times it asks other tables before its own one has to give way.
const ELSEWHERE: usize = 8;

/// The result of an attempt to claim a computation.
pub(in crate::simple) enum Claimed<const V: usize> {
    /// There is an entry after all.
    Found([u64; V]),
    /// The computation is the caller's.
    Yours(ClaimId),
    /// Another one computes; the calls that wait share this with it.
    Busy(Hook),
}

/// An entry to be stored.
pub(in crate::simple) struct Draft<E, const K: usize, const V: usize> {
    pub(in crate::simple) subject: Subject<E, K>,
    pub(in crate::simple) value: [u64; V],
    /// The size of the entry, in bytes.
    pub(in crate::simple) weight: u64,
    pub(in crate::simple) expiry: u64,
}

/// How a computation ended.
#[derive(Default)]
pub struct Ended {
    /// Whether the value was stored.
    pub stored: bool,
    /// The hook of the callers that wait for it.
    pub hook: Option<Hook>,
}

/// The right of a computation to store its value.
#[derive(Clone, Copy, Debug)]
pub enum Right {
    /// As much as its claim.
    Claim(ClaimId),
    /// The same, and what others compute of the call is older than it.
    Newest(ClaimId),
    /// It is stored whatever others do.
    Always,
}

impl Right {
    /// The claim that ends with the store.
    pub(in crate::simple) fn claim(self) -> Option<ClaimId> {
        match self {
            Self::Claim(claim) | Self::Newest(claim) => Some(claim),
            Self::Always => None,
        }
    }
}

impl<C: Contents<K, V>, const K: usize, const V: usize> Table<C, K, V> {
    /// Looks once more, for an entry that `is` the one, and claims the computation if there is none: for all callers of this
    /// call, or waits for the one that has it.
    pub(in crate::simple) fn claim(
        &self,
        subject: Subject<C::Exact, K>,
        is: impl Fn(&[u64; V]) -> bool,
        may_join: impl Fn(&Hook) -> bool,
        hook: impl FnOnce() -> Hook,
        left: &mut C::Left,
    ) -> Claimed<V> {
        let mut writer = self.writer.0.lock();
        let found = self.find(&mut writer, subject.hash, &subject.key, left);
        if let Some(spot) = found {
            let value = spot.value();
            if is(&value) {
                spot.place.bucket.touch(spot.way);
                return Claimed::Found(value);
            }
        }
        if !writer.claims.is_empty()
            && let Some(hook) = writer.claims.join(&subject, |claim| self.is_current(claim), may_join)
        {
            return Claimed::Busy(hook);
        }
        let kind = Kind { open: true, absent: found.is_none() };
        Claimed::Yours(self.add_claim(&mut writer, subject, kind, hook()))
    }

    /// Claims a computation beside all others: no caller waits for it.
    pub(in crate::simple) fn claim_apart(&self, subject: Subject<C::Exact, K>, hook: Hook) -> ClaimId {
        self.add_claim(&mut self.writer.0.lock(), subject, Kind { open: false, absent: false }, hook)
    }

    #[inline]
    fn add_claim(
        &self,
        writer: &mut Writer<C::Exact, K>,
        subject: Subject<C::Exact, K>,
        kind: Kind,
        hook: Hook,
    ) -> ClaimId {
        let birth = self.generation.load(Ordering::Relaxed);
        writer.claims.add(subject, birth, kind, Some(hook))
    }

    /// Whether nothing was deleted since that a computation stands for.
    pub(in crate::simple) fn holds(&self, id: ClaimId) -> bool {
        self.held(&self.writer.0.lock(), id).is_some()
    }

    #[inline]
    fn held(&self, writer: &Writer<C::Exact, K>, id: ClaimId) -> Option<Kind> {
        writer.claims.held(id, |claim| self.is_current(claim))
    }

    /// Ends a computation without storing anything.
    pub(in crate::simple) fn end(&self, id: ClaimId) -> Option<Hook> {
        self.writer.0.lock().claims.end(id)
    }

    /// Ends a computation and stores its value, if it still may be and `admit` agrees, which is asked under the lock. A value
    /// that there is no room for takes the one that it was to replace along.
    pub(in crate::simple) fn store(
        &self,
        right: Right,
        draft: &Draft<C::Exact, K, V>,
        admit: impl Fn() -> bool,
        left: &mut C::Left,
    ) -> Ended {
        let weight = draft.weight;
        let fits = self.budget.admits(weight);
        for tries in 0..TRIES {
            let mut writer = self.lock_with_room(left);
            let held = right.claim().map(|id| self.held(&writer, id));
            let may = admit() && held.is_none_or(|held| held.is_some());
            let absent = held.flatten().is_some_and(|claim| claim.absent);
            let stored = may && fits && self.put(&mut writer, draft, absent, left);
            if stored || !may || !fits || tries + 1 == TRIES {
                if may && !stored {
                    self.forget(&mut writer, &draft.subject, left);
                }
                let ended = Self::conclude(&mut writer, right, draft, may, stored);
                self.report(writer, stored);
                return ended;
            }
            self.make_room(writer, weight, tries, left);
        }
        unreachable!("the last try returns")
    }

    /// Reads and replaces an entry in one step. `change` gets the value and the expiry of the live entry that `is` the one, and
    /// says what to store instead; it runs under the lock, and again if there was no room for what it said.
    pub(in crate::simple) fn update(
        &self,
        subject: Subject<C::Exact, K>,
        is: impl Fn(&[u64; V]) -> bool,
        mut change: impl FnMut(Option<([u64; V], u64)>) -> Option<([u64; V], u64)>,
        left: &mut C::Left,
    ) -> bool {
        let mut draft = Draft { subject, value: [0; V], weight: 0, expiry: 0 };
        for tries in 0..TRIES {
            let mut writer = self.lock_with_room(left);
            let old = self.find(&mut writer, draft.subject.hash, &draft.subject.key, left);
            let old = old.map(|spot| (spot.value(), spot.expiry())).filter(|(value, _)| is(value));
            let Some(new) = change(old) else { return false };
            (draft.value, draft.expiry) = new;
            let weight = self.contents.weight(&draft.value);
            draft.weight = weight;
            if self.budget.admits(weight) && self.put(&mut writer, &draft, false, left) {
                writer.claims.void(&draft.subject);
                writer.claims.entered(draft.subject.hash);
                self.report(writer, true);
                return true;
            }
            if !self.budget.admits(weight) || tries + 1 == TRIES {
                self.forget(&mut writer, &draft.subject, left);
                break;
            }
            self.make_room(writer, weight, tries, left);
        }
        false
    }

    /// Unlocks the table, and tells the budget of stores, several at once.
    fn report(&self, mut writer: MutexGuard<'_, Writer<C::Exact, K>>, stored: bool) {
        writer.stores += u64::from(stored);
        let untold = if writer.stores < AT_ONCE { 0 } else { std::mem::take(&mut writer.stores) };
        drop(writer);
        if untold > 0 {
            self.budget.stored(untold);
        }
    }

    /// Removes the entry of a value that could not be replaced.
    fn forget(&self, writer: &mut Writer<C::Exact, K>, subject: &Subject<C::Exact, K>, left: &mut C::Left) {
        if let Some(spot) = self.find(writer, subject.hash, &subject.key, left) {
            self.erase(writer, spot, left);
        }
    }

    #[inline]
    fn conclude(
        writer: &mut Writer<C::Exact, K>,
        right: Right,
        draft: &Draft<C::Exact, K, V>,
        may: bool,
        stored: bool,
    ) -> Ended {
        let hook = right.claim().and_then(|id| writer.claims.end(id));
        if stored && !writer.claims.is_empty() {
            writer.claims.entered(draft.subject.hash);
        }
        // Also where there was no room for it: what is older than it must not come in its place.
        if may && !matches!(right, Right::Claim(_)) {
            writer.claims.void(&draft.subject);
        }
        Ended { stored, hook }
    }

    /// Puts an entry in, in the place of its key's or of a victim if need be. The first is not looked for if it is known to be
    /// `absent`. False if that isn't enough.
    fn put(
        &self,
        writer: &mut Writer<C::Exact, K>,
        draft: &Draft<C::Exact, K, V>,
        absent: bool,
        left: &mut C::Left,
    ) -> bool {
        let &Draft { subject: Subject { hash, key, instance, .. }, value, weight, expiry } = draft;
        writer.next_expiry = writer.next_expiry.min(expiry);
        let entry = Entry { words: Snapshot { key, value }, expiry, instance };
        if !absent && let Some(spot) = self.find(writer, hash, &key, left) {
            return self.replace(spot, tag(hash), &entry, weight, left);
        }
        if !self.budget.reserve(weight) && !self.take_place_of_another(writer, weight, left) {
            return false;
        }
        let Some(spot) = self.attach(writer, writer.growth.path(hash), tag(hash), &entry, left) else {
            self.budget.release(weight);
            return false;
        };
        writer.len += 1;
        if writer.len == 1 {
            self.budget.count_table(true);
        }
        self.entered(writer, hash, spot);
        true
    }

    /// Puts an entry in the place of its key's. False if it is too heavy for that.
    fn replace(
        &self,
        spot: Spot<'_, K, V>,
        tag: u8,
        entry: &Entry<K, V>,
        weight: u64,
        left: &mut C::Left,
    ) -> bool {
        let old = spot.value();
        if !self.budget.exchange(self.contents.weight(&old), weight) {
            return false;
        }
        spot.vacate();
        Self::fill(spot, tag, entry);
        self.contents.leave(old, left);
        true
    }

    /// Removes an entry of this table, whose room is then the new one's.
    #[inline]
    fn take_place_of_another(
        &self,
        writer: &mut Writer<C::Exact, K>,
        weight: u64,
        left: &mut C::Left,
    ) -> bool {
        let own = self.budget.is_above_share(writer.len as u64);
        if !own || self.budget.is_shared() && writer.eviction.is_time_to_glance() {
            return false;
        }
        let Some(victim) = self.victim(writer, left) else { return self.budget.reserve(weight) };
        let old = self.contents.weight(&victim.0.value());
        if self.budget.exchange(old, weight) {
            self.erase_for_another(writer, victim, left);
            return true;
        }
        self.erase(writer, victim.0, left);
        self.budget.reserve(weight)
    }

    /// Makes room elsewhere, or here if that doesn't help.
    fn make_room(
        &self,
        mut writer: MutexGuard<'_, Writer<C::Exact, K>>,
        weight: u64,
        tries: usize,
        left: &mut C::Left,
    ) {
        let own = self.budget.is_above_share(writer.len as u64);
        if tries >= ELSEWHERE || own && !self.budget.is_shared() {
            while !self.budget.has_room(weight) && self.evict_in(&mut writer, false, left) {}
            return;
        }
        drop(writer);
        if own {
            self.budget.evict(true);
            return;
        }
        while !self.budget.has_room(weight) && self.budget.evict(false) {}
    }

    /// Removes an entry to make room; with `idle`, only one that is not in use.
    pub(in crate::simple) fn evict(&self, idle: bool, left: &mut C::Left) -> bool {
        self.evict_in(&mut self.writer.0.lock(), idle, left)
    }

    fn evict_in(&self, writer: &mut Writer<C::Exact, K>, idle: bool, left: &mut C::Left) -> bool {
        let before = writer.len;
        let victim = if idle { self.idle(writer, left) } else { self.victim(writer, left) };
        if let Some((spot, _)) = victim {
            self.erase(writer, spot, left);
        }
        writer.len < before
    }
}
