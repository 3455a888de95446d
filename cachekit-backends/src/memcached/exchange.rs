//! The exchange with servers, written once as an `async fn` over [`Transport`].

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::error;
use super::server::Server;
use super::settings::Settings;
use super::transport::Transport;
use super::wire::{Reply, Request};
use crate::net::all;
use crate::{ErrorKind, Result};

/// The requests for one server.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) place: usize,
    pub(super) requests: Vec<Request<'a>>,
}

impl Ask<'_> {
    /// Whether the server may run the requests twice.
    pub(super) fn is_repeatable(&self) -> bool {
        self.requests.iter().all(|request| request.action.is_repeatable())
    }
}

/// Asks several servers at once; returns their replies in order.
pub(super) async fn exchange<T: Transport>(
    transport: &T,
    servers: &[Server],
    settings: &Settings,
    asks: &[Ask<'_>],
    deadline: Instant,
) -> Vec<Result<Vec<Reply>>> {
    // In the order of the servers, so that no two callers wait for each other's connections.
    debug_assert!(asks.is_sorted_by_key(|ask| ask.place));
    if let [ask] = asks {
        return vec![answer(transport, servers, settings, ask, deadline).await];
    }
    Box::pin(all(asks.iter().map(|ask| answer(transport, servers, settings, ask, deadline)))).await
}

async fn answer<T: Transport>(
    transport: &T,
    servers: &[Server],
    settings: &Settings,
    ask: &Ask<'_>,
    deadline: Instant,
) -> Result<Vec<Reply>> {
    let server = &servers[ask.place];
    if let Some(breaker) = &server.breaker {
        breaker.admit().map_err(|open| error::left_alone(open.kind(), server))?;
    }
    let time = deadline.saturating_duration_since(Instant::now());
    match transport.talk(server, settings, ask, deadline).await {
        Ok(replies) => {
            if let Some(breaker) = &server.breaker {
                breaker.succeeded();
            }
            if !server.answered.load(Ordering::Relaxed) {
                server.answered.store(true, Ordering::Relaxed);
            }
            Ok(replies)
        }
        Err(fault) => {
            let error = error::of(fault, server, settings, server.answered.load(Ordering::Relaxed));
            // Where others took most of the time, it is not this server's fault.
            let was_late = error.kind() == ErrorKind::Timeout && time < settings.operation_timeout / 2;
            if let Some(breaker) = server.breaker.as_ref().filter(|_| !was_late) {
                breaker.failed(&error);
            }
            Err(error)
        }
    }
}
