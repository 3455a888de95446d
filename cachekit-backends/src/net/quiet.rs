//! A look at a socket that neither waits nor takes anything.

/// Returns whether nothing has arrived on a socket, not even its end. Asks the system, because a runtime's own knowledge of a
/// socket is late while its thread is busy.
#[cfg(unix)]
pub(super) fn is_quiet(socket: impl std::os::fd::AsFd) -> bool {
    use rustix::io::Errno;
    use rustix::net::{RecvFlags, recv};
    let mut byte = [0];
    loop {
        match recv(&socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            result => return result.is_err_and(|error| error == Errno::AGAIN),
        }
    }
}
