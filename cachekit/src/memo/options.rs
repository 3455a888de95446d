//! The options of a call, as the attribute's expressions, and what says their types to the compiler.

use std::future::Future;
use std::time::Duration;

use cachekit_backends::Timeout;

use super::life::{Fixed, NoTags};
use crate::call::policy::Policy;
use crate::call::verdict::Verdict;

/// The options of a call, as the attribute's expressions.
pub struct Options<U, Q, F, T, J, G> {
    /// True: neither read nor write.
    pub unless: U,
    /// True: compute and overwrite.
    pub refresh_if: Q,
    /// Asked on a hit; true: compute and overwrite.
    pub stale_if: F,
    /// How long an entry lives.
    pub life: T,
    /// How the call joins a computation of the same call that is under way.
    pub joining: J,
    /// The tags of the entry.
    pub tags: G,
}

/// How a call joins a computation of the same call that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Join {
    /// Wait for one of this process.
    pub single_flight: bool,
    /// Wait for other processes too, and take over after so long without a sign of life.
    pub fleet: Option<Duration>,
    /// The longest wait for it; none: the cache's.
    pub flight_timeout: Option<Duration>,
}

/// The same, as the options of a call say it: in as few bytes as they need, because a call has them on the stack.
pub trait Joining {
    /// Returns it.
    fn join(self) -> Join;
}

impl Joining for Join {
    #[inline]
    fn join(self) -> Join {
        self
    }
}

/// The option `single_flight` alone.
#[derive(Debug)]
pub struct SingleFlight<const ON: bool>;

impl<const ON: bool> Joining for SingleFlight<ON> {
    #[inline]
    fn join(self) -> Join {
        Join { single_flight: ON, fleet: None, flight_timeout: None }
    }
}

/// Options without expressions.
#[inline]
#[must_use]
pub fn plain<const SINGLE_FLIGHT: bool>(
    timeout: Timeout,
) -> Options<impl FnOnce() -> bool, impl FnOnce() -> bool, Never, Fixed, SingleFlight<SINGLE_FLIGHT>, NoTags>
{
    Options {
        unless: no,
        refresh_if: no,
        stale_if: Never,
        life: Fixed(timeout),
        joining: SingleFlight,
        tags: NoTags,
    }
}

/// A value, and the decision about it.
#[derive(Debug)]
pub struct Judged<R> {
    /// The value.
    pub output: R,
    /// Whether it is to be stored, and for how long.
    pub verdict: Verdict,
}

impl<R> Judged<R> {
    /// The value of a body that says nothing else.
    #[inline]
    #[must_use]
    pub fn kept(output: R) -> Self {
        Self { output, verdict: Verdict::from(true) }
    }

    /// Returns it as it is.
    #[inline]
    #[must_use]
    pub fn done(self) -> Self {
        self
    }

    /// Judges a value.
    #[inline]
    pub fn new<V: Into<Verdict>>(output: R, policy: &Policy<R>, judge: impl FnOnce(&R) -> V) -> Self {
        let verdict = Verdict::of(policy, &output, judge);
        Self { output, verdict }
    }
}

/// Tells the compiler the type of a future's output.
#[inline]
pub fn future<R, B: Future<Output = R>>(body: B) -> B {
    body
}

/// Returns the value of a body.
#[inline]
pub fn result<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// The default of `unless` and `refresh_if`.
#[inline]
#[must_use]
pub fn no() -> bool {
    false
}

/// The question whether a value that was found is to be computed anew.
pub trait StaleIf<R> {
    /// Whether it is asked at all.
    const ASKS: bool;
    /// Asks it.
    fn is_stale(&self, value: &R) -> bool;
}

impl<R, F: Fn(&R) -> bool> StaleIf<R> for F {
    const ASKS: bool = true;

    #[inline]
    fn is_stale(&self, value: &R) -> bool {
        self(value)
    }
}

/// The default of `stale_if`.
#[derive(Debug)]
pub struct Never;

impl<R> StaleIf<R> for Never {
    const ASKS: bool = false;

    #[inline]
    fn is_stale(&self, _: &R) -> bool {
        false
    }
}

/// The default of `cache_if`.
#[inline]
pub fn keep_all<R>(_: &R) -> bool {
    true
}

/// Asks a value that is to be stored for the bytes that its entry counts.
pub fn weighs<R, V: Into<Verdict>>(
    judge: impl FnOnce(&R) -> V,
    weight: impl FnOnce(&R) -> u64,
) -> impl FnOnce(&R) -> Verdict {
    move |value| judge(value).into().weighing(|| weight(value))
}

/// Tells the compiler the type of a predicate's argument.
#[inline]
pub fn predicate<R, F: Fn(&R) -> bool>(f: F) -> F {
    f
}
