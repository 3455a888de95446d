//! The driver that blocks the calling thread.

use std::future::Future;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::connection::Connection;
use super::pool::{Permit, Pool};
use super::socket::Socket;
use super::{Fault, Net, Server, Stream, join};
use crate::memcached::settings::Place;

#[derive(Debug)]
pub(in crate::memcached) struct Blocking {
    pools: Vec<Pool<Wired>>,
}

#[derive(Debug)]
pub(in crate::memcached) enum Wired {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Blocking {
    pub(in crate::memcached) fn new(servers: usize, pool_size: usize) -> Self {
        Self { pools: (0..servers).map(|_| Pool::new(pool_size)).collect() }
    }
}

impl Net for Blocking {
    type Stream = Wired;
    type Permit<'a> = Permit<'a, Wired>;

    async fn permit(&self, place: usize, deadline: Instant) -> Result<Permit<'_, Wired>, Fault> {
        self.pools[place].permit(deadline)
    }

    fn idle(&self, place: usize) -> Option<Connection<Wired>> {
        self.pools[place].idle()
    }

    fn keep(&self, place: usize, connection: Connection<Wired>) {
        self.pools[place].keep(connection);
    }

    fn forget(&self, place: usize) {
        self.pools[place].forget();
    }

    async fn connect(&self, server: &Server, deadline: Instant) -> Result<Wired, Fault> {
        let socket = Socket::connect(&server.address.place, deadline).map_err(Fault::Connect)?;
        match (&server.tls, &server.address.place) {
            (Some(config), Place::Tcp { host, .. }) => {
                handshake(config, host, socket).map_err(Fault::Connect)
            }
            _ => Ok(Wired::Plain(socket)),
        }
    }

    async fn pause(&self) {
        join::turn().await;
    }

    async fn within<T: Send>(
        &self,
        _deadline: Instant,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        work.await
    }
}

pub(super) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

fn handshake(config: &Arc<ClientConfig>, host: &str, mut socket: Socket) -> io::Result<Wired> {
    let mut session =
        ClientConnection::new(Arc::clone(config), server_name(host)?).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(Wired::Tls(Box::new(StreamOwned::new(session, socket))))
}

impl Stream for Wired {
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

    fn is_spoiled(&mut self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_spoiled(true),
            // A server may send session tickets at any time.
            Self::Tls(tls) => tls.sock.is_spoiled(false),
        }
    }

    fn limit(&mut self, deadline: Instant) {
        match self {
            Self::Plain(socket) => socket.limit(deadline),
            Self::Tls(tls) => tls.sock.limit(deadline),
        }
    }
}
