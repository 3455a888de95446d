//! A subfolder, locked for a change.
//!
//! A removal replaces the nonce of its key before the file goes, so that a [`Token`](crate::Token) of before is worth
//! nothing afterwards, although the file that it knew, or the absence of one, may come back.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::Folder;
use super::disk::{Id, create_dir, failed, remove, stripe_of, timed_out};
use super::spare::Temp;
use crate::Result;

/// The longest pause between two looks at a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(2);

/// The exclusive right to change a subfolder, among all threads and processes. Ends when dropped.
#[must_use]
pub(super) struct Stripe<'a> {
    fs: &'a Folder,
    number: u8,
    // Closing the descriptor releases the lock; before the threads of this process are let in.
    _file: File,
    _thread: MutexGuard<'a, ()>,
}

impl Folder {
    /// Locks a subfolder, making it if needed; waits until the operation timeout.
    pub(super) fn lock(&self, number: u8) -> Result<Stripe<'_>> {
        self.lock_within(number, self.limit())
    }

    /// Locks a subfolder, waiting at most for so long.
    pub(super) fn lock_within(&self, number: u8, limit: Duration) -> Result<Stripe<'_>> {
        let path = self.layout.lock(number);
        let deadline = Instant::now() + limit;
        // Threads queue here, where they are woken; the file's lock can only be polled with a limit.
        let Some(thread) = self.threads[usize::from(number)].try_lock_until(deadline) else {
            return Err(timed_out(&path, limit));
        };
        let file = match open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.make_stripe(number)?;
                open(&path)
            }
            other => other,
        };
        let file = file.map_err(|e| failed("open", &path, e))?;
        let mut pause = Duration::from_micros(20);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Stripe { fs: self, number, _file: file, _thread: thread }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    // There is no wait for a file's lock that ends at a deadline: look again, less and less often.
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE);
                }
                Err(TryLockError::WouldBlock) => return Err(timed_out(&path, limit)),
                Err(TryLockError::Error(e)) => return Err(failed("lock", &path, e)),
            }
        }
    }

    /// Makes a subfolder that is missing, because it is new or because somebody emptied the directory.
    pub(super) fn make_stripe(&self, number: u8) -> Result<()> {
        let path = self.layout.stripe(number);
        create_dir(&path).map_err(|e| failed("create", &path, e))?;
        self.state.heal()
    }

    /// The nonce of a key, read without the lock where it exists already.
    pub(super) fn nonce(&self, id: Id) -> Result<u128> {
        match self.state.nonce(id)? {
            Some(nonce) => Ok(nonce),
            None => self.lock(stripe_of(id))?.nonce(id),
        }
    }
}

impl Stripe<'_> {
    /// The nonce of a key.
    pub(super) fn nonce(&self, id: Id) -> Result<u128> {
        match self.fs.state.nonce(id)? {
            Some(nonce) => Ok(nonce),
            None => self.fs.state.renew(id),
        }
    }

    /// Makes the tokens of a key void; before its file goes.
    pub(super) fn void(&self, id: Id) -> Result<()> {
        self.fs.state.renew(id).map(drop)
    }

    /// Makes all tokens of the subfolder void.
    pub(super) fn void_all(&self) -> Result<()> {
        self.fs.state.renew_all(self.number)
    }

    /// Gives a written file its entry's name; false if the file was lost.
    pub(super) fn place(&self, temp: Temp<'_>, id: Id, new: bool) -> Result<bool> {
        if !new {
            return temp.replace(&self.fs.layout.entry(id));
        }
        // Counted first: a crash in between leaves the count too high, and the bound holds.
        self.count_by(1)?;
        let placed = temp.rename(&self.fs.layout.entry(id));
        if !matches!(placed, Ok(true)) {
            self.count_by(-1)?;
        }
        placed
    }

    /// Removes an entry.
    pub(super) fn unlink(&self, id: Id) -> Result<()> {
        self.void(id)?;
        let gone = remove(&self.fs.layout.entry(id))?;
        self.gone(id, gone)
    }

    /// Removes an entry to make room for another, which may be written into its file.
    pub(super) fn recycle(&self, id: Id) -> Result<()> {
        self.void(id)?;
        let gone = self.fs.make_spare(&self.fs.layout.entry(id), self.number)?;
        self.gone(id, gone)
    }

    fn gone(&self, id: Id, counted: bool) -> Result<()> {
        self.fs.index.lock().forget(id);
        self.fs.held.forget(id);
        if counted { self.count_by(-1) } else { Ok(()) }
    }

    fn count_by(&self, change: i32) -> Result<()> {
        let count = self.fs.state.count(self.number)?;
        self.fs.state.set_count(self.number, count.saturating_add_signed(change))
    }

    /// Corrects the number of entries.
    pub(super) fn count_is(&self, count: usize) -> Result<()> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        // A read is cheaper than a write, and the number is nearly always right.
        if self.fs.state.count(self.number)? == count {
            return Ok(());
        }
        self.fs.state.set_count(self.number, count)
    }
}

/// The descriptor to lock: the subfolder itself, where the system can lock one.
fn open(path: &Path) -> io::Result<File> {
    if cfg!(unix) {
        return File::open(path);
    }
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}
