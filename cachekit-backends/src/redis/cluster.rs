//! The nodes of a cluster, through the client library: it knows which node has a key, follows moved ones, and connects
//! again.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::{
    ClientTlsConfig, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
    TlsCertificates, aio::ConnectionLike as _,
};
use tokio::sync::oneshot;

use super::background;
use super::command::{Batch, Command, Reply, reply};
use super::error::Server;
use super::place::Place;
use super::route::Route;
use super::tasks::Tasks;
use super::wire::{Failure, Limits, Wire};
use crate::tls::Pems;
use crate::{Config, Result};

/// The certificates as the library takes them.
pub(super) fn certificates(config: &Config) -> Result<TlsCertificates> {
    let pems = Pems::read(config)?;
    let client = pems.client.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    Ok(TlsCertificates { client_tls: client, root_cert: pems.ca })
}

/// The settings of the library.
fn builder(route: &Route) -> Result<ClusterClientBuilder> {
    let target = &route.target;
    let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(user) = &target.login.user {
        login = login.set_username(user);
    }
    if let Some(password) = &target.login.password {
        login = login.set_password(password);
    }
    let mut nodes = Vec::new();
    for place in &target.places {
        let address = match place {
            Place::Tcp(host, port) if target.tls => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
            Place::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
            Place::Unix(path) => ConnectionAddr::Unix(path.clone()),
        };
        let node = address.into_connection_info().map_err(|error| route.server.error(error))?;
        nodes.push(node.set_redis_settings(login.clone()));
    }
    let builder = ClusterClientBuilder::new(nodes)
        .tcp_settings(TcpSettings::default().set_nodelay(true))
        .retries(3)
        .min_retry_wait(5)
        .max_retry_wait(50);
    let Some(certificates) = &route.certificates else { return Ok(builder) };
    use_ring();
    Ok(builder.certs(certificates.clone()))
}

/// The library takes the process's provider of cryptography, and panics if there is a choice and nobody made it.
fn use_ring() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // If somebody is faster, his choice is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The connections to all nodes.
#[derive(Clone)]
pub(super) struct Nodes {
    connection: ClusterConnection,
    /// Its end ends the task that shows whether the runtime lives.
    _end: Arc<oneshot::Sender<()>>,
}

impl Nodes {
    pub(super) async fn connect(route: &Route, limits: &Limits, alive: Arc<()>) -> Result<Self> {
        let fault = |error| route.server.error(error);
        let operation = limits.deadline().saturating_duration_since(Instant::now());
        let client = builder(route)?
            .connection_timeout(limits.connect.min(operation))
            .response_timeout(operation)
            .overall_response_timeout(None)
            .build()
            .map_err(fault)?;
        let connection = client.get_async_connection().await.map_err(fault)?;
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            let _ = ended.await;
            drop(alive);
        });
        Ok(Self { connection, _end: Arc::new(end) })
    }

    /// Sends all commands side by side, each to the node of its key.
    pub(super) async fn send(&self, batch: &Batch) -> Result<Vec<Reply>, RedisError> {
        let all = batch.commands.iter().map(|command| self.send_one(command, batch.at.as_ref()));
        let replies = join(all.collect()).await;
        // An error of the connection, not of the server, fails the exchange.
        let broken =
            |reply: &Reply| reply.as_ref().is_err_and(|error| error.is_io_error() || error.is_timeout());
        match replies.iter().position(broken) {
            None => Ok(replies),
            Some(at) => Err(replies
                .into_iter()
                .nth(at)
                .and_then(Result::err)
                .unwrap_or_else(|| std::io::Error::from(std::io::ErrorKind::BrokenPipe).into())),
        }
    }

    async fn send_one(&self, command: &Command, at: Option<&Place>) -> Reply {
        let mut connection = self.connection.clone();
        let value = match at {
            Some(Place::Tcp(host, port)) => {
                let node = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                connection.route_command(command.cmd.clone(), RoutingInfo::SingleNode(node)).await?
            }
            _ => connection.req_packed_command(&command.cmd).await?,
        };
        reply(value)
    }
}

/// Waits for all futures at once.
async fn join<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(move |context| {
        let mut waiting = false;
        for (future, result) in &mut futures {
            if result.is_none() {
                match Pin::new(future).poll(context) {
                    Poll::Ready(value) => *result = Some(value),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            return Poll::Pending;
        }
        Poll::Ready(futures.iter_mut().filter_map(|(_, result)| result.take()).collect())
    })
    .await
}

/// The blocking way to a cluster: the thread waits for a task on a runtime of ours, because only the library's asynchronous side
/// asks several nodes at once and can be stopped at a deadline.
pub(super) struct Blocking(pub(super) Arc<Tasks>);

impl Wire for Blocking {
    fn limits(&self) -> &Limits {
        self.0.limits()
    }

    fn server(&self) -> &Server {
        self.0.server()
    }

    fn is_scattered(&self) -> bool {
        true
    }

    fn epoch(&self) -> u64 {
        self.0.epoch()
    }

    fn forget(&self) {
        self.0.forget();
    }

    async fn exchange(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        let (tasks, batch) = (Arc::clone(&self.0), batch.clone());
        let exchange = async move { tasks.exchange(&batch, deadline).await };
        match background::block_on(exchange, deadline) {
            Ok(Some(replies)) => replies,
            Ok(None) => Err(Failure::Final(self.server().timeout("the answer"))),
            Err(error) => Err(Failure::Final(error)),
        }
    }
}
