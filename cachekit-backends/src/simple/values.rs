//! The entries of a function with any other keys and values: the table says whether there is one and which, and the entry
//! itself is shared by reference count.

use std::any::{Any, TypeId};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use super::buckets::{Claimed, Contents, Draft, Ended, Right, Subject, Table};
use super::budget::{Budget, Tenant};
use super::functions::InstanceNumber;
use super::pins::{self, PinKey, Pinned};
use super::plain::{Claims, Look};
use super::slab::Slab;
use super::tables::Kind;
use super::tags::{TagHorizons, Tagged};
use super::{ClaimId, Hook};
use crate::{Clock, KeyBytes, KeyHasher, KeySecret, Matcher};

/// The size of a value against the bound of its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Its bytes.
    pub bytes: u64,
    /// Whether that is all the memory it takes, so that a thread may hold it for a while after it is gone.
    pub exact: bool,
}

/// A value with its key, in one allocation.
pub struct Entry<T: ?Sized = dyn Any + Send + Sync> {
    bytes: KeyBytes,
    weight: u64,
    may_be_pinned: bool,
    /// The value is a [`Tagged`].
    has_tags: bool,
    value: T,
}

/// The heaviest entry that threads pin, in bytes.
const HEAVIEST_PINNED: u64 = 1024;

impl<T: Any + Send + Sync> Entry<T> {
    /// An entry to be stored. It counts the weight of the value, and what every entry takes.
    pub fn new(bytes: KeyBytes, weight: Weight, value: T) -> Arc<Entry> {
        let may_be_pinned =
            weight.exact && weight.bytes <= HEAVIEST_PINNED && bytes.heap() as u64 <= HEAVIEST_PINNED;
        Self::with(bytes, weight.bytes, may_be_pinned, value)
    }

    /// An entry around another one, with so many bytes more. Threads pin it where they would pin the one inside.
    pub fn around(bytes: KeyBytes, inner: &Entry, more: u64, value: T) -> Arc<Entry> {
        Self::with(bytes, inner.weight.saturating_add(more), inner.may_be_pinned, value)
    }

    fn with(bytes: KeyBytes, weight: u64, may_be_pinned: bool, value: T) -> Arc<Entry> {
        let beside = (size_of::<Self>() - size_of::<T>() + bytes.heap()) as u64 + BESIDE;
        let has_tags = TypeId::of::<T>() == TypeId::of::<Tagged>();
        Arc::new(Self { bytes, weight: weight.saturating_add(beside), may_be_pinned, has_tags, value })
    }
}

impl Entry {
    /// The value, if it is of this type.
    #[inline]
    pub fn value<T: Any>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }

    /// The value.
    #[inline]
    pub fn any(&self) -> &(dyn Any + Send + Sync) {
        &self.value
    }

    /// The bytes of its key.
    pub fn bytes(&self) -> &KeyBytes {
        &self.bytes
    }

    /// The bytes that it counts.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Whether a thread may hold it for a while after it is gone.
    pub fn may_be_pinned(&self) -> bool {
        self.may_be_pinned
    }

    fn tagged(&self) -> Option<&Tagged> {
        if self.has_tags { self.value() } else { None }
    }
}

/// How the entries of a table serve.
pub trait Form {
    /// Whether an entry serves until a moment, when it is asked for more.
    const TIMED: bool;

    /// The entry that serves for a stored one, and until when.
    fn served(stored: &Arc<Entry>) -> (&Arc<Entry>, u64);
}

/// Entries serve as they are stored.
#[derive(Clone, Copy, Debug)]
pub struct AsStored;

impl Form for AsStored {
    const TIMED: bool = false;

    #[inline]
    fn served(stored: &Arc<Entry>) -> (&Arc<Entry>, u64) {
        (stored, u64::MAX)
    }
}

/// The bytes that an entry takes in the table and the slab.
const BESIDE: u64 = 80;

struct Numbers(Slab<Entry>);

/// Entries that leave a table. To drop them is to run the user's code: with no lock held, and as a part of the computation for which
/// they were found, or after its end. A store makes one of them leave mostly, which takes no allocation.
#[derive(Default)]
pub struct Left {
    first: Option<Arc<Entry>>,
    others: Vec<Arc<Entry>>,
}

impl Left {
    /// Whether no entry left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl Extend<Arc<Entry>> for Left {
    #[inline]
    fn extend<I: IntoIterator<Item = Arc<Entry>>>(&mut self, entries: I) {
        for entry in entries {
            if self.first.is_none() {
                self.first = Some(entry);
            } else {
                self.others.push(entry);
            }
        }
    }
}

