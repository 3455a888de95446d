//! A connection that blocks, whose every step ends by one deadline: TCP or a socket, plain or TLS.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use redis::{Cmd, Parser, RedisError, Value};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::place::Place;

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
                let socket = within(deadline, move || UnixStream::connect(path))?;
                Stream::Plain(Timed::new(Socket::Unix(socket), deadline))
            }
            Place::Tcp(host, port) => {
                let timed = Timed::new(Socket::Tcp(connect_tcp(host, *port, deadline)?), deadline);
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

/// Tries each address of a name, with an equal part of the time.
fn connect_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let addresses = resolve(host, port, deadline)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address"));
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for (address, left) in addresses.iter().zip((1..=count).rev()) {
        let time = deadline.saturating_duration_since(Instant::now()) / left;
        if time.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(address, time) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a name.
fn resolve(host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.to_owned();
    within(deadline, move || Ok((host.as_str(), port).to_socket_addrs()?.collect()))
}

/// Runs what knows no time limit on a thread of its own, which is left behind when it takes too long.
fn within<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::Builder::new().name("cachekit-connect".into()).spawn(move || {
        // Nobody may wait any more.
        let _ = sender.send(work());
    })?;
    let left = deadline.saturating_duration_since(Instant::now());
    receiver.recv_timeout(left).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
