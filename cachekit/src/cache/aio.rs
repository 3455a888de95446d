use std::future::Future;
use std::sync::Arc;

use cachekit_backends::{Result, Timeout};

use super::freshness::Freshness;
use super::stored::ToStored;
use crate::call::shape::Storable;
use crate::call::tags::{Kind, delete_tag};
use crate::engine::Engine;
use crate::engine::remote::AsyncIo;
use crate::engine::stats::CacheStats;

/// A [`Cache`](crate::Cache)'s methods as futures, on any executor; made by [`Cache::aio`](crate::Cache::aio). Cheap to
/// clone.
#[derive(Clone)]
pub struct AsyncCache {
    pub(super) inner: Arc<Engine>,
}

impl std::fmt::Debug for AsyncCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncCache").field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}

impl AsyncCache {
    pub(super) fn new(inner: Arc<Engine>) -> Self {
        Self { inner }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.inner
    }

    /// The counters of this cache in this process since it was bound.
    pub fn stats(&self) -> CacheStats {
        self.inner.stats()
    }

    /// The value under a key, unless it is absent, expired, or of another type.
    ///
    /// # Errors
    /// The backend's.
    pub async fn get<T: Storable>(&self, key: &str) -> Result<Option<T>> {
        self.inner.get(AsyncIo, key).await
    }

    /// The values under several keys, in their order. One round trip.
    ///
    /// # Errors
    /// The backend's.
    pub async fn get_many<T: Storable>(&self, keys: &[&str]) -> Result<Vec<Option<T>>> {
        self.inner.get_many(AsyncIo, keys).await
    }

    /// Stores a value, replacing what is there.
    ///
    /// # Errors
    /// The backend's.
    pub async fn set<T: ToStored + ?Sized>(
        &self,
        key: &str,
        value: &T,
        timeout: impl Into<Timeout>,
    ) -> Result<()> {
        self.inner.set(AsyncIo, key, &*value.to_stored(), timeout.into()).await
    }

    /// Stores several values with one timeout. All are encoded before any is stored.
    ///
    /// # Errors
    /// The backend's.
    pub async fn set_many<T: ToStored>(
        &self,
        items: &[(&str, T)],
        timeout: impl Into<Timeout>,
    ) -> Result<()> {
        self.inner.set_many(AsyncIo, items, timeout.into()).await
    }

    /// Stores a value unless one is there; returns true exactly to the caller that stored.
    ///
    /// # Errors
    /// The backend's.
    pub async fn add<T: ToStored + ?Sized>(
        &self,
        key: &str,
        value: &T,
        timeout: impl Into<Timeout>,
    ) -> Result<bool> {
        self.inner.add(AsyncIo, key, &*value.to_stored(), timeout.into()).await
    }

    /// Removes a key; returns whether a value was there. A computation under way in [`get_or_insert_with`](Self::get_or_insert_with) does not bring it back.
    ///
    /// # Errors
    /// The backend's.
    pub async fn delete(&self, key: &str) -> Result<bool> {
        self.inner.delete(AsyncIo, key).await
    }

