//! The surroundings of a computation that another call may go on with: the request that it is for, the response that it
//! is recorded for, the `tracing` span, and a test's default cache. Task-locals of other crates are not among them.

#[cfg(feature = "tower")]
use std::future::Future;
#[cfg(feature = "tower")]
use std::pin::Pin;
#[cfg(any(feature = "tower", feature = "minijinja"))]
use std::sync::Arc;
#[cfg(feature = "tower")]
use std::task::{Context, Poll};

#[cfg(any(feature = "tower", feature = "minijinja"))]
use crate::call::dependencies::{self, DependencyRecorder};
#[cfg(feature = "tower")]
use crate::call::request::{self, Request};

/// The surroundings of one call.
pub(crate) struct Surroundings {
    #[cfg(feature = "tower")]
    request: Option<Arc<Request>>,
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    recorder: Option<Arc<DependencyRecorder>>,
    #[cfg(feature = "testing")]
    cache: Option<&'static crate::Cache>,
    span: tracing::Span,
}

impl Surroundings {
    /// Those of the running code.
    pub(crate) fn current() -> Self {
        Self {
            #[cfg(feature = "tower")]
            request: request::current(),
            #[cfg(any(feature = "tower", feature = "minijinja"))]
            recorder: dependencies::current(),
            #[cfg(feature = "testing")]
            cache: crate::testing::current(),
            span: tracing::Span::current(),
        }
    }

    /// Those of the running code, without its request: the computation that they are for is for no request.
    pub(crate) fn of_background() -> Self {
        Self {
            #[cfg(feature = "tower")]
            request: None,
            #[cfg(feature = "tower")]
            recorder: None,
            ..Self::current()
        }
    }

    /// Those of the running code, without the response that is being made: the computation that they are for is a response of its
    /// own.
    #[cfg(feature = "tower")]
    pub(crate) fn of_request() -> Self {
        Self { recorder: None, ..Self::current() }
    }

    /// Polls a future in them.
    #[cfg(feature = "tower")]
    pub(crate) fn around<F: Future>(self, future: F) -> Around<F> {
        Around { surroundings: self, future: Box::pin(future) }
    }

    /// Makes them those of this thread until the guard is dropped. Of its own, because the guard is on the stack while a body
    /// runs.
    #[inline(never)]
    pub(crate) fn enter(&self) -> Entered<'_> {
        // The leader is in its span already.
        let same = self.span.id() == tracing::Span::current().id();
        Entered {
            #[cfg(feature = "tower")]
            _request: request::enter_state(self.request.clone()),
            #[cfg(any(feature = "tower", feature = "minijinja"))]
            _recorder: dependencies::enter_state(self.recorder.clone()),
            #[cfg(feature = "testing")]
            _cache: crate::testing::enter_state(self.cache),
            _span: (!same).then(|| self.span.enter()),
        }
    }
}

/// While it lives, a thread runs in the surroundings of a call.
pub(crate) struct Entered<'a> {
    #[cfg(feature = "tower")]
    _request: request::Entered,
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    _recorder: dependencies::Entered,
    #[cfg(feature = "testing")]
    _cache: crate::testing::Entered,
    _span: Option<tracing::span::Entered<'a>>,
}

/// A future that is polled in the surroundings of a call.
#[cfg(feature = "tower")]
pub(crate) struct Around<F> {
    surroundings: Surroundings,
    future: Pin<Box<F>>,
}

#[cfg(feature = "tower")]
impl<F: Future> Future for Around<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _within = this.surroundings.enter();
        this.future.as_mut().poll(context)
    }
}
