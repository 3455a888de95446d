//! A connection of tasks: TCP or a Unix socket, plain or TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::Address;
use super::connect::{server_name, tcp, within};
#[cfg(unix)]
use super::quiet::{Arrived, is_quiet, session_is_quiet};
use super::stream::Stream;

/// A connection that waits as a task of the [runtime](super::runtime::runtime).
#[derive(Debug)]
pub(crate) enum TaskStream {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! each {
    ($self:expr, $stream:ident => $body:expr) => {
        match $self {
            TaskStream::Tcp($stream) => $body,
            #[cfg(unix)]
            TaskStream::Unix($stream) => $body,
            TaskStream::Tls($stream) => $body,
        }
    };
}

impl TaskStream {
    /// Connects and shakes hands before the deadline.
    pub(crate) async fn connect(
        address: &Address,
        tls: Option<&Arc<ClientConfig>>,
        deadline: Instant,
    ) -> io::Result<Self> {
        match address {
            Address::Tcp { host, port } => {
                let socket = tcp(host, *port, deadline).await?;
                let Some(config) = tls else { return Ok(Self::Tcp(socket)) };
                let handshake = TlsConnector::from(Arc::clone(config)).connect(server_name(host)?, socket);
                Ok(Self::Tls(Box::new(within(deadline, handshake).await?)))
            }
            #[cfg(unix)]
            Address::Unix(path) => Ok(Self::Unix(within(deadline, UnixStream::connect(path)).await?)),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl AsyncRead for TaskStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, room))
    }
}

impl AsyncWrite for TaskStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}

impl Stream for TaskStream {
    async fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        AsyncReadExt::read(self, room).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        // TLS keeps records until then.
        if self.has_records() { self.flush().await } else { Ok(()) }
    }

    fn has_records(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Leaves the waker of a read in its place.
    #[cfg(unix)]
    fn is_quiet(&mut self) -> bool {
        match self {
            Self::Tcp(socket) => is_quiet(socket),
            Self::Unix(socket) => is_quiet(socket),
            Self::Tls(tls) => tls_is_quiet(tls),
        }
    }

    #[cfg(not(unix))]
    fn is_quiet(&mut self) -> bool {
        match self {
            Self::Tcp(socket) => {
                let looked = socket.try_read(&mut [0]);
                looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
            Self::Tls(tls) => tls_is_quiet(tls),
        }
    }

    /// Futures of tasks are ended at their deadline by what polls them.
    fn limit(&mut self, _deadline: Instant) {}
}

/// Returns whether a session is open, and nothing but records without text has arrived.
#[cfg(unix)]
pub(super) fn tls_is_quiet(tls: &mut TlsStream<TcpStream>) -> bool {
    let (socket, session) = tls.get_mut();
    session_is_quiet(session, &mut Arrived(&*socket))
}

/// The runtime has no look at it that leaves its records in place.
#[cfg(not(unix))]
pub(super) fn tls_is_quiet(_tls: &mut TlsStream<TcpStream>) -> bool {
    true
}
