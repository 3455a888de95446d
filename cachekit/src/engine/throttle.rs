//! The keys whose last refresh failed, until they may be tried again.

use std::collections::HashMap;

use parking_lot::Mutex;

/// The most keys that are remembered. Beyond, a failing source is asked more often.
const MOST: usize = 1 << 16;

/// By the digest of a key, from when to when no refresh begins. Two keys of one digest only share their pauses.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<u64, (u64, u64)>>);

impl Throttle {
    /// Holds refreshes of a key back from `now` on, for so many milliseconds.
    pub(crate) fn hold(&self, digest: u64, now: u64, millis: u64) {
        let mut held = self.0.lock();
        if held.len() >= MOST {
            held.retain(|_, (from, until)| (*from..*until).contains(&now));
            if held.len() >= MOST {
                held.clear();
            }
        }
        held.insert(digest, (now, now.saturating_add(millis)));
    }

    /// Whether refreshes of a key are held back. Not before the failure, where the clock was moved back.
    pub(crate) fn holds(&self, digest: u64, now: u64) -> bool {
        self.0.lock().get(&digest).is_some_and(|(from, until)| (*from..*until).contains(&now))
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Throttle};

    #[test]
    fn a_key_is_held_for_its_time_and_their_number_is_bounded() {
        let throttle = Throttle::default();
        throttle.hold(1, 100, 10);
        assert_eq!([99, 100, 109, 110].map(|now| throttle.holds(1, now)), [false, true, true, false]);
        assert!(!throttle.holds(2, 100));
        for digest in 0..2 * MOST as u64 {
            throttle.hold(digest, 200, 10);
        }
        assert!(throttle.0.lock().len() <= MOST);
        assert!(throttle.holds(2 * MOST as u64 - 1, 200));
    }
}
