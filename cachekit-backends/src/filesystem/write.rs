//! Writes: the rule is checked under the lock, before the bytes can be reached.

use std::fs::Metadata;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use super::Folder;
use super::bounds::{Amount, blocks};
use super::disk::{Id, failed, id_of, look, private, stripe_of};
use super::layout::{Head, encode, encode_start, file_len};
use super::rewrite::is_worth_room;
use super::stripe::Stripe;
use super::temp::{LARGEST, Temp};
use crate::random::random_u128;
use crate::{Backend, Error, ErrorKind, Result, Token, Ttl, is_version_key, ttl_millis};

/// How often a write starts over when its file was lost.
const TRIES: usize = 3;

/// The condition of a write.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Always,
    /// No live entry is there.
    IfAbsent,
    /// The key is as the token saw it.
    IfToken(Token),
}

/// One write.
pub(super) struct Write<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a [u8],
    pub(super) head: Head,
    rule: Rule,
    pub(super) id: Id,
    pub(super) path: PathBuf,
}

impl Write<'_> {
    fn encode(&self, roomy: bool) -> Result<Vec<u8>> {
        encode(self.key, self.value, &self.head, roomy).ok_or_else(too_long)
    }

    fn stripe(&self) -> u8 {
        stripe_of(self.id)
    }
}

fn too_long() -> Error {
    Error::new(ErrorKind::Unsupported, "an entry of more than 4 GiB can't be stored")
}

impl Folder {
    /// Stores a value if the rule allows it; whether it did.
    pub(super) fn write(&self, key: &str, value: &[u8], life: Ttl, rule: Rule) -> Result<bool> {
        let expiry = life.map_or(0, |life| self.clock.now().saturating_add(ttl_millis(life)));
        let id = id_of(key);
        if !self.bounds.admit_blocks(blocks(file_len(key, value, false))) {
            return self.refuse(key, rule);
        }
        for _ in 0..TRIES {
            let head = Head { expiry, written: self.moment(), stamp: random_u128() };
            let write = Write { key, value, head, rule, id, path: self.paths.entry(id) };
            if let Some(stored) = self.try_write(&write)? {
                if stored {
                    self.tidy();
                }
                return Ok(stored);
            }
        }
        let message = format!("{} is being emptied while it is written to", self.paths.dir().display());
        Err(Error::new(ErrorKind::Io, message))
    }

    /// Ends the write of an entry that is heavier than all of them may be. The former value does not stay in its place.
    fn refuse(&self, key: &str, rule: Rule) -> Result<bool> {
        if matches!(rule, Rule::Always) {
            self.delete(key)?;
        }
        Ok(false)
    }

    /// Writes if the rule allows it; `None` if the file was lost on its way.
    fn try_write(&self, write: &Write<'_>) -> Result<Option<bool>> {
        let deadline = Instant::now() + self.limit();
        let (mut large, mut recycled) = (self.large(write)?, None);
        loop {
            #[cfg(test)]
            self.hooks.reach(super::tests::Point::BeforeLock);
            let stripe = self.lock(write.stripe())?;
            let there = look(&write.path).map_err(|e| failed("look at", &write.path, e))?;
            if !self.allows(write, there.as_ref(), &stripe)? {
                return Ok(Some(false));
            }
            if let (Some(found), None) = (&there, &large)
                && self.rewrite(&stripe, found, write)?
            {
                self.note(write.id, &write.head);
                return Ok(Some(true));
            }
            let roomy = large.is_none() && self.is_roomy(write, there.is_none());
            let growth = Growth::new(there.as_ref(), blocks(file_len(write.key, write.value, roomy)));
            if stripe.admit(growth.more)? {
                #[cfg(test)]
                self.hooks.reach(super::tests::Point::Admitted);
                if there.is_none() && large.is_none() && recycled.is_none() {
                    let made = Self::make(write, &stripe, roomy);
                    return self.made(write, &stripe, made, &growth);
                }
                let temp = match large.take() {
                    Some(large) => Ok(large),
                    None => self.small(write, &stripe, recycled, roomy),
                };
                return self.place(write, &stripe, temp, &growth);
            }
            // Making room takes the locks of other subfolders.
            drop(stripe);
            recycled = self.make_room(growth.more, deadline)?.or(recycled);
            if Instant::now() >= deadline {
                return Err(self.no_room());
            }
        }
    }

