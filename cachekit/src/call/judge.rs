//! The questions to a value that was computed: whether it is to be stored, and for how long.

use std::time::Duration;

use cachekit_backends::Timeout;

use super::shape::Shape;
use super::verdict::Verdict;

/// Asks a value whether it is to be stored, and then the rule for how long.
pub fn timed<R>(
    cache_if: impl FnOnce(&R) -> bool,
    rule: impl FnOnce(&R) -> Verdict,
) -> impl FnOnce(&R) -> Verdict {
    move |value| if cache_if(value) { rule(value) } else { Verdict::from(false) }
}

/// The rule of a timeout that does not depend on the value.
#[inline]
pub fn as_said<R>(_: &R) -> Verdict {
    Verdict::from(true)
}

/// `timeout = |value| …`.
pub fn of_value<R, T: TimeoutValue>(timeout: impl FnOnce(&R) -> T) -> impl FnOnce(&R) -> Verdict {
    move |value| Verdict::of_value(timeout(value).timeout())
}

/// The timeout that an expression of an attribute makes. The only function with this bound.
#[inline]
pub fn timeout_of<T: TimeoutValue>(value: T) -> Timeout {
    value.timeout()
}

/// A type that an option for a time takes.
#[diagnostic::on_unimplemented(
    message = "a timeout is a `Duration` or seconds, not `{Self}`",
    label = "neither a `Duration` nor an integer of seconds",
    note = "a text is a time only where the attribute itself has it: `timeout = \"5m\"`. For seconds of another type write \
            `Duration::from_secs(..)` or `Duration::from_secs_f64(..)`"
)]
pub trait TimeoutValue {
    /// The timeout.
    fn timeout(self) -> Timeout;
}

// Not by a macro of rules, which the message would show.
impl TimeoutValue for Timeout {
    #[inline]
    fn timeout(self) -> Timeout {
        self
    }
}

impl TimeoutValue for Duration {
    #[inline]
    fn timeout(self) -> Timeout {
        self.into()
    }
}

impl TimeoutValue for u64 {
    #[inline]
    fn timeout(self) -> Timeout {
        self.into()
    }
}

impl TimeoutValue for u32 {
    #[inline]
    fn timeout(self) -> Timeout {
        self.into()
    }
}

impl TimeoutValue for i32 {
    #[inline]
    fn timeout(self) -> Timeout {
        self.into()
    }
}

/// `none_timeout`, before other rules. `is_none` is [`none_of`].
pub fn of_none<R>(
    is_none: fn(&R) -> bool,
    timeout: impl FnOnce() -> Timeout,
    others: impl FnOnce(&R) -> Verdict,
) -> impl FnOnce(&R) -> Verdict {
    move |value| if is_none(value) { Verdict::from(timeout()) } else { others(value) }
}

/// `err_timeout`, before other rules. `is_err` is [`err_of`].
pub fn of_err<R>(
    is_err: fn(&R) -> bool,
    timeout: impl FnOnce() -> Timeout,
    others: impl FnOnce(&R) -> Verdict,
) -> impl FnOnce(&R) -> Verdict {
    move |value| if is_err(value) { Verdict::of_err(timeout()) } else { others(value) }
}

/// Returns the test for `None`. The only function with this bound, so that a type without it makes one error.
#[inline]
#[must_use]
pub fn none_of<R: MayBeNone>() -> fn(&R) -> bool {
    R::is_none
}

/// Returns the test for `Err`.
#[inline]
#[must_use]
pub fn err_of<R: MayBeErr>() -> fn(&R) -> bool {
    R::is_err
}

/// Returns the shape of values whose `None` is stored too.
#[inline]
pub fn none_too<R: OptionReturn, S: Shape<Output = R>>(shape: S) -> S {
    shape
}

/// A return type that has a `None` to be stored.
#[diagnostic::on_unimplemented(
    message = "`cache_none` is for functions that return an `Option`",
    label = "this is neither an `Option` nor a `Result` of one",
    note = "remove `cache_none`: every value of this type is stored"
)]
pub trait OptionReturn {}

#[diagnostic::do_not_recommend]
impl<R: MayBeNone> OptionReturn for R {}
/// Returns the time of `stale_if_error`. The only function with this bound, so that a type without it makes one error.
#[inline]
#[must_use]
pub fn if_error<R: MayFail>(time: Duration) -> Duration {
    time
}

/// A return type that tells whether the computation failed.
#[diagnostic::on_unimplemented(
    message = "`stale_if_error` is for functions that return a `Result`",
    label = "this is no `Result`",
    note = "return the failure as an `Err`, or remove `stale_if_error`"
)]
pub trait MayFail {}

impl<T, E> MayFail for Result<T, E> {}

/// A return type that has a `None`.
#[diagnostic::on_unimplemented(
    message = "`none_timeout` is for functions that return an `Option`",
    label = "this is neither an `Option` nor a `Result` of one",
    note = "remove `none_timeout`, or decide by the value: `timeout = |value| ..`"
)]
pub trait MayBeNone {
    /// Whether it is `None`, or `Ok(None)`.
    fn is_none(&self) -> bool;
}

impl<T> MayBeNone for Option<T> {
    fn is_none(&self) -> bool {
        self.is_none()
    }
}

impl<T, E> MayBeNone for Result<Option<T>, E> {
    fn is_none(&self) -> bool {
        matches!(self, Ok(None))
    }
}

/// A return type that has an `Err`.
#[diagnostic::on_unimplemented(
    message = "`err_timeout` is for functions that return a `Result`",
    label = "this is no `Result`",
    note = "remove `err_timeout`, or decide by the value: `timeout = |value| ..`"
)]
pub trait MayBeErr {
    /// Whether it is an `Err`.
    fn is_err(&self) -> bool;
}

impl<T, E> MayBeErr for Result<T, E> {
    fn is_err(&self) -> bool {
        self.is_err()
    }
}
