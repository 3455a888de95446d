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
use std::mem;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Op;
use super::finishing::Computes;
use super::lookup::bypassed;
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
    Owned(Box::pin(Judging { body, judge }))
}

/// A body that owns all it needs.
///
/// Its functions for its value are methods of the trait object and not bounds, so that the future of a call that has none doesn't need
/// the bounds.
pub struct Owned<R>(Body<R>);

type Body<R> = Pin<Box<dyn Computing<R>>>;

impl<R> Owned<R> {
    /// The policy of a call that may go on with another one's body.
    pub(super) fn policy(&self, policy: &Policy<R>) -> Policy<R> {
        Policy { unbox: self.0.unbox(), ..*policy }
    }

    /// Computes and stores, and shares that work with the calls that wait.
    pub(super) fn lead(self, computes: Computes, policy: Policy<R>, surroundings: Surroundings) -> Led<R> {
        match computes {
            Computes::Bypass(op) => Led::Bypass(op, self),
            Computes::Duty(duty) => self.0.lead(duty, policy, surroundings),
        }
    }
}

/// A body whose value is judged.
trait Computing<R>: Send {
    /// Goes on. Ready once the value is in the place for it, which is not on the stack: that has each level of a recursive function.
    fn poll_into(self: Pin<&mut Self>, context: &mut Context<'_>, place: &mut Option<Judged<R>>) -> Poll<()>;

    /// Returns the function that takes a value out of the output of its flight.
    fn unbox(&self) -> fn(Output) -> Option<R>;

    fn lead(
        self: Pin<Box<Self>>,
        duty: Box<Duty<'static>>,
        policy: Policy<R>,
        surroundings: Surroundings,
    ) -> Led<R>;
}

pin_project! {
    struct Judging<B, J, R> {
        #[pin]
        body: B,
        judge: fn(J) -> Judged<R>,
    }
}

impl<B, J, R> Computing<R> for Judging<B, J, R>
where
    B: Future<Output = J> + Send + 'static,
    J: Send + 'static,
    R: Send + 'static,
{
    fn poll_into(self: Pin<&mut Self>, context: &mut Context<'_>, place: &mut Option<Judged<R>>) -> Poll<()> {
        #[inline(never)]
        fn put<J, R>(value: J, judge: fn(J) -> Judged<R>, place: &mut Option<Judged<R>>) {
            *place = Some(judge(value));
        }

        let this = self.project();
        let value = ready!(this.body.poll(context));
        put(value, *this.judge, place);
        Poll::Ready(())
    }

    fn unbox(&self) -> fn(Output) -> Option<R> {
        |output| output.downcast::<Boxable<R>>().ok().map(|output| output.0)
    }

    fn lead(
        self: Pin<Box<Self>>,
        duty: Box<Duty<'static>>,
        policy: Policy<R>,
        surroundings: Surroundings,
    ) -> Led<R> {
        lead(self, duty, policy, surroundings)
    }
}

#[inline(never)]
fn lead<R: Send + 'static>(
    body: Body<R>,
    duty: Box<Duty<'static>>,
    policy: Policy<R>,
    surroundings: Surroundings,
) -> Led<R> {
    let berth = duty.berth();
    let computation = Computation { duty: Some(duty), policy, judged: None, step: Step::Body(body) };
    let work = Working { surroundings, computation };
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

/// The computation of a call, which it may share.
pub(super) enum Led<R> {
    /// The cache is left alone.
    Bypass(Op, Owned<R>),
    InFlight(Leading, fn(Output) -> R),
    /// No other call may wait for it.
    Alone(Boxed<Output>, fn(Output) -> R),
}

impl<R> Future for Led<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        match &mut *self {
            Self::Bypass(op, owned) => bypass(*op, owned, context),
            Self::InFlight(leading, unboxed) => Pin::new(leading).poll(context).map(*unboxed),
            Self::Alone(work, unboxed) => work.as_mut().poll(context).map(*unboxed),
        }
    }
}

/// Goes on with a body that leaves the cache alone.
#[inline(never)]
fn bypass<R>(op: Op, owned: &mut Owned<R>, context: &mut Context<'_>) -> Poll<R> {
    let mut judged = None;
    ready!(owned.0.as_mut().poll_into(context, &mut judged));
    let Some(Judged { output, .. }) = judged else { unreachable!("a body that is ready has a value") };
    Poll::Ready(bypassed(op, output))
}

/// A computation that is polled, and dropped, in the surroundings of the call that began it.
struct Working<R> {
    surroundings: Surroundings,
    computation: Computation<R>,
}

/// No value of it is pinned.
impl<R> Unpin for Working<R> {}

struct Computation<R> {
    duty: Option<Box<Duty<'static>>>,
    policy: Policy<R>,
    /// The value of the body, until it is settled.
    judged: Option<Judged<R>>,
    step: Step<R>,
}

enum Step<R> {
    Body(Body<R>),
    Settle(Boxed<Output>),
    Done,
}

impl<R: Send + 'static> Computation<R> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a level of a recursive function takes less of the stack")]
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Output> {
        let (Step::Body(body), Some(duty)) = (&mut self.step, &self.duty) else {
            return self.go_on_settling(context);
        };
        let judged = &mut self.judged;
        ready!(duty.run(|| body.as_mut().poll_into(context, judged)));
        self.settle(context)
    }

    /// Stores the value, and ends the flight. Returns the end of the work, or goes on to wait for it.
    #[inline(never)]
    fn settle(&mut self, context: &mut Context<'_>) -> Poll<Output> {
        // The body is dropped first.
        self.step = Step::Done;
        let (Some(mut duty), Some(Judged { output, verdict })) = (self.duty.take(), self.judged.take())
        else {
            unreachable!("a body ends once");
        };
        let Some(rest) = duty.settle_here(&self.policy, &output, move |_| verdict) else {
            let settled: Boxable<R> = (output, None);
            return Poll::Ready(Box::new(settled));
        };
        self.step = Step::Settle(settling(duty, self.policy, output, rest));
        self.go_on_settling(context)
    }

    #[inline(never)]
    fn go_on_settling(&mut self, context: &mut Context<'_>) -> Poll<Output> {
        match &mut self.step {
            Step::Settle(settling) => settling.as_mut().poll(context),
            Step::Body(_) | Step::Done => Poll::Pending,
        }
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
        let Self { surroundings, computation } = &mut *self;
        let _within = surroundings.enter();
        computation.poll(context)
    }
}

impl<R> Drop for Working<R> {
    fn drop(&mut self) {
        let Self { surroundings, computation: Computation { duty, judged, step, .. } } = self;
        let _within = surroundings.enter();
        let parts = (mem::replace(step, Step::Done), judged.take());
        match duty {
            Some(duty) => duty.run(|| drop(parts)),
            None => drop(parts),
        }
    }
}
