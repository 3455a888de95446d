//! Looks at a connection that don't wait.

use std::io::{self, Read};

use rustls::ClientConnection;

/// Returns whether nothing has arrived on a socket, not even its end. Asks the system, because a runtime's own knowledge of a
/// socket is late while its thread is busy.
#[cfg(unix)]
pub(super) fn is_quiet(socket: impl std::os::fd::AsFd) -> bool {
    use rustix::net::RecvFlags;
    receive(&socket, &mut [0], RecvFlags::PEEK).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// The bytes that have arrived on a socket.
#[cfg(unix)]
pub(super) struct Arrived<S>(pub(super) S);

#[cfg(unix)]
impl<S: std::os::fd::AsFd> Read for Arrived<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        receive(&self.0, room, rustix::net::RecvFlags::empty())
    }
}

#[cfg(unix)]
fn receive(
    socket: impl std::os::fd::AsFd,
    room: &mut [u8],
    flags: rustix::net::RecvFlags,
) -> io::Result<usize> {
    use rustix::io::Errno;
    use rustix::net::{RecvFlags, recv};
    loop {
        match recv(&socket, &mut *room, flags | RecvFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            result => return Ok(result?.0),
        }
    }
}

/// Returns the same of a TLS session. Takes the records without text that have arrived, such as session tickets, which a server
/// may send at any time.
pub(super) fn session_is_quiet(session: &mut ClientConnection, arrived: &mut impl Read) -> bool {
    loop {
        let state = session.process_new_packets();
        if !state.is_ok_and(|state| state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed()) {
            return false;
        }
        match session.read_tls(arrived) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}
