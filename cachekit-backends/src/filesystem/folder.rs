//! One directory of entries.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::Options;
use super::bounds::Bounds;
use super::disk::{Id, Paths, STRIPES, create_dir, failed};
use super::evict::{Known, Pace};
use super::index::Index;
use super::layout::Head;
use super::open_files::{Grant, OpenFile, OpenFiles};
use super::state::State;
use crate::{Clock, Result, deadline};

/// How long a lock is waited for until the cache sets its operation timeout, in milliseconds.
const LIMIT: u64 = 500;

/// How many entries are remembered where there is no bound: 10 MB of them.
const UNLIMITED_KNOWN: usize = 65_536;

/// One directory of entries as files.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(super) paths: Paths,
    pub(super) bounds: Bounds,
    pub(super) clock: Clock,
    /// The operation timeout in milliseconds.
    pub(super) limit: AtomicU64,
    /// The order of writes: the latest moment that was given to one.
    latest: AtomicU64,
    pub(super) state: State,
    /// Taken before the lock of the subfolder with the same number; with its descriptor while that is locked or kept.
    pub(super) threads: Vec<Mutex<Option<OpenFile>>>,
    /// The right to keep the descriptors of all subfolders, or none.
    subfolders: Grant,
    /// Taken for moments, with any other lock held.
    pub(super) index: Mutex<Index>,
    /// Held during a sweep, outside of all other locks.
    pub(super) pace: Mutex<Pace>,
    /// The subfolders as the sweep knows them.
    pub(super) known: Mutex<[Option<Known>; STRIPES]>,
    pub(super) open_files: OpenFiles,
    /// Entries that made room for others.
    pub(super) evictions: AtomicU64,
    pub(super) expirations: AtomicU64,
    #[cfg(test)]
    pub(super) hooks: super::tests::Hooks,
}

impl Folder {
    /// Opens a directory, making it if it is missing, and removes expired entries and those beyond the bounds.
    ///
    /// Costs about 5 µs for each of the first 16,000 files.
    ///
    /// # Errors
    /// The directory can't be made, or nothing can be written there.
    pub(crate) fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self> {
        let paths = Paths::new(dir.into());
        create_dir(paths.dir()).map_err(|e| failed("create", paths.dir(), e))?;
        let fs = Self {
            state: State::open(paths.state())?,
            paths,
            bounds: Bounds::new(&options),
            clock: options.clock,
            limit: AtomicU64::new(LIMIT),
            latest: AtomicU64::new(0),
            threads: (0..STRIPES).map(|_| Mutex::default()).collect(),
            subfolders: Grant::whole(STRIPES),
            index: Mutex::default(),
            pace: Mutex::default(),
            known: Mutex::new([None; STRIPES]),
            open_files: OpenFiles::new(),
            evictions: AtomicU64::new(0),
            expirations: AtomicU64::new(0),
            #[cfg(test)]
            hooks: super::tests::Hooks::default(),
        };
        fs.sweep_all()?;
        Ok(fs)
    }

    /// Whether the descriptors of subfolders are kept: a write doesn't open one then.
    pub(super) fn keeps_subfolders(&self) -> bool {
        self.subfolders.is_some()
    }

    /// Keeps them, whatever other folders keep open.
    #[cfg(test)]
    pub(super) fn keep_subfolders(&mut self) {
        self.subfolders = Grant::whole(1);
        assert!(self.keeps_subfolders());
    }

    /// How long a lock is waited for.
    pub(super) fn limit(&self) -> Duration {
        deadline::left(Duration::from_millis(self.limit.load(Ordering::Relaxed)))
    }

    /// The moment of a write, later than all others of this process even if the clock stands still.
    pub(super) fn moment(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let next = |latest: u64| now.max(latest.saturating_add(1));
        let latest =
            self.latest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |latest| Some(next(latest)));
        latest.map_or(now, next)
    }

    /// Notes an entry as a future victim. Without a bound only expired entries have to go, and the sweep finds those
    /// that were not noted.
    pub(super) fn note(&self, id: Id, head: &Head) {
        let mut index = self.index.lock();
        if self.bounds.exist() || index.len() < UNLIMITED_KNOWN {
            index.note(id, head);
        } else {
            // The known times are of the overwritten entry.
            index.forget(id);
        }
    }
}
