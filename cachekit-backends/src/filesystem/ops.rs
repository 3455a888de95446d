//! The operations of the contract.

use std::fs::{File, Metadata};
use std::io;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::{Builder, ScopedJoinHandle, available_parallelism};
use std::time::Duration;

use super::Folder;
use super::bounds::Amount;
use super::disk::{
    Id, Name, failed, id_of, look, open, peek_key, peek_listed, peek_open, read_entry, remove, stripe_of,
};
use super::layout::Peek;
use super::open_files::OpenFile;
use super::temp::LARGEST;
use super::write::Rule;
use crate::{Backend, Capabilities, Cursor, KeyPage, Result, Token, Ttl, deadline, ttl_millis};

/// The most threads that clear a directory of so many entries or more.
const CLEARERS: usize = 4;
const MANY: u64 = 2000;
/// How long a caller waits for a directory to be cleared beyond the time of an operation, and for each entry in it.
const A_WALK: Duration = Duration::from_secs(1);
const AN_ENTRY: Duration = Duration::from_millis(1);
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
            .marks(true)
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

    /// The system takes longer to remove a file than to hand out the work, so several threads remove many.
    fn clear(&self, prefix: &str) -> Result<()> {
        let next = AtomicU16::new(0);
        let work = || {
            while let Ok(stripe) = u8::try_from(next.fetch_add(1, Ordering::Relaxed)) {
                self.clear_stripe(stripe, prefix)?;
            }
            Ok(())
        };
        let entries = self.total()?.entries;
        deadline::extend_by(A_WALK + AN_ENTRY.saturating_mul(u32::try_from(entries).unwrap_or(u32::MAX)));
        let alone = entries < MANY;
        let others = if alone { 0 } else { available_parallelism().map_or(1, usize::from).min(CLEARERS) - 1 };
        std::thread::scope(|scope| {
            // Where there are no more threads, this one does it all.
            let start = |_| Builder::new().name("cachekit-clear".into()).spawn_scoped(scope, work).ok();
            let others: Vec<_> = (0..others).filter_map(start).collect();
            let own = work();
            let join = |other: ScopedJoinHandle<'_, Result<()>>| {
                other.join().unwrap_or_else(|panic| resume_unwind(panic))
            };
            others.into_iter().map(join).fold(own, Result::and)
        })
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

    fn mark(&self) -> Result<Option<u64>> {
        self.state.mark()
    }

    fn renew_mark(&self) -> Result<()> {
        self.state.renew_mark()
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
        self.file_like(id, path, look(path)?.as_ref())
    }

    /// The same of a file whose name was looked at.
    fn file_like(
        &self,
        id: Id,
        path: &Path,
        found: Option<&Metadata>,
    ) -> io::Result<Option<(Arc<OpenFile>, u64)>> {
        let Some(meta) = found.filter(|meta| meta.is_file()) else {
            self.open_files.forget(id);
            return Ok(None);
        };
        if let Some(file) = self.open_files.get(id, meta) {
            return Ok(Some((file, meta.len())));
        }
        let Some((file, meta)) = open(path, File::options().read(true))? else { return Ok(None) };
        let len = meta.len();
        let file = Arc::new(OpenFile::new(file, meta));
        self.open_files.keep(id, &file);
        Ok(Some((file, len)))
    }

    fn token_with(&self, nonce: u128, id: Id) -> Result<Token> {
        let path = self.paths.entry(id);
        let found = look(&path).map_err(|e| failed("look at", &path, e))?;
        self.token_like(nonce, id, &path, found.as_ref())
    }

    /// The token of a key whose file's name was looked at.
    pub(super) fn token_like(
        &self,
        nonce: u128,
        id: Id,
        path: &Path,
        found: Option<&Metadata>,
    ) -> Result<Token> {
        let error = |e| failed("read", path, e);
        let stamp = match self.file_like(id, path, found).map_err(error)? {
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
        let mut gone = Amount::default();
        let cleared = self.list(number, |name, _| {
            let Name::Entry(id) = name else { return Ok(()) };
            let path = self.paths.entry(id);
            let found = peek_listed(&path, prefix.len()).map_err(|e| failed("read", &path, e))?;
            let amount = match found {
                Some((Peek::Entry { .. }, key, amount)) if key == prefix.as_bytes() => amount,
                Some((Peek::Broken, _, amount)) => amount,
                Some((Peek::Entry { .. } | Peek::Foreign, ..)) | None => return Ok(()),
            };
            // The tokens of all are void already.
            if remove(&path)? {
                stripe.forget(id);
                gone = gone.plus(amount);
            }
            Ok(())
        });
        stripe.uncount(gone)?;
        cleared
    }
}
