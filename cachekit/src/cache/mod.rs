//! The cache object: what is bound to a configuration, and what every entry goes through.

mod aio;
mod bind;
mod core;
#[cfg(feature = "minijinja")]
mod fragment;
mod integer;
#[cfg(feature = "tower")]
mod pages;
mod sync;
mod views;

use std::sync::{Arc, OnceLock};

use cachekit_backends::simple::{SimpleStore, SlotTable};
use cachekit_backends::{Backend, Clock, Config, Error, ErrorKind, KeyBytes, Result, Timeout};

pub use aio::AsyncCache;
#[cfg(feature = "minijinja")]
pub(crate) use fragment::{FragmentClaim, FragmentFound};
#[cfg(feature = "tower")]
pub(crate) use pages::{PageLook, PageSpot};

use crate::flight::Key;
use crate::link::Link;
use crate::memo::{Flights, Used};
use crate::stats::{CacheStats, Counters, Event};

/// A cache: a backend, a prefix and a default timeout, behind one handle that is cheap to clone.
///
/// It is bound to a [`Config`] once, by [`init`](Self::init), or at its first use to `Config::default()`, the in-process
/// backend. Methods block; [`aio`](Self::aio) has the same ones as futures.
///
/// ```
/// use cachekit::{Cache, Config};
///
/// # fn main() -> cachekit::Result<()> {
/// let cache = Cache::open(Config::simple())?;
/// cache.set("greeting", &"hello".to_string(), 60)?;
/// assert_eq!(cache.get::<String>("greeting")?.as_deref(), Some("hello"));
/// # Ok(())
/// # }
/// ```
pub struct Cache {
    bound: OnceLock<Arc<Inner>>,
}

pub(crate) struct Inner {
    /// What stands before each key.
    pub(crate) prefix: String,
    allow_flush: bool,
    pub(crate) default_timeout: Timeout,
    pub(crate) clock: Clock,
    /// The in-process entries: all of them for `simple`, those of `local` functions for other backends.
    pub(crate) local: Arc<SimpleStore>,
    /// The way to the backend; none for `simple`.
    pub(crate) link: Option<Arc<Link>>,
    /// Nothing is ever kept (`null`).
    pub(crate) discards: bool,
    pub(crate) flights: Arc<Flights>,
    pub(crate) functions: SlotTable<Used>,
    pub(crate) own: Counters,
}

// A configuration is spent on the cache that it describes.
#[allow(clippy::needless_pass_by_value)]
impl Cache {
    /// An unbound cache, for a `static`.
    pub const fn new() -> Self {
        Self { bound: OnceLock::new() }
    }

    /// Binds this cache.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names what is wrong with the configuration; [`ErrorKind::AlreadyInitialized`] says that this
    /// cache was bound before, by an `init` or by its first use.
    pub fn init(&self, config: Config) -> Result<()> {
        if self.bound.get().is_some() {
            return Err(already());
        }
        let inner = Inner::open(&config, &Clock::system())?;
        self.bound.set(inner).map_err(|_| already())
    }

    /// A cache bound to a configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names what is wrong with the configuration.
    pub fn open(config: Config) -> Result<Self> {
        Ok(Inner::open(&config, &Clock::system())?.into())
    }

    /// A cache over a backend of your own, with the default configuration.
    pub fn with_backend(backend: impl Backend) -> Self {
        Inner::over(Arc::new(backend), &Config::default(), &Clock::system()).into()
    }

    /// A cache over a backend of your own, with the prefix, timeouts and limits of a configuration.
    pub fn with_backend_and_config(backend: impl Backend, config: &Config) -> Self {
        Inner::over(Arc::new(backend), config, &Clock::system()).into()
    }

    /// A cache whose entries live by a clock that a test moves.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(feature = "testing")]
    pub fn open_with_clock(config: Config, clock: &Clock) -> Result<Self> {
        Ok(Inner::open(&config, clock)?.into())
    }

    /// The same methods as futures.
    pub fn aio(&self) -> AsyncCache {
        AsyncCache::new(Arc::clone(self.inner()))
    }

    /// What this cache did in this process since it was bound.
    pub fn stats(&self) -> CacheStats {
        self.inner().stats()
    }

    #[inline]
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        match self.bound.get() {
            Some(inner) => inner,
            None => self.bind_to_default(),
        }
    }

    /// What it is bound to, if it is.
    #[cfg(feature = "tower")]
    pub(crate) fn bound(&self) -> Option<&Arc<Inner>> {
        self.bound.get()
    }

    #[cold]
    fn bind_to_default(&self) -> &Arc<Inner> {
        self.bound.get_or_init(Inner::in_process)
    }
}

fn already() -> Error {
    Error::new(
        ErrorKind::AlreadyInitialized,
        "this cache is bound already, by an earlier `init` or by its first use: call `init` once, at start-up, before any \
         memoized function",
    )
}

// What is bound is bound as a whole, and what it guards is never left half done.
impl std::panic::UnwindSafe for Cache {}
impl std::panic::RefUnwindSafe for Cache {}

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Arc<Inner>> for Cache {
    fn from(inner: Arc<Inner>) -> Self {
        Self { bound: OnceLock::from(inner) }
    }
}

impl Clone for Cache {
    /// Another handle to the same cache. An unbound cache is bound by it, as by any first use.
    fn clone(&self) -> Self {
        Arc::clone(self.inner()).into()
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.bound.get() {
            Some(inner) => f.debug_struct("Cache").field("prefix", &inner.prefix).finish_non_exhaustive(),
            None => f.write_str("Cache(unbound)"),
        }
    }
}

impl Inner {
    /// The key of the computations of a shared entry.
    pub(crate) fn flight_key(&self, key: &str) -> Key {
        let digest = self.local.digest(|w| std::hash::Hasher::write(w, key.as_bytes()));
        Key { digest, bytes: KeyBytes::new(key.as_bytes()) }
    }

    pub(crate) fn count(&self, event: Event) {
        self.own.count(event);
    }

    fn stats(&self) -> CacheStats {
        let mut stats = CacheStats {
            deletions: self.own.sum(Event::Deletion),
            entries: self.local.len() as u64,
            evictions: self.local.evictions(),
            ..CacheStats::default()
        };
        for counters in
            std::iter::once(&self.own).chain(self.functions.iter().map(|(_, used)| &used.counters))
        {
            let one = counters.function();
            stats.hits += one.hits;
            stats.misses += one.misses;
            stats.stores += one.stores;
            stats.errors += one.errors;
            stats.coalesced += one.coalesced;
        }
        stats
    }
}
