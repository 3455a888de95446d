//! The log of one thread, for tests.
//!
//! One subscriber serves the whole test process. With a subscriber for each thread, `tracing` may decide for the process, on a
//! thread that has none, that an event is of no interest.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Returns the result of `work`, and the events that this thread logged during it, each as
/// `LEVEL target name=value… message=…`.
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    static GLOBAL: Once = Once::new();
    GLOBAL.call_once(|| {
        tracing::subscriber::set_global_default(Captured).expect("the tests have no other subscriber");
    });
    LINES.set(Some(Vec::new()));
    let result = work();
    (result, LINES.take().unwrap_or_default())
}

struct Captured;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Captured {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
                event.record(&mut line);
                lines.push(line.0);
            }
        });
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
