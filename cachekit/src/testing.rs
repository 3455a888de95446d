//! For tests: a clock that stands still until it is moved, a default cache of one's own, a count of computations, and faults.
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
pub use cachekit_backends::layers::Chaos;
pub use cachekit_backends::simple::SimpleBackend;

pub use crate::__cachekit_assert_computed as assert_computed;

use crate::{Backend, Cache, Config};

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

    /// A cache over a backend, with the prefix, timeouts and limits of a configuration. A backend that has expiry of its own gets the
    /// same clock.
    ///
    /// ```
    /// use cachekit::testing::{Chaos, ManualClock, Scoped, SimpleBackend};
    /// use cachekit::{Config, memoize};
    ///
    /// #[memoize(timeout = 60)]
    /// fn double(n: u32) -> u32 {
    ///     2 * n
    /// }
    ///
    /// let clock = ManualClock::new();
    /// let store = SimpleBackend::new(0, clock.clock());
    /// let faults = Chaos::new(store, 42).errors(0.2).lost_answers(0.2).truncation(0.2);
    /// let test = Scoped::with_backend(faults, &Config::default(), clock);
    /// let _entered = test.enter();
    /// assert!((0..100).all(|n| double(n) == 2 * n && double(n) == 2 * n));
    /// assert!(test.cache().stats().errors > 0);
    /// ```
    pub fn with_backend(backend: impl Backend, config: &Config, clock: ManualClock) -> Self {
        let cache = Cache::with_backend_and_clock(backend, config, &clock.clock());
        Self { cache: Box::leak(Box::new(cache)), clock }
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

/// Runs a block and asserts how many computations it has started in the thread's default cache; returns the value of the block.
///
/// A computation is a body that a memoized function, `get_or_insert_with`, a fragment or `refresh!` runs to fill the cache,
/// also one that ends with an `Err`. Calls that leave the cache alone (`uncached!`, `unless`) don't count, nor do those with
/// `cache = ..` of another cache. Works in an async function, around `.await`.
///
/// ```
/// use cachekit::testing::{assert_computed, scoped};
/// use cachekit::{Config, memoize};
///
/// #[memoize(timeout = 60)]
/// fn double(n: u32) -> u32 {
///     2 * n
/// }
///
/// scoped(Config::simple(), |_| {
///     let four = assert_computed!(1, {
///         double(2);
///         double(2)
///     });
///     assert_eq!(four, 4);
///     assert_computed!(0, { double(2) });
/// });
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __cachekit_assert_computed {
    ($number:expr, $block:block $(,)?) => {{
        let __cachekit_before = $crate::testing::computed();
        let __cachekit_value = $block;
        let __cachekit_ran = $crate::testing::computed() - __cachekit_before;
        let __cachekit_number: u64 = $number;
        ::core::assert!(
            __cachekit_ran == __cachekit_number,
            "expected {__cachekit_number} computations, and there were {__cachekit_ran}"
        );
        __cachekit_value
    }};
}

/// The number of computations that the thread's default cache has started.
#[doc(hidden)]
#[must_use]
pub fn computed() -> u64 {
    crate::__private::default_cache().engine().computed()
}
