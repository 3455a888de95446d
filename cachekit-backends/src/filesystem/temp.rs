//! Files on their way to an entry's name.
//!
//! A file system like ext4 gets slow at making files while others are removed: 40 µs become 500. So the file of an evicted
//! entry is handed to the write that needed its room, which fills it again. A reader may still have that file open under
//! its old name, and would believe a value of the same key. Such a file is therefore filled only under the lock of the new
//! entry's subfolder, and once the write is known to be allowed: the reader sees a value that it may see.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Folder;
use super::disk::{failed, private};
use super::stripe::Stripe;
use crate::Result;

/// Larger files are removed, not filled again or given room for a second value: they hold too much of the disk.
pub(super) const LARGEST: u64 = 64 * 1024;

/// A file without an entry's name, removed if it doesn't get one.
#[must_use]
#[derive(Debug)]
pub(super) struct Temp {
    path: PathBuf,
}

impl Folder {
    /// Makes a file of these parts that has no entry's name yet and that no reader can know.
    pub(super) fn create_temp(&self, stripe: u8, stamp: u128, parts: &[&[u8]]) -> Result<Temp> {
        let path = self.paths.temp(stripe, stamp);
        let create = || private().write(true).create_new(true).open(&path);
        let file = match create() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.make_stripe(stripe)?;
                create()
            }
            other => other,
        };
        let mut file = file.map_err(|e| failed("create", &path, e))?;
        let temp = Temp { path };
        let written = parts.iter().try_for_each(|part| file.write_all(part));
        written.map_err(|e| failed("write", &temp.path, e))?;
        Ok(temp)
    }
}

impl Temp {
    /// A file that had an entry's name. Readers may have it open.
    pub(super) fn recycled(path: PathBuf) -> Self {
        Self { path }
    }

    /// Replaces the content of a recycled file; false if the file was lost. The lock is that of the subfolder of the new
    /// entry, whose write is allowed.
    pub(super) fn fill(&self, _: &Stripe<'_>, bytes: &[u8]) -> Result<bool> {
        let mut file = match File::options().write(true).open(&self.path) {
            Ok(file) => file,
            // Another process took it for a leftover.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(failed("open", &self.path, e)),
        };
        let len = bytes.len() as u64;
        let written = file
            .write_all(bytes)
            .and_then(|()| if file.metadata()?.len() > len { file.set_len(len) } else { Ok(()) });
        written.map(|()| true).map_err(|e| failed("write", &self.path, e))
    }

    /// Gives the file its entry's name; false if the file was lost.
    pub(super) fn rename(mut self, entry: &Path) -> Result<bool> {
        match std::fs::rename(&self.path, entry) {
            Ok(()) => {
                self.path.clear();
                Ok(true)
            }
            // A sweep took it for a leftover, or the directory was emptied.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed("replace", entry, e)),
        }
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // If it stays, a sweep removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether a file may be written into: it has no other name (a backup made of links) and no right for others.
#[cfg(unix)]
pub(super) fn can_be_written(meta: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    meta.is_file() && meta.len() <= LARGEST && meta.nlink() == 1 && meta.mode() & 0o7777 == 0o600
}

/// A file that a reader has open can't be renamed or replaced everywhere.
#[cfg(not(unix))]
pub(super) fn can_be_written(_: &Metadata) -> bool {
    false
}
