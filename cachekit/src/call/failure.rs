//! The first error that an operation of the library survives, for `prime!`, which returns it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use cachekit_backends::{Error, Result};

#[derive(Default)]
enum Watched {
    #[default]
    Nothing,
    /// With the first error.
    Errors(Option<Error>),
}

thread_local!(static WATCHED: RefCell<Watched> = const { RefCell::new(Watched::Nothing) });

/// Notes an error, if errors are watched for and none was noted.
pub(super) fn note(error: &Error) {
    let _ = WATCHED.try_with(|watched| {
        if let Watched::Errors(first @ None) = &mut *watched.borrow_mut() {
            *first = Some(copy(error));
        }
    });
}

/// Returns an error of the same kind and text; errors can't be cloned, because of their causes.
fn copy(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.to_string());
    if let Some(operation) = error.operation() {
        copy = copy.with_operation(operation);
    }
    match error.backend() {
        Some(backend) => copy.with_backend(backend.to_owned()),
        None => copy,
    }
}

/// Puts the former state back at the end, of a panic too.
struct Watch(Watched);

impl Watch {
    /// Watches for errors after this first one.
    fn set(first: Option<Error>) -> Self {
        Self(WATCHED.try_with(|watched| watched.replace(Watched::Errors(first))).unwrap_or_default())
    }

    fn end(mut self) -> Option<Error> {
        let former = std::mem::take(&mut self.0);
        match WATCHED.try_with(|watched| watched.replace(former)).unwrap_or_default() {
            Watched::Errors(first) => {
                // Nothing is left to put back.
                std::mem::forget(self);
                first
            }
            Watched::Nothing => None,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let former = std::mem::take(&mut self.0);
        let _ = WATCHED.try_with(|watched| watched.replace(former));
    }
}

/// Runs some code. Returns the first error that it survives.
pub(crate) fn first_of<R>(run: impl FnOnce() -> R) -> Result<()> {
    let watch = Watch::set(None);
    run();
    watch.end().map_or(Ok(()), Err)
}

/// As [`first_of`], of a future.
pub(crate) fn first_of_async<F: Future>(future: Pin<Box<F>>) -> impl Future<Output = Result<()>> + use<F> {
    FirstOf { future, seen: None }
}

struct FirstOf<F> {
    future: Pin<Box<F>>,
    seen: Option<Error>,
}

impl<F: Future> Future for FirstOf<F> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let watch = Watch::set(self.seen.take());
        let polled = self.future.as_mut().poll(context);
        self.seen = watch.end();
        match polled {
            Poll::Ready(_) => Poll::Ready(self.seen.take().map_or(Ok(()), Err)),
            Poll::Pending => Poll::Pending,
        }
    }
}
