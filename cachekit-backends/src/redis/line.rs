//! A connection that blocks, whose every step ends by one deadline: TCP or a socket, plain or TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Parser, RedisError, Value};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::place::Place;
use crate::net::{bounded, connect_blocking};

/// How much later than the deadline a step may end, so that the system's timer isn't set anew for each.
const SLACK: Duration = Duration::from_millis(2);

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket with a deadline.
struct Timed {
    socket: Socket,
    deadline: Instant,
    /// What the socket's own time limits are set to.
    read_limit: Duration,
    write_limit: Duration,
}

impl Timed {
    fn new(socket: Socket, deadline: Instant) -> Self {
        Self { socket, deadline, read_limit: Duration::ZERO, write_limit: Duration::ZERO }
    }

    /// The time limit to set, if the one that is set doesn't do.
    fn limit(&self, set: Duration) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let fits = !set.is_zero() && set <= left + SLACK && set + SLACK >= left;
        Ok((!fits).then_some(left))
    }
}

impl Read for Timed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(limit) = self.limit(self.read_limit)? {
                match &self.socket {
                    Socket::Tcp(socket) => socket.set_read_timeout(Some(limit))?,
                    Socket::Unix(socket) => socket.set_read_timeout(Some(limit))?,
                }
                self.read_limit = limit;
            }
            let read = match &mut self.socket {
                Socket::Tcp(socket) => socket.read(buf),
                Socket::Unix(socket) => socket.read(buf),
            };
            match read {
                // By a signal. With a time limit the system doesn't go on by itself, and the parser wouldn't either.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Write for Timed {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if let Some(limit) = self.limit(self.write_limit)? {
            match &self.socket {
                Socket::Tcp(socket) => socket.set_write_timeout(Some(limit))?,
                Socket::Unix(socket) => socket.set_write_timeout(Some(limit))?,
            }
            self.write_limit = limit;
        }
        match &mut self.socket {
            Socket::Tcp(socket) => socket.write(buf),
            Socket::Unix(socket) => socket.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

/// A connection. After an error it must not be used again: what is read then may belong to another question.
pub(super) struct Line {
    stream: Stream,
    parser: Parser,
    buffer: Vec<u8>,
}

impl Line {
    /// Connects before the deadline.
    pub(super) fn connect(
        place: &Place,
        tls: Option<&Arc<ClientConfig>>,
        deadline: Instant,
    ) -> io::Result<Self> {
        let stream = match place {
            Place::Unix(path) => {
                // It waits while the server's queue is full, as that of one that hangs will be.
                let path = path.clone();
                let socket = bounded(deadline, move || UnixStream::connect(path))?;
                Stream::Plain(Timed::new(Socket::Unix(socket), deadline))
            }
            Place::Tcp(host, port) => {
                let timed = Timed::new(Socket::Tcp(connect_blocking(host, *port, deadline)?), deadline);
                match tls {
                    None => Stream::Plain(timed),
                    Some(config) => Stream::Tls(Box::new(handshake(config, host, timed)?)),
                }
            }
        };
        Ok(Self { stream, parser: Parser::new(), buffer: Vec::new() })
    }

    /// Sends the commands in one write, and reads as many answers.
    pub(super) fn ask<'a>(
        &mut self,
        commands: impl ExactSizeIterator<Item = &'a Cmd>,
        deadline: Instant,
    ) -> Result<Vec<Value>, RedisError> {
        /// A buffer that a large value made is not kept.
        const KEEP: usize = 64 * 1024;
        let count = commands.len();
        self.buffer.clear();
        for cmd in commands {
            cmd.write_packed_command(&mut self.buffer);
        }
        let answers = match &mut self.stream {
            Stream::Plain(stream) => {
                stream.deadline = deadline;
                exchange(stream, &self.buffer, &mut self.parser, count)
            }
            Stream::Tls(stream) => {
                stream.sock.deadline = deadline;
                exchange(&mut **stream, &self.buffer, &mut self.parser, count)
            }
        };
        self.buffer.shrink_to(KEEP);
        answers
    }
}

fn exchange<S: Read + Write>(
    stream: &mut S,
    question: &[u8],
    parser: &mut Parser,
    count: usize,
) -> Result<Vec<Value>, RedisError> {
    stream.write_all(question)?;
    stream.flush()?;
    (0..count).map(|_| parser.parse_value(&mut *stream)).collect()
}

fn handshake(
    config: &Arc<ClientConfig>,
    host: &str,
    mut timed: Timed,
) -> io::Result<StreamOwned<ClientConnection, Timed>> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut timed)?;
    }
    Ok(StreamOwned::new(connection, timed))
}
