//! A subfolder, locked for a change.
//!
//! A removal replaces the nonce of its key before the file goes, so that a [`Token`](crate::Token) of before is void
//! afterwards, although the file that it knew, or the absence of one, may come back.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::Folder;
use super::bounds::Amount;
use super::disk::{Id, create_dir, exists, failed, look, remove, timed_out};
use super::open_files::OpenFile;
use super::temp::{Temp, can_be_written};
use crate::Result;
use crate::random::random_u128;

/// The longest pause between two looks at a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(2);

/// The exclusive right to change a subfolder, among all threads and processes. Ends when dropped.
#[must_use]
pub(super) struct Stripe<'a> {
    fs: &'a Folder,
    number: u8,
    /// The descriptor that is locked. Unlocked before other threads of this process are let in.
    locked: MutexGuard<'a, Option<OpenFile>>,
}

impl Folder {
    /// Locks a subfolder, making it if needed; waits until the operation timeout.
    pub(super) fn lock(&self, number: u8) -> Result<Stripe<'_>> {
        self.lock_within(number, self.limit())
    }

    /// Locks a subfolder, making it if needed; waits at most for so long.
    pub(super) fn lock_within(&self, number: u8, limit: Duration) -> Result<Stripe<'_>> {
        loop {
            if let Some(stripe) = self.lock_present(number, limit)? {
                return Ok(stripe);
            }
            self.make_stripe(number)?;
        }
    }

    /// Locks a subfolder to remove from it, or voids tokens by `void` alone if there is none. Makes nothing, so a full disk
    /// is no obstacle.
    pub(super) fn lock_for_removal(
        &self,
        number: u8,
        void: impl Fn() -> Result<()>,
    ) -> Result<Option<Stripe<'_>>> {
        loop {
            if let Some(stripe) = self.lock_present(number, self.limit())? {
                return Ok(Some(stripe));
            }
            void()?;
            // A writer that makes the subfolder after this look reads the new nonce under its lock.
            if !exists(&self.paths.stripe(number))? {
                return Ok(None);
            }
        }
    }

    fn lock_present(&self, number: u8, limit: Duration) -> Result<Option<Stripe<'_>>> {
        let path = self.paths.lock(number);
        let deadline = Instant::now() + limit;
        // Threads queue here, where they are woken; the file's lock can only be polled with a limit.
        let Some(mut locked) = self.threads[usize::from(number)].try_lock_until(deadline) else {
            return Err(timed_out(&path, limit));
        };
        let lock = |file: &OpenFile| match lock_until(&file.file, deadline) {
            Ok(true) => Ok(()),
            Ok(false) => Err(timed_out(&path, limit)),
            Err(e) => Err(failed("lock", &path, e)),
        };
        if let Some(kept) = locked.take().filter(OpenFile::is_own) {
            lock(&kept)?;
            // Where the directory was emptied or moved away, the subfolder of this name is another one now.
            if look(&path).map_err(|e| failed("look at", &path, e))?.is_some_and(|meta| kept.is(&meta)) {
                *locked = Some(kept);
                return Ok(Some(Stripe { fs: self, number, locked }));
            }
            let _ = kept.file.unlock();
        }
        let opened = match open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| failed("open", &path, e))?,
        };
        lock(&opened)?;
        *locked = Some(opened);
        Ok(Some(Stripe { fs: self, number, locked }))
    }

    /// Makes a subfolder that is missing, because it is new or because the directory was emptied.
    pub(super) fn make_stripe(&self, number: u8) -> Result<()> {
        let path = self.paths.stripe(number);
        create_dir(&path).map_err(|e| failed("create", &path, e))?;
        self.state.heal()
    }
}

