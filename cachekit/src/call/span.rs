//! Spans of `tracing`: one for each computation, and one for each wait for another call's, which follows from it. They cost a look
//! at a flag where no subscriber wants them.

use std::collections::HashMap;
use std::future::Future;

use parking_lot::Mutex;
use tracing::instrument::{Instrument as _, Instrumented};
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

    /// Enters the span while a future is polled.
    pub(super) fn around<F: Future>(&self, body: F) -> Instrumented<F> {
        body.instrument(self.span.clone())
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

/// The span of a wait for the computation of a key. It follows from none if the other call has not begun its body yet.
pub(super) fn wait(call: &Call<'_>, key: &Key) -> Span {
    let span = debug_span!(target: "cachekit", "wait", function = call.engine.name_of(call.function));
    if !span.is_disabled() {
        let leader = UNDER_WAY.lock().as_ref().and_then(|known| known.get(&subject(call, key)).cloned());
        if let Some(leader) = leader {
            span.follows_from(leader);
        }
    }
    span
}
