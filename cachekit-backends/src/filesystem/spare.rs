//! Files on their way to an entry's name, and spare ones to write the next entry into.
//!
//! A file system like ext4 gets slow at making files while others are removed: 40 µs become 500. So the file of an
//! overwritten or evicted entry is kept under a temporary name, and the next write of this process fills it again.
//! A reader who still has it open may see it change; the checksum and the key in the frame tell, and the reader looks
//! again under the entry's name.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Folder;
use super::disk::{failed, private, remove};
use crate::Result;
use crate::random::random_u128;

/// How many spare files one process keeps.
const SPARES: usize = 8;
/// Larger files are removed, not kept or given room for a second value: they hold too much of the disk.
pub(super) const LARGEST: u64 = 64 * 1024;

/// A written file without an entry's name, removed if it doesn't get one.
#[must_use]
pub(super) struct Temp<'a> {
    fs: &'a Folder,
    path: PathBuf,
    stripe: u8,
}

impl Folder {
    /// Writes a file that has no entry's name yet.
    pub(super) fn write_temp(&self, stripe: u8, stamp: u128, bytes: &[u8]) -> Result<Temp<'_>> {
        let (mut file, temp) = match self.take_spare(stripe) {
            Some(spare) => spare,
            None => self.create_temp(stripe, stamp)?,
        };
        let written = file.write_all(bytes).and_then(|()| {
            let longer = file.metadata()?.len() > bytes.len() as u64;
            if longer { file.set_len(bytes.len() as u64) } else { Ok(()) }
        });
        written.map_err(|e| failed("write", &temp.path, e))?;
        Ok(temp)
    }

    fn take_spare(&self, stripe: u8) -> Option<(File, Temp<'_>)> {
        loop {
            let path = self.spares.lock().pop()?;
            // Another process' sweep may have taken it for a leftover.
            if let Ok(file) = File::options().write(true).open(&path) {
                return Some((file, Temp { fs: self, path, stripe }));
            }
        }
    }

    fn create_temp(&self, stripe: u8, stamp: u128) -> Result<(File, Temp<'_>)> {
        let path = self.layout.temp(stripe, stamp);
        let create = || private().write(true).create_new(true).open(&path);
        let file = match create() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.make_stripe(stripe)?;
                create()
            }
            other => other,
        };
        let file = file.map_err(|e| failed("create", &path, e))?;
        Ok((file, Temp { fs: self, path, stripe }))
    }

    /// Takes an entry's file away, and keeps it as a spare one if there is use for it; whether it was there.
    pub(super) fn make_spare(&self, entry: &Path, stripe: u8) -> Result<bool> {
        if !self.wants_spare(entry) {
            return remove(entry);
        }
        let path = self.layout.temp(stripe, random_u128());
        match std::fs::rename(entry, &path) {
            Ok(()) => {
                self.spares.lock().push(path);
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed("remove", entry, e)),
        }
    }

    fn wants_spare(&self, entry: &Path) -> bool {
        self.spares.lock().len() < SPARES
            && std::fs::symlink_metadata(entry).is_ok_and(|meta| can_be_written(&meta))
    }

    /// Removes the spare files.
    pub(super) fn drop_spares(&self) {
        for path in std::mem::take(&mut *self.spares.lock()) {
            // What stays is swept later.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Whether it is a file that may be written into: nobody else has a name for it (a backup made of links), or a right.
#[cfg(unix)]
pub(super) fn can_be_written(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    meta.is_file() && meta.len() <= LARGEST && meta.nlink() == 1 && meta.mode() & 0o7777 == 0o600
}

/// A file that a reader has open can't be renamed or replaced everywhere.
#[cfg(not(unix))]
pub(super) fn can_be_written(_: &std::fs::Metadata) -> bool {
    false
}

impl Temp<'_> {
    /// Gives the file a name that is free; false if the file was lost.
    pub(super) fn rename(mut self, entry: &Path) -> Result<bool> {
        match std::fs::rename(&self.path, entry) {
            Ok(()) => {
                self.path.clear();
                Ok(true)
            }
            // Writing took so long that a sweep took it for a leftover, or somebody emptied the directory.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed("replace", entry, e)),
        }
    }

    /// Gives the file a name that is taken, and keeps the other file as a spare one. No reader finds the name free
    /// meanwhile: the old file gets its second name before it loses the first.
    pub(super) fn replace(self, entry: &Path) -> Result<bool> {
        let fs = self.fs;
        if !fs.wants_spare(entry) {
            return self.rename(entry);
        }
        let spare = fs.layout.temp(self.stripe, random_u128());
        let linked = std::fs::hard_link(entry, &spare).is_ok();
        let renamed = self.rename(entry);
        if linked && matches!(renamed, Ok(true)) {
            fs.spares.lock().push(spare);
        } else if linked {
            // It is the entry's file still.
            let _ = std::fs::remove_file(&spare);
        }
        renamed
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What stays is swept later.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
