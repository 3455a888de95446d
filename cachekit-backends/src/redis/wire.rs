//! The way to the server, blocking or not. What decides is written once over [`Wire`]; the drivers only move data.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use redis::Value;

use super::command::{Batch, Reply, is_demoted, is_unknown_script};
use super::error::Server;
use crate::{Error, Result};

/// Why an exchange failed.
pub(super) enum Failure {
    /// The connection was used before, and was found to be closed: a fresh one may do.
    Stale(Error),
    /// Anything else.
    Final(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Stale(error) | Failure::Final(error) => error,
        }
    }
}

/// A year is as good as for ever, and can be added to any moment.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long things may take; shared by all drivers of a store.
pub(super) struct Limits {
    operation_nanos: AtomicU64,
    /// How long making a connection may take.
    pub(super) connect: Duration,
    /// How long a computation may take and still be stored.
    pub(super) lease: Duration,
}

impl Limits {
    pub(super) fn new(operation: Duration, connect: Duration, lease: Duration) -> Self {
        let limits = Self {
            operation_nanos: AtomicU64::new(0),
            connect: connect.min(LONGEST),
            lease: lease.min(LONGEST),
        };
        limits.set_operation(operation);
        limits
    }

    pub(super) fn set_operation(&self, limit: Duration) {
        let limit = limit.min(LONGEST);
        self.operation_nanos.store(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When an operation that begins now must be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_nanos(self.operation_nanos.load(Ordering::Relaxed))
    }

    /// When a connection that is begun now must stand.
    pub(super) fn connect_by(&self, deadline: Instant) -> Instant {
        (Instant::now() + self.connect).min(deadline)
    }
}

/// A way to a server, to its sentinels or to the nodes of a cluster.
pub(super) trait Wire: Sync {
    fn limits(&self) -> &Limits;
    fn server(&self) -> &Server;
    /// Whether keys may lie on different servers.
    fn is_scattered(&self) -> bool;
    /// Another number after the connections were found to be of no use: cursors of before are void.
    fn epoch(&self) -> u64;
    /// Drops all connections: what they lead to is not the master any more.
    fn forget(&self);
    /// Sends all commands at once and waits for all answers.
    fn exchange(
        &self,
        batch: &Batch,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<Reply>, Failure>> + Send;
}

/// Has the commands run, and gives their answers in order; the first error, if one is among them.
pub(super) async fn perform<W: Wire>(wire: &W, batch: &Batch) -> Result<Vec<Value>> {
    if batch.commands.is_empty() {
        return Ok(Vec::new());
    }
    let deadline = wire.limits().deadline();
    let mut replies = persist(wire, batch, deadline).await?;
    let unknown: Vec<usize> = (0..replies.len()).filter(|&i| is_unknown_script(&replies[i])).collect();
    if !unknown.is_empty() {
        let commands = unknown.iter().map(|&i| batch.commands[i].with_source()).collect();
        let again = Batch { commands, at: batch.at.clone(), repeatable: batch.repeatable };
        for (i, reply) in unknown.into_iter().zip(persist(wire, &again, deadline).await?) {
            replies[i] = reply;
        }
    }
    replies.into_iter().map(|reply| reply.map_err(|error| wire.server().error(error))).collect()
}

/// Tries a second time where that is safe: when a replica refused, which then did nothing, and when a connection was found
/// dead, if the commands may run twice. Never after a timeout.
async fn persist<W: Wire>(wire: &W, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>> {
    match wire.exchange(batch, deadline).await {
        Ok(replies) if replies.iter().any(is_demoted) => {
            wire.forget();
            if replies.len() > 1 && !batch.repeatable {
                return Ok(replies);
            }
        }
        Err(Failure::Stale(_)) if batch.repeatable => {}
        done => return Ok(done?),
    }
    Ok(wire.exchange(batch, deadline).await?)
}

/// The result of a future that never waits, because its driver blocks.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}
