//! Overwriting an entry inside its file.
//!
//! A file with room for two values takes the new one beside the present one, and then the head that says where it is, in
//! one write of its own. That changes no directory, and takes half of the time that renaming another file over it takes.
//! A reader at the same time, and a reader after a crash in between, finds the one value or the other: until the head is
//! written, no reader looks at the place of the new one.

use std::fs::{File, Metadata};
use std::path::Path;

use super::disk::{failed, open, read_at, write_at};
use super::layout::{BLOCK, HEAD_LEN, Head, Peek, encode_head, peek};
use super::stripe::Stripe;
use super::temp::{LARGEST, can_be_written};
use crate::Result;

/// Whether a file may be one with room for another value.
fn may_have_room(meta: &Metadata) -> bool {
    meta.len() > 0 && meta.len().is_multiple_of(BLOCK as u64) && can_be_written(meta)
}

/// Whether a file for that entry should have room for another value.
pub(super) fn is_worth_room(key: &str, value: &[u8]) -> bool {
    (HEAD_LEN + key.len() + 2 * value.len()) as u64 <= LARGEST
}

/// Overwrites an entry in its file; false if the file is another key's or has no room. The lock is that of its subfolder,
/// and the write is allowed.
pub(super) fn rewrite(
    _: &Stripe<'_>,
    path: &Path,
    found: &Metadata,
    key: &str,
    value: &[u8],
    head: &Head,
) -> Result<bool> {
    if !may_have_room(found) {
        return Ok(false);
    }
    // An error here occurs again, and is returned, where the file is replaced.
    let Ok(Some((file, meta))) = open(path, File::options().read(true).write(true)) else {
        return Ok(false);
    };
    let mut start = vec![0; HEAD_LEN + key.len()];
    if !may_have_room(&meta) || read_at(&file, &mut start, 0).is_err() {
        return Ok(false);
    }
    let (old, found) = start.split_at(HEAD_LEN);
    let Peek::Entry { key_len, place, .. } = peek(old, meta.len()) else { return Ok(false) };
    let Some(place) = place.beside(key, value.len()) else { return Ok(false) };
    let Some(new) = encode_head(key, value, head, place) else { return Ok(false) };
    if key_len != key.len() || found != key.as_bytes() {
        return Ok(false);
    }
    write_at(&file, value, place.at())
        .and_then(|()| write_at(&file, &new, 0))
        .map_err(|e| failed("write", path, e))?;
    Ok(true)
}
