//! Entries in process: the table of each, and the operations on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use cachekit_backends::KeyHasher;
use cachekit_backends::simple::{
    ClaimId, Claims, Ended, Entry, Hook, Left, Look, MOST_KEY_WORDS, PlainKey, PlainTable, Right, Shape,
    ValueCall, ValueWords, Values,
};

use super::flight::Key;
use super::near::Near;
use super::stats::{Counters, Event, Tally};
use super::{Engine, LocalStore, OBJECT};

/// A store of entries in process: that of a cache, or its near tier.
pub(crate) trait InProcess {
    /// The keyed digest of what is fed.
    fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64;
    /// The plain table of a function, if there are tables of this shape; of methods where `methods`.
    fn plain_table(&self, function: u32, shape: Shape, methods: bool) -> Option<PlainTable>;
    /// The table of a function's entries of any type; of methods where `methods`.
    fn values(&self, function: u32, methods: bool) -> &Arc<Values>;
}

/// The tables of a function in one store, once they are in use.
#[derive(Default)]
pub(crate) struct LocalTables {
    /// The table of entries that are words.
    pub(crate) plain: OnceLock<PlainTable>,
    /// The table of all others.
    pub(crate) values: OnceLock<Arc<Values>>,
    bound: OnceLock<Bound>,
    /// Entries carry their times though the attribute does not say so. It is never taken back: entries of the plain table are not
    /// looked up again, and a deletion need not look for them.
    timed: AtomicBool,
}

/// The data that a hit needs of a function in one engine: one record behind one static, which is only read.
#[derive(Clone)]
pub(crate) struct Bound {
    /// The number of the function's counters.
    counter: u32,
    /// The table of entries that are words.
    pub(crate) plain: Option<PlainTable>,
    /// The table of all others; none if the function's entries are on a backend.
    pub(crate) values: Option<Arc<Values>>,
}

/// The tables that a function needs.
pub(crate) struct Needs {
    /// For entries that are words.
    pub(crate) shape: Option<Shape>,
    /// Whether entries have instances.
    pub(crate) methods: bool,
}

impl Bound {
    /// Where this thread counts hits of the function. None of a thread that has no place yet, and while a response or a fragment
    /// is being made that must know of each hit.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(crate) fn hits(&self) -> Option<Tally> {
        Counters::tally(self.counter, Event::Hit)
    }

    /// Counts a hit of a function. Returns whether a response or a fragment is being made that must know of it.
    pub(crate) fn count_hit<'e>(&self, function: u32, engine: impl FnOnce() -> &'e Engine) -> bool {
        Counters::count_as(self.counter, Event::Hit, || &engine().functions.get(function).counters)
    }

    /// Counts a value that the near tier had.
    pub(crate) fn count_near(&self, function: u32, engine: &Engine) {
        self.count(Event::Near, function, engine);
    }

    /// Counts an event of a function.
    pub(crate) fn count(&self, event: Event, function: u32, engine: &Engine) {
        let _suspended = Counters::count_as(self.counter, event, || &engine.functions.get(function).counters);
    }
}

/// The table of an entry.
pub(crate) enum LocalTable {
    /// Keys and values are words; with those of the key.
    Plain(PlainTable, [u64; MOST_KEY_WORDS]),
    Values(Arc<Values>),
}

/// A stored part, as a table keeps it.
pub(crate) enum Content {
    Words(ValueWords),
    Entry(Arc<Entry>),
}

impl Content {
    fn words(&self) -> Option<&ValueWords> {
        if let Self::Words(words) = self { Some(words) } else { None }
    }

    fn entry(&self) -> Option<&Arc<Entry>> {
        if let Self::Entry(entry) = self { Some(entry) } else { None }
    }
}

impl LocalTables {
    /// See [`InProcess::plain_table`].
    fn plain_table(
        &self,
        store: &LocalStore,
        function: u32,
        shape: Shape,
        methods: bool,
    ) -> Option<PlainTable> {
        if self.timed.load(Ordering::SeqCst) {
            return None;
        }
        if let Some(table) = self.plain.get().filter(|table| table.shape() == shape) {
            return Some(table.clone());
        }
        // A function that is one for several types may have a table for each.
        let table = store.plain(function, shape, methods)?;
        Some(self.plain.get_or_init(|| table.clone()).clone())
            .filter(|first| first.shape() == shape)
            .or(Some(table))
    }

    /// See [`InProcess::values`].
    fn values(&self, store: &LocalStore, function: u32, methods: bool) -> &Arc<Values> {
        self.values.get_or_init(|| store.values(function, methods))
    }
}

impl InProcess for Engine {
    fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        self.local.digest(feed)
    }

    fn plain_table(&self, function: u32, shape: Shape, methods: bool) -> Option<PlainTable> {
        self.functions.get(function).tables.plain_table(&self.local, function, shape, methods)
    }

    fn values(&self, function: u32, methods: bool) -> &Arc<Values> {
        self.functions.get(function).tables.values(&self.local, function, methods)
    }
}

impl InProcess for Near {
    fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        self.tables.digest(feed)
    }

    fn plain_table(&self, function: u32, shape: Shape, methods: bool) -> Option<PlainTable> {
        self.tables_of(function).plain_table(&self.tables, function, shape, methods)
    }

    fn values(&self, function: u32, methods: bool) -> &Arc<Values> {
        self.tables_of(function).values(&self.tables, function, methods)
    }
}

impl Engine {
    /// Returns the record that a hit needs of a function whose entries are in process, if they are `here`.
    pub(crate) fn bound(&self, function: u32, here: bool, needs: &Needs) -> &Bound {
        let used = self.functions.get(function);
        used.tables.bound.get_or_init(|| Bound {
            counter: used.counters.number(),
            plain: needs
                .shape
                .filter(|_| here)
                .and_then(|shape| self.plain_table(function, shape, needs.methods)),
            // That of a function whose keys are texts has the long ones.
            values: here.then(|| Arc::clone(self.values(function, needs.methods))),
        })
    }

