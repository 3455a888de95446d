//! A thread's own first look at its hot keys, in front of the shared tables: no lock, and no write to shared memory but the
//! mark of a use, which an entry in steady use has already.
//!
//! It holds entries by reference count and believes nothing: an entry that was removed, replaced or evicted carries a mark
//! that is set before the removal returns, and deletions of functions and instances and the expiry are checked as ever. So
//! a deletion is as final here as in the tables, on every thread at once.

use std::cell::Cell;
use std::sync::Arc;

use super::entry::Entry;
use super::store::SimpleStore;
use crate::Matcher;

/// Sets of a thread; a key has one. 128 KB, allocated when the thread first keeps an entry.
const SETS: usize = 2048;
/// Entries of a set, as many as fit into a line of the processor's cache with their tags.
const WAYS: usize = 3;
/// The most bytes of a key that a thread keeps: it may hold the entry long after it is gone from the store.
const LONGEST_KEY: usize = 1024;
/// At one visit in so many, a key that finds its set full gets another one's place: keys that are more than there is room
/// for would displace each other all the time else, which costs more than a look into the shared tables.
const PATIENCE: u8 = 16;

#[derive(Default)]
#[repr(align(64))]
struct Set {
    ways: [Option<Arc<Entry>>; WAYS],
    /// The upper halves of the entries' digests, so that a look touches only the entry that it wants.
    tags: [u32; WAYS],
    /// The ways in which a look found its entry since they were last cleared.
    used: [bool; WAYS],
    /// Visits of keys that found no place.
    visits: u8,
}

type Table = Box<[Set; SETS]>;

thread_local! {
    /// Taken out while it is looked at: what is looked up from within finds none, and goes to the shared tables.
    static NEAR: Cell<Option<Table>> = const { Cell::new(None) };
}

/// Runs `with` on this thread's table, if it has one and nobody further out is at it.
#[inline(always)]
// A few instructions of the hottest path there is.
#[allow(clippy::inline_always)]
fn with_table<R>(with: impl FnOnce(&mut Table) -> Option<R>) -> Option<R> {
    let looked = NEAR.try_with(|near| {
        let mut table = near.take()?;
        let result = with(&mut table);
        put_back(near, table);
        result
    });
    // While the thread ends, it has none.
    looked.ok().flatten()
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn put_back(near: &Cell<Option<Table>>, table: Table) {
    if let Some(other) = near.replace(Some(table)) {
        discard(other);
    }
}

/// What was made while the thread's table was out, which is seldom: apart, to keep it off the way of a hit.
#[cold]
#[inline(never)]
fn discard(table: Table) {
    drop(table);
}

#[inline]
fn place(digest: u64) -> usize {
    // Other bits than those that choose the shard.
    (digest >> 8) as usize % SETS
}

#[inline]
fn tag(digest: u64) -> u32 {
    (digest >> 32) as u32
}

/// Looks a key up among this thread's hot ones, and hands a live entry to `read`. No lock is held over either closure.
#[inline(always)]
// A few instructions of the hottest path there is.
#[allow(clippy::inline_always)]
pub(super) fn look<R>(
    store: &SimpleStore,
    digest: u64,
    feed: impl Fn(&mut Matcher<'_>),
    read: impl FnOnce(&Entry) -> R,
) -> Option<R> {
    with_table(|table| {
        let set = &mut table[place(digest)];
        // Without branches, which would be guessed wrong as often as right.
        let way = usize::from(set.tags[1] == tag(digest)) + 2 * usize::from(set.tags[2] == tag(digest));
        let entry = set.ways.get(way)?.as_ref()?;
        // Last, whether it is in the store: a sweep removes a deleted entry before it forgets the deletion.
        let found = entry.digest == digest
            && Matcher::matches(entry.bytes.as_slice(), feed)
            && store.is_live(entry)
            && entry.is_in(store.number());
        if !found {
            return None;
        }
        set.used[way] = true;
        entry.touch();
        Some(read(entry))
    })
}

/// The way in which this thread should keep an entry that was found in the table, if it should.
#[inline]
pub(super) fn wants(entry: &Entry) -> Option<usize> {
    if entry.bytes.as_slice().len() > LONGEST_KEY {
        return None;
    }
    let way = with_table(|table| Some(table[place(entry.digest)].way_for(entry.digest)));
    // Without a table, all is room.
    way.unwrap_or(Some(0))
}

/// Keeps an entry in the way that it [`wants`]. Called with no lock held: what it displaces may be the last reference to a
/// value of the user's.
#[cold]
pub(super) fn keep(entry: Arc<Entry>, way: usize) {
    let displaced = NEAR.try_with(|near| {
        let mut table = near.take().or_else(empty)?;
        let set = &mut table[place(entry.digest)];
        set.tags[way] = tag(entry.digest);
        let displaced = set.ways[way].replace(entry);
        put_back(near, table);
        displaced
    });
    drop(displaced);
}

fn empty() -> Option<Table> {
    let sets: Box<[Set]> = (0..SETS).map(|_| Set::default()).collect();
    sets.try_into().ok()
}

impl Set {
    /// The way for a key: its former one, an empty one, or now and then one that is of no use any more.
    fn way_for(&mut self, digest: u64) -> Option<usize> {
        let former = self.tags.iter().position(|known| *known == tag(digest));
        if let Some(way) = former.or_else(|| self.ways.iter().position(Option::is_none)) {
            return Some(way);
        }
        // Only now and then: to look at the entries themselves would cost more than the search in the shared table.
        self.visits = self.visits.wrapping_add(1);
        if !self.visits.is_multiple_of(PATIENCE) {
            return None;
        }
        let is_gone = |way: &Option<Arc<Entry>>| way.as_ref().is_some_and(|entry| entry.is_gone());
        let useless = self.ways.iter().position(is_gone).or_else(|| self.used.iter().position(|used| !used));
        if useless.is_none() {
            self.used = [false; WAYS];
        }
        useless
    }
}
