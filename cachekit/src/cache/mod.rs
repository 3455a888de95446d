//! The cache object: a handle to an engine, with the operations on single keys.

mod absent;
mod aio;
mod change;
mod compute;
mod fragments;
mod freshness;
mod health;
mod integer;
mod keys;
mod object;
mod stored;
mod sync;
mod value;
mod views;

use std::any::type_name;
use std::sync::{Arc, OnceLock};

use cachekit_backends::{Backend, Clock, Config, Error, ErrorKind, Result};

pub use aio::AsyncCache;
pub use freshness::Freshness;
pub use health::{BreakerState, Health, LastError, NearTier};
pub use keys::{KeyStream, Keys};
pub use stored::ToStored;
#[cfg(feature = "minijinja")]
pub(crate) use value::policy;

use crate::engine::Engine;
use crate::engine::stats::CacheStats;

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
    bound: OnceLock<Arc<Engine>>,
}

#[expect(clippy::needless_pass_by_value, reason = "a configuration is spent on the cache that it describes")]
impl Cache {
    /// An unbound cache, for a `static`.
    pub const fn new() -> Self {
        Self { bound: OnceLock::new() }
    }

    /// Binds this cache.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names what is wrong with the configuration, or two functions of the program with the same
    /// identity; [`ErrorKind::AlreadyInitialized`] says that this cache was bound before, by an `init` or by its first use.
    pub fn init(&self, config: Config) -> Result<()> {
        if self.bound.get().is_some() {
            return Err(already());
        }
        crate::program::check()?;
        crate::program::check_configured(&config)?;
        let inner = Engine::open(&config, &Clock::system())?;
        self.bound.set(inner).map_err(|_| already())
    }

    /// A cache bound to a configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names what is wrong with the configuration.
    pub fn open(config: Config) -> Result<Self> {
        crate::program::check_configured(&config)?;
        Ok(Engine::open(&config, &Clock::system())?.into())
    }

    /// A cache over a backend of your own, with the default configuration. Errors name the backend by its type.
    pub fn with_backend(backend: impl Backend) -> Self {
        Self::with_backend_and_config(backend, &Config::default())
    }

    /// A cache over a backend of your own, with the prefix, timeouts and limits of a configuration.
    pub fn with_backend_and_config<B: Backend>(backend: B, config: &Config) -> Self {
        Engine::over(Arc::new(backend), type_name::<B>().into(), config, &Clock::system()).into()
    }

    /// A cache over a backend of your own, whose entries live by a clock that a test moves.
    #[cfg(feature = "testing")]
    pub fn with_backend_and_clock<B: Backend>(backend: B, config: &Config, clock: &Clock) -> Self {
        Engine::over(Arc::new(backend), type_name::<B>().into(), config, clock).into()
    }

    /// A cache whose entries live by a clock that a test moves.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(feature = "testing")]
    pub fn open_with_clock(config: Config, clock: &Clock) -> Result<Self> {
        crate::program::check_configured(&config)?;
        Ok(Engine::open(&config, clock)?.into())
    }

    /// The same methods as futures.
    pub fn aio(&self) -> AsyncCache {
        AsyncCache::new(Arc::clone(self.engine()))
    }

    /// The counters of this cache in this process since it was bound.
    pub fn stats(&self) -> CacheStats {
        self.engine().stats()
    }

    #[inline]
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        match self.bound.get() {
            Some(inner) => inner,
            None => self.bind_to_default(),
        }
    }

    /// The engine, if this cache is bound.
    pub(crate) fn bound(&self) -> Option<&Arc<Engine>> {
        self.bound.get()
    }

    #[cold]
    fn bind_to_default(&self) -> &Arc<Engine> {
        self.bound.get_or_init(Engine::in_process)
    }
}

fn already() -> Error {
    Error::new(
        ErrorKind::AlreadyInitialized,
        "this cache is bound already, by an earlier `init` or by its first use: call `init` once, at start-up, before any \
         memoized function",
    )
}

// A cache is bound as a whole, and no operation leaves it half done.
impl std::panic::UnwindSafe for Cache {}
impl std::panic::RefUnwindSafe for Cache {}

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Arc<Engine>> for Cache {
    fn from(inner: Arc<Engine>) -> Self {
        Self { bound: OnceLock::from(inner) }
    }
}

impl Clone for Cache {
    /// Another handle to the same cache. An unbound cache is bound by it, as by any first use.
    fn clone(&self) -> Self {
        Arc::clone(self.engine()).into()
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
