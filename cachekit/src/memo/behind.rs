//! Calls whose computation may go on without them: in the background, or because their caller was dropped.
//!
//! The macro makes the arguments owned, so that the body can outlive the call. An async body belongs to its flight, and is a
//! task of the caller's runtime; one that blocks runs on a thread of cachekit's.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::finishing::Computes;
use super::lookup::{Begun, Pending, bypassed, settle, unless_stale};
use super::options::{Judged, StaleIf};
use super::owned::{Led, Owned};
use crate::call::policy::Policy;
use crate::call::round::{self, AtHand};
use crate::call::store::Duty;
use crate::engine::background::{self, Runtime};
use crate::engine::remote::{AsyncIo, BlockingIo, ready};
use crate::surroundings::Surroundings;

/// An argument by reference that a computation in the background can own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be owned by a computation that goes on without its caller",
    label = "this argument must be `Clone + Send + 'static`, or a borrow of something that can be made owned, as `&str` and `&[T]`",
    note = "take it by value or in an `Arc`, or remove `revalidate = \"background\"` or `detached`"
)]
pub trait MadeOwned: ToOwned<Owned: Send + 'static> {}
#[diagnostic::do_not_recommend]
impl<T: ?Sized + ToOwned<Owned: Send + 'static>> MadeOwned for T {}

/// An argument by value that a computation in the background can take.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be owned by a computation that goes on without its caller",
    label = "this argument must be `Send + 'static`",
    note = "take it in an `Arc`, or remove `revalidate = \"background\"` or `detached`"
)]
pub trait Sendable: Send + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Sendable for T {}

/// Makes an argument by reference owned.
#[inline]
pub fn own_ref<T: ?Sized + MadeOwned>(argument: &T) -> T::Owned {
    argument.to_owned()
}

/// Takes an argument by value.
#[inline]
pub fn own_value<T: Sendable>(argument: T) -> T {
    argument
}

/// A body that blocks, with its arguments.
pub struct Task<R>(Box<dyn FnOnce() -> Judged<R> + Send>);

/// A body that blocks, which owns its arguments, and whose value `judge` judges.
pub fn task<J, R>(body: impl FnOnce() -> J + Send + 'static, judge: fn(J) -> Judged<R>) -> Task<R>
where
    J: 'static,
    R: 'static,
{
    Task(Box::new(move || judge(body())))
}

/// The state of a call that missed, or that was given a value which is to be computed anew.
pub enum Reached<R> {
    /// The value of the call.
    Value(R),
    /// The call computes.
    Compute(Rest),
    /// The call has a value, and a computation is begun.
    Behind(Behind<R>),
}

/// The rest of a call that computes.
pub struct Rest(Computes);

/// The rest of a call that has a value.
pub struct Behind<R> {
    duty: Box<Duty<'static>>,
    at_hand: AtHand<'static, R>,
}

impl<R> From<round::Reached<'static, R>> for Reached<R> {
    fn from(reached: round::Reached<'static, R>) -> Self {
        match reached {
            round::Reached::Value(value) => Self::Value(value),
            round::Reached::Compute(duty) => Self::Compute(Rest(Computes::Duty(Box::new(duty)))),
            round::Reached::Behind(duty, at_hand) => Self::Behind(Behind { duty: Box::new(duty), at_hand }),
        }
    }
}

impl<F> Pending<F> {
    /// Waits for another call's computation, or finds out what is to be computed. Blocks the thread.
    #[inline(never)]
    pub fn reach<R>(self, policy: &Policy<R>) -> Reached<R>
    where
        F: StaleIf<R>,
    {
        match self.state.begun() {
            Begun::Bypass(op) => Reached::Compute(Rest(Computes::Bypass(op))),
            Begun::Lead(duty) => Reached::Compute(Rest(Computes::Duty(duty))),
            Begun::Round(round) => ready(round.reach(BlockingIo, policy, unless_stale(self.stale_if))).into(),
        }
    }

