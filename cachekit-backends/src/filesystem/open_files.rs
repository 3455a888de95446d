//! Files that are kept open between looks.
//!
//! Opening and closing a file takes 2 µs, more than the rest of a hit. So a look asks the system for the properties of the
//! entry's name, and if they are those of a file that is open here already, reads that one. The inode number of an open file
//! is not given to another file, so the answer is exact, whichever process removes, replaces or moves files meanwhile; and the
//! content is read anew each time.
//!
//! A process has only so many open files. All stores of a process together hold a quarter of what it may open
//! (`RLIMIT_NOFILE`) when they are opened.

use std::fs::{File, Metadata};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, Once};

use super::disk::Id;
use crate::process::process_number;

/// The most files that one folder keeps open.
const MOST: usize = 1024;
/// Larger files are closed: reading takes longer than opening, and a removed file keeps its blocks on the disk as long as it
/// is open, so 16 MB of them at most.
const LARGEST: u64 = 16 * 1024;
/// How many places there are for an entry.
const WAYS: usize = 8;
/// How many newcomers to a full set pass by before one counts: else a walk through many entries would push all out.
const PATIENCE: u8 = 16;
/// How many open files a process may have, where it can't be found out.
const USUAL: usize = 256;

/// An open file, which can be recognised by the properties of its name.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    /// As it was when it was opened.
    meta: Metadata,
    /// The process that opened it.
    process: u32,
    /// Whether it was opened for writing, too.
    pub(super) is_writable: bool,
}

impl OpenFile {
    pub(super) fn new(file: File, meta: Metadata) -> Self {
        Self { file, meta, process: process_number(), is_writable: false }
    }

    /// A file that was opened for reading and writing.
    pub(super) fn writable(file: File, meta: Metadata) -> Self {
        Self { is_writable: true, ..Self::new(file, meta) }
    }

    /// Whether this process opened it. A lock on a file that a forked process inherited is its parent's, too.
    pub(super) fn is_own(&self) -> bool {
        self.process == process_number()
    }

    /// As it is in a process that was forked from this one.
    #[cfg(test)]
    pub(super) fn inherited(&mut self) {
        self.process = !self.process;
    }

    /// The length when it was opened.
    pub(super) fn len(&self) -> u64 {
        self.meta.len()
    }

    /// Returns whether `meta` describes this file.
    pub(super) fn is(&self, meta: &Metadata) -> bool {
        is_same(&self.meta, meta)
    }
}

/// Two files that exist have not both numbers in common.
#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// The standard library has no number of a file here.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

#[derive(Debug)]
struct Way {
    id: Id,
    file: Arc<OpenFile>,
    /// Whether it was read since a newcomer wanted its place.
    used: bool,
}

/// The places that an entry can have.
#[derive(Debug, Default)]
struct Set {
    ways: Vec<Way>,
    /// How many newcomers passed by.
    passed: u8,
}

impl Set {
    /// Puts an entry in and returns the one that has to go for it, perhaps itself.
    fn put(&mut self, way: Way) -> Option<Way> {
        if let Some(old) = self.ways.iter_mut().find(|old| old.id == way.id) {
            return Some(std::mem::replace(old, way));
        }
        if self.ways.len() < WAYS {
            self.ways.push(way);
            return None;
        }
        self.passed = (self.passed + 1) % PATIENCE;
        if self.passed != 0 {
            return Some(way);
        }
        if let Some(old) = self.ways.iter_mut().find(|old| !old.used) {
            return Some(std::mem::replace(old, way));
        }
        self.ways.iter_mut().for_each(|old| old.used = false);
        Some(way)
    }
}

/// A number of files that other folders of this process may not keep open; given back when dropped.
#[derive(Debug, Default)]
pub(super) struct Grant(usize);

impl Grant {
    /// Half of what is left, or fewer.
    fn take(most: usize) -> Self {
        Self::of(|left| most.min(left / 2))
    }

