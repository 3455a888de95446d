//! One file per entry in a directory, which any number of processes share.
//!
//! # Layout
//!
//! The directory has 256 subfolders, chosen by the first byte of the SHA-256 of the key, which also names the file; no text of
//! a user is ever part of a name. A file is a checksummed frame of expiry, key and value; files are 0600 in subfolders of
//! 0700. Other files may lie in the directory and are left alone.
//!
//! # Who waits for whom
//!
//! Readers take no lock. A writer fills a temporary file, locks the subfolder, and renames. An entry that was overwritten
//! before has room for a second value in its file: there a writer locks, writes the new value beside the present one, and then
//! the head that says which is which. Either way a reader sees the old value or the new one, and a crash leaves at most a
//! temporary file, which a later sweep removes. Locks are waited for until the operation timeout.
//!
//! Nothing is flushed to the disk: after a power loss the last values may be missing or damaged, and damaged ones are misses; a
//! deletion of the last seconds may be undone.
//!
//! The directory should be on a local disk. On a network file system a hung server blocks in the kernel, where no timeout
//! reaches, and locks may not work among machines.
//!
//! # Cost
//!
//! With values of 1 KiB on ext4 a hit takes about 3 µs if the entry's file is open, else 6; overwriting an entry takes 15, the
//! first time 35; a new entry takes as long as the file system needs to make a file, 60 and more, or 35 where it goes into the
//! file of one that it evicts. Making and removing files is what ext4 is slow at, so an evicted entry's file is used again.
//! `clear` looks at every file, 5 µs each, and removes those that match. 150 bytes of memory are used for each entry, and 10 MB
//! at most if there is no threshold. An entry that was overwritten takes twice its size on the disk, if that is at most 64 KiB.
//!
//! # Open files
//!
//! The files of entries that are read are kept open, the most useful 1,024 and as many of the versions, but all stores of a
//! process together hold no more than a quarter of the open files that it may have (`RLIMIT_NOFILE`; where that is 1,024, a
//! store holds 128 entries and 64 versions). Each look asks the system whether the file still has the entry's name, so nothing
//! that another process deletes is returned. Until this process looks, a file of up to 16 KiB that another one has removed
//! keeps its room on the disk.
//!
//! # What goes first
//!
//! At the threshold an expired entry goes, or else the one that was written longest ago (FIFO; reads leave no trace). Expired
//! entries are removed as later writes come by, a few at a time, and at the opening.
//!
//! Versions, which a function's or an instance's entries depend on, are kept in a directory `versions` inside, so that entries
//! don't push them out: the loss of one makes all its entries useless.
//!
//! The file `cachekit.state` holds the number of entries, and random numbers which removals replace; see
//! [`Backend::token`](crate::Backend::token).

mod disk;
mod evict;
mod frame;
mod held;
mod index;
mod ops;
mod rewrite;
mod routed;
mod spare;
mod state;
mod stripe;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::{Condvar, Mutex};

use self::disk::{Id, Layout, STRIPES, create_dir, failed};
use self::evict::Pace;
use self::frame::Head;
use self::held::HeldFiles;
use self::index::Index;
pub use self::routed::FileSystem;
use self::state::State;
use crate::{Clock, Result};

/// How long a lock is waited for until cachekit says otherwise, in milliseconds.
const LIMIT: u64 = 500;

/// How many entries are remembered where there is no threshold: 10 MB of them.
const UNLIMITED_KNOWN: usize = 65_536;

/// What can be chosen about a [`FileSystem`].
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

/// One directory of entries as files.
#[derive(Debug)]
pub(crate) struct Folder {
    layout: Layout,
    threshold: usize,
    clock: Clock,
    /// The operation timeout in milliseconds.
    limit: AtomicU64,
    /// The order of writes: the latest moment that was given to one.
    latest: AtomicU64,
    state: State,
    /// Taken before the lock of the subfolder with the same number.
    threads: Vec<Mutex<()>>,
    /// Taken for moments, with any other lock held.
    index: Mutex<Index>,
    /// Tells that a slot was given back.
    freed: Condvar,
    /// Held during a sweep, outside of all other locks.
    pace: Mutex<Pace>,
    /// Files to write the next entries into. Taken for moments, with any other lock held.
    spares: Mutex<Vec<PathBuf>>,
    /// Open files of entries.
    held: HeldFiles,
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.drop_spares();
    }
}

impl Folder {
    /// Opens a directory, making it if it is missing, and removes what is expired or beyond the threshold.
    ///
    /// Costs about 5 µs for each of the first 16,000 files.
    ///
    /// # Errors
    /// The directory can't be made, or nothing can be written there.
    pub(crate) fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self> {
        let layout = Layout::new(dir.into());
        create_dir(layout.dir()).map_err(|e| failed("create", layout.dir(), e))?;
        let fs = Self {
            state: State::open(layout.state())?,
            layout,
            threshold: options.threshold,
            clock: options.clock,
            limit: AtomicU64::new(LIMIT),
            latest: AtomicU64::new(0),
            threads: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            index: Mutex::default(),
            freed: Condvar::new(),
            pace: Mutex::default(),
            spares: Mutex::default(),
            held: HeldFiles::new(),
        };
        fs.sweep_all()?;
        Ok(fs)
    }

    /// The moment of a write, later than all others of this process even if the clock stands still.
    fn moment(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let next = |latest: u64| Some(now.max(latest.saturating_add(1)));
        self.latest
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .map_or(now, |latest| now.max(latest + 1))
    }

    /// Remembers an entry, as a victim to come. Without a threshold only what expires has to go, and the sweep finds what
    /// was not remembered.
    fn note(&self, id: Id, head: &Head) {
        let mut index = self.index.lock();
        if self.threshold > 0 || index.len() < UNLIMITED_KNOWN {
            index.note(id, head);
        } else {
            // What is known of it is no longer true.
            index.forget(id);
        }
    }
}
