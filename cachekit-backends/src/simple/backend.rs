use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::entry::{Draft, Entry};
use super::store::SimpleStore;
use crate::{
    Backend, Capabilities, Clock, Cursor, Error, ErrorKind, Fetched, KeyBytes, KeyPage, KeyWriter as _,
    Result, Token, Ttl, Usage, Version,
};

/// Keys share the marks of their absence in so many stripes.
const MARKS: usize = 1024;

/// The in-process store as a [`Backend`] of bytes, for what wants a backend of that kind: a tier, a test, a cache of
/// encoded values. A `simple` cache itself doesn't use it, because it keeps values as they are.
///
/// Copies each value once in and once out. It can do everything but share with other processes.
pub struct SimpleBackend {
    store: Arc<SimpleStore>,
    /// Numbers writes and deletions; a number is given once.
    sequence: AtomicU64,
    /// The number of the last write or deletion of any key in a stripe.
    marks: Box<[AtomicU64]>,
    /// The number of the last clear, which counts for every stripe.
    cleared: AtomicU64,
}

/// What is kept under a key.
struct Stored {
    /// The number of the write.
    number: u64,
    bytes: Vec<u8>,
}

impl SimpleBackend {
    /// A store of at most `threshold` entries, 0 being without limit, that live by `clock`.
    pub fn new(threshold: usize, clock: Clock) -> Self {
        Self {
            store: SimpleStore::new(threshold, clock),
            sequence: AtomicU64::new(0),
            marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            cleared: AtomicU64::new(0),
        }
    }

    fn digest(&self, key: &str) -> u64 {
        self.store.digest(|h| h.write(key.as_bytes()))
    }

    fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn mark(&self, digest: u64) -> &AtomicU64 {
        // Bits that neither the choice of a shard nor the table's upper seven use.
        &self.marks[(digest >> 16) as usize % MARKS]
    }

    /// The state of a key that is absent: its last change, if not a neighbour's or a clear is later.
    fn absent(&self, digest: u64) -> Token {
        let last = self.mark(digest).load(Ordering::SeqCst).max(self.cleared.load(Ordering::SeqCst));
        Token(u128::from(last) << 1)
    }

    /// The state of a key that is present.
    fn present(stored: &Stored) -> Token {
        Token(u128::from(stored.number) << 1 | 1)
    }

    fn find(&self, digest: u64, key: &str) -> Option<Arc<Entry>> {
        // Only the reference count is raised under the lock.
        self.store.read(digest, |m| m.write_delimited(key.as_bytes()), Arc::clone)
    }

    /// An entry and its key's state.
    fn look(&self, key: &str) -> (Option<Vec<u8>>, Token) {
        let digest = self.digest(key);
        // First: a change after this leaves a token that is void already.
        let absent = self.absent(digest);
        match self.find(digest, key).as_deref().and_then(Entry::value::<Stored>) {
            Some(stored) => (Some(stored.bytes.clone()), Self::present(stored)),
            None => (None, absent),
        }
    }

    /// Writes if `allows`, which is given the key's state under the lock, says so.
    fn write(&self, key: &str, value: &[u8], life: Ttl, allows: impl FnOnce(Token) -> bool) -> bool {
        let digest = self.digest(key);
        let bytes = value.to_vec();
        self.store.update(digest, key.as_bytes(), |old| {
            let old = old.and_then(Entry::value::<Stored>);
            if !allows(old.map_or_else(|| self.absent(digest), Self::present)) {
                return (None, false);
            }
            let number = self.next();
            // Also a write marks: the entry may be evicted or expire, and the key is absent as before.
            self.mark(digest).fetch_max(number, Ordering::SeqCst);
            let draft = Draft {
                digest,
                bytes: KeyBytes::new(key.as_bytes()),
                expiry: self.store.expiry(life),
                birth: self.store.now(),
                instance: 0,
                function: 0,
            };
            (Some(SimpleStore::entry(draft, Stored { number, bytes })), true)
        })
    }
}

impl Backend for SimpleBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .atomic_add(true)
            .conditional(true)
            .clear_by_prefix(true)
            .list_keys(true)
            .bounded(true)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.look(key).0)
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.write(key, value, life, |_| true);
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<bool> {
        let digest = self.digest(key);
        let void = || {
            self.mark(digest).fetch_max(self.next(), Ordering::SeqCst);
        };
        Ok(self.store.remove_and(digest, key.as_bytes(), void))
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        let void = || {
            self.cleared.fetch_max(self.next(), Ordering::SeqCst);
        };
        self.store.remove_where(|key| key.starts_with(prefix.as_bytes()), void);
        Ok(())
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        Ok(self.write(key, value, life, |Token(state)| state & 1 == 0))
    }

    fn token(&self, key: &str) -> Result<Token> {
        Ok(self.look(key).1)
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        Ok(self.write(key, value, life, |state| state == token))
    }

    fn keys(&self, prefix: &str, at: Option<&Cursor>) -> Result<KeyPage> {
        let part =
            at.map_or(Some(0), |Cursor(at)| Some(usize::from_le_bytes(at.as_slice().try_into().ok()?)));
        let part =
            part.ok_or_else(|| Error::new(ErrorKind::Other, "a cursor that this store has not made"))?;
        let mut keys = Vec::new();
        let more = self.store.visit(part, |_, key| {
            let key = std::str::from_utf8(key).ok().filter(|key| key.starts_with(prefix));
            keys.extend(key.map(str::to_owned));
        });
        Ok(KeyPage::new(keys, more.then(|| Cursor((part + 1).to_le_bytes().to_vec()))))
    }

    fn usage(&self) -> Usage {
        Usage::new(Some(self.store.len() as u64), Some(self.store.evictions()))
    }

    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let (bytes, token) = self.look(entry);
        let versions = versions
            .iter()
            .map(|key| {
                let found = self.get(key)?;
                match found.as_deref().and_then(Version::from_bytes) {
                    Some(version) => Ok(version),
                    None => self.make_version(key, found.is_some()),
                }
            })
            .collect::<Result<_>>()?;
        Ok(Fetched::new(bytes, versions, Some(token)))
    }
}

impl std::fmt::Debug for SimpleBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimpleBackend").field("entries", &self.store.len()).finish_non_exhaustive()
    }
}
