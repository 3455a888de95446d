//! The transport of tasks: one connection to the server, which all tasks share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::time::timeout_at;

#[cfg(feature = "redis-cluster")]
use super::cluster;
use super::connect::{Route, open};
use super::error::{Server, is_hangup};
use super::limits::Limits;
use super::settings::Kind;
use super::shared::{Dialer, Shared};
use super::transport::{Failure, Transport};
use super::wire::{Batch, Reply};
use crate::Result;
use crate::net::{IDLE, on_runtime};
use crate::process::PerProcess;

/// A sender of commands.
#[derive(Clone)]
enum Client {
    Node(Shared),
    #[cfg(feature = "redis-cluster")]
    Cluster(cluster::Nodes),
}

/// The client of this process, once there is one, and when it was last used.
#[derive(Default)]
struct Home {
    client: Mutex<Option<(Client, Instant)>>,
    /// Held while a caller connects; others wait for it, each within its own deadline.
    connecting: tokio::sync::Mutex<()>,
}

impl Home {
    fn client(&self) -> Option<Client> {
        let mut current = self.client.lock();
        let (client, used) = current.as_mut()?;
        let idle = used.elapsed();
        match client {
            Client::Node(connection) if connection.is_closed() || idle >= IDLE => None,
            _ => {
                *used += idle;
                Some(client.clone())
            }
        }
    }
}

pub(super) struct Multiplexed {
    route: Arc<Route>,
    home: PerProcess<Home>,
    epoch: AtomicU64,
}

impl Multiplexed {
    pub(super) fn new(route: Arc<Route>) -> Self {
        Self { route, home: PerProcess::new(), epoch: AtomicU64::new(0) }
    }

    /// Returns the client, and whether it was used before.
    async fn client(&self, home: &Home, deadline: Instant) -> Result<(Client, bool)> {
        if let Some(client) = home.client() {
            return Ok((client, true));
        }
        let by = self.route.limits.connect_by(deadline);
        let connect = async {
            let _one_at_a_time = home.connecting.lock().await;
            if let Some(client) = home.client() {
                return Ok((client, true));
            }
            // Boxed: a handshake's state is large, and rarely needed.
            let client = Box::pin(self.connect(by)).await?;
            *home.client.lock() = Some((client.clone(), Instant::now()));
            Ok((client, false))
        };
        timeout_at(by.into(), connect).await.unwrap_or_else(|_| Err(self.route.server.timeout("connecting")))
    }

    async fn connect(&self, deadline: Instant) -> Result<Client> {
        #[cfg(feature = "redis-cluster")]
        if self.route.target.kind == Kind::Cluster {
            return Ok(Client::Cluster(cluster::Nodes::connect(&self.route).await?));
        }
        let dialer = Dialer { server: &self.route.server };
        Ok(Client::Node(open(&dialer, &self.route, deadline).await?))
    }

    /// The exchange, polled on our runtime.
    async fn exchange_there(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        let home = self.home.get(Home::default);
        let (mut client, reused) = self.client(home, deadline).await?;
        let replies = async {
            match &mut client {
                Client::Node(connection) => connection.send(&batch.commands).await,
                #[cfg(feature = "redis-cluster")]
                Client::Cluster(nodes) => nodes.send(batch).await,
            }
        };
        let (failure, stale) = match timeout_at(deadline.into(), replies).await {
            Ok(Ok(replies)) => return Ok(replies),
            Ok(Err(error)) => {
                let stale = reused && is_hangup(&error);
                (self.route.server.error(error), stale)
            }
            Err(_) => (self.route.server.timeout("the reply"), false),
        };
        self.drop_client(home, &client);
        Err(if stale { Failure::Stale(failure) } else { Failure::Final(failure) })
    }

    /// Has the next caller connect anew, whatever the error was. A cluster's client does so by itself, and has other nodes.
    fn drop_client(&self, home: &Home, failed: &Client) {
        #[cfg_attr(
            not(feature = "redis-cluster"),
            expect(irrefutable_let_patterns, reason = "a cluster is another")
        )]
        let Client::Node(failed) = failed else { return };
        let mut current = home.client.lock();
        if matches!(&*current, Some((Client::Node(connection), _)) if connection.is(failed)) {
            *current = None;
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Transport for Multiplexed {
    fn limits(&self) -> &Limits {
        &self.route.limits
    }

    fn server(&self) -> &Server {
        &self.route.server
    }

    fn is_scattered(&self) -> bool {
        self.route.target.kind == Kind::Cluster
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        *self.home.get(Home::default).client.lock() = None;
    }

    async fn exchange(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        on_runtime(self.exchange_there(batch, deadline)).await
    }
}
