use std::borrow::Cow;
use std::fmt;

/// A result whose error is cachekit's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of an error, which a program can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is unknown, malformed, missing or contradicts another one.
    Config,
    /// `init` came after the cache was bound, by an earlier `init` or by its first use.
    AlreadyInitialized,
    /// The backend can't be reached.
    Unavailable,
    /// The backend did not answer within the operation timeout.
    Timeout,
    /// The circuit breaker is open: the backend failed repeatedly and isn't asked until a probe succeeds.
    CircuitOpen,
    /// User name or password were refused.
    Auth,
    /// The backend answered something that its protocol doesn't allow.
    Protocol,
    /// The backend refused the value because of its size, or it has no room.
    Full,
    /// A value could not be encoded or decoded.
    Codec,
    /// The stored value has another type than the operation needs.
    Type,
    /// The backend can't do what was asked.
    Unsupported,
    /// No memoized function is registered under that name.
    UnknownFunction,
    /// An input or output error of the operating system.
    Io,
    /// Anything else that a custom backend reports.
    Other,
}

/// The one error type of cachekit. Its text says what happened, where, and what to do about it.
///
/// It never shows a secret: backends put addresses without passwords into their messages.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    operation: Option<&'static str>,
    backend: Option<Cow<'static, str>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind, with a message that names what happened, where, and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), operation: None, backend: None, source: None }))
    }

    /// Adds the operation that failed, such as `get`, unless one is known already: the innermost counts.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Replaces the operation that failed: the error is that of one of its steps.
    #[must_use]
    pub fn in_operation(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Adds the backend that failed, by its word of `CACHE_TYPE`, unless one is known already: the innermost counts.
    #[must_use]
    pub fn with_backend(mut self, backend: impl Into<Cow<'static, str>>) -> Self {
        self.0.backend.get_or_insert_with(|| backend.into());
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, if it is known: a method of [`Backend`](crate::Backend), `incr` of the cache object, or `open`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The backend that failed, if it is known: its word of `CACHE_TYPE`, or the type of one that was handed over as a value.
    pub fn backend(&self) -> Option<&str> {
        self.0.backend.as_deref()
    }

    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::CircuitOpen
                | ErrorKind::Full
                | ErrorKind::Io
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// The text of `Display`, and a line for each cause that it doesn't contain: this is how a `main` that returns the error
/// prints it. With `{:#?}` the parts.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return self.write_with_causes(f);
        }
        let Inner { kind, message, operation, backend, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("message", message)
            .field("operation", operation)
            .field("backend", backend)
            .field("source", source)
            .finish()
    }
}

impl Error {
    fn write_with_causes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.to_string();
        f.write_str(&shown)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            if !shown.contains(&text) {
                write!(f, "\n  caused by: {text}")?;
                shown = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        let kind = match e.kind() {
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => ErrorKind::Timeout,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            std::io::ErrorKind::ConnectionRefused
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::NotConnected
            | std::io::ErrorKind::BrokenPipe => ErrorKind::Unavailable,
            _ => ErrorKind::Io,
        };
        Self::new(kind, e.to_string()).with_source(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_the_text_with_its_causes() {
        let io = || std::io::Error::other("no such device");
        let error = Error::new(ErrorKind::Io, "can't write `/d`").with_source(Error::from(io()));
        assert_eq!(format!("{error:?}"), "can't write `/d`\n  caused by: no such device");
        assert_eq!(format!("{:?}", Error::from(io())), "no such device", "no cause is shown twice");
        let lines = Error::new(ErrorKind::Config, "2 mistakes:\n- `a`\n- `b`");
        assert_eq!(format!("{lines:?}"), "2 mistakes:\n- `a`\n- `b`");
        assert!(format!("{error:#?}").contains("kind: Io"));
    }

    #[test]
    fn the_innermost_context_counts() {
        let error = Error::new(ErrorKind::Timeout, "slow").with_operation("get").with_backend("redis");
        let error = error.with_operation("fetch").with_backend("layer");
        assert_eq!((error.operation(), error.backend()), (Some("get"), Some("redis")));
        let bare = Error::new(ErrorKind::Timeout, "slow");
        assert_eq!((bare.operation(), bare.backend()), (None, None));
    }
}
