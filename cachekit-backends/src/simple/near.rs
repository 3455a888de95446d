//! A thread's own first look at its hot keys, in front of the shared tables: no lock, no write to shared memory.
//!
//! It holds entries by reference count and believes nothing: an entry that was removed, replaced or evicted carries a mark
//! that is set before the removal returns, and deletions of functions and instances and the expiry are checked as ever. So
//! a deletion is as final here as in the tables, on every thread at once.

use std::cell::RefCell;
use std::sync::Arc;

use super::entry::Entry;
use crate::Matcher;

/// Sets of a thread, of two entries each; a key has one set. 64 KB, allocated when the thread first keeps an entry.
const SETS: usize = 2048;
/// One look in so many goes to the table, whose eviction policy would take the entry for unused otherwise.
const DETOUR: u8 = 32;

#[derive(Default)]
struct Set {
    ways: [Option<Arc<Entry>>; 2],
    /// The upper halves of the entries' digests, so that a look touches only the entry that it wants.
    tags: [u32; 2],
    /// The last key that wanted a place here: it gets one at its second visit in a row.
    candidate: u32,
    looks: u8,
}

thread_local! {
    static NEAR: RefCell<Option<Box<[Set]>>> = const { RefCell::new(None) };
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

/// Looks a key up among this thread's hot ones, and hands a live entry to `read`. Neither `feed` nor `read` runs code of
/// the user's.
#[inline]
pub(super) fn look<R>(
    store: u64,
    digest: u64,
    feed: impl Fn(&mut Matcher<'_>),
    read: impl FnOnce(&Entry) -> Option<R>,
) -> Option<R> {
    NEAR.try_with(|near| {
        let mut near = near.try_borrow_mut().ok()?;
        let set = near.as_mut()?.get_mut(place(digest))?;
        let way = usize::from(set.tags[0] != tag(digest));
        let entry = set.ways[way].as_ref()?;
        if entry.digest != digest
            || entry.store != store
            || entry.is_gone()
            || !Matcher::matches(entry.bytes.as_slice(), feed)
        {
            return None;
        }
        set.looks = set.looks.wrapping_add(1);
        if set.looks % DETOUR == 0 {
            return None;
        }
        read(entry)
    })
    .ok()
    .flatten()
}

/// Whether this thread should keep an entry that was found in the table: if there is room, or at its second visit in a row.
#[inline]
pub(super) fn wants(entry: &Arc<Entry>) -> bool {
    NEAR.try_with(|near| {
        let Ok(mut near) = near.try_borrow_mut() else { return false };
        let Some(set) = near.as_mut().and_then(|sets| sets.get_mut(place(entry.digest))) else { return true };
        if set.ways.iter().flatten().any(|kept| Arc::ptr_eq(kept, entry)) {
            return false;
        }
        let tag = tag(entry.digest);
        std::mem::replace(&mut set.candidate, tag) == tag || set.free().is_some()
    })
    .unwrap_or(false)
}

/// Keeps an entry. Called with no lock held: what it displaces may be the last reference to a value of the user's.
#[cold]
pub(super) fn keep(entry: Arc<Entry>) {
    let displaced = NEAR.try_with(|near| {
        let mut near = near.try_borrow_mut().ok()?;
        let sets = near.get_or_insert_with(|| (0..SETS).map(|_| Set::default()).collect());
        let set = sets.get_mut(place(entry.digest))?;
        // Without room the older of the two goes.
        let way = set.free().unwrap_or_else(|| {
            set.ways.swap(0, 1);
            set.tags.swap(0, 1);
            1
        });
        set.tags[way] = tag(entry.digest);
        set.ways[way].replace(entry)
    });
    drop(displaced);
}

impl Set {
    /// A way that is empty, or whose entry has left its table.
    fn free(&self) -> Option<usize> {
        self.ways.iter().position(|way| way.as_ref().is_none_or(|entry| entry.is_gone()))
    }
}
