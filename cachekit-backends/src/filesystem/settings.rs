//! The options of the store.

use crate::Clock;

/// The options of a [`FileSystem`](super::FileSystem).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The most entries that are kept; 0 is no limit. Processes that share a directory should agree on it; if they don't,
    /// the lowest wins.
    pub threshold: usize,
    /// The source of time for expiry.
    pub clock: Clock,
}

impl Default for Options {
    /// 10,000 entries, by the system's clock.
    fn default() -> Self {
        Self { threshold: 10_000, clock: Clock::system() }
    }
}

impl Options {
    /// Sets [`threshold`](Self::threshold).
    #[must_use]
    pub fn threshold(mut self, entries: usize) -> Self {
        self.threshold = entries;
        self
    }

    /// Sets [`clock`](Self::clock).
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}
