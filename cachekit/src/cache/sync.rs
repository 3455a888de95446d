use cachekit_backends::{Result, Timeout};

use super::Cache;
use crate::link::{SyncIo, ready};
use crate::memo::policy::Storable;

/// Keys are any text; each gets the cache's prefix. Values are told apart by their type: what another type stored is a
/// miss, but integers of every width are one type as far as they fit.
impl Cache {
    /// The value under a key, unless it is absent, over, or of another type.
    ///
    /// # Errors
    /// The backend's.
    pub fn get<T: Storable>(&self, key: &str) -> Result<Option<T>> {
        ready(self.inner().get(SyncIo, key))
    }

    /// The values under several keys, in their order. One round trip.
    ///
    /// # Errors
    /// The backend's.
    pub fn get_many<T: Storable>(&self, keys: &[&str]) -> Result<Vec<Option<T>>> {
        ready(self.inner().get_many(SyncIo, keys))
    }

    /// Stores a value, replacing what is there.
    ///
    /// # Errors
    /// The backend's.
    pub fn set<T: Storable>(&self, key: &str, value: &T, timeout: impl Into<Timeout>) -> Result<()> {
        ready(self.inner().set(SyncIo, key, value, timeout.into()))
    }

    /// Stores several values with one timeout. All are encoded before any is stored.
    ///
    /// # Errors
    /// The backend's.
    pub fn set_many<T: Storable>(&self, items: &[(&str, T)], timeout: impl Into<Timeout>) -> Result<()> {
        ready(self.inner().set_many(SyncIo, items, timeout.into()))
    }

    /// Stores a value unless one is there; true exactly for the one that stored.
    ///
    /// # Errors
    /// The backend's.
    pub fn add<T: Storable>(&self, key: &str, value: &T, timeout: impl Into<Timeout>) -> Result<bool> {
        ready(self.inner().add(SyncIo, key, value, timeout.into()))
    }

    /// Removes a key; whether a value was there. A computation under way in [`get_or_insert_with`](Self::get_or_insert_with) does not bring it back.
    ///
    /// # Errors
    /// The backend's.
    pub fn delete(&self, key: &str) -> Result<bool> {
        ready(self.inner().delete(SyncIo, key))
    }

    /// Removes several keys; how many were there.
    ///
    /// # Errors
    /// The backend's.
    pub fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        ready(self.inner().delete_many(SyncIo, keys))
    }

    /// Whether a value is there.
    ///
    /// # Errors
    /// The backend's.
    pub fn contains(&self, key: &str) -> Result<bool> {
        ready(self.inner().contains(SyncIo, key))
    }

    /// Adds to an integer and returns the sum. Atomic; keeps the time left. An absent key counts as 0 and gets the default
    /// timeout.
    ///
    /// # Errors
    /// [`ErrorKind::Type`](crate::ErrorKind::Type) if the value is no integer or the sum overflows; the value is left as
    /// it is.
    pub fn incr(&self, key: &str, by: i64) -> Result<i64> {
        ready(self.inner().incr(SyncIo, key, by))
    }

    /// Removes every entry that carries this cache's prefix, memoized calls included, and nothing else.
    ///
    /// # Errors
    /// The backend's.
    pub fn clear(&self) -> Result<()> {
        ready(self.inner().clear(SyncIo))
    }

    /// The value under a key, or what `compute` gives, which is stored. One computation at a time per key: other threads
    /// and tasks of this process wait for it. If the backend fails, the value is computed and returned all the same.
    pub fn get_or_insert_with<T: Storable>(
        &self,
        key: &str,
        timeout: impl Into<Timeout>,
        compute: impl FnOnce() -> T,
    ) -> T {
        ready(self.inner().get_or_insert_over(SyncIo, key, timeout.into(), || async { compute() }))
    }
}
