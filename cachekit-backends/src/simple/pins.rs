//! Values that a thread holds by reference count, so that it needs no lock to read them.
//!
//! The shared table was asked before and named the value by a number that is never given again, so a pin needs no check
//! whether it still counts.

use std::cell::RefCell;
use std::sync::Arc;

use super::values::Entry;

/// Places of a thread; a value has one. 80 KB, allocated when the thread first pins something.
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
    /// Until then a look need not ask for more than the moment.
    until: u64,
    entry: Option<Arc<Entry>>,
}

type Places = Box<[Pin; PLACES]>;

/// The pins of a thread, and their counts.
struct Pins {
    places: Option<Places>,
    bytes: u64,
    visits: u8,
    /// The place that gives way next when there are too many bytes.
    hand: usize,
}

thread_local! {
    /// Borrowed while an entry is looked at: a lookup from within may look too, and pins nothing.
    static PINS: RefCell<Pins> = const { RefCell::new(Pins { places: None, bytes: 0, visits: 0, hand: 0 }) };
}

/// Calls `look` with the entry that this thread has pinned under a key, and the moment until which it serves. It may run any code.
/// None if nothing is pinned, as while the thread ends.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit")]
pub(super) fn with<R>(key: PinKey, look: impl FnOnce(&Entry, u64) -> R) -> Option<R> {
    let look = |pins: &RefCell<Pins>| {
        let pins = pins.try_borrow().ok()?;
        let pin = &pins.places.as_ref()?[place(key)];
        if pin.key != key {
            return None;
        }
        pin.entry.as_deref().map(|entry| look(entry, pin.until))
    };
    PINS.try_with(look).ok().flatten()
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit")]
#[expect(clippy::cast_possible_truncation, reason = "a few bits are wanted")]
fn place(key: PinKey) -> usize {
    // The lower bits of a number are its place in the slab, which spread evenly.
    (key.number ^ key.table.wrapping_mul(0x9e37_79b9)) as usize % PLACES
}

/// Pins an entry, if there is room for it. The one that it displaces is dropped, which may run any code: no lock may be held.
#[cold]
#[inline(never)]
pub(super) fn pin(key: PinKey, entry: &Arc<Entry>, until: u64) {
    if !entry.may_be_pinned() {
        return;
    }
    let put = |pins: &RefCell<Pins>| pins.try_borrow_mut().ok()?.put(key, entry, until);
    // Dropped when the pins are not borrowed any more.
    let displaced = PINS.try_with(put).ok().flatten();
    drop(displaced);
}

fn empty() -> Option<Places> {
    // Made on the heap: it is more than a small stack has room for.
    let places: Box<[Pin]> = (0..PLACES).map(|_| Pin::default()).collect();
    places.try_into().ok()
}

impl Pins {
    /// Pins an entry in its place, or makes room for a later visit. Returns the one that gave way.
    fn put(&mut self, key: PinKey, entry: &Arc<Entry>, until: u64) -> Option<Arc<Entry>> {
        let Self { places, bytes, visits, hand } = self;
        let places = places.take().or_else(empty).map(|made| places.insert(made))?;
        let at = place(key);
        let has_room = *bytes + entry.weight() <= MOST_BYTES;
        if !has_room || places[at].entry.is_some() {
            *visits = (*visits + 1) % PATIENCE;
            if *visits != 0 {
                return None;
            }
        }
        let gives_way = if has_room { at } else { *hand };
        let displaced = std::mem::take(&mut places[gives_way]).entry;
        *bytes -= displaced.as_deref().map_or(0, Entry::weight).min(*bytes);
        if has_room {
            *bytes += entry.weight();
            places[at] = Pin { key, until, entry: Some(Arc::clone(entry)) };
        } else {
            *hand = (*hand + 1) % PLACES;
        }
        displaced
    }
}
