//! The nodes of a cluster, through the client library: it knows which node has a key, follows moved ones, and connects
//! again. The connections are ours.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use redis::aio::ConnectionLike;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::{ClusterConnection, Connect};
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline, RedisConnectionInfo,
    RedisError, RedisFuture, Value,
};

use super::connect::{Route, enter};
use super::shared::{Dialer, Shared};
use super::transport::Limits;
use super::wire::{Batch, Command, Reply, reply};
use crate::Result;
use crate::net::{Address, PerProcess, all};

/// The parts of a connection to a node, beside its address.
struct Way {
    route: Arc<Route>,
    limits: Arc<Limits>,
}

/// The ways of all clusters, by the number that the library passes on as the user's name: it hands nothing else of ours to
/// [`Connect`].
#[derive(Default)]
struct Ways {
    next: AtomicU64,
    known: Mutex<HashMap<u64, Weak<Way>>>,
}

static WAYS: PerProcess<Ways> = PerProcess::new();

impl Way {
    /// Makes it known for as long as the result lives.
    fn register(self) -> (Arc<Self>, u64) {
        let (way, ways) = (Arc::new(self), WAYS.get(Ways::default));
        let number = ways.next.fetch_add(1, Ordering::Relaxed);
        let mut known = ways.known.lock();
        known.retain(|_, way| way.strong_count() > 0);
        known.insert(number, Arc::downgrade(&way));
        (way, number)
    }

    fn find(name: Option<&str>) -> Option<Arc<Self>> {
        let number: u64 = name?.parse().ok()?;
        WAYS.get(Ways::default).known.lock().get(&number)?.upgrade()
    }
}

/// A connection to a node.
#[derive(Clone)]
struct Node {
    connection: Shared,
    limits: Arc<Limits>,
}

impl Node {
    /// Closes the connection if the reply is late: what comes then could belong to another request, and may never end.
    async fn within<T>(&self, replies: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
        let deadline = self.limits.deadline();
        tokio::time::timeout_at(deadline.into(), replies).await.unwrap_or_else(|_| {
            self.connection.close();
            Err(io::Error::from(io::ErrorKind::TimedOut).into())
        })
    }
}

impl Connect for Node {
    fn connect_with_config<'a, T>(info: T, _: AsyncConnectionConfig) -> RedisFuture<'a, Self>
    where
        T: IntoConnectionInfo + Send + 'a,
    {
        Box::pin(async move {
            let info = info.into_connection_info()?;
            let way = Way::find(info.redis_settings().username())
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the cache was closed"))?;
            let address = match info.addr() {
                ConnectionAddr::Tcp(host, port) => Address::tcp(host, *port),
                ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
                other => return Err(io::Error::other(format!("the address {other} of a node")).into()),
            };
            let deadline = way.limits.connect_by(way.limits.deadline());
            let dialer = Dialer { server: &way.route.server };
            let connection =
                enter(&dialer, &way.route, &address, deadline).await.map_err(io::Error::other)?;
            Ok(Self { connection, limits: Arc::clone(&way.limits) })
        })
    }
}

impl ConnectionLike for Node {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            self.within(connection.ask(cmd)).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            self.within(connection.ask_all(pipeline, offset, count)).await
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// The settings of the library.
fn builder(route: &Route, way: u64) -> Result<ClusterClientBuilder> {
    let number = RedisConnectionInfo::default().set_skip_set_lib_name().set_username(way.to_string());
    let mut nodes = Vec::new();
    for address in &route.target.servers {
        let address = match address {
            Address::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
            Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
        };
        let node = address.into_connection_info().map_err(|error| route.server.error(error))?;
        nodes.push(node.set_redis_settings(number.clone()));
    }
    Ok(ClusterClientBuilder::new(nodes).retries(3).min_retry_wait(5).max_retry_wait(50))
}

/// The connections to all nodes.
#[derive(Clone)]
pub(super) struct Nodes {
    connection: ClusterConnection<Node>,
    _way: Arc<Way>,
}

impl Nodes {
    pub(super) async fn connect(route: &Arc<Route>, limits: &Arc<Limits>) -> Result<Self> {
        let fault = |error| route.server.error(error);
        let (way, number) = Way { route: Arc::clone(route), limits: Arc::clone(limits) }.register();
        let operation = limits.deadline().saturating_duration_since(Instant::now());
        let client = builder(route, number)?
            .connection_timeout(limits.connect.min(operation))
            .response_timeout(operation)
            .overall_response_timeout(None)
            .build()
            .map_err(fault)?;
        // The one way to give the library connections of our own.
        let connection = client.get_async_generic_connection().await.map_err(fault)?;
        Ok(Self { connection, _way: way })
    }

    /// Sends all commands side by side, each to the node of its key.
    pub(super) async fn send(&self, batch: &Batch) -> Result<Vec<Reply>, RedisError> {
        let mut replies =
            all(batch.commands.iter().map(|command| self.send_one(command, batch.at.as_ref()))).await;
        // An error of the connection, not of the server, fails the exchange.
        let broken =
            |reply: &Reply| reply.as_ref().is_err_and(|error| error.is_io_error() || error.is_timeout());
        match replies.iter().position(broken) {
            None => Ok(replies),
            Some(at) => {
                Err(replies.swap_remove(at).err().unwrap_or_else(|| io::Error::other("no error").into()))
            }
        }
    }

    async fn send_one(&self, command: &Command, at: Option<&Address>) -> Reply {
        let mut connection = self.connection.clone();
        let value = match at {
            Some(Address::Tcp { host, port }) => {
                let node = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                connection.route_command(command.cmd.clone(), RoutingInfo::SingleNode(node)).await?
            }
            _ => connection.req_packed_command(&command.cmd).await?,
        };
        reply(value)
    }
}