impl Contents<1, 1> for Numbers {
    type Left = Left;
    type Exact = KeyBytes;

    #[inline]
    fn hash(&self, [digest]: &[u64; 1]) -> u64 {
        *digest
    }

    fn weight(&self, [number]: &[u64; 1]) -> u64 {
        self.0.peek(*number, Entry::weight).unwrap_or(0)
    }

    fn leave(&self, [number]: [u64; 1], left: &mut Self::Left) {
        let entry = self.0.take(number);
        entry.iter().filter_map(|entry| entry.tagged()).for_each(Tagged::leave);
        left.extend(entry);
    }
}

/// A function's entries of any type.
pub struct Values {
    table: Table<Numbers, 1, 1>,
    secret: KeySecret,
    /// Tells it from other tables of the process.
    number: u64,
    /// Whether an entry had tags.
    has_tags: AtomicBool,
}

/// The result of a look in the way of most hits.
pub enum Straight {
    /// This thread holds the entry.
    Pinned(Rc<Pinned>),
    /// It does not: [`Values::read_unpinned`] decides about the entry of this number.
    Unpinned(u64),
    /// [`Values::read`] decides.
    Unknown,
}

/// A call, by its recorded key.
#[derive(Clone, Debug)]
pub struct ValueCall {
    /// The digest of the key.
    pub digest: u64,
    /// The bytes of the key.
    pub bytes: KeyBytes,
    /// The keyed digest of the instance, for methods; 0 else.
    pub instance: u64,
}

impl ValueCall {
    fn subject(&self) -> Subject<KeyBytes, 1> {
        let instance = InstanceNumber::of(self.instance).into();
        Subject { hash: self.digest, key: [self.digest], exact: self.bytes.clone(), instance }
    }
}

