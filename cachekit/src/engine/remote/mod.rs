//! The way to a backend that stores bytes. Each operation passes a circuit breaker and has a time limit. It runs on the
//! caller's thread where the backend keeps the limit itself, else on the threads of this cache.

mod budget;
mod io;
mod ops;
mod pool;
mod state;
mod waiting;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cachekit_backends::layers::ProcessConditional;
use cachekit_backends::{
    Backend, Breaker, Capabilities, Clock, Config, Error, ErrorKind, Result, Usage, deadline,
};
use parking_lot::Mutex;

pub(crate) use budget::Budget;
pub(crate) use io::{AsyncIo, BlockingIo, Io, ready, say_given_up};
pub(crate) use ops::{
    Add, AddAndCheck, Clear, Delete, DeleteIf, DeleteMany, Fetch, FetchMany, GetMany, Keys, Operation, PutIf,
    PutIfMany, Set, SetMany, TokenOf,
};
pub(crate) use state::with_token;

use crate::engine::fleet::Keeper;
use crate::engine::near::{Known, Near};

use budget::Spending;
pub(super) use pool::{Job, Pool};

/// At least as many as there are kinds of errors.
const KINDS: usize = 16;

/// The name of a backend, and where it is.
pub(crate) struct Name {
    /// Its word of `CACHE_TYPE` or its type, in errors.
    pub(crate) backend: Cow<'static, str>,
    /// Its servers or directory.
    pub(crate) location: Option<String>,
}

/// A bound backend with its breaker, its time limit and its threads.
pub(crate) struct Remote {
    near: Option<Near>,
    known: Known,
    keeper: Keeper,
    backend: Arc<dyn Backend>,
    name: Name,
    capabilities: Capabilities,
    breaker: Breaker,
    limit: Duration,
    pool: Arc<Pool>,
    /// One for each kind of error.
    logs: [RateLimit; KINDS],
    /// The last failure that counts against the backend, and its time.
    last_error: Mutex<Option<(ErrorKind, String, Instant)>>,
    #[cfg(feature = "metrics")]
    label: String,
}

impl Remote {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        name: Name,
        prefix: &str,
        config: &Config,
        clock: &Clock,
    ) -> Arc<Self> {
        backend.set_operation_timeout(config.operation_timeout);
        let capabilities = backend.capabilities();
        let backend: Arc<dyn Backend> = if capabilities.conditional || capabilities.discards {
            backend
        } else {
            Arc::new(ProcessConditional::new(backend, config.operation_timeout))
        };
        let near = if capabilities.discards { None } else { Near::new(config, clock, &backend) };
        let remote = Arc::new(Self {
            near,
            known: Known::new(prefix, config, clock),
            keeper: Keeper::default(),
            backend,
            name,
            capabilities,
            breaker: Breaker::new(config.breaker_threshold, config.probe_interval),
            limit: config.operation_timeout,
            pool: Pool::new("cachekit-io", config.pool_size),
            logs: Default::default(),
            last_error: Mutex::new(None),
            #[cfg(feature = "metrics")]
            label: crate::engine::label(prefix).to_owned(),
        });
        Near::start(&remote);
        remote
    }

    /// The values that this process keeps in front of the backend.
    pub(crate) fn near(&self) -> Option<&Near> {
        self.near.as_ref()
    }

    /// The knowledge about the near tiers of all processes.
    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    /// The locks of the computations of this process.
    pub(crate) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The key prefix of the cache without its end, for people.
    #[cfg(feature = "metrics")]
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The backend's name in errors.
    pub(crate) fn name(&self) -> &Cow<'static, str> {
        &self.name.backend
    }

    /// The backend's servers or directory.
    pub(crate) fn location(&self) -> Option<&str> {
        self.name.location.as_deref()
    }

    /// Renews the mark of a backend that tells it at once. It is a system call, which needs no time limit of its own.
    pub(crate) fn renew_mark(&self) -> Option<Result<()>> {
        let renew =
            || self.backend.renew_mark().map_err(|error| error.with_backend(self.name.backend.clone()));
        self.capabilities.marks.then(renew)
    }

    /// How much the backend holds, as far as it is known without asking a server.
    pub(crate) fn usage(&self) -> Usage {
        self.backend.usage()
    }

    /// Whether the circuit breaker is open.
    pub(crate) fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Returns the error of a look, if the circuit breaker lets none pass now.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.breaker.refuses().then(|| self.named::<Fetch>(Breaker::refusal()))
    }

    /// The last failure of the backend, and how long ago it was.
    pub(crate) fn last_error(&self) -> Option<(ErrorKind, String, Duration)> {
        let last = self.last_error.lock();
        last.as_ref().map(|(kind, message, at)| (*kind, message.clone(), at.elapsed()))
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

    /// Asks whether an operation may begin: its call has time left, and the breaker lets it pass.
    fn admit<'b, O: Operation>(&self, budget: &'b Budget, op: &O) -> Result<Spending<'b>> {
        // The breaker last: an operation that it admits tells it how it ended.
        budget.begin(self, op, || self.breaker.admit()).map_err(|error| self.named::<O>(error))
    }

    /// The deadline of an operation that may take so long, for a backend that keeps it by itself. None where its own is right,
    /// which spares a look at the clock.
    fn deadline<O: Operation>(&self, limit: Duration) -> Option<Instant> {
        // One operation may be many exchanges of their own.
        (!O::IS_LONG && limit != self.limit).then(|| deadline::after(limit))
    }

    /// Tells the breaker how an operation ended.
    fn settle<O: Operation>(&self, result: Result<O::Out>) -> Result<O::Out> {
        match &result {
            Ok(_) => self.breaker.succeeded(),
            Err(error) => self.note_failure(error),
        }
        result.map_err(|error| self.named::<O>(error))
    }

    #[cold]
    fn note_failure(&self, error: &Error) {
        if Breaker::counts(error) {
            *self.last_error.lock() = Some((error.kind(), error.to_string(), Instant::now()));
        }
        self.breaker.failed(error);
    }

    /// Adds the operation and the backend to an error. The one place for all backends: none does it by itself.
    #[cold]
    fn named<O: Operation>(&self, error: Error) -> Error {
        error.with_operation(O::NAME).with_backend(self.name.backend.clone())
    }
}

/// Admits one event a second.
#[derive(Default)]
pub(crate) struct RateLimit(AtomicU64);

impl RateLimit {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn admits(&self) -> bool {
        let now = Clock::system().monotonic();
        let next = self.0.load(Ordering::Relaxed);
        now >= next && self.0.compare_exchange(next, now + 1000, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