    /// So many, or none if that were more than a quarter of what is left.
    pub(super) fn whole(files: usize) -> Self {
        Self::of(|left| if files <= left / 4 { files } else { 0 })
    }

    fn of(share: impl Fn(usize) -> usize) -> Self {
        let before =
            left().fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left - share(left)));
        Self(before.map_or(0, share))
    }

    pub(super) fn is_some(&self) -> bool {
        self.0 > 0
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        left().fetch_add(self.0, Ordering::Relaxed);
    }
}

/// The open files of one folder.
#[derive(Debug)]
pub(super) struct OpenFiles {
    sets: Vec<Mutex<Set>>,
    _grant: Grant,
}

impl OpenFiles {
    /// Takes half of what the process has left for it.
    pub(super) fn new() -> Self {
        let grant = Grant::take(MOST);
        Self { sets: empty(grant.0), _grant: grant }
    }

    /// With room for so many, whatever other folders keep open.
    #[cfg(test)]
    pub(super) fn with_room(files: usize) -> Self {
        Self { sets: empty(files), _grant: Grant::default() }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sets.iter().map(|set| set.lock().ways.len()).sum()
    }

    fn set(&self, id: Id) -> Option<&Mutex<Set>> {
        self.sets.get((id as usize).checked_rem(self.sets.len())?)
    }

    /// Returns the open file if `meta` still describes it.
    pub(super) fn get(&self, id: Id, meta: &Metadata) -> Option<Arc<OpenFile>> {
        let mut set = self.set(id)?.lock();
        let way = set.ways.iter_mut().find(|way| way.id == id && way.file.is(meta))?;
        way.used = true;
        Some(Arc::clone(&way.file))
    }

    /// Keeps an entry's file open, if it is small and there is room or another file that wasn't of use lately.
    pub(super) fn keep(&self, id: Id, file: &Arc<OpenFile>) {
        let Some(set) = self.set(id).filter(|_| file.meta.len() <= LARGEST) else { return };
        let way = Way { id, file: Arc::clone(file), used: false };
        let closed = set.lock().put(way);
        // After the lock.
        drop(closed);
    }

    /// Closes the file of an entry that is gone.
    pub(super) fn forget(&self, id: Id) {
        let Some(set) = self.set(id) else { return };
        let mut set = set.lock();
        let gone = set.ways.iter().position(|way| way.id == id).map(|at| set.ways.swap_remove(at));
        drop(set);
        drop(gone);
    }
}

fn empty(files: usize) -> Vec<Mutex<Set>> {
    (0..files / WAYS).map(|_| Mutex::default()).collect()
}

/// How many more files this process may keep open.
fn left() -> &'static AtomicUsize {
    static LEFT: AtomicUsize = AtomicUsize::new(0);
    static ASKED: Once = Once::new();
    ASKED.call_once(|| LEFT.store(allowed() / 4, Ordering::Relaxed));
    &LEFT
}

/// How many open files this process may have.
fn allowed() -> usize {
    if cfg!(not(unix)) {
        return 0;
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    soft_limit(&limits).unwrap_or(USUAL)
}

fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    if soft == "unlimited" { Some(usize::MAX) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_first_number() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax processes 7 7 processes\n";
        assert_eq!(soft_limit(limits), None);
        assert_eq!(
            soft_limit(&format!("{limits}Max open files            1024   4096   files\n")),
            Some(1024)
        );
        let unlimited = format!("{limits}Max open files unlimited unlimited files");
        assert_eq!(soft_limit(&unlimited), Some(usize::MAX));
        #[cfg(target_os = "linux")]
        assert!(soft_limit(&std::fs::read_to_string("/proc/self/limits").unwrap()).is_some());
    }

    #[test]
    fn all_stores_together_stay_below_what_is_left() {
        let grants: Vec<Grant> = (0..100).map(|_| Grant::take(MOST)).collect();
        let sum: usize = grants.iter().map(|grant| grant.0).sum();
        assert!(sum <= allowed() / 4, "{sum}");
        assert!(grants.iter().all(|grant| grant.0 <= MOST));
    }
}
