//! The way to a backend that stores bytes. Each operation passes a circuit breaker and has a time limit. It runs on the
//! caller's thread where the backend keeps the limit itself, else on the threads of this cache.

mod alarm;
mod io;
mod ops;
mod pool;
mod waiting;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cachekit_backends::layers::ProcessConditional;
use cachekit_backends::{Backend, Breaker, Capabilities, Clock, Config, Error, Result};

pub(crate) use io::{AsyncIo, BlockingIo, Io, ready};
pub(crate) use ops::{
    Add, Clear, Delete, DeleteMany, Fetch, GetMany, Operation, PutIf, Set, SetMany, TokenOf,
};

use pool::Pool;

/// At least as many as there are kinds of errors.
const KINDS: usize = 16;

/// A bound backend with its breaker, its time limit and its threads.
pub(crate) struct Remote {
    backend: Arc<dyn Backend>,
    /// The backend's name in errors.
    name: Cow<'static, str>,
    capabilities: Capabilities,
    breaker: Breaker,
    limit: Duration,
    pool: Arc<Pool>,
    /// One for each kind of error.
    logs: [RateLimit; KINDS],
}

impl Remote {
    pub(crate) fn new(backend: Arc<dyn Backend>, name: Cow<'static, str>, config: &Config) -> Arc<Self> {
        backend.set_operation_timeout(config.operation_timeout);
        let capabilities = backend.capabilities();
        let backend: Arc<dyn Backend> = if capabilities.conditional || capabilities.discards {
            backend
        } else {
            Arc::new(ProcessConditional::new(backend, config.operation_timeout))
        };
        Arc::new(Self {
            backend,
            name,
            capabilities,
            breaker: Breaker::new(config.breaker_threshold, config.probe_interval),
            limit: config.operation_timeout,
            pool: Pool::new(config.pool_size),
            logs: Default::default(),
        })
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The longest that one operation may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// The backend's name in errors.
    pub(crate) fn name(&self) -> &Cow<'static, str> {
        &self.name
    }

    /// Logs an error that a call survived, at most one of a kind in a second.
    pub(crate) fn report(&self, event: &str, error: &Error) {
        if self.logs[error.kind() as usize % KINDS].admits() {
            let (operation, backend) = (error.operation(), error.backend());
            tracing::warn!(
                target: "cachekit",
                kind = ?error.kind(),
                operation,
                backend,
                "{event}: {error}",
            );
        }
    }

    /// Asks the breaker whether an operation may begin.
    fn admit<O: Operation>(&self) -> Result<()> {
        self.breaker.admit().map_err(|error| self.named::<O>(error))
    }

    /// Tells the breaker how an operation ended.
    fn settle<O: Operation>(&self, result: Result<O::Out>) -> Result<O::Out> {
        match &result {
            Ok(_) => self.breaker.succeeded(),
            Err(error) => self.breaker.failed(error),
        }
        result.map_err(|error| self.named::<O>(error))
    }

    /// Adds the operation and the backend to an error. The one place for all backends: none does it by itself.
    #[cold]
    fn named<O: Operation>(&self, error: Error) -> Error {
        error.with_operation(O::NAME).with_backend(self.name.clone())
    }
}

/// Admits one event a second.
#[derive(Default)]
struct RateLimit(AtomicU64);

impl RateLimit {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn admits(&self) -> bool {
        let now = Clock::system().monotonic();
        let next = self.0.load(Ordering::Relaxed);
        now >= next && self.0.compare_exchange(next, now + 1000, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
