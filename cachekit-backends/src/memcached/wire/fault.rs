use std::borrow::Cow;
use std::io;

/// Why a connection can't be used any more.
#[derive(Debug)]
pub(in crate::memcached) enum Fault {
    /// No connection could be made.
    Connect(io::Error),
    /// No connection was free in time.
    Busy,
    /// The server closed the connection.
    Hangup,
    Io(io::Error),
    Timeout,
    /// The protocol doesn't allow these bytes here.
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

    /// Returns the same fault for another caller of the connection.
    pub(in crate::memcached) fn again(&self) -> Self {
        let same = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::Connect(error) => Self::Connect(same(error)),
            Self::Busy => Self::Busy,
            Self::Hangup => Self::Hangup,
            Self::Io(error) => Self::Io(same(error)),
            Self::Timeout => Self::Timeout,
            Self::Protocol(what) => Self::Protocol(what.clone()),
            Self::LoginNeeded => Self::LoginNeeded,
            Self::LoginRefused(why) => Self::LoginRefused(why.clone()),
            Self::Server(text) => Self::Server(text.clone()),
        }
    }

    /// Returns whether a kept connection fails like this after a restart of the server.
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
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::UnexpectedEof => Self::Hangup,
            _ => Self::Io(error),
        }
    }
}

/// There is no runtime to connect on.
impl From<crate::Error> for Fault {
    fn from(error: crate::Error) -> Self {
        Self::Connect(io::Error::other(error))
    }
}

/// Text of a server, fit to be shown: short, and without control characters.
pub(super) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(200)]);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
