//! How a command ends.

use std::io;

use cachekit_backends::Error;

/// The result of a command.
pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such thing.
    Nothing(String),
    /// The input is wrong, or the backend failed.
    Failed(String),
    /// The output is closed.
    Closed,
}

impl Failure {
    pub(super) fn wrong(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    pub(super) fn nothing(message: impl Into<String>) -> Self {
        Self::Nothing(message.into())
    }

    /// The exit code, and the text for the standard error.
    pub(super) fn end(self) -> (u8, Option<String>) {
        match self {
            Self::Nothing(message) => (1, Some(message)),
            Self::Failed(message) => (2, Some(message)),
            Self::Closed => (0, None),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let of = match (error.operation(), error.backend()) {
            (Some(operation), Some(backend)) => format!("`{operation}` on `{backend}` failed: "),
            _ => String::new(),
        };
        Self::Failed(format!("{of}{error}"))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(format!("the output can't be written: {error}")),
        }
    }
}
