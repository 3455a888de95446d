//! Bodies that own all they need, so that their flights can have them.
//!
//! The macro decides by syntax that the arguments of an async function own what they are made of, and asks [`own`] with them.
//! Whether the body can be sent to another thread is decided by its type, by autoderef as in [`policy`](crate::call::policy):
//! [`Own`] has a method for bodies that can, and derefs to [`OwnAny`] for the others, which gives the arguments back.
//!
//! The choice is made in a function of its own, which takes the arguments and returns a type that is written out. The function
//! of the call does not depend on it, so the compiler can look at the body of a recursive function.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::options::Judged;
use crate::call::policy::Policy;
use crate::call::store::{Duty, Unsettled};
use crate::call::trace::{self, Trace};
use crate::engine::flight::{Leading, Output};
use crate::engine::remote::AsyncIo;
use crate::surroundings::Surroundings;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// First choice: the body can be sent to another thread.
pub struct Own<A, B, F>(OwnAny<A, B>, PhantomData<fn() -> F>);

/// Last choice.
pub struct OwnAny<A, B>(Cell<Option<(A, B)>>);

impl<A, B, F> Deref for Own<A, B, F> {
    type Target = OwnAny<A, B>;
    #[inline]
    fn deref(&self) -> &OwnAny<A, B> {
        &self.0
    }
}

/// The arguments of a call, and its body as a function of them, for a choice.
#[inline]
pub fn own<A, B: FnOnce(A) -> F, F>(arguments: A, body: B) -> Own<A, B, F> {
    Own(OwnAny(Cell::new(Some((arguments, body)))), PhantomData)
}

impl<A, B> OwnAny<A, B> {
    fn take(&self) -> (A, B) {
        self.0.take().unwrap_or_else(|| unreachable!("a choice is made once"))
    }

    /// Chooses: the arguments, for a body that stays on its thread.
    #[inline]
    pub fn __cachekit_owned<J, R>(&self, _: fn(J) -> Judged<R>) -> Result<Owned<R>, A> {
        Err(self.take().0)
    }
}

impl<A, B, F, J> Own<A, B, F>
where
    B: FnOnce(A) -> F,
    F: Future<Output = J> + Send + 'static,
    J: Send + 'static,
{
    /// Chooses: the body, whose value `judge` judges.
    #[inline]
    pub fn __cachekit_owned<R>(&self, judge: fn(J) -> Judged<R>) -> Result<Owned<R>, A>
    where
        R: Send + 'static,
    {
        let (arguments, body) = self.0.take();
        Ok(owned(body(arguments), judge))
    }
}

/// A body whose value `judge` judges.
pub fn owned<J, R>(body: impl Future<Output = J> + Send + 'static, judge: fn(J) -> Judged<R>) -> Owned<R>
where
    J: Send + 'static,
    R: Send + 'static,
{
    Owned {
        body: Box::pin(async move { judge(body.await) }),
        lead: lead::<R>,
        unbox: |output| output.downcast::<Boxable<R>>().ok().map(|output| output.0),
    }
}

type LeadWith<R> = fn(Boxed<Judged<R>>, Box<Duty<'static>>, Policy<R>, Surroundings) -> Led<R>;

/// A body that owns all it needs.
///
/// Functions for its value and not bounds, so that the future of a call that has none doesn't need the bounds.
pub struct Owned<R> {
    body: Boxed<Judged<R>>,
    lead: LeadWith<R>,
    unbox: fn(Output) -> Option<R>,
}

impl<R> Owned<R> {
    /// The policy of a call that may go on with another one's body.
    pub(super) fn policy(&self, policy: &Policy<R>) -> Policy<R> {
        Policy { unbox: self.unbox, ..*policy }
    }

    /// Runs the body alone.
    pub(super) async fn run(self) -> R {
        self.body.await.output
    }

    /// Computes and stores, and shares that work with the calls that wait.
    pub(super) fn lead(
        self,
        duty: Box<Duty<'static>>,
        policy: Policy<R>,
        surroundings: Surroundings,
    ) -> Led<R> {
        (self.lead)(self.body, duty, policy, surroundings)
    }
}

#[inline(never)]
fn lead<R: Send + 'static>(
    body: Boxed<Judged<R>>,
    duty: Box<Duty<'static>>,
    policy: Policy<R>,
    surroundings: Surroundings,
) -> Led<R> {
    let berth = duty.berth();
    let work = Working { surroundings, duty: Some(duty), policy, step: Step::Body(body) };
    match berth {
        Some(berth) => Led::InFlight(berth.begin(Box::pin(work)), unboxed::<R>),
        None => Led::Alone(Box::pin(work), unboxed::<R>),
    }
}

/// The value of a body, with the note of its source for `traced!`, if its leader was asked for one.
type Boxable<R> = (R, Option<Trace>);

/// Returns the value to the leader.
fn unboxed<R: 'static>(output: Output) -> R {
    let unboxed = output.downcast::<Boxable<R>>();
    let (output, trace) = *unboxed.unwrap_or_else(|_| unreachable!("the leader's work has boxed it"));
    trace.into_iter().for_each(trace::note);
    output
}

