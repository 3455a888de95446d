use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::tables::Tables;
use super::values::{Entry, ValueCall, Values, Weight};
use crate::{
    Backend, Capabilities, Clock, Cursor, Error, ErrorKind, Fetched, KeyBytes, KeyPage, Result, Token, Ttl,
    Usage, Version,
};

/// Keys share the marks of their absence in so many stripes.
const MARKS: usize = 1024;

/// The in-process store as a [`Backend`] of bytes, for what wants a backend of that kind: a tier, a test, a cache of
/// encoded values. A `simple` cache itself doesn't use it, because it keeps values as they are.
///
/// Copies each value once in and once out. It can do everything but share with other processes.
pub struct SimpleBackend {
    tables: Arc<Tables>,
    values: Arc<Values>,
    /// Numbers writes and deletions; a number is given once.
    sequence: AtomicU64,
    /// The number of the last write or deletion of any key in a stripe.
    marks: Box<[AtomicU64]>,
    /// The number of the last clear, which counts for every stripe.
    cleared: AtomicU64,
}

/// The value kept under a key.
struct Stored {
    /// The number of the write.
    number: u64,
    bytes: Vec<u8>,
}

impl SimpleBackend {
    /// A store of at most `threshold` entries, 0 being without limit, that live by `clock`.
    pub fn new(threshold: usize, clock: Clock) -> Self {
        let tables = Tables::new(threshold, 0, clock);
        Self {
            values: tables.values(0, false),
            tables,
            sequence: AtomicU64::new(0),
            marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            cleared: AtomicU64::new(0),
        }
    }

    fn call(&self, key: &str) -> ValueCall {
        let (key, instance) = (key.as_bytes(), 0);
        ValueCall { digest: self.values.digest(|h| h.write(key)), bytes: KeyBytes::new(key), instance }
    }

    fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn mark(&self, digest: u64) -> &AtomicU64 {
        // Bits that neither the choice of a bucket nor its tags use.
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

    /// An entry and its key's state.
    fn look(&self, key: &str) -> (Option<Vec<u8>>, Token) {
        let ValueCall { digest, .. } = self.call(key);
        // First: a change after this leaves a token that is void already.
        let absent = self.absent(digest);
        match self.values.get(digest, key.as_bytes()).as_deref().and_then(Entry::value::<Stored>) {
            Some(stored) => (Some(stored.bytes.clone()), Self::present(stored)),
            None => (None, absent),
        }
    }

    /// Writes if `allows`, which is given the key's state under the lock, says so.
    fn write(&self, key: &str, value: &[u8], life: Ttl, allows: impl Fn(Token) -> bool) -> bool {
        let call = self.call(key);
        let weight = Weight { bytes: (size_of::<Stored>() + value.len()) as u64, exact: true };
        let expiry = self.tables.expiry(life);
        // The state that this write has left behind, where there was no room for it at first.
        let mut left = None;
        let mut written = false;
        self.values.update(&call, |old| {
            let old = old.and_then(|(entry, _)| entry.value::<Stored>());
            let state = old.map_or_else(|| self.absent(call.digest), Self::present);
            written = left == Some(state) || allows(state);
            if !written {
                return None;
            }
            let number = self.next();
            // Also a write marks: the entry may be evicted or expire, and the key is absent as before.
            self.mark(call.digest).fetch_max(number, Ordering::SeqCst);
            left = Some(old.map_or_else(|| self.absent(call.digest), Self::present));
            Some((Entry::new(call.bytes.clone(), weight, Stored { number, bytes: value.to_vec() }), expiry))
        });
        written
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
        let call = self.call(key);
        let void = || {
            self.mark(call.digest).fetch_max(self.next(), Ordering::SeqCst);
        };
        Ok(self.values.remove_and(&call, void))
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        let void = || {
            self.cleared.fetch_max(self.next(), Ordering::SeqCst);
        };
        self.values.remove_where(|key| key.starts_with(prefix.as_bytes()), void);
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
        let part = at.map_or(Some(0), |Cursor(at)| Some(u64::from_le_bytes(at.as_slice().try_into().ok()?)));
        let part =
            part.ok_or_else(|| Error::new(ErrorKind::Other, "a cursor that this store has not made"))?;
        let mut keys = Vec::new();
        let next = self.values.visit(part, |key| {
            let key = std::str::from_utf8(key).ok().filter(|key| key.starts_with(prefix));
            keys.extend(key.map(str::to_owned));
        });
        Ok(KeyPage::new(keys, next.map(|next| Cursor(next.to_le_bytes().to_vec()))))
    }

    fn usage(&self) -> Usage {
        Usage::new(Some(self.tables.len() as u64), Some(self.tables.evictions()))
            .expirations(Some(self.tables.expirations()))
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
        f.debug_struct("SimpleBackend").field("entries", &self.tables.len()).finish_non_exhaustive()
    }
}
