//! The list of keys, one part after another.

use super::Folder;
use super::disk::{Id, Name, failed, id_of, peek_key, stripe_of};
use super::layout::Peek;
use crate::{Cursor, Error, ErrorKind, KeyPage, Result};

/// How many files a part looks at, at most.
const FILES: usize = 1000;
/// The bytes of a key that the first read of a file brings.
const FIRST_READ: usize = 512;

impl Folder {
    /// The cursor of the first part.
    pub(super) fn first_key() -> Cursor {
        Cursor(Id::MIN.to_be_bytes().to_vec())
    }

    /// Returns the keys with a prefix among the next entries, by the order of their files' names. Takes no lock: a file that is
    /// replaced meanwhile is found before or after.
    pub(super) fn list_keys(&self, prefix: &str, at: Option<&Cursor>) -> Result<KeyPage> {
        let from = match at {
            None => Id::MIN,
            Some(Cursor(at)) => Id::from_be_bytes(at.as_slice().try_into().map_err(|_| not_a_cursor())?),
        };
        let number = stripe_of(from);
        let (ids, next) = self.ids(number, from)?;
        let mut keys = Vec::new();
        for id in ids {
            keys.extend(self.key_of(id)?.filter(|key| key.starts_with(prefix)));
        }
        // The names of a subfolder begin with its number.
        let next = next.or_else(|| Some(Id::from(number.checked_add(1)?) << (Id::BITS - u8::BITS)));
        Ok(KeyPage::new(keys, next.map(|id| Cursor(id.to_be_bytes().to_vec()))))
    }

    /// Returns the next entries of a subfolder, and the one after them, if there is one.
    fn ids(&self, number: u8, from: Id) -> Result<(Vec<Id>, Option<Id>)> {
        let mut ids = Vec::new();
        self.list(number, |name, _| {
            if let Name::Entry(id) = name
                && id >= from
            {
                ids.push(id);
            }
            Ok(())
        })?;
        ids.sort_unstable();
        let next = ids.get(FILES).copied();
        ids.truncate(FILES);
        Ok((ids, next))
    }

    /// Returns the key of an entry that is whole as far as its head tells, and not expired.
    fn key_of(&self, id: Id) -> Result<Option<String>> {
        let path = self.paths.entry(id);
        let peek = |wanted| peek_key(&path, wanted).map_err(|e| failed("read", &path, e));
        let mut found = peek(FIRST_READ)?;
        if let Some((Peek::Entry { key_len, .. }, _)) = found
            && key_len > FIRST_READ
        {
            found = peek(key_len)?;
        }
        let Some((Peek::Entry { head, .. }, key)) = found else { return Ok(None) };
        let key = String::from_utf8(key).ok().filter(|key| id_of(key) == id);
        Ok(key.filter(|_| !head.is_past(self.clock.now())))
    }
}

pub(super) fn not_a_cursor() -> Error {
    Error::new(ErrorKind::Other, "a cursor that this backend has not made")
}
