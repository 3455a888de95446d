use std::borrow::Cow;
use std::io;

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(in crate::memcached) enum Fault {
    /// No connection could be made.
    Connect(io::Error),
    /// No connection was free in time.
    Busy,
    /// The server hung up.
    Hangup,
    Io(io::Error),
    Timeout,
    /// The bytes are none that the protocol allows here.
    Protocol(Cow<'static, str>),
    /// The server wants a login.
    LoginNeeded,
    /// The server did not take the login; why.
    LoginRefused(Cow<'static, str>),
    /// The server reports an error of its own.
    Server(String),
}

impl Fault {
    pub(super) fn protocol<T>(what: impl Into<Cow<'static, str>>) -> Result<T, Self> {
        Err(Self::Protocol(what.into()))
    }

    /// Whether a server that was restarted looks like this to who kept a connection.
    pub(in crate::memcached) fn is_hangup(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        match self {
            Self::Hangup => true,
            Self::Io(error) => matches!(
                error.kind(),
                BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
            ),
            _ => false,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Timeout } else { Self::Io(error) }
    }
}
