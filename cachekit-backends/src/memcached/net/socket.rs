//! A blocking socket whose every read and write ends at one deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::memcached::settings::Place;
use crate::net::{bounded, connect_blocking};

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

impl Socket {
    pub(super) fn connect(place: &Place, deadline: Instant) -> io::Result<Self> {
        let raw = match place {
            Place::Tcp { host, port } => Raw::Tcp(connect_blocking(host, *port, deadline)?),
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

    /// Reads without waiting.
    fn read_arrived(&mut self, room: &mut [u8]) -> io::Result<usize> {
        each!(&self.raw, socket => socket.set_nonblocking(true))?;
        let result = each!(&mut self.raw, socket => socket.read(room));
        each!(&self.raw, socket => socket.set_nonblocking(false))?;
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
            result => result,
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

impl Read for Socket {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.timed(|raw| each!(raw, socket => socket.read(room))) {
            // It may be another server that took all the time, and this one's answer has arrived meanwhile.
            Err(error) if error.kind() == ErrorKind::TimedOut => self.read_arrived(room),
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
