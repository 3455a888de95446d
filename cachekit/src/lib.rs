//! Memoization with swappable backends and exact invalidation.
//!
//! ```
//! use cachekit::{delete_memoized, memoize};
//!
//! #[memoize(timeout = 50)]
//! fn has_membership(user: &str, role: &str) -> bool {
//!     // … asks the database …
//!     user == "demo" && role == "admin"
//! }
//!
//! # fn main() -> cachekit::Result<()> {
//! assert!(has_membership("demo", "admin")); // computes
//! assert!(has_membership("demo", "admin")); // doesn't
//! delete_memoized!(has_membership, "demo", "admin")?; // forgets this call
//! delete_memoized!(has_membership)?; // forgets all calls
//! # Ok(())
//! # }
//! ```
//!
//! # Cargo features
//!
//! | feature | adds |
//! |---|---|
//! | `filesystem` (default) | one file per entry in a directory, shared by processes |
//! | `redis` | a Redis server; `redis-cluster` and `redis-sentinel` add theirs |
//! | `memcached` | memcached servers, with SASL and large values |
//! | `tower` | cached views: `CacheLayer` and `RequestScopeLayer` for axum 0.8 and other tower services |
//! | `tokio` | computations of async functions in the background are tasks of the runtime; `redis`, `memcached` and `tower` bring it |
//! | `minijinja` | cached template fragments |
//! | `metrics` | [`metrics`](mod@metrics): counters and histograms for Prometheus and others, by the facade of that name |
//! | `testing` | [`testing`]: a clock that tests move, a default cache per test |
//! | `bytes`, `camino`, `chrono`, `indexmap`, `rust_decimal`, `smallvec`, `time`, `url`, `uuid` | exact keys of the types of these crates |
//! | `cli` | the command `cachekit`, which looks into a cache and empties a part of it |
//! | `conformance` | the suite that every backend passes, for backends of your own |
//! | `full` | everything |

#![forbid(unsafe_code)]
// Each item says which feature has it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cache;
mod call;
mod engine;
mod memo;
mod program;
mod surroundings;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "tower")]
pub mod web;

#[cfg(feature = "metrics")]
pub mod metrics;

#[cfg(feature = "minijinja")]
pub mod template;

#[cfg(feature = "testing")]
pub mod testing;

/// The command; no part of the public interface.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

/// The suite that every backend passes; run it on yours.
#[cfg(feature = "conformance")]
pub use cachekit_backends::conformance;

pub use cache::{
    AsyncCache, BreakerState, Cache, Freshness, Health, KeyStream, Keys, LastError, NearTier, ToStored,
};
pub use cachekit_backends::{
    AsyncBackend, Backend, BoxFuture, CacheKey, CacheType, Capabilities, Clock, Config, Cursor, Error,
    ErrorKind, Fetched, FunctionConfig, KeyPage, KeyWriter, NearDeletion, Result, Secret, Timeout, Token,
    Ttl, Usage, Value, Version, register_backend, ttl_millis,
};
pub use cachekit_macros::{
    CacheKey, cached, delete_cached, delete_memoized, delete_memoized_verhash, explain, invalidates, memoize,
    peek, prime, refresh, stats, traced, uncached,
};
pub use call::nearest::{Difference, Nearest};
pub use call::shape::{Keepable, Storable};
pub use call::trace::{How, Outcome, Tier};
pub use engine::stats::{CacheStats, FunctionStats};
pub use memo::explain::{Explanation, Finding};
pub use memo::{FunctionInfo, Functions, configure_function, delete_memoized_named, functions};
#[cfg(feature = "tower")]
pub use web::{CacheLayer, RequestScopeLayer};

static DEFAULT: Cache = Cache::new();

/// Binds the default cache, the one of functions without `cache = …`: once, at start-up.
///
/// # Errors
/// [`ErrorKind::Config`] names what is wrong with the configuration, or two functions of the program with the same
/// identity; [`ErrorKind::AlreadyInitialized`] says that the default cache was bound before, by an `init` or by its first use.
pub fn init(config: Config) -> Result<()> {
    program::check_policies(&config)?;
    DEFAULT.init(config)
}

/// The default cache. Without [`init`], its first use binds it to `Config::default()`.
#[must_use]
pub fn cache() -> &'static Cache {
    __private::default_cache()
}

fn default_cache() -> &'static Cache {
    &DEFAULT
}