    /// Returns whether the rule allows the write. What it allows stays allowed while the lock is held.
    fn allows(&self, write: &Write<'_>, there: Option<&Metadata>, _: &Stripe<'_>) -> Result<bool> {
        match write.rule {
            Rule::Always => Ok(true),
            Rule::IfAbsent => Ok(self.read(write.id, &write.path, write.key)?.is_none()),
            Rule::IfToken(token) => {
                let nonce = self.state.nonce(write.id)?;
                Ok(self.token_like(nonce, write.id, &write.path, there)? == token)
            }
        }
    }

    /// Writes a large value before the lock is taken, so that other writers don't wait for it. The file is a new one, which
    /// no reader can have open.
    fn large(&self, write: &Write<'_>) -> Result<Option<Temp>> {
        if write.value.len() as u64 <= LARGEST {
            return Ok(None);
        }
        // In parts: put together, a value would take its memory twice.
        let head = encode_start(write.key, write.value, &write.head).ok_or_else(too_long)?;
        let parts = [&head, write.key.as_bytes(), write.value];
        self.create_temp(write.stripe(), write.head.stamp, &parts).map(Some)
    }

    /// Whether the file of a small value gets room for another one. An entry that is overwritten once will be again. A version is
    /// overwritten to delete, which must not need space.
    fn is_roomy(&self, write: &Write<'_>, new: bool) -> bool {
        (!new || is_version_key(write.key))
            && is_worth_room(write.key, write.value)
            && self.bounds.admit_blocks(blocks(file_len(write.key, write.value, true)))
    }

    /// Writes a small value, into the file of a victim if there is one. Readers may have that open, so the write must be
    /// allowed.
    fn small(
        &self,
        write: &Write<'_>,
        stripe: &Stripe<'_>,
        recycled: Option<Temp>,
        roomy: bool,
    ) -> Result<Temp> {
        let bytes = write.encode(roomy)?;
        if let Some(temp) = recycled
            && temp.fill(stripe, &bytes)?
        {
            return Ok(temp);
        }
        self.create_temp(write.stripe(), write.head.stamp, &[&bytes])
    }

    /// Writes a small value under its entry's name, where there is no file; false if one came there meanwhile, or the subfolder
    /// went. Until all is written, the file is no entry, as after a crash.
    fn make(write: &Write<'_>, _: &Stripe<'_>, roomy: bool) -> Result<bool> {
        let bytes = write.encode(roomy)?;
        let mut file = match private().write(true).create_new(true).open(&write.path) {
            Ok(file) => file,
            Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                return Ok(false);
            }
            Err(e) => return Err(failed("create", &write.path, e)),
        };
        file.write_all(&bytes).map(|()| true).map_err(|e| {
            // If it stays, a sweep removes it.
            let _ = std::fs::remove_file(&write.path);
            failed("write", &write.path, e)
        })
    }

    /// Gives a written file its entry's name; `None` if the file was lost.
    fn place(
        &self,
        write: &Write<'_>,
        stripe: &Stripe<'_>,
        temp: Result<Temp>,
        growth: &Growth,
    ) -> Result<Option<bool>> {
        let placed = temp.and_then(|temp| temp.rename(&write.path));
        self.made(write, stripe, placed, growth)
    }

    /// Notes an entry that has its name, and counts it; `None` if its file was lost.
    fn made(
        &self,
        write: &Write<'_>,
        stripe: &Stripe<'_>,
        placed: Result<bool>,
        growth: &Growth,
    ) -> Result<Option<bool>> {
        if matches!(placed, Ok(true)) {
            self.note(write.id, &write.head);
            stripe.uncount(growth.less)?;
        } else {
            stripe.uncount(growth.more)?;
        }
        Ok(placed?.then_some(true))
    }
}

/// The change that a file makes to the counts. What gets less is counted last, so that a crash leaves the counts too high.
struct Growth {
    more: Amount,
    less: Amount,
}

impl Growth {
    /// A file of so many blocks in the place of another one, if that is there.
    fn new(there: Option<&Metadata>, blocks: u64) -> Self {
        let (before, after) = (there.map(Amount::of).unwrap_or_default(), Amount { entries: 1, blocks });
        Self { more: after.minus(before), less: before.minus(after) }
    }
}
