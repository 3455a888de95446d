//! How often the recent looks of a function found everything, which decides how the next one asks.

use std::sync::atomic::{AtomicU8, Ordering};

use xxhash_rust::xxh3::xxh3_64;

/// Functions whose names fall into one slot share a ratio. That costs a round trip or server time, never a wrong value.
const SLOTS: usize = 256;
/// The ratio at which both ways are worth the same, and at which a function starts.
const HALF: u8 = 128;
/// A look counts an eighth of all before it: six misses in a row outweigh any number of hits.
const WEIGHT: u8 = 8;

/// The recent hit ratios of functions, as parts of 255.
pub(super) struct Recent([AtomicU8; SLOTS]);

impl Recent {
    pub(super) fn new() -> Self {
        Self([const { AtomicU8::new(HALF) }; SLOTS])
    }

    /// Returns the ratio of the function that owns the first version.
    pub(super) fn of(&self, versions: &[&str]) -> Ratio<'_> {
        let name = versions.first().copied().unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "only the lower bits are used")]
        let slot = xxh3_64(name.as_bytes()) as usize % SLOTS;
        Ratio(&self.0[slot])
    }
}

/// The recent hit ratio of a function.
pub(super) struct Ratio<'a>(&'a AtomicU8);

impl Ratio<'_> {
    /// Whether a plain read is likely to be enough.
    pub(super) fn is_high(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= HALF
    }

    /// Counts a look. Two at once may count as one: the ratio is a guess.
    pub(super) fn note(&self, found: bool) {
        let old = self.0.load(Ordering::Relaxed);
        let new = if found { old + (u8::MAX - old).div_ceil(WEIGHT) } else { old - old.div_ceil(WEIGHT) };
        if new != old {
            self.0.store(new, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_starts_with_reads_and_its_recent_looks_decide() {
        let recent = Recent::new();
        let ratio = recent.of(&["f", "an instance"]);
        assert!(ratio.is_high());
        ratio.note(false);
        assert!(!recent.of(&["f", "another"]).is_high(), "the instance does not matter");
        ratio.note(true);
        assert!(ratio.is_high());
        (0..1000).for_each(|_| ratio.note(true));
        (0..5).for_each(|_| ratio.note(false));
        assert!(ratio.is_high(), "a few misses among many hits");
        ratio.note(false);
        assert!(!ratio.is_high());
        (0..1000).for_each(|_| ratio.note(false));
        (0..5).for_each(|_| ratio.note(true));
        assert!(!ratio.is_high(), "a few hits among many misses");
        ratio.note(true);
        assert!(ratio.is_high());
    }
}