impl Stripe<'_> {
    /// Makes the tokens of a key void; before its file goes.
    pub(super) fn void(&self, id: Id) -> Result<()> {
        self.fs.state.renew(id)
    }

    /// Makes all tokens of the subfolder void.
    pub(super) fn void_all(&self) -> Result<()> {
        self.fs.state.renew_all(self.number)
    }

    /// Counts more; false if there is no room for it. To be called before the file gets its name: a crash in between leaves the
    /// counts too high, and the bounds hold.
    pub(super) fn admit(&self, more: Amount) -> Result<bool> {
        self.fs.state.admit(self.number, more, self.fs.bounds, self.fs.limit())
    }

    /// Takes back an [`admit`](Self::admit), or counts a removal.
    pub(super) fn uncount(&self, less: Amount) -> Result<()> {
        if less == Amount::default() {
            return Ok(());
        }
        let amount = self.fs.state.amount(self.number)?;
        self.fs.state.set_amount(self.number, amount.minus(less))
    }

    /// Removes an entry.
    pub(super) fn unlink(&self, id: Id) -> Result<()> {
        let entry = self.fs.paths.entry(id);
        let found = look(&entry).map_err(|e| failed("look at", &entry, e))?;
        self.void(id)?;
        let gone = remove(&entry)?;
        self.gone(id, found.filter(|_| gone).as_ref())
    }

    /// Removes an entry to make room for another; its file, if another entry may be written into it.
    pub(super) fn recycle(&self, id: Id) -> Result<Option<Temp>> {
        let entry = self.fs.paths.entry(id);
        let usable = look(&entry).map_err(|e| failed("look at", &entry, e))?;
        if !usable.as_ref().is_some_and(can_be_written) {
            return self.unlink(id).map(|()| None);
        }
        self.void(id)?;
        let path = self.fs.paths.temp(self.number, random_u128());
        match std::fs::rename(&entry, &path) {
            Ok(()) => {
                self.gone(id, usable.as_ref())?;
                Ok(Some(Temp::recycled(path)))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.gone(id, None).map(|()| None),
            Err(e) => Err(failed("remove", &entry, e)),
        }
    }

    /// The descriptor that a process forked now has.
    #[cfg(test)]
    pub(super) fn inherited(&self) -> File {
        self.locked.as_ref().unwrap().file.try_clone().unwrap()
    }

    /// Forgets an entry whose file is gone.
    pub(super) fn forget(&self, id: Id) {
        self.fs.index.lock().forget(id);
        self.fs.open_files.forget(id);
    }

    /// Forgets an entry, and counts the file that it had.
    fn gone(&self, id: Id, file: Option<&Metadata>) -> Result<()> {
        self.forget(id);
        file.map_or(Ok(()), |file| self.uncount(Amount::of(file)))
    }

    /// Corrects the counts.
    pub(super) fn amount_is(&self, amount: Amount) -> Result<()> {
        // A read is cheaper than a write, and the numbers are nearly always right.
        if self.fs.state.amount(self.number)? == amount {
            return Ok(());
        }
        self.fs.state.set_amount(self.number, amount)
    }
}

impl Drop for Stripe<'_> {
    /// Releases the lock. Closing the descriptor is not enough: a process that was forked meanwhile has it open too.
    fn drop(&mut self) {
        if let Some(locked) = &*self.locked {
            let _ = locked.file.unlock();
        }
        if !self.fs.keeps_subfolders() {
            *self.locked = None;
        }
    }
}

/// Locks a file among all processes; false if another one still holds it at the deadline.
pub(super) fn lock_until(file: &File, deadline: Instant) -> io::Result<bool> {
    let mut pause = Duration::from_micros(20);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                // There is no wait for a file's lock that ends at a deadline: look again, less and less often.
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSE);
            }
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
}

/// The descriptor to lock: the subfolder itself, where the system can lock one.
fn open(path: &Path) -> io::Result<OpenFile> {
    let file = if cfg!(unix) {
        File::open(path)?
    } else {
        File::options().read(true).write(true).create(true).truncate(false).open(path)?
    };
    let meta = file.metadata()?;
    Ok(OpenFile::new(file, meta))
}
