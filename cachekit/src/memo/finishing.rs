//! The rest of a call that missed, as a task.
//!
//! The futures are written by hand. What polls a body is on the stack while the body runs, once for each level of a recursive function,
//! and the poll of an `async` block has room for all that the block does.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Op;
use super::lookup::{Begun, bypassed, unless_stale};
use super::options::StaleIf;
use super::owned::{Led, Owned};
use crate::call::policy::Policy;
use crate::call::store::{Duty, Running, Unsettled, run_apart};
use crate::call::verdict::Verdict;
use crate::call::{Outcome, Round, trace};
use crate::engine::remote::AsyncIo;
use crate::surroundings::Surroundings;

/// How a call that computes ends.
pub(super) enum Computes {
    /// The cache is left alone.
    Bypass(Op),
    /// The value is stored.
    Duty(Box<Duty<'static>>),
}

impl Computes {
    fn run<B: Future>(&self, body: B) -> Running<B> {
        match self {
            Self::Bypass(_) => run_apart(body),
            Self::Duty(duty) => duty.run_async(body),
        }
    }
}

/// The state of a call before its body runs: it computes, or waits as `W` for another call's computation.
pub(super) enum Before<W> {
    Computes(Computes),
    Waits(W),
}

/// Returns the state of a call that has begun.
pub(super) fn before<R, F: StaleIf<R>>(
    begun: Begun,
    policy: &Policy<R>,
    stale_if: F,
) -> Before<impl Future<Output = Outcome<R, Box<Duty<'static>>>> + Unpin + use<R, F>> {
    match begun {
        Begun::Bypass(op) => Before::Computes(Computes::Bypass(op)),
        Begun::Lead(duty) => Before::Computes(Computes::Duty(duty)),
        Begun::Round(round) => Before::Waits(wait(round, policy, stale_if)),
    }
}

/// Waits for another call's computation, or takes this call's own on.
#[inline(never)]
fn wait<R, F: StaleIf<R>>(
    round: Box<Round<'static>>,
    policy: &Policy<R>,
    stale_if: F,
) -> Apart<impl Future<Output = Outcome<R, Box<Duty<'static>>>> + use<R, F>> {
    let policy = *policy;
    Apart(Box::pin(async move { round.run(AsyncIo, &policy, unless_stale(stale_if)).await.boxed() }))
}

/// Ends a computation. It gets the value whole, which need not be `Sync`. Returns it, or what is to be waited for.
#[inline(never)]
pub(super) fn settle<R, V: Into<Verdict>>(
    computes: Computes,
    policy: &Policy<R>,
    output: R,
    judge: impl FnOnce(&R) -> V,
) -> Result<R, Apart<impl Future<Output = R>>> {
    let mut duty = match computes {
        Computes::Bypass(op) => return Ok(bypassed(op, output)),
        Computes::Duty(duty) => duty,
    };
    match duty.settle_here(policy, &output, judge) {
        None => Ok(output),
        Some(rest) => Err(settling(duty, policy, output, rest)),
    }
}

#[inline(never)]
fn settling<R>(
    duty: Box<Duty<'static>>,
    policy: &Policy<R>,
    output: R,
    rest: Unsettled,
) -> Apart<impl Future<Output = R>> {
    Apart(Box::pin(async move {
        let (output, trace) = duty.settle_rest(AsyncIo, policy, output, rest).await;
        trace.into_iter().for_each(trace::note);
        output
    }))
}

/// A future on the heap whose poll has a frame of its own: what comes before and after a body takes nothing of the stack
/// while the body runs.
pub(super) struct Apart<F>(Pin<Box<F>>);

impl<F: Future> Future for Apart<F> {
    type Output = F::Output;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().poll(context)
    }
}

pin_project! {
    /// The rest of a call whose body `B` is its own. It waits as `W`; `end` makes the value of the body's, or `S`, which makes it.
    pub(super) struct Finishing<W, B, E, S> {
        #[pin]
        step: Step<W, B, S>,
        end: Option<E>,
    }
}