/// The leader of a computation that it may share.
pub(super) enum Led<R> {
    InFlight(Leading, fn(Output) -> R),
    /// No other call may wait for it.
    Alone(Boxed<Output>, fn(Output) -> R),
}

impl<R> Future for Led<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        match &mut *self {
            Self::InFlight(leading, unboxed) => Pin::new(leading).poll(context).map(*unboxed),
            Self::Alone(work, unboxed) => work.as_mut().poll(context).map(*unboxed),
        }
    }
}

/// A computation that is polled, and dropped, in the surroundings of the call that began it. By hand, because a level of a
/// recursive function is to take little of the stack.
struct Working<R> {
    surroundings: Surroundings,
    duty: Option<Box<Duty<'static>>>,
    policy: Policy<R>,
    step: Step<R>,
}

enum Step<R> {
    Body(Boxed<Judged<R>>),
    Settle(Boxed<Output>),
    Done,
}

impl<R: Send + 'static> Step<R> {
    /// Stores the value, and ends the flight. Returns the end of the work, or goes on to wait for it.
    #[inline(never)]
    fn settle(
        &mut self,
        mut duty: Box<Duty<'static>>,
        policy: Policy<R>,
        Judged { output, verdict }: Judged<R>,
    ) -> Poll<Output> {
        // The body is dropped first.
        *self = Self::Done;
        let Some(rest) = duty.settle_here(&policy, &output, move |_| verdict) else {
            let settled: Boxable<R> = (output, None);
            return Poll::Ready(Box::new(settled));
        };
        *self = Self::Settle(settling(duty, policy, output, rest));
        Poll::Pending
    }
}

/// Apart, so that the frame of this large future is on the stack only where the backend is asked.
#[inline(never)]
fn settling<R: Send + 'static>(
    duty: Box<Duty<'static>>,
    policy: Policy<R>,
    output: R,
    rest: Unsettled,
) -> Boxed<Output> {
    Box::pin(async move {
        let settled: Boxable<R> = duty.settle_rest(AsyncIo, &policy, output, rest).await;
        Box::new(settled) as Output
    })
}

impl<R: Send + 'static> Future for Working<R> {
    type Output = Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Output> {
        let Self { surroundings, duty, policy, step } = &mut *self;
        let _within = surroundings.enter();
        if let (Step::Body(body), Some(running)) = (&mut *step, &*duty) {
            let Poll::Ready(judged) = running.run(|| body.as_mut().poll(context)) else {
                return Poll::Pending;
            };
            if let Some(duty) = duty.take()
                && let Poll::Ready(output) = step.settle(duty, *policy, judged)
            {
                return Poll::Ready(output);
            }
        }
        match step {
            Step::Settle(settling) => settling.as_mut().poll(context),
            _ => Poll::Pending,
        }
    }
}

impl<R> Drop for Working<R> {
    fn drop(&mut self) {
        let _within = self.surroundings.enter();
        let step = std::mem::replace(&mut self.step, Step::Done);
        match &self.duty {
            Some(duty) => duty.run(|| drop(step)),
            None => drop(step),
        }
    }
}
