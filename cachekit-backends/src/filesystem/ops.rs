//! The operations of the contract.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Folder;
use super::disk::{Id, Name, exists, failed, id_of, look, look_regular, open, peek_key, read_all, stripe_of};
use super::frame::{HEAD_LEN, Head, Peek, decode, encode, peek};
use super::held::Held;
use super::rewrite;
use super::stripe::Stripe;
use crate::random::random_u128;
use crate::{Backend, Capabilities, Error, ErrorKind, Lifetime, Result, Token, lifetime_millis};

/// How often a read starts over when what it read is damaged, as by a write at the same time.
const LOOKS: usize = 5;
/// How often a write starts over when others are in its way.
const TRIES: usize = 3;

/// When a write takes place.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Always,
    /// No live entry is there.
    IfAbsent,
    /// The key is as the token saw it.
    IfToken(Token),
}

impl Backend for Folder {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .shared(true)
            .atomic_add(true)
            .conditional(true)
            .clear_by_prefix(true)
            .bounded(true)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let id = id_of(key);
        self.read(id, &self.layout.entry(id), key)
    }

    fn set(&self, key: &str, value: &[u8], life: Lifetime) -> Result<()> {
        self.write(key, value, life, Rule::Always).map(drop)
    }

    fn delete(&self, key: &str) -> Result<bool> {
        let id = id_of(key);
        let path = self.layout.entry(id);
        let stripe = self.lock(stripe_of(id))?;
        match peek_key(&path, true).map_err(|e| failed("read", &path, e))? {
            Some((Peek::Entry { head, .. }, found)) if found == key.as_bytes() => {
                stripe.unlink(id)?;
                Ok(!head.is_past(self.clock.now()))
            }
            Some((Peek::Broken, _)) => stripe.unlink(id).map(|()| false),
            // Nothing to remove, but a computation may be under way.
            Some((Peek::Entry { .. } | Peek::Foreign, _)) | None => stripe.void(id).map(|()| false),
        }
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        self.drop_spares();
        (0..=u8::MAX).try_for_each(|stripe| self.clear_stripe(stripe, prefix))
    }

    fn add(&self, key: &str, value: &[u8], life: Lifetime) -> Result<bool> {
        self.write(key, value, life, Rule::IfAbsent)
    }

    fn token(&self, key: &str) -> Result<Token> {
        let id = id_of(key);
        // Before the stamp: a removal in between leaves a token that is void already.
        let nonce = self.nonce(id)?;
        self.token_with(nonce, id)
    }

    fn put_if(&self, key: &str, value: &[u8], life: Lifetime, token: Token) -> Result<bool> {
        self.write(key, value, life, Rule::IfToken(token))
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.limit.store(lifetime_millis(limit), Ordering::Relaxed);
    }
}

impl Folder {
    /// How long a lock is waited for.
    pub(super) fn limit(&self) -> Duration {
        Duration::from_millis(self.limit.load(Ordering::Relaxed))
    }

    /// The live value of a key.
    pub(super) fn read(&self, id: Id, path: &Path, key: &str) -> Result<Option<Vec<u8>>> {
        for _ in 0..LOOKS {
            let Some((held, len)) = self.file_of(id, path).map_err(|e| failed("read", path, e))? else {
                return Ok(None);
            };
            let file = read_all(&held.file, len).map_err(|e| failed("read", path, e))?;
            if let Some((head, value)) = decode(&file, key) {
                return Ok(if head.is_past(self.clock.now()) { None } else { Some(value.to_vec()) });
            }
            // Damaged; or overwritten while it was read; or the file was found, and is in use for another entry since.
        }
        Ok(None)
    }

    /// An entry's file and its length. It is kept open for the next time.
    fn file_of(&self, id: Id, path: &Path) -> io::Result<Option<(Arc<Held>, u64)>> {
        let Some(meta) = look_regular(path)? else {
            self.held.forget(id);
            return Ok(None);
        };
        if let Some(held) = self.held.get(id, &meta) {
            return Ok(Some((held, meta.len())));
        }
        let Some((file, meta)) = open(path, File::options().read(true))? else { return Ok(None) };
        let len = meta.len();
        let held = Arc::new(Held::new(file, meta));
        self.held.keep(id, &held);
        Ok(Some((held, len)))
    }

