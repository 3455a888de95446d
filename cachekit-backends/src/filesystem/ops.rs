//! The operations of the contract.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Folder;
use super::disk::{Id, Name, failed, id_of, look_regular, open, peek_key, peek_open, read_entry, stripe_of};
use super::layout::Peek;
use super::open_files::OpenFile;
use super::temp::LARGEST;
use super::write::Rule;
use crate::{Backend, Capabilities, Cursor, KeyPage, Result, Token, Ttl, deadline, ttl_millis};

/// How often a read starts over when what it read is damaged, as by a write at the same time.
const LOOKS: usize = 5;

impl Backend for Folder {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .shared(true)
            .atomic_add(true)
            .conditional(true)
            .clear_by_prefix(true)
            .list_keys(true)
            .bounded(true)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let id = id_of(key);
        self.read(id, &self.paths.entry(id), key)
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.write(key, value, life, Rule::Always).map(drop)
    }

    fn delete(&self, key: &str) -> Result<bool> {
        let id = id_of(key);
        let path = self.paths.entry(id);
        let void = || self.state.renew(id);
        let Some(stripe) = self.lock_for_removal(stripe_of(id), void)? else { return Ok(false) };
        match peek_key(&path, key.len()).map_err(|e| failed("read", &path, e))? {
            Some((Peek::Entry { head, key_len, .. }, found))
                if key_len == key.len() && found == key.as_bytes() =>
            {
                stripe.unlink(id)?;
                Ok(!head.is_past(self.clock.now()))
            }
            Some((Peek::Broken, _)) => stripe.unlink(id).map(|()| false),
            // Nothing to remove, but a computation may be under way.
            Some((Peek::Entry { .. } | Peek::Foreign, _)) | None => stripe.void(id).map(|()| false),
        }
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        (0..=u8::MAX).try_for_each(|stripe| self.clear_stripe(stripe, prefix))
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        self.write(key, value, life, Rule::IfAbsent)
    }

    fn token(&self, key: &str) -> Result<Token> {
        let id = id_of(key);
        // Before the stamp: a removal in between leaves a token that is void already.
        let nonce = self.state.nonce(id)?;
        self.token_with(nonce, id)
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        self.write(key, value, life, Rule::IfToken(token))
    }

    fn delete_if(&self, key: &str, token: Token) -> Result<bool> {
        let id = id_of(key);
        // A key of a subfolder that is not there has no entry; its tokens stay as they are.
        let Some(stripe) = self.lock_for_removal(stripe_of(id), || Ok(()))? else {
            return Ok(self.token(key)? == token);
        };
        if self.token(key)? != token {
            return Ok(false);
        }
        stripe.unlink(id).map(|()| true)
    }

    fn keys(&self, prefix: &str, at: Option<&Cursor>) -> Result<KeyPage> {
        self.list_keys(prefix, at)
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.limit.store(ttl_millis(limit), Ordering::Relaxed);
    }
}

impl Folder {
    /// The live value of a key.
    pub(super) fn read(&self, id: Id, path: &Path, key: &str) -> Result<Option<Vec<u8>>> {
        for _ in 0..LOOKS {
            let Some((open, len)) = self.file_of(id, path).map_err(|e| failed("read", path, e))? else {
                return Ok(None);
            };
            #[cfg(test)]
            self.hooks.reach(super::tests::Point::Looked);
            deadline::extend_for(usize::try_from(len).unwrap_or(usize::MAX));
            let found = read_entry(&open.file, len, key).map_err(|e| failed("read", path, e))?;
            if let Some((head, value)) = found {
                return Ok(if head.is_past(self.clock.now()) { None } else { Some(value) });
            }
            // Overwritten while it was read, or filled with another entry after the look; or damaged, as is a larger file,
            // which is never written into.
            if len > LARGEST {
                break;
            }
        }
        Ok(None)
    }

    /// An entry's file and its length. It is kept open for the next time.
    fn file_of(&self, id: Id, path: &Path) -> io::Result<Option<(Arc<OpenFile>, u64)>> {
        let Some(meta) = look_regular(path)? else {
            self.open_files.forget(id);
            return Ok(None);
        };
        if let Some(file) = self.open_files.get(id, &meta) {
            return Ok(Some((file, meta.len())));
        }
        let Some((file, meta)) = open(path, File::options().read(true))? else { return Ok(None) };
        let len = meta.len();
        let file = Arc::new(OpenFile::new(file, meta));
        self.open_files.keep(id, &file);
        Ok(Some((file, len)))
    }

    pub(super) fn token_with(&self, nonce: u128, id: Id) -> Result<Token> {
        let path = self.paths.entry(id);
        let error = |e| failed("read", &path, e);
        let stamp = match self.file_of(id, &path).map_err(error)? {
            Some((open, len)) => match peek_open(&open.file, len).map_err(error)? {
                Peek::Entry { head, .. } => head.stamp,
                Peek::Broken | Peek::Foreign => 0,
            },
            None => 0,
        };
        // Both are random, so that a change of either changes the sum.
        Ok(Token(nonce.wrapping_add(stamp)))
    }

    fn clear_stripe(&self, number: u8, prefix: &str) -> Result<()> {
        let void = || self.state.renew_all(number);
        let Some(stripe) = self.lock_for_removal(number, void)? else { return Ok(()) };
        stripe.void_all()?;
        self.list(number, |name, _| {
            let Name::Entry(id) = name else { return Ok(()) };
            let path = self.paths.entry(id);
            let matches = match peek_key(&path, prefix.len()).map_err(|e| failed("read", &path, e))? {
                Some((Peek::Entry { .. }, key)) => key == prefix.as_bytes(),
                Some((Peek::Broken, _)) => true,
                Some((Peek::Foreign, _)) | None => false,
            };
            if matches { stripe.unlink(id) } else { Ok(()) }
        })
    }
}
