//! The options of a computed value: how long it is fresh, and how it is served after that.

use std::time::Duration;

use cachekit_backends::Timeout;

use crate::call::freshness::{RETRY_AFTER, Windows, window};

/// How long a computed value is fresh, and how long it is served past that while it is computed anew, or where that fails.
///
/// [`Cache::get_or_insert_with`](crate::Cache::get_or_insert_with) and
/// [`try_get_or_insert_with`](crate::Cache::try_get_or_insert_with) take it where they take a [`Timeout`]: whatever is one is a
/// `Freshness` without such windows. An entry is kept for the longest of the windows; [`get`](crate::Cache::get) and all other methods
/// know it as long as it is fresh.
///
/// ```
/// use cachekit::{Cache, Config, Freshness};
/// use std::time::Duration;
///
/// # fn main() -> cachekit::Result<()> {
/// let cache = Cache::open(Config::simple())?;
/// let lasting = Freshness::new(60).stale_while_revalidate(600).stale_if_error(Duration::from_secs(86_400));
/// let rate = cache.try_get_or_insert_with("rate", lasting, || "1.5".parse::<f64>());
/// assert_eq!(rate, Ok(1.5));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Freshness {
    pub(crate) timeout: Timeout,
    pub(crate) windows: Windows,
}

impl Freshness {
    /// Returns one of a time; an integer is seconds, `0` is for ever.
    pub fn new(timeout: impl Into<Timeout>) -> Self {
        let windows = Windows { retry_after: RETRY_AFTER, ..Windows::NONE };
        Self { timeout: timeout.into(), windows }
    }

    /// Sets how long past its freshness a value is served while one call computes it anew. An integer is seconds; `0`, the default, is
    /// none.
    ///
    /// The first call that finds the value stale computes, and has the new one; the others are served at once. There is one
    /// such computation of a key at a time in a process. One that panics, is cancelled or returns an `Err` leaves the value.
    pub fn stale_while_revalidate(mut self, time: impl Into<Timeout>) -> Self {
        self.windows.while_revalidate = window(time.into());
        self
    }

    /// Sets how long past its freshness a value is returned in the place of an `Err`. An integer is seconds; `0`, the default, is
    /// none.
    pub fn stale_if_error(mut self, time: impl Into<Timeout>) -> Self {
        self.windows.if_error = window(time.into());
        self
    }

    /// Sets the part of its time, from `0.0` to `1.0`, after which one call computes a value anew while the others go on hitting.
    pub fn refresh_ahead(mut self, part: f64) -> Self {
        self.windows.refresh_ahead = Some(part);
        self
    }

    /// Sets how long after a computation that failed no other one begins, while there is a value to be served. The default is a
    /// second.
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.windows.retry_after = time;
        self
    }
}

impl<T: Into<Timeout>> From<T> for Freshness {
    fn from(timeout: T) -> Self {
        Self::new(timeout)
    }
}
