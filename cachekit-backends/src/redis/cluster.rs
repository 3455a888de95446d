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
use tokio::time::timeout_at;

use super::connect::{Route, enter};
use super::shared::{Dialer, Shared};
use super::wire::{Batch, Command, Reply, reply};
use crate::net::{Address, Lost, all};
use crate::process::PerProcess;
use crate::{Error, ErrorKind, Result};

/// The routes to all clusters, by the number that the library passes on as the user's name: it hands nothing else of ours to
/// [`Connect`].
#[derive(Default)]
struct Routes {
    next: AtomicU64,
    known: Mutex<HashMap<u64, Weak<Route>>>,
}

static ROUTES: PerProcess<Routes> = PerProcess::new();

/// Makes a route known for as long as it lives.
fn register(route: &Arc<Route>) -> u64 {
    let routes = ROUTES.get(Routes::default);
    let number = routes.next.fetch_add(1, Ordering::Relaxed);
    let mut known = routes.known.lock();
    known.retain(|_, route| route.strong_count() > 0);
    known.insert(number, Arc::downgrade(route));
    number
}

fn find(user: Option<&str>) -> Option<Arc<Route>> {
    let number: u64 = user?.parse().ok()?;
    ROUTES.get(Routes::default).known.lock().get(&number)?.upgrade()
}

/// A connection to a node.
#[derive(Clone)]
struct Node(Shared);

impl Connect for Node {
    fn connect_with_config<'a, T>(info: T, _: AsyncConnectionConfig) -> RedisFuture<'a, Self>
    where
        T: IntoConnectionInfo + Send + 'a,
    {
        Box::pin(async move {
            let info = info.into_connection_info()?;
            let route = find(info.redis_settings().username())
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the cache was closed"))?;
            let address = match info.addr() {
                ConnectionAddr::Tcp(host, port) => Address::tcp(host, *port),
                ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
                other => return Err(io::Error::other(format!("the address {other} of a node")).into()),
            };
            let deadline = route.limits.connect_by(route.limits.deadline());
            let dialer = Dialer { server: &route.server };
            let connection = enter(&dialer, &route, &address, deadline).await.map_err(failed)?;
            Ok(Self(connection))
        })
    }
}

/// An error of connecting, of the kind that decides how the library goes on.
fn failed(error: Error) -> RedisError {
    let kind = match error.kind() {
        ErrorKind::Auth => {
            return (redis::ErrorKind::AuthenticationFailed, "a node refused the login", error.to_string())
                .into();
        }
        ErrorKind::Timeout => io::ErrorKind::TimedOut,
        ErrorKind::Unavailable => io::ErrorKind::NotConnected,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error).into()
}

/// The library connects anew where a connection is closed, whatever closed it.
fn fault(lost: Lost<io::Error>) -> io::Error {
    if lost.sent { lost.fault } else { io::ErrorKind::BrokenPipe.into() }
}

impl ConnectionLike for Node {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let packed = cmd.get_packed_command();
            let values = self.0.send(&packed, 1, self.0.deadline()).await.map_err(fault)?;
            Ok(values.into_iter().next().unwrap_or_default())
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let packed = pipeline.get_packed_pipeline();
            let values = self.0.send(&packed, offset + count, self.0.deadline()).await;
            Ok(values.map_err(fault)?.split_off(offset))
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// The settings of the library.
fn builder(route: &Route, number: u64) -> Result<ClusterClientBuilder> {
    let login = RedisConnectionInfo::default().set_skip_set_lib_name().set_username(number.to_string());
    let mut nodes = Vec::new();
    for address in &route.target.servers {
        let address = match address {
            Address::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
            Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
        };
        let node = address.into_connection_info().map_err(|error| route.server.error(error))?;
        nodes.push(node.set_redis_settings(login.clone()));
    }
    Ok(ClusterClientBuilder::new(nodes).retries(3).min_retry_wait(5).max_retry_wait(50))
}

/// The connections to all nodes.
#[derive(Clone)]
pub(super) struct Nodes {
    connection: ClusterConnection<Node>,
    route: Arc<Route>,
}

impl Nodes {
    pub(super) async fn connect(route: &Arc<Route>) -> Result<Self> {
        let fault = |error| route.server.error(error);
        let client = builder(route, register(route))?
            .connection_timeout(route.limits.connect.min(route.limits.operation()))
            .response_timeout(route.limits.operation())
            .overall_response_timeout(None)
            .build()
            .map_err(fault)?;
        // The one way to give the library connections of our own.
        let connection = client.get_async_generic_connection().await.map_err(fault)?;
        Ok(Self { connection, route: Arc::clone(route) })
    }

    /// Sends all commands side by side, each to the node of its key.
    pub(super) async fn send(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>> {
        let replies = all(batch.commands.iter().map(|command| self.send_one(command, batch.at.as_ref())));
        let late = || self.route.server.timeout("the reply");
        let mut replies = timeout_at(deadline.into(), replies).await.map_err(|_| late())?;
        // An error of the connection, not of the server, fails the exchange.
        let broken =
            |reply: &Reply| reply.as_ref().is_err_and(|error| error.is_io_error() || error.is_timeout());
        match replies.iter().position(broken) {
            None => Ok(replies),
            Some(at) => {
                let error = replies.swap_remove(at).err();
                Err(self.route.server.error(error.unwrap_or_else(|| io::Error::other("no error").into())))
            }
        }
    }

    async fn send_one(&self, command: &Command, at: Option<&Address>) -> Reply {
        let mut connection = self.connection.clone();
        let value = match at {
            Some(Address::Tcp { host, port }) => {
                let node = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                connection.route_command(command.to_cmd(), RoutingInfo::SingleNode(node)).await?
            }
            _ => connection.req_packed_command(&command.to_cmd()).await?,
        };
        reply(value)
    }
}