    fn token_with(&self, nonce: u128, id: Id) -> Result<Token> {
        let path = self.layout.entry(id);
        let error = |e| failed("read", &path, e);
        let Some((held, len)) = self.file_of(id, &path).map_err(error)? else {
            return Ok(token_of(nonce, 0));
        };
        let start = read_all(&held.file, len.min(HEAD_LEN as u64)).map_err(error)?;
        let stamp = if let Peek::Entry { head, .. } = peek(&start, len) { head.stamp } else { 0 };
        Ok(token_of(nonce, stamp))
    }

    fn write(&self, key: &str, value: &[u8], life: Lifetime, rule: Rule) -> Result<bool> {
        for _ in 0..TRIES {
            if let Some(stored) = self.try_write(key, value, life, rule)? {
                return Ok(stored);
            }
        }
        let message = format!("{} is being emptied while it is written to", self.layout.dir().display());
        Err(Error::new(ErrorKind::Io, message))
    }

    /// Writes if the rule allows it; `None` if the file was lost on its way.
    fn try_write(&self, key: &str, value: &[u8], life: Lifetime, rule: Rule) -> Result<Option<bool>> {
        let id = id_of(key);
        let path = self.layout.entry(id);
        let there = look(&path).map_err(|e| failed("look at", &path, e))?;
        let expiry = life.map_or(0, |life| self.clock.now().saturating_add(lifetime_millis(life)));
        let head = Head { expiry, written: self.moment(), stamp: random_u128() };
        if there.as_ref().is_some_and(rewrite::may_have_room)
            && let Some(stored) = self.rewrite((id, &path), key, value, &head, rule)?
        {
            return Ok(Some(stored));
        }
        // Without the lock first: a refusal is cheap then.
        if !self.allows(rule, key, id, &path, None)? {
            return Ok(Some(false));
        }
        // What is overwritten once will be again.
        let roomy = there.is_some() && rewrite::is_worth_room(key, value);
        let file = encode(key, value, &head, roomy)
            .ok_or_else(|| Error::new(ErrorKind::Unsupported, "a key of more than 4 GiB can't be stored"))?;
        // Before the lock, because making room takes the locks of other subfolders; before the file is written, because
        // it may go into the victim's.
        let mut slot = if there.is_some() { None } else { Some(self.reserve()?) };
        let temp = self.write_temp(stripe_of(id), head.stamp, &file)?;
        let placed = loop {
            let stripe = self.lock(stripe_of(id))?;
            if !self.allows(rule, key, id, &path, Some(&stripe))? {
                return Ok(Some(false));
            }
            let new = !exists(&path)?;
            if new && slot.is_none() {
                // It went away after the first look.
                drop(stripe);
                slot = Some(self.reserve()?);
                continue;
            }
            let placed = stripe.place(temp, id, new)?;
            if placed {
                self.note(id, &head);
            }
            break placed;
        };
        drop(slot);
        self.tidy();
        Ok(placed.then_some(true))
    }

    fn allows(
        &self,
        rule: Rule,
        key: &str,
        id: Id,
        path: &Path,
        stripe: Option<&Stripe<'_>>,
    ) -> Result<bool> {
        match (rule, stripe) {
            (Rule::Always, _) => Ok(true),
            (Rule::IfAbsent, _) => Ok(self.read(id, path, key)?.is_none()),
            (Rule::IfToken(token), None) => Ok(self.token_with(self.nonce(id)?, id)? == token),
            (Rule::IfToken(token), Some(stripe)) => Ok(self.token_with(stripe.nonce(id)?, id)? == token),
        }
    }

    fn clear_stripe(&self, number: u8, prefix: &str) -> Result<()> {
        let stripe = self.lock(number)?;
        stripe.void_all()?;
        self.list(number, |name, _| {
            let Name::Entry(id) = name else { return Ok(()) };
            let path = self.layout.entry(id);
            let ours = match peek_key(&path, true).map_err(|e| failed("read", &path, e))? {
                Some((Peek::Entry { .. }, key)) => key.starts_with(prefix.as_bytes()),
                Some((Peek::Broken, _)) => true,
                Some((Peek::Foreign, _)) | None => false,
            };
            if ours { stripe.unlink(id) } else { Ok(()) }
        })
    }
}

/// The token of a key. Both are random, so that a change of either changes the sum.
pub(super) fn token_of(nonce: u128, stamp: u128) -> Token {
    Token(nonce.wrapping_add(stamp))
}
