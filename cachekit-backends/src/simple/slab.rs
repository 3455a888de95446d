//! Where the values are that tables of words name by numbers: each under a lock of its own, which readers share, and no number is
//! given twice.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::SlotTable;

/// Bits of a number that say the place; the others count how often it was used.
const PLACE: u32 = 28;
/// How often a place is used: as many numbers as it has, but for 0.
const MOST_USES: u64 = u64::MAX >> PLACE;

/// A place and the number of its present value.
struct Place<T: ?Sized> {
    number: u64,
    value: Option<Arc<T>>,
}

impl<T: ?Sized> Default for Place<T> {
    fn default() -> Self {
        Self { number: 0, value: None }
    }
}

pub(super) struct Slab<T: ?Sized> {
    places: SlotTable<RwLock<Place<T>>>,
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    places: Vec<u32>,
    /// The first place that was never used.
    next: u32,
}

#[expect(clippy::cast_possible_truncation, reason = "the lower 28 bits")]
fn place(number: u64) -> u32 {
    number as u32 & ((1 << PLACE) - 1)
}

impl<T: ?Sized> Slab<T> {
    pub(super) fn new() -> Self {
        Self { places: SlotTable::new(), free: Mutex::new(Free::default()) }
    }

    /// Keeps a value; its number is never 0. None when all places are taken.
    pub(super) fn put(&self, value: Arc<T>) -> Option<u64> {
        let at = {
            let mut free = self.free.lock();
            match free.places.pop() {
                Some(at) => at,
                None if free.next < 1 << PLACE => {
                    free.next += 1;
                    free.next - 1
                }
                None => return None,
            }
        };
        let mut slot = self.places.get(at).write();
        let uses = slot.number >> PLACE;
        slot.number = (uses + 1) << PLACE | u64::from(at);
        slot.value = Some(value);
        Some(slot.number)
    }

    /// The value of a number, if it is still there.
    pub(super) fn get(&self, number: u64) -> Option<Arc<T>> {
        let slot = self.places.get(place(number)).read();
        if slot.number != number {
            return None;
        }
        slot.value.clone()
    }

    /// Looks at a value under its lock.
    pub(super) fn peek<R>(&self, number: u64, look: impl FnOnce(&T) -> R) -> Option<R> {
        let slot = self.places.get(place(number)).read();
        if slot.number != number {
            return None;
        }
        slot.value.as_deref().map(look)
    }

    /// Takes a value out.
    pub(super) fn take(&self, number: u64) -> Option<Arc<T>> {
        let mut slot = self.places.get(place(number)).write();
        if slot.number != number {
            return None;
        }
        let value = slot.value.take();
        drop(slot);
        // A place whose numbers have all been given is not used again.
        if value.is_some() && number >> PLACE < MOST_USES {
            self.free.lock().places.push(place(number));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_for_one_value_only() {
        let slab = Slab::<u32>::new();
        let first = slab.put(Arc::new(1)).unwrap();
        assert_eq!(slab.get(first).as_deref(), Some(&1));
        assert_eq!(slab.take(first).as_deref(), Some(&1));
        assert_eq!(slab.take(first), None);
        let second = slab.put(Arc::new(2)).unwrap();
        assert_eq!(
            (place(first), slab.get(first)),
            (place(second), None),
            "the place is used again, not the number"
        );
        assert_eq!(slab.get(second).as_deref(), Some(&2));
    }

    #[test]
    fn a_place_is_not_used_more_often_than_it_has_numbers() {
        let slab = Slab::<u32>::new();
        let first = slab.put(Arc::new(1)).unwrap();
        slab.take(first);
        slab.places.get(place(first)).write().number = (MOST_USES - 1) << PLACE | u64::from(place(first));
        let last = slab.put(Arc::new(2)).unwrap();
        assert_eq!((place(last), last >> PLACE), (place(first), MOST_USES));
        assert!(slab.take(last).is_some());
        assert_ne!(place(slab.put(Arc::new(3)).unwrap()), place(first));
    }

    #[test]
    fn readers_of_one_value_do_not_wait_for_each_other() {
        let slab = Slab::<u32>::new();
        let number = slab.put(Arc::new(1)).unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            slab.peek(number, |_| {
                scope.spawn(|| send.send(slab.get(number)));
                let read = receive.recv_timeout(std::time::Duration::from_secs(20));
                assert_eq!(read.expect("another reader waits").as_deref(), Some(&1));
            });
        });
    }
}