    /// Makes the entries of a function carry their times from now on, so that they are no words.
    pub(crate) fn carry_times(&self, function: u32) {
        self.functions.get(function).tables.timed.store(true, Ordering::SeqCst);
    }

    /// Whether they do, because windows were once set from outside.
    pub(crate) fn carries_times(&self, function: u32) -> bool {
        self.functions.get(function).tables.timed.load(Ordering::SeqCst)
    }

    /// A function's table as the engine keeps it.
    pub(crate) fn claims(&self, function: u32, table: &LocalTable) -> Option<&dyn Claims> {
        let known = &self.functions.get(function).tables;
        match table {
            // Of one shape a function has one table.
            LocalTable::Plain(table, _) => {
                known.plain.get().filter(|known| known.shape() == table.shape()).map(PlainTable::as_claims)
            }
            LocalTable::Values(_) => known.values.get().map(|values| &**values as _),
        }
    }

    /// The table of the cache object's entries.
    pub(crate) fn objects(&self) -> &Arc<Values> {
        self.values(OBJECT, false)
    }
}

impl Key {
    /// The key, as a table of any values takes it.
    pub(crate) fn to_call(&self, instance: u64) -> ValueCall {
        ValueCall { digest: self.digest, bytes: self.bytes.clone(), instance }
    }
}

impl LocalTable {
    /// Whether stored parts are words.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(..))
    }

    /// The stored part under a key.
    pub(crate) fn get(&self, key: &Key) -> Option<Content> {
        match self {
            Self::Plain(table, words) => {
                table.get_surely(&PlainKey { words: *words, instance: 0 }).map(Content::Words)
            }
            Self::Values(values) => values.get(key.digest, key.bytes.as_slice()).map(Content::Entry),
        }
    }

    /// Looks again and, where there is no part but the one that the caller has `seen`, claims the computation, in one step. A
    /// caller that finds it claimed gets its hook if it `may_join`; `hook` makes that of a new claim. Both run under the lock that
    /// [`remove`](Self::remove) takes. Adds entries that were over to `left`.
    pub(crate) fn claim(
        &self,
        key: &Key,
        instance: u64,
        seen: Option<&Content>,
        may_join: impl Fn(&Hook) -> bool,
        hook: impl FnOnce() -> Hook,
        left: &mut Left,
    ) -> Look<()> {
        match self {
            Self::Plain(table, words) => {
                let seen = seen.and_then(Content::words);
                table.claim(&PlainKey { words: *words, instance }, seen, may_join, hook)
            }
            Self::Values(values) => {
                values.claim(&key.to_call(instance), seen.and_then(Content::entry), may_join, hook, left)
            }
        }
    }

    /// Claims a computation that no caller waits for.
    pub(crate) fn claim_apart(&self, key: &Key, instance: u64, hook: Hook) -> ClaimId {
        match self {
            Self::Plain(table, words) => table.claim_apart(&PlainKey { words: *words, instance }, hook),
            Self::Values(values) => values.claim_apart(&key.to_call(instance), hook),
        }
    }

    /// The claims of the table.
    pub(crate) fn claims(&self) -> Arc<dyn Claims> {
        match self {
            Self::Plain(table, _) => table.claims(),
            Self::Values(values) => Arc::clone(values) as _,
        }
    }

    /// Ends a computation and stores its part, unless something was deleted since its claim that it stands for, or `admit`, which is
    /// asked under the lock, refuses it. Adds entries that left for it to `left`.
    pub(crate) fn fill(
        &self,
        key: &Key,
        instance: u64,
        right: Right,
        (content, expiry): (Content, u64),
        admit: impl Fn() -> bool,
        left: &mut Left,
    ) -> Ended {
        match (self, content) {
            (Self::Plain(table, words), Content::Words(value)) => {
                table.fill(&PlainKey { words: *words, instance }, right, &value, expiry, admit)
            }
            (Self::Values(values), Content::Entry(entry)) => {
                values.fill(&key.to_call(instance), right, entry, expiry, admit, left)
            }
            _ => unreachable!("a part is made for its table"),
        }
    }

    /// When the entry of a key expires, by the monotonic clock; none if there is no live one.
    pub(crate) fn expiry(&self, key: &Key, instance: u64) -> Option<u64> {
        match self {
            Self::Plain(table, words) => table.expiry(&PlainKey { words: *words, instance }),
            Self::Values(values) => values.expiry(&key.to_call(instance)),
        }
    }

    /// Calls `each` with the words of the key of each live entry, if they are words; under a lock, so it must not run code of the
    /// user's.
    pub(crate) fn each_words(&self, mut each: impl FnMut(&[u64])) {
        let Self::Plain(table, _) = self else { return };
        let mut part = Some(0);
        while let Some(at) = part {
            part = table.visit(at, &mut each);
        }
    }

    /// The same with the bytes of each key, if they are no words.
    pub(crate) fn each_bytes(&self, mut each: impl FnMut(&[u8])) {
        let Self::Values(table) = self else { return };
        let mut part = Some(0);
        while let Some(at) = part {
            part = table.visit(at, &mut each);
        }
    }

    /// Removes the entry of a key; whether a live one was there.
    pub(crate) fn remove(&self, key: &Key, instance: u64) -> bool {
        match self {
            Self::Plain(table, words) => table.remove(&PlainKey { words: *words, instance }),
            Self::Values(values) => values.remove(&key.to_call(instance)),
        }
    }
}
