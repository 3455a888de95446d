//! The transport of tasks. A connection is used by one task at a time, which can leave it half-way: it is dropped then.

use std::future::Future;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::connection::{Connection, Paced};
use super::server::Server;
use super::transport::Transport;
use super::wire::Fault;
use crate::net::{IDLE, TaskStream, on_runtime};
use crate::process::PerProcess;

impl Paced for TaskStream {
    /// A read doesn't block.
    async fn pause(&self) {}
}

/// The connections of this process to one server.
#[derive(Debug)]
struct Lane {
    permits: Semaphore,
    /// The one used last is at the end.
    kept: Mutex<Vec<Connection<TaskStream>>>,
}

#[derive(Debug)]
pub(super) struct Tasks {
    servers: usize,
    pool_size: usize,
    lanes: PerProcess<Vec<Lane>>,
}

impl Tasks {
    pub(super) fn new(servers: usize, pool_size: usize) -> Self {
        Self { servers, pool_size: pool_size.min(Semaphore::MAX_PERMITS), lanes: PerProcess::new() }
    }

    fn lane(&self, server: usize) -> &Lane {
        let lane = |_| Lane { permits: Semaphore::new(self.pool_size), kept: Mutex::default() };
        &self.lanes.get(|| (0..self.servers).map(lane).collect())[server]
    }
}

/// The right to one connection.
pub(super) struct Permit<'a> {
    lane: &'a Lane,
    _one: SemaphorePermit<'a>,
}

impl Transport for Tasks {
    type Stream = TaskStream;
    type Permit<'a> = Permit<'a>;

    async fn permit(&self, server: usize, deadline: Instant) -> Result<Permit<'_>, Fault> {
        let lane = self.lane(server);
        match timeout_at(deadline.into(), lane.permits.acquire()).await {
            Ok(Ok(one)) => Ok(Permit { lane, _one: one }),
            Ok(Err(_)) | Err(_) => Err(Fault::Busy),
        }
    }

    fn kept(&self, _server: usize, permit: &mut Permit<'_>) -> Option<Connection<TaskStream>> {
        let mut kept = permit.lane.kept.lock();
        let connection = kept.pop()?;
        // Those below were used before it.
        if connection.idle() >= IDLE {
            kept.clear();
            return None;
        }
        // Of the others, those that the firewall may have forgotten are at the front.
        if kept.first().is_some_and(|oldest| oldest.idle() >= IDLE) {
            kept.remove(0);
        }
        Some(connection)
    }

    fn keep(&self, _server: usize, permit: &mut Permit<'_>, connection: Connection<TaskStream>) {
        permit.lane.kept.lock().push(connection);
    }

    fn forget(&self, _server: usize, permit: &Permit<'_>) {
        let kept = std::mem::take(&mut *permit.lane.kept.lock());
        drop(kept);
    }

    async fn connect(&self, server: &Server, deadline: Instant) -> Result<TaskStream, Fault> {
        TaskStream::connect(&server.address, server.tls.as_ref(), deadline).await.map_err(Fault::Connect)
    }

    async fn within<T: Send>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        on_runtime(async { timeout_at(deadline.into(), work).await.unwrap_or(Err(Fault::Timeout)) }).await
    }
}
