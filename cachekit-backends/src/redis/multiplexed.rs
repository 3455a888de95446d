//! The transport of tasks: one connection to the server, which all tasks share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::time::timeout_at;

#[cfg(feature = "redis-cluster")]
use super::cluster;
use super::connect::{Route, open};
use super::error::{Server, is_closed};
use super::limits::Limits;
use super::settings::Kind;
use super::shared::{Dialer, Shared};
use super::transport::{Failure, Transport};
use super::wire::{Batch, Reply, reply};
use crate::Result;
#[cfg(feature = "redis-cluster")]
use crate::deadline::Moving;
use crate::net::{Lost, on_runtime};
use crate::process::PerProcess;

/// A sender of commands.
#[derive(Clone)]
enum Client {
    Node(Shared),
    #[cfg(feature = "redis-cluster")]
    Cluster(cluster::Nodes),
}

/// The client of this process, once there is one.
#[derive(Default)]
struct Home {
    client: Mutex<Option<Client>>,
    /// Held while a caller connects; others wait for it, each within its own deadline.
    connecting: tokio::sync::Mutex<()>,
}

impl Home {
    fn client(&self) -> Option<Client> {
        let client = self.client.lock();
        let closed = |client: &&Client| matches!(client, Client::Node(connection) if connection.is_closed());
        client.as_ref().filter(|client| !closed(client)).cloned()
    }
}

pub(super) struct Multiplexed {
    route: Arc<Route>,
    home: PerProcess<Home>,
}

impl Multiplexed {
    pub(super) fn new(route: Arc<Route>) -> Self {
        Self { route, home: PerProcess::new() }
    }

    /// Returns a deadline as the bytes that arrive from now on put it off.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn moving(&self, deadline: Instant) -> Moving<'_> {
        Moving::new(deadline, &self.route.further)
    }

    /// Returns the client, made if there is none, and whether it was used before.
    async fn connected(&self, home: &Home, deadline: Instant) -> Result<(Client, bool)> {
        let by = self.route.limits.connect_by(deadline);
        let connect = async {
            let _one_at_a_time = home.connecting.lock().await;
            if let Some(client) = home.client() {
                return Ok((client, true));
            }
            // Boxed: a handshake's state is large, and rarely needed.
            let client = Box::pin(self.connect(by)).await?;
            *home.client.lock() = Some(client.clone());
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

    /// Has an error's next caller connect anew, and returns how to go on.
    fn failed(&self, home: &Home, client: &Client, reused: bool, lost: Lost<io::Error>) -> Failure {
        self.drop_client(home, client);
        let Lost { fault, sent } = lost;
        let stale = reused && is_closed(&fault);
        let error = self.route.server.io(fault);
        match (sent, stale) {
            (false, _) => Failure::Unsent(error),
            (true, true) => Failure::Stale(error),
            (true, false) => Failure::Final(error),
        }
    }

    /// Has the next caller connect anew, whatever the error was. A cluster's client does so by itself, and has other nodes.
    fn drop_client(&self, home: &Home, failed: &Client) {
        #[cfg_attr(
            not(feature = "redis-cluster"),
            expect(irrefutable_let_patterns, reason = "a cluster is another")
        )]
        let Client::Node(failed) = failed else { return };
        let mut current = home.client.lock();
        if matches!(&*current, Some(Client::Node(connection)) if connection.is(failed)) {
            *current = None;
            self.route.broke();
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
        self.route.breaks.load(Ordering::Acquire)
    }

    fn forget(&self) {
        self.route.broke();
        *self.home.get(Home::default).client.lock() = None;
    }

    async fn exchange(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        let home = self.home.get(Home::default);
        let (client, reused) = match home.client() {
            Some(client) => (client, true),
            None => Box::pin(on_runtime(self.connected(home, deadline))).await?,
        };
        match &client {
            Client::Node(connection) => match connection.send_batch(batch, deadline).await {
                Ok(values) => Ok(values.into_iter().map(reply).collect()),
                Err(lost) => Err(self.failed(home, &client, reused, lost)),
            },
            #[cfg(feature = "redis-cluster")]
            Client::Cluster(nodes) => Ok(Box::pin(on_runtime(nodes.send(batch, deadline))).await?),
        }
    }
}
