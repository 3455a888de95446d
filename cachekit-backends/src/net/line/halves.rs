//! The two halves of a socket: the driver reads, callers write.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, tcp};
#[cfg(unix)]
use tokio::net::{UnixStream, unix};
use tokio_rustls::client::TlsStream;

#[cfg(unix)]
use super::super::quiet::is_quiet;
use super::super::task::TaskStream;

/// The half of the driver.
pub(super) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
    /// Both: a session can't be divided.
    Tls(Box<TlsStream<TcpStream>>),
}

/// The half of callers.
pub(super) enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
}

pub(super) fn split(stream: TaskStream) -> (ReadHalf, Option<WriteHalf>) {
    match stream {
        TaskStream::Tcp(socket) => {
            let (read, write) = socket.into_split();
            (ReadHalf::Tcp(read), Some(WriteHalf::Tcp(write)))
        }
        #[cfg(unix)]
        TaskStream::Unix(socket) => {
            let (read, write) = socket.into_split();
            (ReadHalf::Unix(read), Some(WriteHalf::Unix(write)))
        }
        TaskStream::Tls(tls) => (ReadHalf::Tls(tls), None),
    }
}

macro_rules! each {
    ($half:expr, $socket:ident => $body:expr) => {
        match $half {
            WriteHalf::Tcp($socket) => $body,
            #[cfg(unix)]
            WriteHalf::Unix($socket) => $body,
        }
    };
}

impl WriteHalf {
    /// Writes without waiting; returns how much.
    pub(super) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match each!(self, socket => socket.try_write(&bytes[written..])) {
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Has the task woken when the socket takes bytes again.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.as_ref().poll_write_ready(cx),
            #[cfg(unix)]
            Self::Unix(socket) => socket.as_ref().poll_write_ready(cx),
        }
    }

    /// Whether it is open, and nothing has arrived.
    #[cfg(unix)]
    pub(super) fn is_quiet(&self) -> bool {
        match self {
            Self::Tcp(socket) => is_quiet(AsRef::<TcpStream>::as_ref(socket)),
            Self::Unix(socket) => is_quiet(AsRef::<UnixStream>::as_ref(socket)),
        }
    }

    /// A system without such a look: the driver sees what arrives.
    #[cfg(not(unix))]
    pub(super) fn is_quiet(&self) -> bool {
        true
    }
}

impl ReadHalf {
    /// Reads into `room`; returns how much, 0 at the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        ready!(match self {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, &mut room),
            #[cfg(unix)]
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, &mut room),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, &mut room),
        })?;
        Poll::Ready(Ok(room.filled().len()))
    }
}