impl Values {
    pub(super) fn new(clock: Clock, budget: &Arc<Budget>, secret: KeySecret, methods: bool) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let table = Table::new(Numbers(Slab::new()), clock, Arc::clone(budget), methods);
        let table = Arc::new(Self { table, secret, number, has_tags: AtomicBool::new(false) });
        let tenant: Weak<dyn Tenant> = Arc::<Self>::downgrade(&table) as _;
        budget.add_tenant(tenant);
        table
    }

    /// The digest under which a key is looked up.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        self.secret.digest(feed)
    }

    fn slab(&self) -> &Slab<Entry> {
        &self.table.contents.0
    }

    /// Looks a key up in the way of most hits. `feed` may run any code: no lock is held over it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub fn straight<F: Form>(&self, digest: u64, feed: impl FnMut(&mut Matcher<'_>)) -> Straight {
        let Some([number]) = self.table.straight(digest, &[digest]) else { return Straight::Unknown };
        let Some(pin) = pins::get(self.pin_key(number)) else { return Straight::Unpinned(number) };
        let serves = !F::TIMED || self.table.is_certainly_ahead(pin.until);
        if serves && Matcher::matches(pin.bytes.as_slice(), feed) {
            Straight::Pinned(pin)
        } else {
            Straight::Unknown
        }
    }

    /// Looks a key up and hands the entry to `read`. Both closures may run any code: no lock is held over them.
    pub fn read<F: Form, R>(
        &self,
        digest: u64,
        mut feed: impl FnMut(&mut Matcher<'_>),
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        let [number] = self.table.get(digest, &[digest])?;
        match pins::get(self.pin_key(number)) {
            Some(pin) => self.look_at::<F, R>(pin.entry(), pin.until, feed, read),
            None => self.read_unpinned::<F, R>(number, &mut feed, read),
        }
    }

    /// As [`read`](Self::read), of an entry that [`straight`](Self::straight) has named. Pins it if it is the one.
    pub fn read_unpinned<F: Form, R>(
        &self,
        number: u64,
        feed: impl FnMut(&mut Matcher<'_>),
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        // It was replaced or removed in between, if it is not there any more.
        let stored = self.slab().get(number)?;
        let (entry, until) = F::served(&stored);
        let found = self.look_at::<F, R>(entry, until, feed, read)?;
        pins::pin(self.pin_key(number), entry, until);
        Some(found)
    }

    #[inline]
    fn pin_key(&self, number: u64) -> PinKey {
        PinKey { table: self.number, number }
    }

    /// Reads an entry, if it serves and has the key that is fed.
    fn look_at<F: Form, R>(
        &self,
        entry: &Entry,
        until: u64,
        feed: impl FnMut(&mut Matcher<'_>),
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        let serves = !F::TIMED || !self.table.is_over(until);
        (serves && Matcher::matches(entry.bytes.as_slice(), feed)).then(|| read(entry))
    }

    /// The entry of a recorded key, if there is one.
    pub fn get(&self, digest: u64, bytes: &[u8]) -> Option<Arc<Entry>> {
        let mut left = Left::default();
        loop {
            let [number] = self.table.get_surely(digest, &[digest], &mut left)?;
            // Without one, it was replaced in between.
            if let Some(entry) = self.slab().get(number) {
                return (entry.bytes.as_slice() == bytes).then_some(entry);
            }
        }
    }

    fn has_key(&self, number: u64, bytes: &KeyBytes) -> bool {
        self.slab().peek(number, |entry| entry.bytes == *bytes).unwrap_or(false)
    }

    /// Looks again and, where there is no entry but the one that the caller has `seen`, claims the computation: see
    /// [`Plain::claim`](super::Plain::claim). Adds entries that were over to `left`.
    pub fn claim(
        &self,
        call: &ValueCall,
        seen: Option<&Arc<Entry>>,
        may_join: impl Fn(&Hook) -> bool,
        hook: impl FnOnce() -> Hook,
        left: &mut Left,
    ) -> Look<()> {
        let is_another = |entry: &Entry| seen.is_none_or(|seen| !std::ptr::addr_eq(entry, Arc::as_ptr(seen)));
        let is = |&[number]: &[u64; 1]| {
            let is = |entry: &Entry| entry.bytes == call.bytes && is_another(entry);
            self.slab().peek(number, is).unwrap_or(false)
        };
        match self.table.claim(call.subject(), is, may_join, hook, left) {
            Claimed::Yours(id) => Look::Claimed(id),
            Claimed::Busy(hook) => Look::Busy(hook),
            Claimed::Found(_) => Look::Found(()),
        }
    }

    /// Claims a computation that runs beside all others.
    pub fn claim_apart(&self, call: &ValueCall, hook: Hook) -> ClaimId {
        self.table.claim_apart(call.subject(), hook)
    }

    /// Stores an entry if `admit` agrees. That is asked under the lock that [`remove`](Self::remove) takes, so that a deletion
    /// which marks the computation and then removes beats it always.
    pub fn put(&self, call: &ValueCall, entry: Arc<Entry>, expiry: u64, admit: impl Fn() -> bool) -> bool {
        self.fill(call, Right::Always, entry, expiry, admit, &mut Left::default()).stored
    }

    /// Reads and replaces an entry in one step. `change` gets the live entry and its expiry, and says what to store instead; it
    /// runs under the lock, and again if there was no room for what it said. It must not run code of the user's.
    pub fn update(
        &self,
        call: &ValueCall,
        mut change: impl FnMut(Option<(&Entry, u64)>) -> Option<(Arc<Entry>, u64)>,
    ) {
        // Dropped last, with no lock held.
        let (mut left, mut olds, mut refused) = (Left::default(), Vec::new(), Vec::new());
        let mut numbers = Vec::new();
        let is = |&[number]: &[u64; 1]| self.has_key(number, &call.bytes);
        let change = |old: Option<([u64; 1], u64)>| {
            let old = old.and_then(|([number], expiry)| Some((self.slab().get(number)?, expiry)));
            let new = change(old.as_ref().map(|(entry, expiry)| (&**entry, *expiry)));
            olds.extend(old);
            let (entry, expiry) = new?;
            let Some(number) = self.slab().put(Arc::clone(&entry)) else {
                refused.push(entry);
                return None;
            };
            numbers.push(number);
            Some(([number], expiry))
        };
        if self.table.update(call.subject(), is, change, &mut left) {
            // The last one is in the table.
            numbers.pop();
        }
        left.extend(numbers.into_iter().filter_map(|number| self.slab().take(number)));
    }

    /// When the entry of a call expires, by the monotonic clock; none if there is no live one. Takes the lock.
    pub fn expiry(&self, call: &ValueCall) -> Option<u64> {
        let mut found = None;
        self.update(call, |old| {
            found = old.map(|(_, expiry)| expiry);
            None
        });
        found
    }

    /// Ends a computation and stores its value, unless it was deleted since the claim or `admit`, which is asked under the lock,
    /// refuses it. Adds entries that left for it to `left`, or its own.
    pub fn fill(
        &self,
        call: &ValueCall,
        right: Right,
        entry: Arc<Entry>,
        expiry: u64,
        admit: impl Fn() -> bool,
        left: &mut Left,
    ) -> Ended {
        if entry.has_tags {
            self.has_tags.store(true, Ordering::SeqCst);
        }
        let weight = entry.weight;
        let Some(number) = self.slab().put(entry) else {
            let hook = right.claim().and_then(|claim| self.table.end(claim));
            return Ended { stored: false, hook };
        };
        let draft = Draft { subject: call.subject(), value: [number], weight, expiry };
        let ended = self.table.store(right, &draft, admit, left);
        if !ended.stored {
            left.extend(self.slab().take(number));
        }
        ended
    }

    /// Deletes a call: its entry and the claims of its computations. Returns whether a live entry was there.
    pub fn remove(&self, call: &ValueCall) -> bool {
        self.remove_and(call, || ())
    }

    /// As [`remove`](Self::remove), and calls `also` under the same lock.
    pub(super) fn remove_and(&self, call: &ValueCall, also: impl FnOnce()) -> bool {
        let mut left = Left::default();
        let is = |&[number]: &[u64; 1]| self.has_key(number, &call.bytes);
        self.table.remove(&call.subject(), is, also, &mut left)
    }

    /// Removes the entries whose keys are `doomed`, and calls `also`, in one step. Costs a look at every entry.
    pub(super) fn remove_where(&self, doomed: impl Fn(&[u8]) -> bool, also: impl Fn()) {
        let is = |&[number]: &[u64; 1]| {
            self.slab().peek(number, |entry| doomed(entry.bytes.as_slice())).unwrap_or(false)
        };
        self.table.remove_where(is, also, &mut Left::default());
    }

    /// Calls `visit` with the key's bytes of each live entry in a part of the table, under the lock, so it must not run code of the
    /// user's. Returns the next part; the first is 0. All parts together have every entry that is there all the time at least once.
    pub fn visit(&self, part: u64, mut visit: impl FnMut(&[u8])) -> Option<u64> {
        let look = |_: &[u64; 1], &[number]: &[u64; 1]| {
            self.slab().peek(number, |entry| visit(entry.bytes.as_slice()));
            false
        };
        self.table.visit(part, look, &mut Left::default())
    }

    /// The memory of the table, without the entries, in bytes.
    pub fn memory(&self) -> usize {
        self.table.memory()
    }
}

impl Claims for Values {
    fn holds(&self, claim: ClaimId) -> bool {
        self.table.holds(claim)
    }

    fn end(&self, claim: ClaimId) -> Option<Hook> {
        self.table.end(claim)
    }
}

impl Tenant for Values {
    fn evict(&self, idle: bool) -> bool {
        self.table.evict(idle, &mut Left::default())
    }

    fn entries(&self) -> u64 {
        self.table.len() as u64
    }

    fn reclaim(&self) {
        if self.table.needs_sweep() {
            self.table.sweep(&mut Left::default());
        }
    }
}

impl Kind for Values {
    fn delete_all(&self) {
        self.table.delete_all(&mut Left::default());
    }

    fn delete_instance(&self, instance: InstanceNumber) {
        self.table.delete_instance(instance.into(), &mut Left::default());
    }

    fn sweep(&self) {
        self.table.sweep(&mut Left::default());
    }

    fn sweep_tags(&self, tags: &TagHorizons) {
        let is_doomed = |_: &[u64; 1], &[number]: &[u64; 1]| {
            self.slab().peek(number, |entry| entry.tagged().is_some_and(|tagged| tags.dooms(tagged)))
                == Some(true)
        };
        let mut part = self.has_tags.load(Ordering::SeqCst).then_some(0);
        while let Some(at) = part {
            part = self.table.visit(at, is_doomed, &mut Left::default());
        }
    }

    fn needs_sweep(&self) -> bool {
        self.table.needs_sweep()
    }

    fn next_expiry(&self) -> u64 {
        self.table.next_expiry()
    }

    fn evictions(&self) -> u64 {
        self.table.evictions()
    }

    fn expirations(&self) -> u64 {
        self.table.expirations()
    }
}

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Values").field("entries", &self.table.len()).finish_non_exhaustive()
    }
}