    /// Removes several keys; returns how many were there.
    ///
    /// # Errors
    /// The backend's.
    pub async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        self.inner.delete_many(AsyncIo, keys).await
    }

    /// Whether a value is there.
    ///
    /// # Errors
    /// The backend's.
    pub async fn contains(&self, key: &str) -> Result<bool> {
        self.inner.contains(AsyncIo, key).await
    }

    /// Adds to an integer and returns the sum. Atomic; keeps the time left. An absent key counts as 0 and gets the default
    /// timeout.
    ///
    /// # Errors
    /// [`ErrorKind::Type`](crate::ErrorKind::Type) if the value is no integer or the sum overflows; the value is left as
    /// it is.
    pub async fn incr(&self, key: &str, by: i64) -> Result<i64> {
        self.inner.incr(AsyncIo, key, by).await
    }

    /// The time that a value has left: [`Timeout::After`] or [`Timeout::Never`], never [`Timeout::Default`]; none if there is no
    /// value. One read of the value.
    ///
    /// # Errors
    /// The backend's.
    pub async fn ttl(&self, key: &str) -> Result<Option<Timeout>> {
        self.inner.ttl(AsyncIo, key).await
    }

    /// Gives a value a new time to live, from now on; returns whether one was there. The value stays, whatever its type is.
    ///
    /// Atomic as [`update`](Self::update): a value that is replaced at the same time keeps the time that it was stored with. A
    /// shared backend is read and written once.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn touch(&self, key: &str, timeout: impl Into<Timeout>) -> Result<bool> {
        self.inner.touch(AsyncIo, key, timeout.into()).await
    }

    /// Replaces a value by what `change` makes of it, and returns that. `change` gets none where [`get`](Self::get) finds none,
    /// and returns none to remove the value, or to leave it absent.
    ///
    /// By compare and set: if the key was changed meanwhile, by any client of the backend, `change` runs again with the new
    /// value, so that no change is lost. It should do nothing but compute. Over a backend of your own that doesn't claim
    /// [`conditional`](crate::Capabilities::conditional) this holds among the users of this process only, as with [`add`](Self::add). A
    /// shared backend is read and written once for each try; the time to live begins anew.
    ///
    /// ```
    /// # use cachekit::{Cache, Config};
    /// # async fn f() -> cachekit::Result<()> {
    /// let cache = Cache::open(Config::simple())?.aio();
    /// let push = |seen: Option<Vec<u32>>| Some([seen.unwrap_or_default(), vec![7]].concat());
    /// assert_eq!(cache.update("seen", 60, push).await?, Some(vec![7]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The backend's; [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if others changed the key at each of 100 tries or more,
    /// for as long as `flight_timeout`.
    pub async fn update<T: Storable>(
        &self,
        key: &str,
        timeout: impl Into<Timeout>,
        change: impl FnMut(Option<T>) -> Option<T>,
    ) -> Result<Option<T>> {
        self.inner.update(AsyncIo, key, timeout.into(), change).await
    }

    /// Deletes every entry that carries a tag; see [`Cache::delete_tag`](crate::Cache::delete_tag).
    ///
    /// # Errors
    /// The backend's.
    pub async fn delete_tag(&self, tag: &str) -> Result<()> {
        delete_tag(AsyncIo, &self.inner, Kind::Tag, tag).await
    }

    /// Removes every entry that carries this cache's prefix, memoized calls included, and nothing else.
    ///
    /// # Errors
    /// The backend's.
    pub async fn clear(&self) -> Result<()> {
        self.inner.clear(AsyncIo).await
    }

    /// The value under a key, or the output of the future, which is stored; but a `None` or an `Err` is returned and not stored.
    /// One computation at a time per key: other threads and tasks of this process wait for it. If the backend fails, the value is
    /// computed and returned all the same. See [`Cache::get_or_insert_with`](crate::Cache::get_or_insert_with).
    pub async fn get_or_insert_with<T, F>(
        &self,
        key: &str,
        freshness: impl Into<Freshness>,
        compute: impl FnOnce() -> F,
    ) -> T
    where
        T: Storable,
        F: Future<Output = T>,
    {
        self.inner.get_or_insert_over(AsyncIo, key, freshness.into(), compute).await
    }

    /// The value under a key, or that of the future, which is stored; an `Err` is returned and not stored. `E` needs no bounds.
    /// Otherwise as [`get_or_insert_with`](Self::get_or_insert_with).
    ///
    /// # Errors
    /// Those of the future, never the backend's.
    pub async fn try_get_or_insert_with<T, E, F>(
        &self,
        key: &str,
        freshness: impl Into<Freshness>,
        compute: impl FnOnce() -> F,
    ) -> Result<T, E>
    where
        T: Storable,
        F: Future<Output = Result<T, E>>,
    {
        self.inner.try_get_or_insert_over(AsyncIo, key, freshness.into(), compute).await
    }
}
