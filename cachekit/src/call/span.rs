//! Spans of `tracing`: one for each computation, and one for each wait for another call's, which follows from it. They cost a look
//! at a flag where no subscriber wants them.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tracing::level_filters::LevelFilter;
use tracing::span::{Entered, Id};
use tracing::{Level, Span, debug_span};

use super::inputs::Call;
use crate::engine::flight::Key;

/// A computation: the address of its cache's engine, which is no other one's while the computation is under way, the function and the
/// digest of the key.
type Subject = (usize, u32, u64);

/// The spans of computations under way. Only what subscribers ask for is in it.
static UNDER_WAY: Mutex<Option<HashMap<Subject, Id>>> = Mutex::new(None);

fn subject(call: &Call<'_>, key: &Key) -> Subject {
    (std::ptr::from_ref(&*call.engine).addr(), key.function, key.digest)
}

/// Whether a subscriber may want spans.
#[inline]
pub(super) fn is_wanted() -> bool {
    LevelFilter::current() >= Level::DEBUG
}

/// The span of a computation.
pub(super) struct Computation {
    span: Span,
    /// None for one that no call waits for.
    subject: Option<Subject>,
}

impl Computation {
    pub(super) fn new(call: &Call<'_>, key: Option<&Key>) -> Self {
        let span =
            debug_span!(target: "cachekit", "computation", function = call.engine.name_of(call.function));
        let computation = Self { span, subject: key.map(|key| subject(call, key)) };
        if let (Some(subject), Some(id)) = (computation.subject, computation.span.id()) {
            UNDER_WAY.lock().get_or_insert_default().insert(subject, id);
        }
        computation
    }

    /// Enters the span, on this thread.
    pub(super) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    /// Enters the span while a future is polled, and while it is dropped.
    pub(super) fn around<F: Future>(&self, body: F) -> InSpan<F> {
        InSpan { span: self.span.clone(), future: Some(body) }
    }
}

impl Drop for Computation {
    fn drop(&mut self) {
        let (Some(subject), Some(id)) = (self.subject, self.span.id()) else { return };
        let mut under_way = UNDER_WAY.lock();
        // Another one of the same key may have begun since.
        if let Some(known) = under_way.as_mut()
            && known.get(&subject) == Some(&id)
        {
            known.remove(&subject);
        }
    }
}

pin_project! {
    /// A future whose span is entered whenever it is polled, and while it is dropped: [`tracing::instrument::Instrumented`], whose poll
    /// has no place of its own on the stack.
    pub(crate) struct InSpan<F> {
        span: Span,
        // None while it is dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for InSpan<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _span = this.span.enter();
            this.future.set(None);
        }
    }
}

impl<F> InSpan<F> {
    /// Returns a future without a span.
    pub(super) fn none(future: F) -> Self {
        Self { span: Span::none(), future: Some(future) }
    }
}

impl<F: Future> Future for InSpan<F> {
    type Output = F::Output;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a level of a recursive function takes less of the stack")]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _span = this.span.enter();
        let Some(future) = this.future.as_pin_mut() else {
            unreachable!("a future that is dropped is not polled")
        };
        future.poll(context)
    }
}

/// The span of a wait for the computation of a key. It follows from none if the other call has not begun its body yet.
pub(super) fn wait(call: &Call<'_>, key: &Key) -> Span {
    // First, because the computation may be over once a subscriber was told of the wait.
    let leader = is_wanted()
        .then(|| UNDER_WAY.lock().as_ref().and_then(|known| known.get(&subject(call, key)).cloned()))
        .flatten();
    let span = debug_span!(target: "cachekit", "wait", function = call.engine.name_of(call.function));
    if let Some(leader) = leader {
        span.follows_from(leader);
    }
    span
}
