//! The transport that blocks the thread: a pool of connections to each server.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Instant;

use super::connect::open;
use super::connection::{Connection, Paced};
use super::exchange::Ask;
use super::server::Server;
use super::settings::Settings;
use super::transport::{Dial, Transport};
use super::wire::{Fault, Reply};
use crate::net::{BlockingStream, Pool};

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
    async fn talk(
        &self,
        server: &Server,
        settings: &Settings,
        ask: &Ask<'_>,
        deadline: Instant,
    ) -> Result<Vec<Reply>, Fault> {
        let pool = &self.pools[ask.place];
        let mut permit = pool.permit(deadline).ok_or(Fault::Busy)?;
        if let Some(mut kept) = permit.take() {
            if kept.is_quiet() {
                match kept.run(&ask.requests, settings.max_item, deadline).await {
                    Ok(replies) => {
                        permit.keep(kept);
                        return Ok(replies);
                    }
                    Err(fault) if fault.is_hangup() => {
                        pool.forget(permit.epoch());
                        if !ask.is_repeatable() {
                            return Err(fault);
                        }
                    }
                    Err(fault) => return Err(fault),
                }
            } else {
                // The server was restarted, most likely, and the other connections are closed as well.
                pool.forget(permit.epoch());
            }
        }
        // Boxed: a handshake's state is large, and rarely needed.
        let mut fresh = Box::pin(open(self, server, settings, deadline)).await?;
        let replies = fresh.run(&ask.requests, settings.max_item, deadline).await?;
        permit.keep(fresh);
        Ok(replies)
    }
}

impl Dial for Blocking {
    type Stream = BlockingStream;

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
