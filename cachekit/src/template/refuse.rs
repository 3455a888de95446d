//! Errors at a line of a template.

use minijinja::{Environment, Error, ErrorKind, Value};

/// A mistake in a template: what, and at which offset.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) at: usize,
    pub(super) what: String,
}

impl Refusal {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }

    /// The same as an error of the engine.
    ///
    /// Only the engine can give its errors a name and a line. So it renders a template that fails there.
    pub(super) fn into_error(self, name: &str, source: &str) -> Error {
        let Self { at, what } = self;
        let before = source[..at].bytes().filter(|byte| *byte == b'\n').count();
        let refused = |what: String| Error::new(ErrorKind::SyntaxError, what);
        let mut env = Environment::empty();
        let said = what.clone();
        env.add_function("refuse", move || -> Result<Value, Error> { Err(refused(said.clone())) });
        let stand_in = "\n".repeat(before) + "{{ refuse() }}";
        env.render_named_str(name, &stand_in, ()).err().unwrap_or_else(|| refused(what))
    }
}
