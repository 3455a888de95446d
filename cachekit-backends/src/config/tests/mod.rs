//! Promises of the contract's section "Config". The texts of errors are pinned: they are what a user has to go by.

mod builder;
mod env;
mod file;
mod random;
mod readers;
mod validate;

use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::Config;
use crate::{ErrorKind, Result};

/// The message of a configuration error.
fn message(result: Result<Config>) -> String {
    let error = result.expect_err("a mistake was accepted");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    error.to_string()
}

/// Collects the events of one thread, each as `LEVEL target name=value… message=…`.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<String>>>);

impl Captured {
    fn during<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
        let captured = Self::default();
        let result = tracing::subscriber::with_default(captured.clone(), work);
        let lines = std::mem::take(&mut *captured.0.lock());
        (result, lines)
    }
}

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
        let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
        event.record(&mut line);
        self.0.lock().push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
