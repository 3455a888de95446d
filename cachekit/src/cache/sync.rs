use cachekit_backends::{Result, Timeout};

use super::Cache;
use crate::call::policy::Storable;
use crate::engine::remote::{BlockingIo, ready};

/// Keys are any text; each gets the cache's prefix. Values are told apart by their type: what another type stored is a
/// miss, but integers of every width are one type as far as they fit.
impl Cache {
    /// The value under a key, unless it is absent, expired, or of another type.
    ///
    /// # Errors
    /// The backend's.
    pub fn get<T: Storable>(&self, key: &str) -> Result<Option<T>> {
        ready(self.inner().get(BlockingIo, key))
    }

    /// The values under several keys, in their order. One round trip.
    ///
    /// # Errors
    /// The backend's.
    pub fn get_many<T: Storable>(&self, keys: &[&str]) -> Result<Vec<Option<T>>> {
        ready(self.inner().get_many(BlockingIo, keys))
    }

    /// Stores a value, replacing what is there.
    ///
    /// # Errors
    /// The backend's.
    pub fn set<T: Storable>(&self, key: &str, value: &T, timeout: impl Into<Timeout>) -> Result<()> {
        ready(self.inner().set(BlockingIo, key, value, timeout.into()))
    }

    /// Stores several values with one timeout. All are encoded before any is stored.
    ///
    /// # Errors
    /// The backend's.
    pub fn set_many<T: Storable>(&self, items: &[(&str, T)], timeout: impl Into<Timeout>) -> Result<()> {
        ready(self.inner().set_many(BlockingIo, items, timeout.into()))
    }

    /// Stores a value unless one is there; returns true exactly to the caller that stored.
    ///
    /// # Errors
    /// The backend's.
    pub fn add<T: Storable>(&self, key: &str, value: &T, timeout: impl Into<Timeout>) -> Result<bool> {
        ready(self.inner().add(BlockingIo, key, value, timeout.into()))
    }

    /// Removes a key; returns whether a value was there. A computation under way in [`get_or_insert_with`](Self::get_or_insert_with) does not bring it back.
    ///
    /// # Errors
    /// The backend's.
    pub fn delete(&self, key: &str) -> Result<bool> {
        ready(self.inner().delete(BlockingIo, key))
    }

    /// Removes several keys; returns how many were there.
    ///
    /// # Errors
    /// The backend's.
    pub fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        ready(self.inner().delete_many(BlockingIo, keys))
    }

    /// Whether a value is there.
    ///
    /// # Errors
    /// The backend's.
    pub fn contains(&self, key: &str) -> Result<bool> {
        ready(self.inner().contains(BlockingIo, key))
    }

    /// Adds to an integer and returns the sum. Atomic; keeps the time left. An absent key counts as 0 and gets the default
    /// timeout.
    ///
    /// # Errors
    /// [`ErrorKind::Type`](crate::ErrorKind::Type) if the value is no integer or the sum overflows; the value is left as
    /// it is.
    pub fn incr(&self, key: &str, by: i64) -> Result<i64> {
        ready(self.inner().incr(BlockingIo, key, by))
    }

    /// Removes every entry that carries this cache's prefix, memoized calls included, and nothing else.
    ///
    /// # Errors
    /// The backend's.
    pub fn clear(&self) -> Result<()> {
        ready(self.inner().clear(BlockingIo))
    }

    /// The value under a key, or the output of `compute`, which is stored. One computation at a time per key: other threads
    /// and tasks of this process wait for it. If the backend fails, the value is computed and returned all the same.
    pub fn get_or_insert_with<T: Storable>(
        &self,
        key: &str,
        timeout: impl Into<Timeout>,
        compute: impl FnOnce() -> T,
    ) -> T {
        ready(self.inner().get_or_insert_over(BlockingIo, key, timeout.into(), || async { compute() }))
    }
}