    /// The same as a task.
    pub fn reach_async<R>(self, policy: &Policy<R>) -> Pin<Box<impl Future<Output = Reached<R>>>>
    where
        F: StaleIf<R>,
    {
        Box::pin(async move {
            match self.state.begun() {
                Begun::Bypass(op) => Reached::Compute(Rest(Computes::Bypass(op))),
                Begun::Lead(duty) => Reached::Compute(Rest(Computes::Duty(duty))),
                Begun::Round(round) => round.reach(AsyncIo, policy, unless_stale(self.stale_if)).await.into(),
            }
        })
    }
}

impl Rest {
    /// Runs the body and stores its value.
    pub fn finish<J, R>(self, policy: &Policy<R>, body: impl FnOnce() -> J, judge: fn(J) -> Judged<R>) -> R {
        let duty = match self.0 {
            Computes::Bypass(op) => return bypassed(op, judge(body()).output),
            Computes::Duty(duty) => duty,
        };
        let Judged { mut output, verdict } = judge(duty.run(body));
        settle(duty, policy, &mut output, move |_| verdict);
        output
    }

    /// The same of a body that belongs to its flight. One that is `detached` goes on if the call is dropped.
    pub fn finish_owned<R: Send + 'static>(
        self,
        policy: &Policy<R>,
        owned: Owned<R>,
        detached: bool,
    ) -> Pin<Box<impl Future<Output = R> + use<R>>> {
        let policy = owned.policy(policy);
        Box::pin(async move {
            // One that leaves the cache alone serves no other call.
            let goes_on = detached && matches!(self.0, Computes::Duty(_));
            let led = owned.lead(self.0, policy, Surroundings::current());
            if goes_on { Detached(Some((led, Runtime::current()))).await } else { led.await }
        })
    }
}

impl<R: 'static> Behind<R> {
    /// Computes on another thread. Returns the value at hand, or the new one if it is there in time.
    pub fn run(self, policy: &Policy<R>, task: Task<R>) -> R {
        let Self { mut duty, at_hand } = self;
        let (own, surroundings) = (*policy, Surroundings::of_background());
        background::on_thread(move || {
            let _within = surroundings.enter();
            let Judged { output, verdict } = duty.run(task.0);
            let _served_already = duty.settle_blocking(&own, &output, move |_| verdict);
        });
        ready(at_hand.end(BlockingIo, policy))
    }
}

impl<R: Send + 'static> Behind<R> {
    /// Computes as a task of its own. Returns the value at hand, or the new one if it is there in time.
    pub fn run_async(
        self,
        policy: &Policy<R>,
        owned: Owned<R>,
    ) -> Pin<Box<impl Future<Output = R> + use<R>>> {
        let Self { duty, at_hand } = self;
        let policy = owned.policy(policy);
        Box::pin(async move {
            let led = owned.lead(Computes::Duty(duty), policy, Surroundings::of_background());
            Runtime::current().run(Box::pin(async move { drop(led.await) }));
            at_hand.end(AsyncIo, &policy).await
        })
    }
}

/// A computation that becomes a task of its own if it is dropped before its end: of the runtime that polled it first, wherever it is
/// dropped.
struct Detached<R: Send + 'static>(Option<(Led<R>, Runtime)>);

impl<R: Send + 'static> Future for Detached<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        // Out of its place while it is polled: one that has ended, by a panic too, is not to go on.
        let Some((mut led, runtime)) = self.0.take() else { return Poll::Pending };
        let polled = Pin::new(&mut led).poll(context);
        if polled.is_pending() {
            self.0 = Some((led, runtime));
        }
        polled
    }
}

impl<R: Send + 'static> Drop for Detached<R> {
    fn drop(&mut self) {
        if let Some((led, runtime)) = self.0.take() {
            runtime.run(Box::pin(async move { drop(led.await) }));
        }
    }
}
