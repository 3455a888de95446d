//! The state of a cache, for the readiness probe of a service.

use std::time::{Duration, Instant};

use cachekit_backends::{CacheType, ErrorKind};

use super::{AsyncCache, Cache};
use crate::call::version_key_of;
use crate::engine::Engine;
use crate::engine::remote::{AsyncIo, BlockingIo, GetMany, Io, ready};

/// The state of a cache's backend as [`Cache::health`] found it. Has no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The backend: its word of `CACHE_TYPE`, or the type that was given to [`Cache::with_backend`].
    pub backend: String,
    /// Its servers or directory, without logins; none in process, and for backends of your own.
    pub server: Option<String>,
    /// Whether the backend answered. True without a question where the entries are in this process, or nowhere (`null`).
    pub reachable: bool,
    /// The time that the answer or the failure took; zero where nothing was asked.
    pub took: Duration,
    /// The circuit breaker, after the question.
    pub breaker: BreakerState,
    /// The near tier, where the cache has one.
    pub near: Option<NearTier>,
    /// The last failure of the backend since the cache was bound, whether it answers now or not.
    pub last_error: Option<LastError>,
}

/// The values that this process keeps in front of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearTier {
    /// How many there are.
    pub entries: usize,
    /// Whether calls take them. Otherwise the tier is being registered, or out of step because the backend does not answer, and
    /// calls ask the backend.
    pub serves: bool,
}

/// Whether a cache's operations go to its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// They do.
    Closed,
    /// The backend failed repeatedly: functions compute, and one operation in each `probe_interval` tries it again.
    Open,
}

/// A failure of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastError {
    /// Its class.
    pub kind: ErrorKind,
    /// Its text.
    pub message: String,
    /// The time since then.
    pub age: Duration,
}

impl Health {
    /// Whether the cache is of use now: the backend answered and its circuit is closed. A service works without, but slower.
    pub fn is_ready(&self) -> bool {
        self.reachable && self.breaker == BreakerState::Closed
    }
}

impl Engine {
    /// Asks the backend for one key, which is never there.
    async fn health<D: Io>(&self, io: D) -> Health {
        let Some(remote) = &self.remote else {
            return Health {
                backend: CacheType::Simple.to_string(),
                server: None,
                reachable: true,
                took: Duration::ZERO,
                breaker: BreakerState::Closed,
                near: None,
                last_error: None,
            };
        };
        let began = Instant::now();
        let key = version_key_of(self, "cachekit::health");
        let reachable = self.discards || io.call(remote, GetMany { keys: vec![key] }).await.is_ok();
        Health {
            backend: remote.name().to_string(),
            server: remote.location().map(str::to_owned),
            reachable,
            took: if self.discards { Duration::ZERO } else { began.elapsed() },
            breaker: if remote.is_open() { BreakerState::Open } else { BreakerState::Closed },
            near: remote.near().map(|near| NearTier { entries: near.len(), serves: near.serves() }),
            last_error: remote.last_error().map(|(kind, message, age)| LastError { kind, message, age }),
        }
    }
}

impl Cache {
    /// The state of the backend, for a readiness probe: its name and server, whether it answers, the circuit breaker, the last
    /// failure.
    ///
    /// Asks the backend for one key that is never there: one round trip, within `operation_timeout`, to one of several servers.
    /// While the circuit is open nothing is asked but once in a `probe_interval`, and an answer closes it. Counts neither as a
    /// hit nor as an error.
    ///
    /// ```
    /// # use cachekit::{Cache, Config};
    /// # fn main() -> cachekit::Result<()> {
    /// let health = Cache::open(Config::simple())?.health();
    /// assert!(health.is_ready());
    /// assert_eq!(health.backend, "simple");
    /// # Ok(())
    /// # }
    /// ```
    pub fn health(&self) -> Health {
        ready(self.engine().health(BlockingIo))
    }
}

impl AsyncCache {
    /// The state of the backend, for a readiness probe; see [`Cache::health`].
    pub async fn health(&self) -> Health {
        self.inner.health(AsyncIo).await
    }
}
