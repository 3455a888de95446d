//! An object store as a backend. It has no compare-and-set and no TTL, so this claims neither: cachekit makes up for the first
//! in this process, and for the second each object begins with its expiry.

use cachekit::{Backend, Capabilities, Clock, Cursor, Error, ErrorKind, KeyPage, Result, Ttl};
use opendal::{Buffer, Operator};
use tokio::runtime::{Builder, Runtime};

use crate::expiry;

/// The expiry in front of each value; 0 is never.
const HEAD: usize = 8;

/// Entries as objects of an [`Operator`], one for each. Objects of other names are left alone.
///
/// An expired object stays until its key is written again or cleared; give the bucket a rule that removes old objects. The name of an
/// object is its key, escaped: the store limits its length (1,024 bytes on S3).
pub struct Opendal {
    operator: Operator,
    runtime: Runtime,
    clock: Clock,
}

impl Opendal {
    /// Entries in the root of an operator.
    ///
    /// # Errors
    /// The runtime for its calls can't be made.
    pub fn new(operator: Operator) -> Result<Self> {
        Self::with_clock(operator, Clock::system())
    }

    /// The same with a clock that a test moves.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(operator: Operator, clock: Clock) -> Result<Self> {
        // `block_on` of a runtime without workers runs on the caller's thread, and may be called by many at once.
        let runtime = Builder::new_current_thread().build()?;
        Ok(Self { operator, runtime, clock })
    }

    fn wait<T>(&self, future: impl Future<Output = opendal::Result<T>>) -> Result<T> {
        // Not claiming `bounded`, this is never called by a task: cachekit has threads for it.
        self.runtime.block_on(future).map_err(error)
    }

    /// The keys of all objects that begin so.
    fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let entries = self.wait(self.operator.list(""))?;
        let keys = entries.iter().filter_map(|entry| unescaped(entry.path()));
        Ok(keys.filter(|key| key.starts_with(prefix)).collect())
    }
}

impl Backend for Opendal {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none().shared(true).clear_by_prefix(true).list_keys(true)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let bytes: Buffer = match self.runtime.block_on(self.operator.read(&escaped(key))) {
            Ok(bytes) => bytes,
            Err(found) if found.kind() == opendal::ErrorKind::NotFound => return Ok(None),
            Err(found) => return Err(error(found)),
        };
        let bytes = bytes.to_vec();
        let Some((head, value)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
        let end = u64::from_le_bytes(*head);
        Ok((end == 0 || self.clock.now() < end).then(|| value.to_vec()))
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        let end = expiry(self.clock.now(), life).unwrap_or(0);
        let bytes = [&end.to_le_bytes()[..], value].concat();
        self.wait(self.operator.write(&escaped(key), bytes)).map(drop)
    }

    fn delete(&self, key: &str) -> Result<bool> {
        let was_there = self.get(key)?.is_some();
        self.wait(self.operator.delete(&escaped(key)))?;
        Ok(was_there)
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        self.names(prefix)?.iter().try_for_each(|key| self.wait(self.operator.delete(&escaped(key))))
    }

    /// All at once: a listing of objects has no place to go on from that stays valid.
    fn keys(&self, prefix: &str, _at: Option<&Cursor>) -> Result<KeyPage> {
        let mut live = Vec::new();
        for key in self.names(prefix)? {
            if self.get(&key)?.is_some() {
                live.push(key);
            }
        }
        Ok(KeyPage::new(live, None))
    }
}

/// The end of an object's name. It tells the objects of this backend from others.
const SUFFIX: &str = ".entry";

/// The name of a key's object: letters, digits and a few signs stand for themselves, any other byte is a `=` and two digits.
fn escaped(key: &str) -> String {
    use std::fmt::Write as _;
    let mut name = String::with_capacity(key.len() + SUFFIX.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            name.push(byte.into());
        } else {
            let _ = write!(name, "={byte:02x}");
        }
    }
    name + SUFFIX
}

/// The key of an object; none for another's.
fn unescaped(name: &str) -> Option<String> {
    let mut bytes = name.strip_suffix(SUFFIX)?.bytes();
    let mut key = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'=' {
            let digits = [bytes.next()?, bytes.next()?];
            key.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            key.push(byte);
        }
    }
    let key = String::from_utf8(key).ok()?;
    (escaped(&key) == name).then_some(key)
}

/// An error of `OpenDAL` in cachekit's classes, by which it decides whether to try again.
fn error(error: opendal::Error) -> Error {
    let kind = match error.kind() {
        opendal::ErrorKind::ConfigInvalid => ErrorKind::Config,
        opendal::ErrorKind::RateLimited => ErrorKind::Unavailable,
        _ if error.is_temporary() => ErrorKind::Unavailable,
        _ => ErrorKind::Other,
    };
    Error::new(kind, format!("OpenDAL: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::{escaped, unescaped};

    #[test]
    fn names_are_read_back_and_others_are_none() {
        for key in ["", "shop:|shop::price:abc", "a/../b", "é\n=", ".entry"] {
            assert_eq!(unescaped(&escaped(key)).as_deref(), Some(key));
        }
        for other in ["a", "a.entry.bak", "=zz.entry", "=41.entry", "a/b.entry", "=C3.entry"] {
            assert_eq!(unescaped(other), None, "{other}");
        }
    }
}
