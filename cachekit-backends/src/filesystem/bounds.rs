//! The bounds of a directory, and what counts against them.

use std::fs::Metadata;

use super::Options;

/// The unit in which files are counted, which is that in which most file systems allot room.
pub(super) const BLOCK: u64 = 4096;

/// Entries and the blocks of their files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) entries: u64,
    pub(super) blocks: u64,
}

impl Amount {
    /// One entry in a file with these properties.
    pub(super) fn of(file: &Metadata) -> Self {
        Self { entries: 1, blocks: blocks(file.len()) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { entries: self.entries + other.entries, blocks: self.blocks + other.blocks }
    }

    /// A count may be too low after damage: no number wraps.
    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_sub(other.entries),
            blocks: self.blocks.saturating_sub(other.blocks),
        }
    }
}

/// How many blocks a file of so many bytes takes.
pub(super) fn blocks(len: u64) -> u64 {
    len.div_ceil(BLOCK).max(1)
}

/// The most that a directory holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    most: Amount,
}

impl Bounds {
    pub(super) fn new(options: &Options) -> Self {
        let limit = |n: u64| if n == 0 { u64::MAX } else { n };
        let (entries, bytes) = (limit(options.threshold as u64), limit(options.max_bytes));
        Self { most: Amount { entries, blocks: bytes / BLOCK } }
    }

    /// Whether there is any.
    pub(super) fn exist(self) -> bool {
        self.most.entries != u64::MAX || self.limit_blocks()
    }

    fn limit_blocks(self) -> bool {
        self.most.blocks != u64::MAX / BLOCK
    }

    /// Whether an entry of so many blocks may be kept at all.
    pub(super) fn admit_blocks(self, blocks: u64) -> bool {
        blocks <= self.most.blocks
    }

    /// Whether the directory may hold so much.
    pub(super) fn hold(self, all: Amount) -> bool {
        all.entries <= self.most.entries && all.blocks <= self.most.blocks
    }

    /// Whether more of it must be weighed against the whole directory.
    pub(super) fn limit(self, more: Amount) -> bool {
        more.entries > 0 && self.most.entries != u64::MAX || more.blocks > 0 && self.limit_blocks()
    }

    /// Whether a directory that holds so much may take more. What doesn't grow is never refused.
    pub(super) fn have_room(self, all: Amount, more: Amount) -> bool {
        (more.entries == 0 || all.entries.saturating_add(more.entries) <= self.most.entries)
            && (more.blocks == 0 || all.blocks.saturating_add(more.blocks) <= self.most.blocks)
    }

    /// The bounds, as the settings say them.
    pub(super) fn describe(self) -> String {
        let entries = (self.most.entries != u64::MAX)
            .then(|| format!("CACHE_THRESHOLD = {} entries", self.most.entries));
        let bytes = self.limit_blocks().then(|| format!("CACHE_MAX_BYTES = {}", self.most.blocks * BLOCK));
        entries.into_iter().chain(bytes).collect::<Vec<_>>().join(" or ")
    }
}
