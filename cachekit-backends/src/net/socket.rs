//! A blocking connection whose every read and write ends at one deadline: TCP or a Unix socket, plain or TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::address::Address;
use super::connect::{left, server_name, tcp_blocking};
use super::quiet::session_is_quiet;
#[cfg(unix)]
use super::quiet::{Arrived, is_quiet};
use super::stream::Stream;
use crate::deadline;

/// How many bytes may be read after the deadline, if they have arrived by then: another server of the same operation may
/// have taken all the time.
const GRACE: usize = 1 << 20;

#[derive(Debug)]
enum Raw {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

macro_rules! each {
    ($raw:expr, $socket:ident => $body:expr) => {
        match $raw {
            Raw::Tcp($socket) => $body,
            #[cfg(unix)]
            Raw::Unix($socket) => $body,
        }
    };
}

#[derive(Debug)]
struct Socket {
    raw: Raw,
    deadline: Instant,
    /// The time limit that the system was last given.
    armed: Option<Duration>,
    /// How many bytes may still be read after the deadline.
    grace: usize,
}

impl Socket {
    fn connect(address: &Address, deadline: Instant) -> io::Result<Self> {
        let raw = match address {
            Address::Tcp { host, port } => Raw::Tcp(tcp_blocking(host, *port, deadline)?),
            #[cfg(unix)]
            Address::Unix(path) => {
                let path = path.clone();
                // Waits while the server's backlog is full.
                Raw::Unix(super::connect::bounded(deadline, move || UnixStream::connect(path))?)
            }
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(ErrorKind::Unsupported.into()),
        };
        Ok(Self { raw, deadline, armed: None, grace: GRACE })
    }

    fn limit(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.grace = GRACE;
    }

    /// Sets the system's time limit, unless the one that is set will do: a system call less.
    fn arm(&mut self) -> io::Result<()> {
        let left = left(self.deadline);
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let will_do = |armed: Duration| {
            armed <= left + Duration::from_millis(1) && armed >= left / 2 && !armed.is_zero()
        };
        if !self.armed.is_some_and(will_do) {
            each!(&self.raw, socket => {
                socket.set_read_timeout(Some(left))?;
                socket.set_write_timeout(Some(left))?;
            });
            self.armed = Some(left);
        }
        Ok(())
    }

    /// Repeats a call until it is done or the deadline is over.
    fn timed(&mut self, mut call: impl FnMut(&mut Raw) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            self.arm()?;
            match call(&mut self.raw) {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                result => return result,
            }
        }
    }

    /// Makes a call that must not wait.
    fn at_once<T>(&mut self, call: impl FnOnce(&mut Raw) -> io::Result<T>) -> io::Result<T> {
        each!(&self.raw, socket => socket.set_nonblocking(true))?;
        let result = call(&mut self.raw);
        each!(&self.raw, socket => socket.set_nonblocking(false))?;
        result
    }

    /// Whether nothing has arrived, not even the end.
    #[cfg(unix)]
    fn is_quiet(&mut self) -> bool {
        each!(&self.raw, socket => is_quiet(socket))
    }

    /// The same of a session over it.
    #[cfg(unix)]
    fn session_is_quiet(&mut self, session: &mut ClientConnection) -> bool {
        each!(&self.raw, socket => session_is_quiet(session, &mut Arrived(socket)))
    }

    #[cfg(not(unix))]
    fn is_quiet(&mut self) -> bool {
        let looked = self.at_once(|raw| each!(raw, socket => socket.peek(&mut [0])));
        looked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    #[cfg(not(unix))]
    fn session_is_quiet(&mut self, session: &mut ClientConnection) -> bool {
        self.at_once(|raw| each!(raw, socket => Ok(session_is_quiet(session, socket)))).unwrap_or(false)
    }
}

impl Read for Socket {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.timed(|raw| each!(raw, socket => socket.read(room))) {
            Ok(n) => {
                // A large value that keeps coming is not late.
                self.deadline += deadline::for_bytes(n);
                Ok(n)
            }
            Err(error) if error.kind() == ErrorKind::TimedOut && self.grace > 0 => {
                let most = room.len().min(self.grace);
                match self.at_once(|raw| each!(raw, socket => socket.read(&mut room[..most]))) {
                    Ok(n) => {
                        self.grace -= n;
                        Ok(n)
                    }
                    Err(late) if late.kind() == ErrorKind::WouldBlock => Err(error),
                    Err(late) => Err(late),
                }
            }
            result => result,
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.timed(|raw| each!(raw, socket => socket.write(bytes)))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection that blocks its thread.
#[derive(Debug)]
pub(crate) enum BlockingStream {
    /// Without TLS.
    #[expect(private_interfaces, reason = "made and used in this file only")]
    Plain(Socket),
    /// With TLS.
    #[expect(private_interfaces, reason = "made and used in this file only")]
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl BlockingStream {
    /// Connects and shakes hands before the deadline.
    pub(crate) fn connect(
        address: &Address,
        tls: Option<&Arc<ClientConfig>>,
        deadline: Instant,
    ) -> io::Result<Self> {
        let mut socket = Socket::connect(address, deadline)?;
        let (Some(config), Address::Tcp { host, .. }) = (tls, address) else {
            return Ok(Self::Plain(socket));
        };
        let mut session =
            ClientConnection::new(Arc::clone(config), server_name(host)?).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }
}

impl Stream for BlockingStream {
    async fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(room),
            Self::Tls(tls) => tls.read(room),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(tls) => {
                tls.write_all(bytes)?;
                tls.flush()
            }
        }
    }

    fn has_records(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    fn is_quiet(&mut self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_quiet(),
            Self::Tls(tls) => tls.sock.session_is_quiet(&mut tls.conn),
        }
    }

    fn limit(&mut self, deadline: Instant) {
        match self {
            Self::Plain(socket) => socket.limit(deadline),
            Self::Tls(tls) => tls.sock.limit(deadline),
        }
    }
}