pin_project! {
    #[project = At]
    enum Step<W, B, S> {
        Waiting { wait: W, body: Option<B> },
        // The body is dropped first.
        Running { #[pin] body: Running<B>, computes: Option<Computes> },
        Settling { rest: S },
        Done,
    }
}

impl<W, B: Future, S> Step<W, B, S> {
    fn run(computes: Computes, body: B) -> Self {
        Self::Running { body: computes.run(body), computes: Some(computes) }
    }
}

impl<W, B, E, S, R> Finishing<W, B, E, S>
where
    W: Future<Output = Outcome<R, Box<Duty<'static>>>> + Unpin,
    B: Future,
    E: FnOnce(Computes, B::Output) -> Result<R, S>,
    S: Future<Output = R> + Unpin,
{
    pub(super) fn new(before: Before<W>, body: B, end: E) -> Self {
        let step = match before {
            Before::Computes(computes) => Step::run(computes, body),
            Before::Waits(wait) => Step::Waiting { wait, body: Some(body) },
        };
        Self { step, end: Some(end) }
    }

    /// Goes on with the body; with all else in frames of their own.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a level of a recursive function takes less of the stack")]
    fn go_on(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        if !matches!(self.step, Step::Running { .. })
            && let Some(output) = ready!(self.as_mut().go_on_aside(context))
        {
            return Poll::Ready(output);
        }
        let At::Running { body, .. } = self.as_mut().project().step.project() else { return Poll::Pending };
        let output = ready!(body.poll(context));
        self.end(output, context)
    }

    /// Goes on before or after the body. Returns the value of the call, or none if the body is next.
    #[inline(never)]
    fn go_on_aside(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<R>> {
        let mut step = self.project().step;
        let next = match step.as_mut().project() {
            At::Waiting { wait, body } => match ready!(Pin::new(wait).poll(context)) {
                Outcome::Value(output) => return Poll::Ready(Some(output)),
                Outcome::Compute(duty) => body.take().map(|body| Step::run(Computes::Duty(duty), body)),
            },
            At::Running { .. } => return Poll::Ready(None),
            At::Settling { rest } => return Pin::new(rest).poll(context).map(Some),
            At::Done => None,
        };
        step.set(next.unwrap_or_else(|| unreachable!("it is not polled after its end")));
        Poll::Ready(None)
    }

    /// Ends the computation with the value of the body, which is dropped first.
    #[inline(never)]
    fn end(self: Pin<&mut Self>, output: B::Output, context: &mut Context<'_>) -> Poll<R> {
        let mut this = self.project();
        let computes = match this.step.as_mut().project() {
            At::Running { computes, .. } => computes.take(),
            _ => None,
        };
        this.step.set(Step::Done);
        let (Some(computes), Some(end)) = (computes, this.end.take()) else {
            unreachable!("a body ends once")
        };
        match end(computes, output) {
            Ok(output) => Poll::Ready(output),
            Err(mut rest) => {
                let polled = Pin::new(&mut rest).poll(context);
                if polled.is_pending() {
                    this.step.set(Step::Settling { rest });
                }
                polled
            }
        }
    }
}

impl<W, B, E, S, R> Future for Finishing<W, B, E, S>
where
    W: Future<Output = Outcome<R, Box<Duty<'static>>>> + Unpin,
    B: Future,
    E: FnOnce(Computes, B::Output) -> Result<R, S>,
    S: Future<Output = R> + Unpin,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        /// Gives the computation up after a panic, and not only once the future is dropped.
        struct Unwinding<'a, W, B, E, S>(Pin<&'a mut Finishing<W, B, E, S>>);

        impl<W, B, E, S> Drop for Unwinding<'_, W, B, E, S> {
            #[cold]
            fn drop(&mut self) {
                self.0.as_mut().project().step.set(Step::Done);
            }
        }

        let mut unwinding = Unwinding(self.as_mut());
        let polled = unwinding.0.as_mut().go_on(context);
        mem::forget(unwinding);
        polled
    }
}

/// The rest of a call whose body owns all it needs.
pub(super) enum Owning<W, R> {
    Waiting(W, Option<(Owned<R>, Policy<R>)>),
    Leading(Led<R>),
}

impl<W, R> Owning<W, R> {
    pub(super) fn new(before: Before<W>, owned: Owned<R>, policy: Policy<R>) -> Self {
        match before {
            Before::Computes(computes) => {
                Self::Leading(owned.lead(computes, policy, Surroundings::current()))
            }
            Before::Waits(wait) => Self::Waiting(wait, Some((owned, policy))),
        }
    }
}

impl<W, R> Owning<W, R>
where
    W: Future<Output = Outcome<R, Box<Duty<'static>>>> + Unpin,
{
    /// Waits. Returns the value of another call, or none if this call computes.
    #[inline(never)]
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<R>> {
        let Self::Waiting(wait, owned) = self else { return Poll::Ready(None) };
        let duty = match ready!(Pin::new(wait).poll(context)) {
            Outcome::Value(output) => return Poll::Ready(Some(output)),
            Outcome::Compute(duty) => duty,
        };
        let Some((owned, policy)) = owned.take() else { unreachable!("a wait ends once") };
        *self = Self::Leading(owned.lead(Computes::Duty(duty), policy, Surroundings::current()));
        Poll::Ready(None)
    }
}

impl<W, R> Future for Owning<W, R>
where
    W: Future<Output = Outcome<R, Box<Duty<'static>>>> + Unpin,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        if matches!(*self, Self::Waiting(..))
            && let Some(output) = ready!(self.wait(context))
        {
            return Poll::Ready(output);
        }
        let Self::Leading(led) = &mut *self else { return Poll::Pending };
        Pin::new(led).poll(context)
    }
}
