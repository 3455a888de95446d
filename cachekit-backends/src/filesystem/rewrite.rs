//! Overwriting an entry inside its file.
//!
//! A file with room for two values takes the new one beside the present one, and then the head that says where it is, in
//! one write of its own. That changes no directory, and takes half of the time that renaming another file over it takes.
//! A reader at the same time, and a reader after a crash in between, finds the one value or the other: until the head is
//! written, no reader looks at the place of the new one.

use std::fs::{File, Metadata};
use std::sync::Arc;

use super::Folder;
use super::disk::{failed, open, read_at, write_at};
use super::layout::{BLOCK, HEAD_LEN, Peek, encode_head, peek};
use super::open_files::OpenFile;
use super::stripe::Stripe;
use super::temp::{LARGEST, can_be_written};
use super::write::Write;
use crate::Result;

/// Whether a file may be one with room for another value.
fn may_have_room(meta: &Metadata) -> bool {
    meta.len() > 0 && meta.len().is_multiple_of(BLOCK as u64) && can_be_written(meta)
}

/// Whether a file for that entry should have room for another value.
pub(super) fn is_worth_room(key: &str, value: &[u8]) -> bool {
    (HEAD_LEN + key.len() + 2 * value.len()) as u64 <= LARGEST
}

impl Folder {
    /// Overwrites an entry in the file that was `found`; false if that is another key's or has no room. The lock is that of its
    /// subfolder, and the write is allowed.
    pub(super) fn rewrite(&self, _: &Stripe<'_>, found: &Metadata, write: &Write<'_>) -> Result<bool> {
        let Write { key, value, head, path, .. } = write;
        // An error here occurs again, and is returned, where the file is replaced.
        let Some((open, len)) = self.file_with_room(found, write) else { return Ok(false) };
        let mut start = vec![0; HEAD_LEN + key.len()];
        if read_at(&open.file, &mut start, 0).is_err() {
            return Ok(false);
        }
        let (old, found) = start.split_at(HEAD_LEN);
        let Peek::Entry { key_len, place, .. } = peek(old, len) else { return Ok(false) };
        let Some(place) = place.beside(key, value.len()) else { return Ok(false) };
        let Some(new) = encode_head(key, value, head, place) else { return Ok(false) };
        if key_len != key.len() || found != key.as_bytes() {
            return Ok(false);
        }
        write_at(&open.file, value, place.at())
            .and_then(|()| write_at(&open.file, &new, 0))
            .map_err(|e| failed("write", path, e))?;
        Ok(true)
    }

    /// The file of an entry, to be written into, and its length. It is kept open for the next time.
    fn file_with_room(&self, found: &Metadata, write: &Write<'_>) -> Option<(Arc<OpenFile>, u64)> {
        if !may_have_room(found) {
            return None;
        }
        if let Some(kept) = self.open_files.get(write.id, found).filter(|kept| kept.is_writable) {
            return Some((kept, found.len()));
        }
        let (file, meta) = open(&write.path, File::options().read(true).write(true)).ok()??;
        if !may_have_room(&meta) {
            return None;
        }
        let len = meta.len();
        let opened = Arc::new(OpenFile::writable(file, meta));
        self.open_files.keep(write.id, &opened);
        Some((opened, len))
    }
}
