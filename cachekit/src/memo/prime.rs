//! The calls of `prime!`: a call that refreshes, with a value in the place of its body.

use std::future::Future;

use cachekit_backends::{Result, Timeout};

use super::Op;
use super::function::{Async, Blocking, Handle, Mode};
use super::handle::Key;
use super::life::{Fixed, Lifespan, Tagging};
use super::lookup::{Pending, Probe, probe, refresh};
use super::options::{Joining, Never, Options, StaleIf, keep_all};
use crate::call::arguments::KeyPart;
use crate::call::failure;
use crate::call::policy::Policy;
use crate::call::verdict::Verdict;

/// A call whose value is known.
pub struct Primed<F>(Pending<F>);

/// Begins a call whose value is known.
///
/// # Errors
/// Another function has the same identity.
pub fn prime<M: Mode, R, K, I, U, Q, F, T, J, G>(
    handle: Handle<M>,
    policy: &Policy<R>,
    arguments: &K,
    instance: &I,
    options: Options<U, Q, F, T, J, G>,
) -> Result<Primed<F>>
where
    K: KeyPart,
    I: KeyPart,
    U: FnOnce() -> bool,
    Q: FnOnce() -> bool,
    F: StaleIf<R>,
    T: Lifespan,
    J: Joining,
    G: Tagging,
{
    handle.function().check()?;
    match probe(handle, policy, arguments, instance, Op::Refresh, options, &mut None) {
        Probe::Pending(pending) => Ok(Primed(pending)),
        Probe::Hit(_) => unreachable!("a refresh takes no stored value"),
    }
}

impl<R, M> Key<R, M> {
    /// Begins the call of this key with the options of a function that says a timeout and nothing else about its calls.
    fn primed(self, timeout: Timeout, single_flight: bool) -> Result<Primed<Never>> {
        let Self { function, cache, place, .. } = self;
        function.check()?;
        Ok(Primed(refresh(cache, function, place, Fixed(timeout).life(), single_flight)))
    }
}

impl<R> Key<R, Blocking> {
    /// Stores a value as such a function would. Blocks the thread.
    ///
    /// # Errors
    /// As [`Primed::store`].
    pub fn prime(self, timeout: Timeout, single_flight: bool, value: R) -> Result<()> {
        let policy = self.policy;
        self.primed(timeout, single_flight)?.store(&policy, keep_all, value)
    }
}

impl<R> Key<R, Async> {
    /// The same as a task.
    ///
    /// # Errors
    /// As [`Primed::store`].
    pub async fn prime(self, timeout: Timeout, single_flight: bool, value: R) -> Result<()> {
        let policy = self.policy;
        self.primed(timeout, single_flight)?.store_async(&policy, keep_all, value).await
    }
}

impl<F> Primed<F> {
    /// Stores the value as the function would. Blocks the thread.
    ///
    /// # Errors
    /// The backend's, and that of a value that can't be stored.
    pub fn store<R, V: Into<Verdict>>(
        self,
        policy: &Policy<R>,
        judge: impl FnOnce(&R) -> V,
        value: R,
    ) -> Result<()>
    where
        F: StaleIf<R>,
    {
        failure::first_of(|| drop(self.0.finish(policy, judge, || value)))
    }

    /// The same as a task.
    ///
    /// # Errors
    /// As [`store`](Self::store).
    pub fn store_async<R, V: Into<Verdict>>(
        self,
        policy: &Policy<R>,
        judge: impl FnOnce(&R) -> V,
        value: R,
    ) -> impl Future<Output = Result<()>>
    where
        F: StaleIf<R>,
    {
        failure::first_of_async(self.0.finish_async(policy, judge, async move { value }))
    }
}
