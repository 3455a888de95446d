//! The calls of `prime!`: a call that refreshes, with a value in the place of its body.

use std::future::Future;

use cachekit_backends::Result;

use super::Op;
use super::function::{Handle, Mode};
use super::life::{Lifespan, Tagging};
use super::lookup::{Pending, probe};
use super::options::Options;
use crate::call::arguments::KeyPart;
use crate::call::failure;
use crate::call::policy::Policy;
use crate::call::store::Verdict;

/// A call whose value is known.
pub struct Primed<F>(Pending<F>);

/// Begins a call whose value is known.
///
/// # Errors
/// Another function has the same identity.
pub fn prime<M: Mode, R, K, I, U, Q, F, T, G>(
    handle: Handle<M>,
    policy: &Policy<R>,
    arguments: &K,
    instance: &I,
    options: Options<U, Q, F, T, G>,
) -> Result<Primed<F>>
where
    K: KeyPart,
    I: KeyPart,
    U: FnOnce() -> bool,
    Q: FnOnce() -> bool,
    F: Fn(&R) -> bool,
    T: Lifespan,
    G: Tagging,
{
    handle.function().check()?;
    match probe(handle, policy, arguments, instance, Op::Refresh, options, &mut None) {
        Some(pending) => Ok(Primed(pending)),
        None => unreachable!("a refresh takes no stored value"),
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
        F: Fn(&R) -> bool,
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
        F: Fn(&R) -> bool,
    {
        failure::first_of_async(self.0.finish_async(policy, judge, async move { value }))
    }
}
