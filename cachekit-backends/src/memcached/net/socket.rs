//! A blocking socket whose every read and write ends at one deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::memcached::settings::Place;

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
pub(in crate::memcached) struct Socket {
    raw: Raw,
    deadline: Instant,
    /// What the system was last told.
    armed: Option<Duration>,
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Runs on a thread what can't be told a time limit. The thread is left behind if it takes too long.
fn bounded<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, result) = mpsc::sync_channel(1);
    std::thread::Builder::new().name("cachekit-connect".into()).spawn(move || {
        let _ = done.send(work());
    })?;
    result.recv_timeout(left(deadline)?).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

fn resolve(host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.to_owned();
    bounded(deadline, move || Ok((host.as_str(), port).to_socket_addrs()?.collect()))
}

impl Socket {
    pub(super) fn connect(place: &Place, deadline: Instant) -> io::Result<Self> {
        let raw = match place {
            Place::Tcp { host, port } => Raw::Tcp(connect_tcp(host, *port, deadline)?),
            #[cfg(unix)]
            Place::Unix(path) => {
                let path = path.clone();
                // Waits while the server's backlog is full.
                Raw::Unix(bounded(deadline, move || UnixStream::connect(path))?)
            }
            #[cfg(not(unix))]
            Place::Unix(_) => return Err(ErrorKind::Unsupported.into()),
        };
        Ok(Self { raw, deadline, armed: None })
    }

    pub(super) fn limit(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Tells the system how long to wait, unless what it was told will do: a call to the system less.
    fn arm(&mut self) -> io::Result<()> {
        let left = left(self.deadline)?;
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

    /// Looks for the end, or for bytes that nobody asked for, without waiting. `quiet` is whether bytes are wrong.
    pub(super) fn is_spoiled(&mut self, quiet: bool) -> bool {
        let look = |raw: &mut Raw| match raw {
            Raw::Tcp(socket) => socket.peek(&mut [0]),
            #[cfg(unix)]
            Raw::Unix(socket) => socket.read(&mut [0]),
        };
        if each!(&self.raw, socket => socket.set_nonblocking(true)).is_err() {
            return true;
        }
        let spoiled = match look(&mut self.raw) {
            Ok(n) => n == 0 || quiet,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        spoiled || each!(&self.raw, socket => socket.set_nonblocking(false)).is_err()
    }
}

fn connect_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in resolve(host, port, deadline)? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Read for Socket {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.timed(|raw| each!(raw, socket => socket.read(room)))
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
