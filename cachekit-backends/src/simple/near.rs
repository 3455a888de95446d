//! A thread's own first look at its hot keys, in front of the shared tables: no lock, no write to shared memory.
//!
//! It holds entries by reference count and believes nothing: an entry that was removed, replaced or evicted carries a mark
//! that is set before the removal returns, and deletions of functions and instances and the expiry are checked as ever. So
//! a deletion is as final here as in the tables, on every thread at once.

use std::cell::RefCell;
use std::sync::Arc;

use super::entry::Entry;
use crate::Matcher;

/// Slots of a thread; a key has one place.
const SLOTS: usize = 128;
/// One look in so many goes to the table, whose eviction policy would take the entry for unused otherwise.
const DETOUR: u8 = 32;

struct Slot {
    entry: Option<Arc<Entry>>,
    /// The key that was here last without being kept: a key is kept at its second visit.
    candidate: u64,
    looks: u8,
}

struct Near {
    slots: [Slot; SLOTS],
}

thread_local! {
    static NEAR: RefCell<Near> =
        const { RefCell::new(Near { slots: [const { Slot { entry: None, candidate: 0, looks: 0 } }; SLOTS] }) };
}

#[inline]
fn place(digest: u64) -> usize {
    (digest >> 20) as usize % SLOTS
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
        let slot = &mut near.slots[place(digest)];
        let entry = slot.entry.as_ref()?;
        if entry.digest != digest
            || entry.store != store
            || entry.is_gone()
            || !Matcher::matches(entry.bytes.as_slice(), feed)
        {
            return None;
        }
        slot.looks = slot.looks.wrapping_add(1);
        if slot.looks % DETOUR == 0 {
            return None;
        }
        read(entry)
    })
    .ok()
    .flatten()
}

/// Whether this thread should keep an entry that was found in the table: at its second visit in a row to its place.
#[inline]
pub(super) fn wants(entry: &Arc<Entry>) -> bool {
    NEAR.try_with(|near| {
        let Ok(mut near) = near.try_borrow_mut() else { return false };
        let slot = &mut near.slots[place(entry.digest)];
        let again = std::mem::replace(&mut slot.candidate, entry.digest) == entry.digest;
        again && !slot.entry.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, entry))
    })
    .unwrap_or(false)
}

/// Keeps an entry. Called with no lock held: what it displaces may be the last reference to a value of the user's.
#[cold]
pub(super) fn keep(entry: Arc<Entry>) {
    let displaced = NEAR.try_with(|near| {
        let mut near = near.try_borrow_mut().ok()?;
        let slot = &mut near.slots[place(entry.digest)];
        slot.looks = 0;
        slot.entry.replace(entry)
    });
    drop(displaced);
}
