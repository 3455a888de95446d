//! The transport that blocks the thread: a pool of connections to each server.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Instant;

use super::connection::{Connection, Paced};
use super::server::Server;
use super::transport::Transport;
use super::wire::Fault;
use crate::net::{self, BlockingStream, Pool};

impl Paced for BlockingStream {
    async fn pause(&self) {
        let mut given = false;
        poll_fn(|_| if std::mem::replace(&mut given, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

#[derive(Debug)]
pub(super) struct Blocking {
    pools: Vec<Pool<Connection<BlockingStream>>>,
}

impl Blocking {
    pub(super) fn new(servers: usize, pool_size: usize) -> Self {
        Self { pools: (0..servers).map(|_| Pool::new(pool_size)).collect() }
    }
}

impl Transport for Blocking {
    type Stream = BlockingStream;
    type Permit<'a> = net::Permit<Connection<BlockingStream>>;

    async fn permit(&self, server: usize, deadline: Instant) -> Result<Self::Permit<'_>, Fault> {
        self.pools[server].permit(deadline).ok_or(Fault::Busy)
    }

    fn kept(&self, _server: usize, permit: &mut Self::Permit<'_>) -> Option<Connection<BlockingStream>> {
        permit.take()
    }

    fn keep(&self, _server: usize, permit: &mut Self::Permit<'_>, connection: Connection<BlockingStream>) {
        permit.keep(connection);
    }

    fn forget(&self, server: usize, permit: &Self::Permit<'_>) {
        self.pools[server].forget(permit.epoch());
    }

    async fn connect(&self, server: &Server, deadline: Instant) -> Result<BlockingStream, Fault> {
        BlockingStream::connect(&server.address, server.tls.as_ref(), deadline).map_err(Fault::Connect)
    }

    async fn within<T: Send>(
        &self,
        _deadline: Instant,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        work.await
    }
}
