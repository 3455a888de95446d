//! Values that a thread holds by reference count, so that it needs no lock to read them.
//!
//! The shared table was asked before and named the value by a number that is never given again, so a pin needs no check
//! whether it still counts.

use std::cell::Cell;
use std::sync::Arc;

use super::values::Entry;

/// Places of a thread; a value has one. 64 KB, allocated when the thread first pins something.
const PLACES: usize = 2048;
/// The most that a thread holds, in bytes.
const MOST_BYTES: u64 = 1 << 20;
/// At one visit in so many, a value that finds no room displaces another one. Values that are more than there is room for
/// would displace each other all the time else, which costs more than a look into the slab.
const PATIENCE: u8 = 16;

/// The key of a pin: the table, and the number there.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PinKey {
    pub(super) table: u64,
    pub(super) number: u64,
}

#[derive(Default)]
struct Pin {
    key: PinKey,
    entry: Option<Arc<Entry>>,
}

type Places = Box<[Pin; PLACES]>;

/// A thread's counts of its pins.
#[derive(Clone, Copy, Default)]
struct Counts {
    bytes: u64,
    visits: u8,
    /// The place that gives way next when there are too many bytes.
    hand: usize,
}

thread_local! {
    /// Taken out while it is looked at: a lookup from within finds none, and goes to the slab.
    static PINS: Cell<Option<Places>> = const { Cell::new(None) };
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { bytes: 0, visits: 0, hand: 0 }) };
}

/// The pins of this thread, for as long as they are looked at.
pub(super) struct Taken(Option<Places>);

/// Takes the thread's pins out. It has none while another lookup is at them further out, or while it ends.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit")]
pub(super) fn take() -> Taken {
    Taken(PINS.try_with(Cell::take).ok().flatten())
}

impl Drop for Taken {
    #[inline]
    fn drop(&mut self) {
        let Some(places) = self.0.take() else { return };
        if let Ok(Some(other)) = PINS.try_with(|pins| pins.replace(Some(places))) {
            discard(other);
        }
    }
}

/// Those made while the thread's own were out, which is rare.
#[cold]
#[inline(never)]
fn discard(places: Places) {
    let bytes: u64 = places.iter().filter_map(|pin| pin.entry.as_deref()).map(Entry::weight).sum();
    let _ = COUNTS.try_with(|counts| {
        counts.set(Counts { bytes: counts.get().bytes.saturating_sub(bytes), ..counts.get() });
    });
    drop(places);
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit")]
#[expect(clippy::cast_possible_truncation, reason = "a few bits are wanted")]
fn place(key: PinKey) -> usize {
    // The lower bits of a number are its place in the slab, which spread evenly.
    (key.number ^ key.table.wrapping_mul(0x9e37_79b9)) as usize % PLACES
}

impl Taken {
    /// The entry that is pinned under a key.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(super) fn find(&self, key: PinKey) -> Option<&Entry> {
        let pin = &self.0.as_ref()?[place(key)];
        if pin.key == key { pin.entry.as_deref() } else { None }
    }

    /// Pins an entry, if there is room for it. The one that it displaces is dropped, which may run any code: no lock may be
    /// held.
    #[cold]
    #[inline(never)]
    pub(super) fn pin(mut self, key: PinKey, entry: &Arc<Entry>) {
        if !entry.may_be_pinned() {
            return;
        }
        let Ok(mut counts) = COUNTS.try_with(Cell::get) else { return };
        let Some(places) = self.0.take().or_else(empty) else { return };
        let places = self.0.insert(places);
        let displaced = put(places, &mut counts, key, entry);
        let _ = COUNTS.try_with(|at| at.set(counts));
        drop(self);
        drop(displaced);
    }
}

fn empty() -> Option<Places> {
    // Made on the heap: it is more than a small stack has room for.
    let places: Box<[Pin]> = (0..PLACES).map(|_| Pin::default()).collect();
    places.try_into().ok()
}

/// Pins an entry in its place, or makes room for a later visit. Returns the one that gave way.
fn put(places: &mut Places, counts: &mut Counts, key: PinKey, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
    let at = place(key);
    let has_room = counts.bytes + entry.weight() <= MOST_BYTES;
    if !has_room || places[at].entry.is_some() {
        counts.visits = (counts.visits + 1) % PATIENCE;
        if counts.visits != 0 {
            return None;
        }
    }
    let gives_way = if has_room { at } else { counts.hand };
    let displaced = std::mem::take(&mut places[gives_way]).entry;
    counts.bytes -= displaced.as_deref().map_or(0, Entry::weight).min(counts.bytes);
    if has_room {
        counts.bytes += entry.weight();
        places[at] = Pin { key, entry: Some(Arc::clone(entry)) };
    } else {
        counts.hand = (counts.hand + 1) % PLACES;
    }
    displaced
}
