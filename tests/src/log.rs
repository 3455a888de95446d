//! The log of one thread.
//!
//! One subscriber serves the whole test process. With a subscriber for each thread, `tracing` may decide for the process, on a
//! thread that has none, that an event is of no interest.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static MESSAGES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Returns the messages that cachekit logged on this thread during `work`.
///
/// # Panics
///
/// If the process has a subscriber of its own.
pub fn logged(work: impl FnOnce()) -> Vec<String> {
    static GLOBAL: Once = Once::new();
    GLOBAL.call_once(|| {
        tracing::subscriber::set_global_default(Log).expect("the tests have no other subscriber");
    });
    MESSAGES.set(Some(Vec::new()));
    work();
    MESSAGES.take().unwrap_or_default()
}

struct Log;

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "cachekit"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        MESSAGES.with_borrow_mut(|messages| {
            if let Some(messages) = messages {
                let mut message = Message(String::new());
                event.record(&mut message);
                messages.push(message.0);
            }
        });
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
