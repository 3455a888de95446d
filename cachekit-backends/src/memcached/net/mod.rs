//! The thin drivers: what moves the protocol core's bytes. One blocks the thread, one waits on tokio.
//!
//! The exchange with a server is written once, as an `async fn` over [`Net`] and [`Stream`]; over the blocking ones such a
//! function never waits for anything but [`Net::pause`].

mod blocking;
mod bridge;
mod connection;
mod error;
mod join;
mod pool;
mod socket;
mod tokio;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Instant;

use ::parking_lot::RwLock;

use self::connection::{Connection, open};
use super::generation::Generations;
use super::settings::{Address, Settings};
use super::wire::{Fault, LoginKind, Reply, Request};
use crate::{Breaker, ErrorKind, Result};

pub(super) use self::blocking::Blocking;
pub(super) use self::bridge::on_tokio;
pub(super) use self::join::ready;
pub(super) use self::tokio::Tokio;

/// A way to a server, open.
pub(super) trait Stream: Send + 'static {
    /// Reads into the room; how much, 0 at the end.
    fn read(&mut self, room: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
    /// Writes everything.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Whether writes become records, as in TLS.
    fn has_records(&self) -> bool;
    /// Whether the server hung up, or said something that nobody asked for. Costs no round trip.
    fn is_spoiled(&mut self) -> bool;
    /// Until when the next reads and writes may take, where the stream sees to it.
    fn limit(&mut self, deadline: Instant);
}

/// A driver.
pub(super) trait Net: Send + Sync {
    type Stream: Stream;
    /// The right to one connection.
    type Permit<'a>: Send
    where
        Self: 'a;

    /// Waits for the right to a connection to the server at `place`.
    fn permit(
        &self,
        place: usize,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Permit<'_>, Fault>> + Send;
    /// A connection that somebody has kept.
    fn idle(&self, place: usize) -> Option<Connection<Self::Stream>>;
    /// Keeps a connection that is in order.
    fn keep(&self, place: usize, connection: Connection<Self::Stream>);
    /// Drops all that are kept.
    fn forget(&self, place: usize);
    /// Makes a connection, TLS included.
    fn connect(
        &self,
        server: &Server,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Stream, Fault>> + Send;
    /// Lets other exchanges of the same operation write before this one reads.
    fn pause(&self) -> impl Future<Output = ()> + Send;
    /// Ends a future at the deadline, where its streams don't.
    fn within<T: Send>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> impl Future<Output = Result<T, Fault>> + Send;
}

/// What is known of a server, by both drivers.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    /// What its item of generations held when it was last read.
    pub(super) generations: RwLock<Option<Arc<Generations>>>,
    /// Whether it ever answered a request.
    answered: AtomicBool,
    speaks: AtomicU8,
    /// Leaves the server alone while it is down, where there are others: those keep the cache's own breaker closed.
    breaker: Option<Breaker>,
}

impl Server {
    pub(super) fn new(address: Address, settings: &Settings) -> Self {
        // Earlier than the cache's own, which would cut off the others too.
        let threshold = settings.breaker_threshold.div_ceil(2);
        Self {
            breaker: (settings.servers.len() > 1).then(|| Breaker::new(threshold, settings.probe_interval)),
            address,
            tls: settings.tls.clone(),
            generations: RwLock::default(),
            answered: AtomicBool::new(false),
            speaks: AtomicU8::new(0),
        }
    }

    /// The login that worked the last time.
    fn speaks(&self) -> Option<LoginKind> {
        match self.speaks.load(Ordering::Relaxed) {
            1 => Some(LoginKind::Sasl),
            2 => Some(LoginKind::Text),
            _ => None,
        }
    }

    fn set_speaks(&self, kind: Option<LoginKind>) {
        let number = match kind {
            None => 0,
            Some(LoginKind::Sasl) => 1,
            Some(LoginKind::Text) => 2,
        };
        self.speaks.store(number, Ordering::Relaxed);
    }
}

/// What one server is asked in one go.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) place: usize,
    pub(super) requests: Vec<Request<'a>>,
}

/// Asks several servers at once; their answers, in order.
pub(super) async fn exchange<N: Net>(
    net: &N,
    servers: &[Server],
    settings: &Settings,
    asks: &[Ask<'_>],
    deadline: Instant,
) -> Vec<Result<Vec<Reply>>> {
    // In the order of the servers, so that no two callers wait for each other's connections.
    debug_assert!(asks.is_sorted_by_key(|ask| ask.place));
    if let [ask] = asks {
        return vec![answer(net, servers, settings, ask, deadline).await];
    }
    join::all(asks.iter().map(|ask| answer(net, servers, settings, ask, deadline))).await
}

async fn answer<N: Net>(
    net: &N,
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
    let result = net.within(deadline, talk(net, server, settings, ask, deadline)).await;
    match result {
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

async fn talk<N: Net>(
    net: &N,
    server: &Server,
    settings: &Settings,
    ask: &Ask<'_>,
    deadline: Instant,
) -> Result<Vec<Reply>, Fault> {
    let _permit = net.permit(ask.place, deadline).await?;
    if let Some(mut kept) = net.idle(ask.place) {
        match kept.run(net, &ask.requests, settings.max_item, deadline).await {
            Ok(replies) => {
                net.keep(ask.place, kept);
                return Ok(replies);
            }
            Err(fault) if fault.is_hangup() => {
                // The server was restarted, most likely, and the other kept ones are of no use either.
                net.forget(ask.place);
                if !ask.requests.iter().all(|request| request.action.is_repeatable()) {
                    return Err(fault);
                }
            }
            Err(fault) => return Err(fault),
        }
    }
    let mut fresh = open(net, server, settings, deadline).await?;
    let replies = fresh.run(net, &ask.requests, settings.max_item, deadline).await?;
    net.keep(ask.place, fresh);
    Ok(replies)
}
