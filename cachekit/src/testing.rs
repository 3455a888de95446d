//! For tests: a clock that stands still until it is moved, and a default cache of one's own.
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//!
//! use cachekit::{Config, memoize, testing};
//!
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//!
//! #[memoize(timeout = 60)]
//! fn calls() -> u32 {
//!     CALLS.fetch_add(1, Ordering::Relaxed)
//! }
//!
//! testing::scoped(Config::simple(), |test| {
//!     assert_eq!((calls(), calls()), (0, 0));
//!     test.advance(Duration::from_secs(60));
//!     assert_eq!(calls(), 1);
//! });
//! ```

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub use cachekit_backends::ManualClock;

use crate::{Cache, Config};

thread_local!(static CURRENT: Cell<Option<&'static Cache>> = const { Cell::new(None) });

pub(crate) fn current() -> Option<&'static Cache> {
    CURRENT.get()
}

/// Makes the cache that [`current`] returned the default one of the thread, or none.
pub(crate) fn enter_state(cache: Option<&'static Cache>) -> Entered {
    Entered(CURRENT.replace(cache))
}

/// A cache that stands in for the default one, with its clock.
#[derive(Debug)]
pub struct Scoped {
    cache: &'static Cache,
    clock: ManualClock,
}

impl Scoped {
    /// A cache of a configuration and a clock that stands still.
    ///
    /// The cache lives as long as the process: functions refer to it.
    ///
    /// # Panics
    /// If the configuration is wrong; its error says how.
    pub fn new(config: Config) -> Self {
        let clock = ManualClock::new();
        match Cache::open_with_clock(config, &clock.clock()) {
            Ok(cache) => Self { cache: Box::leak(Box::new(cache)), clock },
            Err(error) => panic!("no cache to test with: {error}"),
        }
    }

    /// The cache.
    pub fn cache(&self) -> &'static Cache {
        self.cache
    }

    /// The clock.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Moves the time on.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Makes this the default cache of the thread until the guard is dropped. A thread that is started meanwhile needs its
    /// own.
    pub fn enter(&self) -> Entered {
        Entered(CURRENT.replace(Some(self.cache)))
    }

    /// Makes this the default cache of a future, on whatever thread it is polled.
    pub fn wrap<F: Future>(&self, future: F) -> Wrapped<F> {
        Wrapped { cache: self.cache, future: Box::pin(future) }
    }
}

/// While it lives, the thread's default cache is another one.
#[derive(Debug)]
pub struct Entered(Option<&'static Cache>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// A future under another default cache.
#[derive(Debug)]
pub struct Wrapped<F> {
    cache: &'static Cache,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Wrapped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = Entered(CURRENT.replace(Some(self.cache)));
        self.future.as_mut().poll(context)
    }
}

/// Runs a test under a default cache of its own.
///
/// # Panics
/// If the configuration is wrong; its error says how.
pub fn scoped<R>(config: Config, test: impl FnOnce(&Scoped) -> R) -> R {
    let scoped = Scoped::new(config);
    let _entered = scoped.enter();
    test(&scoped)
}
