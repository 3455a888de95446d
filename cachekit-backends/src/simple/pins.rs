//! Entries that a thread holds by reference count, so that it needs no lock to read them.
//!
//! The shared table was asked before and named the entry by a number that is never given again, so a pin needs no check
//! whether it still counts.

use std::any::TypeId;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;

use super::values::Entry;
use crate::KeyBytes;

/// Places of a thread; an entry has one. 16 KB, allocated when the thread first pins something.
const PLACES: usize = 2048;
/// The most that a thread holds, in bytes.
const MOST_BYTES: u64 = 1 << 20;
/// At one visit in so many, an entry that finds no room displaces another one. Entries that are more than there is room for
/// would displace each other all the time else, which costs more than a look into the slab.
const PATIENCE: u8 = 16;

/// The key of a pin: the table, and the number there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PinKey {
    pub(super) table: u64,
    pub(super) number: u64,
}

/// An entry that this thread holds. A caller that has it can read it while it is displaced.
pub struct Pinned {
    key: PinKey,
    /// Until then a look need not ask for more than the moment.
    pub(super) until: u64,
    /// Those of the entry, which cost a line of the cache less here.
    pub(super) bytes: KeyBytes,
    value_type: TypeId,
    entry: Arc<Entry>,
}

impl Pinned {
    /// The type of the entry's value.
    #[inline]
    pub fn value_type(&self) -> TypeId {
        self.value_type
    }

    /// The entry.
    #[inline]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}

type Places = Box<[Option<Rc<Pinned>>; PLACES]>;

/// The pins of a thread, and their counts. Dropped by [`End`], so that an access need not ask whether they still are.
struct Pins {
    /// None before the first pin, and while one of them is looked at or changed.
    places: Cell<ManuallyDrop<Option<Places>>>,
    bytes: Cell<u64>,
    visits: Cell<u8>,
    /// The place that gives way next when there are too many bytes.
    hand: Cell<usize>,
}

/// Drops the pins of its thread.
struct End;

thread_local! {
    static PINS: Pins = const {
        Pins {
            places: Cell::new(ManuallyDrop::new(None)),
            bytes: Cell::new(0),
            visits: Cell::new(0),
            hand: Cell::new(0),
        }
    };
    /// Touched by each pin. Nothing is pinned once its destructor runs.
    static END: End = const { End };
}

impl Drop for End {
    fn drop(&mut self) {
        let places = PINS.with(|pins| pins.places.take());
        // Runs any code, which may look for pins and finds none.
        drop(ManuallyDrop::into_inner(places));
    }
}

/// Returns the entry that this thread has pinned under a key.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit")]
pub(super) fn get(key: PinKey) -> Option<Rc<Pinned>> {
    let find = |places: &mut Option<Places>| {
        let pin = places.as_ref()?[place(key)].as_ref()?;
        (pin.key == key).then(|| Rc::clone(pin))
    };
    // Not by `with`, which is not inlined.
    PINS.try_with(|pins| pins.with_places(find)).ok().flatten()
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
    if !entry.may_be_pinned() || END.try_with(|_| ()).is_err() {
        return;
    }
    let pin = || {
        let value_type = entry.any().type_id();
        Rc::new(Pinned { key, until, bytes: entry.bytes().clone(), value_type, entry: Arc::clone(entry) })
    };
    // Dropped when the places are back.
    let displaced = PINS.with(|pins| pins.put(key, entry.weight(), pin));
    drop(displaced);
}

fn empty() -> Option<Places> {
    // Made on the heap: it is more than a small stack has room for.
    let places: Box<[_]> = (0..PLACES).map(|_| None).collect();
    places.try_into().ok()
}

impl Pins {
    /// Takes the places for a moment. `act` runs no code of the user's.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    fn with_places<R>(&self, act: impl FnOnce(&mut Option<Places>) -> R) -> R {
        let mut places = self.places.take();
        let result = act(&mut places);
        self.places.set(places);
        result
    }

    /// Puts a pin in its place, or makes room for a later visit. Returns the one that gave way.
    fn put(&self, key: PinKey, weight: u64, pin: impl FnOnce() -> Rc<Pinned>) -> Option<Rc<Pinned>> {
        self.with_places(|places| {
            let places = places.take().or_else(empty).map(|made| places.insert(made))?;
            let at = place(key);
            let has_room = self.bytes.get() + weight <= MOST_BYTES;
            if !has_room || places[at].is_some() {
                self.visits.set((self.visits.get() + 1) % PATIENCE);
                if self.visits.get() != 0 {
                    return None;
                }
            }
            let gives_way = if has_room { at } else { self.hand.get() };
            let displaced = places[gives_way].take();
            let less = displaced.as_ref().map_or(0, |pin| pin.entry.weight());
            self.bytes.set(self.bytes.get().saturating_sub(less));
            if has_room {
                self.bytes.set(self.bytes.get() + weight);
                places[at] = Some(pin());
            } else {
                self.hand.set((self.hand.get() + 1) % PLACES);
            }
            displaced
        })
    }
}
