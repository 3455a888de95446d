//! The options of the store.

use crate::Clock;

/// The options of a [`FileSystem`](super::FileSystem).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The most entries that are kept; 0 is no limit. Processes that share a directory should agree on it; if they don't,
    /// the lowest wins.
    pub threshold: usize,
    /// The most bytes that the files of entries take, each counted in blocks of 4 KiB; 0 is no limit. A heavier entry is not kept.
    /// Versions don't count. Processes that share a directory should agree on it, too.
    pub max_bytes: u64,
    /// The source of time for expiry.
    pub clock: Clock,
}

impl Default for Options {
    /// 10,000 entries of any size, by the system's clock.
    fn default() -> Self {
        Self { threshold: 10_000, max_bytes: 0, clock: Clock::system() }
    }
}

impl Options {
    /// Sets [`threshold`](Self::threshold).
    #[must_use]
    pub fn threshold(mut self, entries: usize) -> Self {
        self.threshold = entries;
        self
    }

    /// Sets [`max_bytes`](Self::max_bytes).
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets [`clock`](Self::clock).
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}
