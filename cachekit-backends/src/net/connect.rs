//! TCP connections and Unix sockets within a deadline, the look-up of the name included.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;

use super::runtime::runtime;

/// Runs what knows no time limit on one of the few threads of the [runtime](super::runtime) that may block, and leaves it
/// behind if it takes too long.
///
/// # Errors
/// [`ErrorKind::TimedOut`] at the deadline, and what `work` returns.
pub(super) fn bounded<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, result) = mpsc::sync_channel(1);
    let runtime = runtime().map_err(io::Error::other)?;
    // Detached: its end is seen by the channel.
    drop(runtime.spawn_blocking(move || {
        // Where all threads were busy, the caller may have gone on.
        if !left(deadline).is_zero() {
            let _ = done.send(work());
        }
    }));
    result.recv_timeout(left(deadline)).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

/// Connects, blocking the thread. Each address of a name has an equal part of the time, so that one that is silent doesn't
/// take it all.
pub(super) fn tcp_blocking(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let addresses = if let Ok(ip) = host.parse::<IpAddr>() {
        vec![SocketAddr::new(ip, port)]
    } else {
        let host = host.to_owned();
        bounded(deadline, move || Ok((host.as_str(), port).to_socket_addrs()?.collect()))?
    };
    let mut failure = no_address(host);
    for (address, by) in shares(&addresses, deadline) {
        let time = left(by());
        if time.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(address, time) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Connects as a task, in the same way.
pub(super) async fn tcp(host: &str, port: u16, deadline: Instant) -> io::Result<tokio::net::TcpStream> {
    let look_up = tokio::net::lookup_host((host, port));
    let addresses: Vec<SocketAddr> = within(deadline, look_up).await?.collect();
    let mut failure = no_address(host);
    for (address, by) in shares(&addresses, deadline) {
        match within(by(), tokio::net::TcpStream::connect(address)).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Ends a future of a task at the deadline.
pub(super) async fn within<T>(deadline: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout_at(deadline.into(), work).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

/// The name that the server's certificate must have.
pub(super) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))
}

/// Returns each address with the moment at which to give it up, which is read when its turn has come.
fn shares(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> impl Iterator<Item = (&SocketAddr, impl Fn() -> Instant)> {
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let by = move |turns: u32| move || Instant::now() + left(deadline) / turns;
    addresses.iter().zip((1..=count).rev().map(by))
}

pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn no_address(host: &str) -> io::Error {
    io::Error::new(ErrorKind::NotFound, format!("`{host}` has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_shared_and_what_is_left_over_goes_to_the_next() {
        let deadline = Instant::now() + Duration::from_secs(300);
        let addresses = [SocketAddr::new([127, 0, 0, 1].into(), 1); 3];
        let parts: Vec<u64> =
            shares(&addresses, deadline).map(|(_, by)| left(by()).as_secs().next_multiple_of(10)).collect();
        assert_eq!(parts, [100, 150, 300]);
    }

    #[test]
    fn work_is_left_behind_at_the_deadline() {
        let (wake, sleep) = mpsc::channel::<()>();
        let work = move || {
            let _ = sleep.recv();
            Ok(())
        };
        let error = bounded(Instant::now() + Duration::from_millis(10), work).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(wake);
    }
}
