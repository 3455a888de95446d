//! The nodes of a cluster, through the client library: it knows which node has a key, follows moved ones, and connects
//! again. The connections are ours.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::pin;
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
use crate::deadline::{self, Moving};
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
struct Node {
    connection: Shared,
    route: Arc<Route>,
}

impl Node {
    /// Sends packed commands, and waits for as many replies. The library tells no deadline: each of its requests may take the
    /// time of an operation, and more for the bytes that it sends.
    async fn send(&self, packed: &[u8], count: usize) -> Result<Vec<Value>, RedisError> {
        let limit = self.route.limits.operation() + deadline::for_bytes(packed.len());
        self.connection.send(packed, count, deadline::after(limit)).await.map_err(fault)
    }
}

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
            Ok(Self { connection, route })
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

/// The error of an exchange, of the kind that decides how the library goes on. It connects anew where a connection is closed,
/// whatever closed it, and asks no second time after a late reply.
fn fault(lost: Lost<io::Error>) -> RedisError {
    match lost {
        Lost { sent: false, .. } => io::Error::from(io::ErrorKind::BrokenPipe).into(),
        Lost { fault, .. } if fault.kind() == io::ErrorKind::TimedOut => LATE.into(),
        Lost { fault, .. } => fault.into(),
    }
}

/// A late reply. The library has no kind for it that it doesn't ask again after.
const LATE: (redis::ErrorKind, &str) = (redis::ErrorKind::Client, "the reply is late");

fn is_late(error: &RedisError) -> bool {
    error.kind() == LATE.0
}

fn error_of(route: &Route, error: RedisError) -> Error {
    if is_late(&error) { route.server.timeout("the reply") } else { route.server.error(error) }
}

impl ConnectionLike for Node {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let packed = cmd.get_packed_command();
            Ok(self.send(&packed, 1).await?.into_iter().next().unwrap_or_default())
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
            Ok(self.send(&packed, offset + count).await?.split_off(offset))
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

/// Waits until a deadline, which the bytes that arrive meanwhile put off, on whichever connection: the library doesn't tell
/// which one a command is sent on. Each connection ends what is late on it by itself, so that a node which hangs is not waited
/// for longer because another one sends.
async fn until<T>(deadline: Moving<'_>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    loop {
        let by = deadline.get();
        match timeout_at(by.into(), &mut work).await {
            Ok(done) => return Some(done),
            Err(_) if deadline.get() > by => {}
            Err(_) => return None,
        }
    }
}

/// The connections to all nodes.
#[derive(Clone)]
pub(super) struct Nodes {
    connection: ClusterConnection<Node>,
    route: Arc<Route>,
}

impl Nodes {
    pub(super) async fn connect(route: &Arc<Route>) -> Result<Self> {
        let fault = |error| error_of(route, error);
        let client =
            builder(route, register(route))?.overall_response_timeout(None).build().map_err(fault)?;
        // The one way to give the library connections of our own.
        let connection = client.get_async_generic_connection().await.map_err(fault)?;
        Ok(Self { connection, route: Arc::clone(route) })
    }

    /// Sends all commands side by side, each to the node of its key.
    pub(super) async fn send(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>> {
        let replies = all(batch.commands.iter().map(|command| self.send_one(command, batch.at.as_ref())));
        let replies = until(Moving::new(deadline, &self.route.further), replies).await;
        let replies = replies.ok_or_else(|| self.route.server.timeout("the reply"))?;
        // An error of the connection, not of the server, fails the exchange.
        let broken = |error: &&RedisError| error.is_io_error() || is_late(error);
        match replies.iter().filter_map(|reply| reply.as_ref().err()).find(broken) {
            Some(error) => Err(error_of(&self.route, error.clone())),
            None => Ok(replies),
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
