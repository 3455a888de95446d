use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    AsyncBackend, Backend, Capabilities, Cursor, Error, ErrorKind, Fetched, KeyPage, Result, Token, Ttl,
    Usage, Version,
};

const LOCKS: usize = 64;
/// 256 KiB. A computation inside of another one voids the outer one's token once in so many pairs of keys.
const COUNTERS: usize = 1 << 16;

/// Gives a backend without [`conditional`](Capabilities::conditional) writes the same within one process: a deletion by
/// arguments beats a computation that is under way here, and `add` and `incr` are atomic here. Other processes' writes are
/// not seen; that is the weaker promise of such a backend.
///
/// Writes and deletions of keys that fall into one of 64 stripes wait for one another, at most the operation timeout. The
/// state of a key is one of 65,536 counters of writes and deletions; a neighbour's write may cost a store, never a wrong
/// value.
pub struct ProcessConditional {
    inner: Arc<dyn Backend>,
    hasher: RandomState,
    locks: [Mutex<()>; LOCKS],
    counters: Box<[AtomicU32]>,
    /// The number of `clear`s under way.
    clearing: AtomicUsize,
    limit: Duration,
}

impl ProcessConditional {
    /// Wraps a backend. A wait for a stripe takes at most `limit`.
    pub fn new(inner: Arc<dyn Backend>, limit: Duration) -> Self {
        Self {
            inner,
            hasher: RandomState::new(),
            locks: [const { Mutex::new(()) }; LOCKS],
            counters: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect(),
            clearing: AtomicUsize::new(0),
            limit,
        }
    }

    fn hash(&self, key: &str) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "only the lower bits are used")]
        let hash = self.hasher.hash_one(key) as usize;
        hash
    }

    fn stripe(&self, key: &str) -> usize {
        self.hash(key) % LOCKS
    }

    fn lock(&self, stripe: usize, deadline: Instant) -> Result<MutexGuard<'_, ()>> {
        self.locks[stripe].try_lock_until(deadline).ok_or_else(|| {
            Error::new(
                ErrorKind::Timeout,
                "another operation on this key has not finished within the operation timeout",
            )
        })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.limit
    }

    fn counter(&self, key: &str) -> &AtomicU32 {
        &self.counters[self.hash(key) % COUNTERS]
    }

    fn change(&self, keys: &[&str]) {
        for key in keys {
            self.counter(key).fetch_add(1, Ordering::SeqCst);
        }
    }

    fn change_all(&self) {
        for counter in &self.counters {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Runs a write under the keys' stripes. The state changes before and after: a token taken while it ran is void too.
    fn write<R>(&self, keys: &[&str], write: impl FnOnce(&dyn Backend) -> Result<R>) -> Result<R> {
        let deadline = self.deadline();
        // In order, so that no two writes wait for each other.
        let mut stripes: Vec<usize> = keys.iter().map(|key| self.stripe(key)).collect();
        stripes.sort_unstable();
        stripes.dedup();
        let _locks = stripes.into_iter().map(|at| self.lock(at, deadline)).collect::<Result<Vec<_>>>()?;
        self.change(keys);
        let result = write(&*self.inner);
        self.change(keys);
        result
    }
}

impl ProcessConditional {
    /// Runs a write of a key if it is in the state that the token saw.
    fn if_unchanged(
        &self,
        key: &str,
        token: Token,
        write: impl FnOnce(&dyn Backend) -> Result<()>,
    ) -> Result<bool> {
        let _stripe = self.lock(self.stripe(key), self.deadline())?;
        if self.clearing.load(Ordering::SeqCst) != 0 || self.token(key)? != token {
            return Ok(false);
        }
        self.change(&[key]);
        let result = write(&*self.inner);
        self.change(&[key]);
        result.map(|()| true)
    }
}

/// A `clear` under way, during which no conditional write begins.
struct Clearing<'a>(&'a AtomicUsize);

impl<'a> Clearing<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Clearing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Backend for ProcessConditional {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.get(key)
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.write(&[key], |inner| inner.set(key, value, life))
    }

    fn delete(&self, key: &str) -> Result<bool> {
        self.write(&[key], |inner| inner.delete(key))
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        let _clearing = Clearing::begin(&self.clearing);
        self.change_all();
        // Conditional writes that have checked their tokens finish first. The stripes aren't kept: a long `clear` would
        // make deletions time out.
        let deadline = self.deadline();
        (0..LOCKS).try_for_each(|stripe| self.lock(stripe, deadline).map(drop))?;
        let result = self.inner.clear(prefix);
        self.change_all();
        result
    }

    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        self.inner.get_many(keys)
    }

    fn set_many(&self, items: &[(&str, &[u8])], life: Ttl) -> Result<()> {
        let keys: Vec<&str> = items.iter().map(|(key, _)| *key).collect();
        self.write(&keys, |inner| inner.set_many(items, life))
    }

    fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        self.write(keys, |inner| inner.delete_many(keys))
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        self.write(&[key], |inner| inner.add(key, value, life))
    }

    fn token(&self, key: &str) -> Result<Token> {
        Ok(Token(u128::from(self.counter(key).load(Ordering::SeqCst))))
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        self.if_unchanged(key, token, |inner| inner.set(key, value, life))
    }

    fn delete_if(&self, key: &str, token: Token) -> Result<bool> {
        self.if_unchanged(key, token, |inner| inner.delete(key).map(drop))
    }

    fn keys(&self, prefix: &str, at: Option<&Cursor>) -> Result<KeyPage> {
        self.inner.keys(prefix, at)
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn mark(&self) -> Result<Option<u64>> {
        self.inner.mark()
    }

    fn renew_mark(&self) -> Result<()> {
        self.inner.renew_mark()
    }

    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let token = self.token(entry)?;
        if self.inner.capabilities().atomic_add {
            let mut fetched = self.inner.fetch(entry, versions)?;
            fetched.token = Some(token);
            return Ok(fetched);
        }
        // The trait's default, but versions are made by the `add` that is atomic here.
        let keys: Vec<&str> = std::iter::once(entry).chain(versions.iter().copied()).collect();
        let mut found = self.inner.get_many(&keys)?;
        let mut bytes = if found.is_empty() { None } else { found.remove(0) };
        let mut made = false;
        let versions = versions
            .iter()
            .zip(found)
            .map(|(key, found)| {
                if let Some(version) = found.as_deref().and_then(Version::from_bytes) {
                    return Ok(version);
                }
                made = true;
                self.make_version(key, found.is_some())
            })
            .collect::<Result<_>>()?;
        let mut token = token;
        if made {
            // A version may share the entry's counter, and the token be void already.
            token = self.token(entry)?;
            bytes = self.inner.get(entry)?;
        }
        Ok(Fetched::new(bytes, versions, Some(token)))
    }

    fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
        None
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.inner.set_operation_timeout(limit);
    }
}
