//! The failure of a handler, which a kept response may answer.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;

use http::{Response, StatusCode};

/// The way in which a handler failed.
pub(super) enum Failure<B, E> {
    /// With a status of 5xx.
    Response(Response<B>),
    /// With an error of the service.
    Error(E),
    Panic(Box<dyn Any + Send>),
}

impl<B, E> Failure<B, E> {
    /// The status of its response, if there is one.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Response(response) => Some(response.status()),
            Self::Error(_) | Self::Panic(_) => None,
        }
    }

    /// Returns the handler's result.
    ///
    /// # Errors
    /// The service's.
    ///
    /// # Panics
    /// If the handler did.
    pub(super) fn result(self) -> Result<Response<B>, E> {
        match self {
            Self::Response(response) => Ok(response),
            Self::Error(error) => Err(error),
            Self::Panic(panic) => resume_unwind(panic),
        }
    }
}

/// Runs a handler, and tells a failure from a result.
pub(super) async fn attempt<B, E>(
    handler: impl Future<Output = Result<Response<B>, E>>,
) -> Result<Response<B>, Failure<B, E>> {
    let mut handler = pin!(handler);
    // It is not polled again after a panic.
    let ended = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    match ended.await {
        Ok(Ok(response)) if response.status().is_server_error() => Err(Failure::Response(response)),
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(Failure::Error(error)),
        Err(panic) => Err(Failure::Panic(panic)),
    }
}
