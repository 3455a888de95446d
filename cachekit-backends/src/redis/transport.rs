//! The transport of commands, blocking or not. What decides is written once over [`Transport`]; the drivers move data.

use std::future::Future;
use std::time::Instant;

use redis::Value;

use super::error::Server;
use super::limits::Limits;
use super::wire::{Batch, Reply, is_demoted, is_unknown_script};
use crate::{Error, Result};

/// Why an exchange failed.
pub(super) enum Failure {
    /// The connection was found closed before anything was sent: another one may work.
    Unsent(Error),
    /// The connection had been used before, and was found closed: a fresh one may work.
    Stale(Error),
    /// Anything else.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unsent(error) | Failure::Stale(error) | Failure::Final(error) => error,
        }
    }
}

/// A way to a server, to its sentinels or to the nodes of a cluster.
pub(super) trait Transport: Sync {
    fn limits(&self) -> &Limits;
    fn server(&self) -> &Server;
    /// Returns whether keys may lie on different servers.
    fn is_scattered(&self) -> bool;
    /// Changes after connections of the store, by whichever transport, were found dead: cursors from before are void.
    fn epoch(&self) -> u64;
    /// Closes all connections: they lead to a server that is no longer the master.
    fn forget(&self);
    /// Sends all commands at once and waits for all replies.
    fn exchange(
        &self,
        batch: &Batch,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<Reply>, Failure>> + Send;
}

/// Runs the commands, and returns their replies in order, or the first error among them.
pub(super) async fn perform<T: Transport>(transport: &T, batch: &Batch) -> Result<Vec<Value>> {
    perform_by(transport, batch, transport.limits().deadline()).await
}

/// Runs commands that are no scripts, and returns the reply or the error of each.
pub(super) async fn perform_each<T: Transport>(transport: &T, batch: &Batch) -> Result<Vec<Reply>> {
    perform_each_by(transport, batch, transport.limits().deadline()).await
}

/// The same as a part of an operation that must be over at the deadline.
pub(super) async fn perform_each_by<T: Transport>(
    transport: &T,
    batch: &Batch,
    deadline: Instant,
) -> Result<Vec<Reply>> {
    if batch.commands.is_empty() {
        return Ok(Vec::new());
    }
    persist(transport, batch, deadline).await
}

/// The same as a part of an operation that must be over at the deadline.
pub(super) async fn perform_by<T: Transport>(
    transport: &T,
    batch: &Batch,
    deadline: Instant,
) -> Result<Vec<Value>> {
    if batch.commands.is_empty() {
        return Ok(Vec::new());
    }
    let mut replies = persist(transport, batch, deadline).await?;
    let unknown: Vec<usize> = (0..replies.len()).filter(|&i| is_unknown_script(&replies[i])).collect();
    if !unknown.is_empty() {
        let commands = unknown.iter().map(|&i| batch.commands[i].with_source()).collect();
        let again = Batch { commands, at: batch.at.clone(), repeatable: batch.repeatable };
        for (i, reply) in unknown.into_iter().zip(Box::pin(persist(transport, &again, deadline)).await?) {
            replies[i] = reply;
        }
    }
    replies.into_iter().map(|reply| reply.map_err(|error| transport.server().error(error))).collect()
}

/// Tries a second time where that is safe: after the refusal of a replica, which did nothing, and after a connection was found
/// closed, if nothing was sent or the commands may run twice. Never after a timeout.
async fn persist<T: Transport>(transport: &T, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>> {
    match transport.exchange(batch, deadline).await {
        Ok(replies) if replies.iter().any(is_demoted) => {
            transport.forget();
            if replies.len() > 1 && !batch.repeatable {
                return Ok(replies);
            }
        }
        Err(Failure::Unsent(_)) => {}
        Err(Failure::Stale(_)) if batch.repeatable => {}
        done => return Ok(done?),
    }
    Ok(Box::pin(transport.exchange(batch, deadline)).await?)
}
