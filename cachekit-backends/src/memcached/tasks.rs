//! The transport of tasks: one connection to each server, which all tasks share.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::time::timeout_at;

use super::connect::open;
use super::connection::{Paced, window};
use super::exchange::Ask;
use super::server::Server;
use super::settings::Settings;
use super::transport::{Dial, Transport};
use super::wire::{Batch, Fault, Format, Reply, Request};
use crate::net::{Buffer, Exchange, Line, Lost, Packed, TaskStream, on_runtime};
use crate::process::PerProcess;
use crate::random::random_u128;

impl Paced for TaskStream {
    /// A read doesn't block.
    async fn pause(&self) {}
}

impl Exchange for Batch {
    type Fault = Fault;

    fn feed(&mut self, input: &mut Buffer) -> Result<bool, Fault> {
        self.advance(input)
    }

    fn unasked(_: &[u8]) -> Fault {
        Self::unasked()
    }

    fn again(fault: &Fault) -> Fault {
        fault.again()
    }
}

/// A connection that is logged in.
#[derive(Clone)]
struct Shared {
    line: Line<Batch>,
    format: Format,
    /// The opaque of the last request.
    opaque: Arc<AtomicU32>,
}

impl Shared {
    /// Shares a connection. Must be called on the runtime.
    fn new(stream: TaskStream, format: Format) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a part is as random as the whole")]
        let opaque = Arc::new(AtomicU32::new(random_u128() as u32));
        Self { line: Line::start(stream, None), format, opaque }
    }

    async fn run(
        &self,
        mut requests: &[Request<'_>],
        most: usize,
        deadline: Instant,
    ) -> Result<Vec<Reply>, Lost<Fault>> {
        let mut replies = Vec::new();
        while !requests.is_empty() {
            let (next, rest) = requests.split_at(window(requests));
            // One for the end of the batch.
            let count = u32::try_from(next.len() + 1).unwrap_or(u32::MAX);
            let mut opaque = self.opaque.fetch_add(count, Ordering::Relaxed);
            let mut bytes = Vec::new();
            let batch = Batch::encode(self.format, next, most, &mut opaque, false, &mut bytes);
            let cuts = batch.cuts().to_vec();
            let sending = self.line.send(&Packed { bytes: &bytes, cuts: &cuts }, batch, deadline);
            drop((bytes, cuts));
            let sent_before = !replies.is_empty();
            let batch =
                sending.await.map_err(|Lost { fault, sent }| Lost { fault, sent: sent || sent_before })?;
            replies.append(&mut batch.into_replies());
            requests = rest;
        }
        Ok(replies)
    }
}

/// The connection of this process to one server.
#[derive(Default)]
struct Home {
    shared: Mutex<Option<Shared>>,
    /// Held while a caller connects; others wait for it, each within its own deadline.
    connecting: tokio::sync::Mutex<()>,
}

impl Home {
    fn shared(&self) -> Option<Shared> {
        self.shared.lock().as_ref().filter(|shared| !shared.line.is_closed()).cloned()
    }

    /// Returns the connection, made if there is none, and whether it was used before.
    async fn connected(
        &self,
        server: &Server,
        settings: &Settings,
        deadline: Instant,
    ) -> Result<(Shared, bool), Fault> {
        let connect = async {
            let _one_at_a_time = self.connecting.lock().await;
            if let Some(shared) = self.shared() {
                return Ok((shared, true));
            }
            let opened = Box::pin(open(&Dialer, server, settings, deadline)).await?;
            let (stream, format) = opened.into_parts();
            let shared = Shared::new(stream, format);
            *self.shared.lock() = Some(shared.clone());
            Ok((shared, false))
        };
        timeout_at(deadline.into(), connect).await.unwrap_or(Err(Fault::Timeout))
    }

    /// Has the next caller connect anew.
    fn forget(&self, failed: &Shared) {
        let mut shared = self.shared.lock();
        if shared.as_ref().is_some_and(|shared| shared.line.is(&failed.line)) {
            *shared = None;
        }
    }
}

pub(super) struct Tasks {
    servers: usize,
    homes: PerProcess<Vec<Home>>,
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Tasks {
    pub(super) fn new(servers: usize) -> Self {
        Self { servers, homes: PerProcess::new() }
    }

    fn home(&self, server: usize) -> &Home {
        &self.homes.get(|| (0..self.servers).map(|_| Home::default()).collect())[server]
    }
}

impl Transport for Tasks {
    async fn talk(
        &self,
        server: &Server,
        settings: &Settings,
        ask: &Ask<'_>,
        deadline: Instant,
    ) -> Result<Vec<Reply>, Fault> {
        let home = self.home(ask.place);
        let connect = || Box::pin(on_runtime(home.connected(server, settings, deadline)));
        let (shared, reused) = match home.shared() {
            Some(shared) => (shared, true),
            None => connect().await?,
        };
        let Lost { fault, sent } = match shared.run(&ask.requests, settings.max_item, deadline).await {
            Ok(replies) => return Ok(replies),
            Err(lost) => lost,
        };
        home.forget(&shared);
        let may_go_elsewhere = !sent || reused && fault.is_hangup() && ask.is_repeatable();
        if !may_go_elsewhere {
            return Err(fault);
        }
        let (shared, _) = connect().await?;
        let again = Box::pin(shared.run(&ask.requests, settings.max_item, deadline)).await;
        again.map_err(|Lost { fault, .. }| {
            home.forget(&shared);
            fault
        })
    }
}

/// Makes connections, on the runtime that polls.
struct Dialer;

impl Dial for Dialer {
    type Stream = TaskStream;

    async fn connect(&self, server: &Server, deadline: Instant) -> Result<TaskStream, Fault> {
        TaskStream::connect(&server.address, server.tls.as_ref(), deadline).await.map_err(Fault::Connect)
    }

    async fn within<T: Send>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        timeout_at(deadline.into(), work).await.unwrap_or(Err(Fault::Timeout))
    }
}
