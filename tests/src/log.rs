//! The log and the spans of one thread.
//!
//! One subscriber serves the whole test process. With a subscriber for each thread, `tracing` may decide for the process, on a
//! thread that has none, that an event is of no interest.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    static MESSAGES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    static SPANS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    static EVENTS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// How many spans of waits there were in this process, by function.
static WAITS: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// Returns the messages that cachekit logged on this thread during `work`.
///
/// # Panics
///
/// If the process has a subscriber of its own.
pub fn logged(work: impl FnOnce()) -> Vec<String> {
    subscribe();
    MESSAGES.set(Some(Vec::new()));
    work();
    MESSAGES.take().unwrap_or_default()
}

/// Returns the spans that cachekit opened on this thread during `work`, as `name function id`, and `follows id` for what one follows
/// from.
///
/// # Panics
///
/// If the process has a subscriber of its own.
pub fn spans(work: impl FnOnce()) -> Vec<String> {
    subscribe();
    SPANS.set(Some(Vec::new()));
    work();
    SPANS.take().unwrap_or_default()
}

/// Returns the events of operations that cachekit told of on this thread during `work`, below the level of messages, as `message
/// function`.
///
/// # Panics
///
/// If the process has a subscriber of its own.
pub fn events(work: impl FnOnce()) -> Vec<String> {
    subscribe();
    EVENTS.set(Some(Vec::new()));
    work();
    EVENTS.take().unwrap_or_default()
}

/// Returns how many calls of a function have begun to wait for another one's computation in this process, since there is a log.
pub fn waits(function: &str) -> u64 {
    WAITS.lock().get(function).copied().unwrap_or(0)
}

fn subscribe() {
    static GLOBAL: Once = Once::new();
    GLOBAL.call_once(|| {
        tracing::subscriber::set_global_default(Log).expect("the tests have no other subscriber");
    });
}

fn note_span(text: impl FnOnce() -> String) {
    SPANS.with_borrow_mut(|spans| {
        if let Some(spans) = spans {
            spans.push(text());
        }
    });
}

struct Log;

struct Message(String);

/// The function of a span.
struct Function(String);

impl Visit for Function {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if matches!(field.name(), "function" | "of") {
            format!("{value:?}").trim_matches('"').clone_into(&mut self.0);
        }
    }
}

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
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (id, name) = (NEXT.fetch_add(1, Ordering::Relaxed), attributes.metadata().name());
        let mut function = Function(String::new());
        attributes.record(&mut function);
        note_span(|| format!("{name} {} {id}", function.0));
        if name == "wait" {
            *WAITS.lock().entry(function.0).or_default() += 1;
        }
        Id::from_u64(id)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, follows: &Id) {
        note_span(|| format!("follows {}", follows.into_u64()));
    }
    fn event(&self, event: &Event<'_>) {
        if *event.metadata().level() >= Level::DEBUG {
            EVENTS.with_borrow_mut(|events| {
                let Some(events) = events else { return };
                let (mut message, mut function) = (Message(String::new()), Function(String::new()));
                event.record(&mut message);
                event.record(&mut function);
                events.push(format!("{} {}", message.0, function.0));
            });
            return;
        }
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
