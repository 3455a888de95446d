use cachekit_backends::{Result, Timeout};

use super::Cache;
use super::freshness::Freshness;
use super::stored::ToStored;
use crate::call::shape::Storable;
use crate::call::tags::{Kind, delete_tag};
use crate::engine::remote::{BlockingIo, ready};

/// Keys are any text; each gets the cache's prefix. Values are told apart by their type: what another type stored is a
/// miss, but integers of every width are one type as far as they fit.
impl Cache {
    /// The value under a key, unless it is absent, expired, or of another type.
    ///
    /// # Errors
    /// The backend's.
    pub fn get<T: Storable>(&self, key: &str) -> Result<Option<T>> {
        ready(self.engine().get(BlockingIo, key))
    }

    /// The values under several keys, in their order. One round trip.
    ///
    /// # Errors
    /// The backend's.
    pub fn get_many<T: Storable>(&self, keys: &[&str]) -> Result<Vec<Option<T>>> {
        ready(self.engine().get_many(BlockingIo, keys))
    }

    /// Stores a value, replacing what is there.
    ///
    /// # Errors
    /// The backend's.
    pub fn set<T: ToStored + ?Sized>(&self, key: &str, value: &T, timeout: impl Into<Timeout>) -> Result<()> {
        ready(self.engine().set(BlockingIo, key, &*value.to_stored(), timeout.into()))
    }

    /// Stores several values with one timeout. All are encoded before any is stored.
    ///
    /// # Errors
    /// The backend's.
    pub fn set_many<T: ToStored>(&self, items: &[(&str, T)], timeout: impl Into<Timeout>) -> Result<()> {
        ready(self.engine().set_many(BlockingIo, items, timeout.into()))
    }

    /// Stores a value unless one is there; returns true exactly to the caller that stored.
    ///
    /// # Errors
    /// The backend's.
    pub fn add<T: ToStored + ?Sized>(
        &self,
        key: &str,
        value: &T,
        timeout: impl Into<Timeout>,
    ) -> Result<bool> {
        ready(self.engine().add(BlockingIo, key, &*value.to_stored(), timeout.into()))
    }

    /// Removes a key; returns whether a value was there. A computation under way in [`get_or_insert_with`](Self::get_or_insert_with) does not bring it back.
    ///
    /// # Errors
    /// The backend's.
    pub fn delete(&self, key: &str) -> Result<bool> {
        ready(self.engine().delete(BlockingIo, key))
    }

    /// Removes several keys; returns how many were there.
    ///
    /// # Errors
    /// The backend's.
    pub fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        ready(self.engine().delete_many(BlockingIo, keys))
    }

    /// Whether a value is there.
    ///
    /// # Errors
    /// The backend's.
    pub fn contains(&self, key: &str) -> Result<bool> {
        ready(self.engine().contains(BlockingIo, key))
    }

    /// Adds to an integer and returns the sum. Atomic; keeps the time left. An absent key counts as 0 and gets the default
    /// timeout.
    ///
    /// # Errors
    /// [`ErrorKind::Type`](crate::ErrorKind::Type) if the value is no integer or the sum overflows; the value is left as
    /// it is.
    pub fn incr(&self, key: &str, by: i64) -> Result<i64> {
        ready(self.engine().incr(BlockingIo, key, by))
    }

    /// The time that a value has left: [`Timeout::After`] or [`Timeout::Never`], never [`Timeout::Default`]; none if there is no
    /// value. One read of the value.
    ///
    /// # Errors
    /// The backend's.
    pub fn ttl(&self, key: &str) -> Result<Option<Timeout>> {
        ready(self.engine().ttl(BlockingIo, key))
    }

    /// Gives a value a new time to live, from now on; returns whether one was there. The value stays, whatever its type is.
    ///
    /// Atomic as [`update`](Self::update): a value that is replaced at the same time keeps the time that it was stored with. A
    /// shared backend is read and written once.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn touch(&self, key: &str, timeout: impl Into<Timeout>) -> Result<bool> {
        ready(self.engine().touch(BlockingIo, key, timeout.into()))
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
    /// # fn main() -> cachekit::Result<()> {
    /// let cache = Cache::open(Config::simple())?;
    /// let push = |seen: Option<Vec<u32>>| Some([seen.unwrap_or_default(), vec![7]].concat());
    /// assert_eq!(cache.update("seen", 60, push)?, Some(vec![7]));
    /// assert_eq!(cache.update("seen", 60, push)?, Some(vec![7, 7]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The backend's; [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if others changed the key at each of 100 tries or more,
    /// for as long as `flight_timeout`.
    pub fn update<T: Storable>(
        &self,
        key: &str,
        timeout: impl Into<Timeout>,
        change: impl FnMut(Option<T>) -> Option<T>,
    ) -> Result<Option<T>> {
        ready(self.engine().update(BlockingIo, key, timeout.into(), change))
    }

    /// Deletes every entry that carries a tag, of whatever function of this cache: see the option `tags` of
    /// [`memoize`](macro@crate::memoize). As final as `delete_memoized!`: no computation from before brings one back. One write,
    /// however many entries there are.
    ///
    /// ```
    /// #[cachekit::memoize(tags(format!("user:{id}")))]
    /// fn name(id: u64) -> String {
    ///     format!("user {id}")
    /// }
    ///
    /// # fn main() -> cachekit::Result<()> {
    /// name(7);
    /// cachekit::cache().delete_tag("user:7")?;
    /// assert_eq!(cachekit::peek!(name, 7)?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The backend's.
    pub fn delete_tag(&self, tag: &str) -> Result<()> {
        ready(delete_tag(BlockingIo, self.engine(), Kind::Tag, tag))
    }

    /// Removes every entry that carries this cache's prefix, memoized calls included, and nothing else.
    ///
    /// # Errors
    /// The backend's.
    pub fn clear(&self) -> Result<()> {
        ready(self.engine().clear(BlockingIo))
    }

    /// The value under a key, or the output of `compute`, which is stored; but a `None` or an `Err` is returned and not stored.
    /// One computation at a time per key: other threads and tasks of this process wait for it. If the backend fails, the value is
    /// computed and returned all the same. A [`Freshness`] says for how long a stale value is served while one call computes, or where
    /// that fails.
    ///
    /// A stored `Some` or `Ok` is a value of the whole type, for [`get`](Self::get) as well. Where the error can't be stored, or the value
    /// is to be read without its `Ok`, use [`try_get_or_insert_with`](Self::try_get_or_insert_with).
    pub fn get_or_insert_with<T: Storable>(
        &self,
        key: &str,
        freshness: impl Into<Freshness>,
        compute: impl FnOnce() -> T,
    ) -> T {
        ready(self.engine().get_or_insert_over(BlockingIo, key, freshness.into(), || async { compute() }))
    }

    /// The value under a key, or that of `compute`, which is stored; an `Err` is returned and not stored. `E` needs no bounds.
    /// Otherwise as [`get_or_insert_with`](Self::get_or_insert_with).
    ///
    /// ```
    /// # use cachekit::{Cache, Config};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::open(Config::simple())?;
    /// let port = cache.try_get_or_insert_with("port", 60, || "8080".parse::<u16>())?;
    /// assert_eq!(cache.get("port")?, Some(port));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `compute`, never the backend's.
    pub fn try_get_or_insert_with<T: Storable, E>(
        &self,
        key: &str,
        freshness: impl Into<Freshness>,
        compute: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        ready(self.engine().try_get_or_insert_over(BlockingIo, key, freshness.into(), || async { compute() }))
    }
}
