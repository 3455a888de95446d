use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::{AsyncBackend, Backend, Capabilities, Error, ErrorKind, Fetched, Lifetime, Result, Token};

const LOCKS: usize = 64;
const COUNTERS: usize = 4096;

/// Gives a backend without [`conditional`](Capabilities::conditional) writes the same within one process: a deletion by
/// arguments beats a computation that is under way here, and `add` and `incr` are atomic here. Other processes' writes are
/// not seen; that is the weaker promise of such a backend.
///
/// Writes and deletions of keys that fall into one of 64 stripes wait for one another, at most the operation timeout. The
/// state of a key is one of 4,096 counters of writes and deletions; a neighbour's write may cost a store, never a wrong
/// value.
pub struct ProcessConditional {
    inner: Arc<dyn Backend>,
    hasher: RandomState,
    locks: [Mutex<()>; LOCKS],
    counters: Box<[AtomicU64]>,
    limit: Duration,
}

impl ProcessConditional {
    /// Wraps a backend. `limit` bounds the wait for a stripe.
    pub fn new(inner: Arc<dyn Backend>, limit: Duration) -> Self {
        Self {
            inner,
            hasher: RandomState::new(),
            locks: [const { Mutex::new(()) }; LOCKS],
            counters: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            limit,
        }
    }

    fn hash(&self, key: &str) -> usize {
        // Truncation is fine: only the lower bits are used.
        #[allow(clippy::cast_possible_truncation)]
        let hash = self.hasher.hash_one(key) as usize;
        hash
    }

    fn lock(&self, key: &str) -> Result<MutexGuard<'_, ()>> {
        self.locks[self.hash(key) % LOCKS].try_lock_for(self.limit).ok_or_else(|| {
            Error::new(ErrorKind::Timeout, "another operation on this key has not finished within the operation timeout")
        })
    }

    fn counter(&self, key: &str) -> &AtomicU64 {
        &self.counters[self.hash(key) % COUNTERS]
    }

    /// Runs a write under the key's stripe. The state changes before and after: a token taken while it ran is void too.
    fn write<R>(&self, key: &str, write: impl FnOnce(&dyn Backend) -> Result<R>) -> Result<R> {
        let _stripe = self.lock(key)?;
        self.counter(key).fetch_add(1, Ordering::SeqCst);
        let result = write(&*self.inner);
        self.counter(key).fetch_add(1, Ordering::SeqCst);
        result
    }
}

impl Backend for ProcessConditional {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.get(key)
    }

    fn set(&self, key: &str, value: &[u8], life: Lifetime) -> Result<()> {
        self.write(key, |inner| inner.set(key, value, life))
    }

    fn delete(&self, key: &str) -> Result<bool> {
        self.write(key, |inner| inner.delete(key))
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        for counter in &self.counters {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        let result = self.inner.clear(prefix);
        for counter in &self.counters {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        result
    }

    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        self.inner.get_many(keys)
    }

    fn set_many(&self, items: &[(&str, &[u8])], life: Lifetime) -> Result<()> {
        for (key, _) in items {
            self.counter(key).fetch_add(1, Ordering::SeqCst);
        }
        let result = self.inner.set_many(items, life);
        for (key, _) in items {
            self.counter(key).fetch_add(1, Ordering::SeqCst);
        }
        result
    }

    fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        keys.iter().try_fold(0, |n, key| Ok(n + u64::from(self.delete(key)?)))
    }

    fn add(&self, key: &str, value: &[u8], life: Lifetime) -> Result<bool> {
        self.write(key, |inner| inner.add(key, value, life))
    }

    fn token(&self, key: &str) -> Result<Token> {
        Ok(Token(u128::from(self.counter(key).load(Ordering::SeqCst))))
    }

    fn put_if(&self, key: &str, value: &[u8], life: Lifetime, token: Token) -> Result<bool> {
        let _stripe = self.lock(key)?;
        if u128::from(self.counter(key).load(Ordering::SeqCst)) != token.0 {
            return Ok(false);
        }
        self.counter(key).fetch_add(1, Ordering::SeqCst);
        self.inner.set(key, value, life)?;
        Ok(true)
    }

    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let token = self.token(entry)?;
        let mut fetched = self.inner.fetch(entry, versions)?;
        fetched.token = Some(token);
        Ok(fetched)
    }

    fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
        None
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.inner.set_operation_timeout(limit);
    }
}
