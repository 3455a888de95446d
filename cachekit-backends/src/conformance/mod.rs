//! The suite that every backend passes, also for backends of your own.
//!
//! # How to run it
//!
//! Depend on this crate with the feature `conformance`, as a dev-dependency, and write a test file of ten lines:
//!
//! ```
//! use std::sync::Arc;
//! use cachekit_backends::conformance::Suite;
//! # use cachekit_backends::simple::SimpleBackend as MyBackend;
//!
//! fn suite() -> Suite {
//!     Suite::new(|clock| Arc::new(MyBackend::new(1_000, clock.clone())))
//! }
//!
//! cachekit_backends::conformance_tests!(suite());
//! # suite().run();
//! ```
//!
//! The macro makes a `#[test]` for each case, so that a failure is named. `suite().run()` runs them all in one test instead,
//! and lists each failure as `case: what, expected, got`.
//!
//! # The claims of your backend
//!
//! Which cases apply is read from [`Backend::capabilities`]. Claim only what holds: cachekit makes up for what is missing.
//! A case that doesn't apply says so on the standard error and passes. The closure given to [`Suite::new`] opens one
//! handle; it is called anew for each case, and twice in a case if the backend claims
//! [`shared`](Capabilities::shared), when all its handles must be of one store.
//!
//! # A server that others use
//!
//! All keys begin with `conformance:` and random letters, so that any number of runs may share a server, and each case
//! deletes its keys when it is over. Nothing else is touched. There should be room for 1,000 entries besides those of others.
//!
//! # Time
//!
//! No case sleeps. A backend that lives by the [`Clock`] it is given is moved through time by hand. One that lives by the
//! time of a server says how to get past a moment, which is your code:
//!
//! ```no_run
//! # use std::{sync::Arc, time::Duration};
//! # use cachekit_backends::{conformance::Suite, null::Null as MyServer};
//! Suite::new(|_clock| Arc::new(MyServer))
//!     .wait_past(std::thread::sleep)           // or a server's own fake time
//!     .granularity(Duration::from_secs(1))     // the server counts in whole seconds
//!     .run();
//! ```
//!
//! # More than one kind of test
//!
//! - A backend that keeps a limited number of entries: [`Suite::threshold`].
//! - A store that can't be reached: [`Suite::unreachable`].
//! - Asynchronous methods: a second suite with [`Suite::asynchronous`].
//! - A wrapper that does more than its capabilities say: [`Suite::claiming`].

mod asynchronous;
mod case;
mod cases;
mod handle;
mod outcome;
#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use self::case::Case;
use self::outcome::Outcome;
use crate::{Backend, BoxFuture, Capabilities, Clock};

type Make = Box<dyn Fn(&Clock) -> Arc<dyn Backend> + Send + Sync>;
type BlockOn = Arc<dyn Fn(BoxFuture<'_, ()>) + Send + Sync>;

/// A run of the suite on one backend; see [the module](self).
#[must_use = "nothing is tested before `run`"]
pub struct Suite {
    make: Make,
    wait: Option<Box<dyn Fn(Duration) + Send + Sync>>,
    granularity: Duration,
    bounded: Option<(usize, Make)>,
    unreachable: Option<Make>,
    claims: Option<Capabilities>,
    block_on: Option<BlockOn>,
}

/// One case that a backend does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The name of the case.
    pub case: &'static str,
    /// The expectation and the outcome.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.message)
    }
}

impl Suite {
    /// A suite for the backend that `make` opens.
    ///
    /// Handles of a [`shared`](Capabilities::shared) backend must all be of one store; others may have a store each.
    pub fn new(make: impl Fn(&Clock) -> Arc<dyn Backend> + Send + Sync + 'static) -> Self {
        Self {
            make: Box::new(make),
            wait: None,
            granularity: Duration::from_millis(1),
            bounded: None,
            unreachable: None,
            claims: None,
            block_on: None,
        }
    }

    /// The backend doesn't live by the clock it is given, but by real time. `wait` must return when so much of the store's
    /// time has passed.
    pub fn wait_past(mut self, wait: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.wait = Some(Box::new(wait));
        self
    }

    /// Lifetimes are rounded up to a multiple of this; a millisecond if not said.
    pub fn granularity(mut self, step: Duration) -> Self {
        self.granularity = step.max(Duration::from_millis(1));
        self
    }

    /// Tries also that a store that `make` opens with a limit of `entries` keeps it. All its handles may be of one store, but
    /// not of that of [`new`](Self::new).
    pub fn threshold(
        mut self,
        entries: usize,
        make: impl Fn(&Clock) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Self {
        self.bounded = Some((entries, Box::new(make)));
        self
    }

    /// Tries also that each operation on a store that can't be reached, as `make` opens one, is an error.
    pub fn unreachable(mut self, make: impl Fn(&Clock) -> Arc<dyn Backend> + Send + Sync + 'static) -> Self {
        self.unreachable = Some(Box::new(make));
        self
    }

    /// Tests the backend as if it claimed these capabilities: for one that has them, but only among the users of one handle.
    pub fn claiming(mut self, capabilities: Capabilities) -> Self {
        self.claims = Some(capabilities);
        self
    }

    /// Tests [`Backend::asynchronous`] instead of the methods of [`Backend`] itself. `block_on` runs a future to its end, such as
    /// a runtime's method of that name; it is called from many threads at once.
    pub fn asynchronous(mut self, block_on: impl Fn(BoxFuture<'_, ()>) + Send + Sync + 'static) -> Self {
        self.block_on = Some(Arc::new(block_on));
        self
    }

    /// The names of all cases, in the order in which they run.
    pub fn cases() -> impl Iterator<Item = &'static str> {
        cases::ALL.iter().map(|&(name, _)| name)
    }

    /// Runs all cases that apply.
    ///
    /// # Panics
    /// With a list of the cases that the backend does not pass, if there are any.
    pub fn run(&self) {
        report(&self.failures());
    }

    /// Runs one case, if it applies.
    ///
    /// # Panics
    /// If the backend does not pass it, or there is no case of that name.
    pub fn run_case(&self, name: &str) {
        let found = cases::ALL.iter().find(|(case, _)| *case == name);
        let &(name, case) = found.unwrap_or_else(|| panic!("the suite has no case `{name}`"));
        report(self.try_case(name, case).err().as_slice());
    }

    /// Runs all cases that apply; those that the backend does not pass.
    pub fn failures(&self) -> Vec<Failure> {
        cases::ALL.iter().filter_map(|&(name, case)| self.try_case(name, case).err()).collect()
    }

    fn try_case(&self, name: &'static str, test: fn(&Case<'_>) -> Outcome) -> Result<(), Failure> {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let case = Case::new(self, name)?;
            let outcome = test(&case);
            case.clean_up();
            outcome
        }));
        let message = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(message)) => message,
            Err(payload) => format!("expected no panic, got the panic {:?}", outcome::panic_text(&*payload)),
        };
        Err(Failure { case: name, message })
    }
}

/// Panics if there are failures.
fn report(failures: &[Failure]) {
    let list: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let (count, list) = (list.len(), list.join("\n  "));
    assert!(failures.is_empty(), "the backend does not pass {count} case(s) of the suite:\n  {list}");
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("real_time", &self.wait.is_some())
            .field("granularity", &self.granularity)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}
