use std::borrow::Cow;
use std::fmt;

/// A result whose error is cachekit's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a class that a program can act on.
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

/// The one error type of cachekit: what happened, where, and what to do about it.
///
/// It never shows a secret: backends put addresses without passwords into their messages.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind, with a message that names what happened, where, and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
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

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut s = f.debug_struct("Error");
        s.field("kind", &self.0.kind).field("message", &self.0.message);
        if let Some(source) = &self.0.source {
            s.field("source", source);
        }
        s.finish()
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
