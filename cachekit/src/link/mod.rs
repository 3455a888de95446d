//! The way to a backend that stores bytes: every operation goes through a circuit breaker and a time limit, on the
//! caller's thread where the backend keeps the limit itself, else on a pool.

mod io;
mod ops;
mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cachekit_backends::layers::ProcessConditional;
use cachekit_backends::{Backend, Breaker, Capabilities, Clock, Config, Error, Result};

pub(crate) use io::{AsyncIo, Io, SyncIo, ready};
pub(crate) use ops::{
    Add, Clear, Delete, DeleteMany, Fetch, GetMany, Operation, PutIf, Set, SetMany, TokenOf,
};

/// At least as many as there are kinds of errors.
const KINDS: usize = 16;

/// A bound backend with what guards it.
pub(crate) struct Link {
    backend: Arc<dyn Backend>,
    capabilities: Capabilities,
    breaker: Breaker,
    limit: Duration,
    /// One for each kind of error.
    logs: [RateLimit; KINDS],
}

impl Link {
    pub(crate) fn new(backend: Arc<dyn Backend>, config: &Config) -> Arc<Self> {
        backend.set_operation_timeout(config.operation_timeout);
        let capabilities = backend.capabilities();
        let backend: Arc<dyn Backend> = if capabilities.conditional || capabilities.discards {
            backend
        } else {
            Arc::new(ProcessConditional::new(backend, config.operation_timeout))
        };
        Arc::new(Self {
            backend,
            capabilities,
            breaker: Breaker::new(config.breaker_threshold, config.probe_interval),
            limit: config.operation_timeout,
            logs: Default::default(),
        })
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Logs an error that a call went on without, at most one of a kind in a second.
    pub(crate) fn report(&self, doing: &str, error: &Error) {
        if self.logs[error.kind() as usize % KINDS].admits() {
            tracing::warn!(target: "cachekit", kind = ?error.kind(), "{doing} without the cache: {error}");
        }
    }

    fn settle<R>(&self, result: Result<R>) -> Result<R> {
        match &result {
            Ok(_) => self.breaker.succeeded(),
            Err(error) => self.breaker.failed(error),
        }
        result
    }
}

/// Lets one event a second pass.
#[derive(Default)]
struct RateLimit(AtomicU64);

impl RateLimit {
    fn admits(&self) -> bool {
        let now = Clock::system().monotonic();
        let next = self.0.load(Ordering::Relaxed);
        now >= next && self.0.compare_exchange(next, now + 1000, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
