//! Overwriting an entry inside its file.
//!
//! A file with room for two values takes the new one beside the present one, and then the head that says where it is, in
//! one write of its own. That changes no directory, and takes half of the time that renaming another file over it takes.
//! Whoever reads meanwhile, and whoever comes after a crash in between, finds the one value or the other: until the head is
//! written, nobody looks at the place of the new one.

use std::fs::{File, Metadata};
use std::path::Path;

use super::Folder;
use super::disk::{Id, failed, open, read_at, stripe_of, write_at};
use super::frame::{BLOCK, HEAD_LEN, Head, Peek, encode_head, peek};
use super::ops::{Rule, token_of};
use super::spare::{LARGEST, can_be_written};
use crate::Result;

/// Whether a file may be one with room for another value.
pub(super) fn may_have_room(meta: &Metadata) -> bool {
    meta.len() > 0 && meta.len().is_multiple_of(BLOCK as u64) && can_be_written(meta)
}

/// Whether a file for that entry should have room for another value.
pub(super) fn is_worth_room(key: &str, value: &[u8]) -> bool {
    (HEAD_LEN + key.len() + 2 * value.len()) as u64 <= LARGEST
}

impl Folder {
    /// Overwrites an entry in its file if the rule allows it; `None` if it is not there, or has no room.
    pub(super) fn rewrite(
        &self,
        (id, path): (Id, &Path),
        key: &str,
        value: &[u8],
        head: &Head,
        rule: Rule,
    ) -> Result<Option<bool>> {
        if let Rule::IfAbsent = rule
            && self.read(id, path, key)?.is_some()
        {
            return Ok(Some(false));
        }
        let stripe = self.lock(stripe_of(id))?;
        // What goes wrong here goes wrong, and is said, where the file is replaced.
        let Ok(Some((file, meta))) = open(path, File::options().read(true).write(true)) else {
            return Ok(None);
        };
        let mut start = vec![0; HEAD_LEN + key.len()];
        if !may_have_room(&meta) || read_at(&file, &mut start, 0).is_err() {
            return Ok(None);
        }
        let (old, found) = start.split_at(HEAD_LEN);
        let Peek::Entry { head: old, key_len, place } = peek(old, meta.len()) else { return Ok(None) };
        let Some(place) = place.beside(key, value.len()) else { return Ok(None) };
        let Some(new) = encode_head(key, value, head, place) else { return Ok(None) };
        if key_len != key.len() || found != key.as_bytes() {
            return Ok(None);
        }
        let allowed = match rule {
            Rule::Always => true,
            Rule::IfAbsent => self.read(id, path, key)?.is_none(),
            Rule::IfToken(token) => token_of(stripe.nonce(id)?, old.stamp) == token,
        };
        if !allowed {
            return Ok(Some(false));
        }
        write_at(&file, value, place.at())
            .and_then(|()| write_at(&file, &new, 0))
            .map_err(|e| failed("write", path, e))?;
        self.note(id, head);
        drop(stripe);
        self.tidy();
        Ok(Some(true))
    }
}
