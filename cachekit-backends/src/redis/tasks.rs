//! The way to a server or a cluster that waits as a task: one connection for each tokio runtime, which all its tasks share.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Instant;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, Value};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::runtime::{Handle, Id};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

#[cfg(feature = "redis-cluster")]
use super::cluster;
use super::command::{Batch, Reply, reply};
use super::error::{Server, is_closed};
use super::place::{Kind, Place};
use super::route::{Dial, Route, open};
use super::wire::{Failure, Limits, Wire};
use crate::{ErrorKind, Result, net};

/// What sends commands on a runtime.
#[derive(Clone)]
enum Client {
    Node(MultiplexedConnection),
    #[cfg(feature = "redis-cluster")]
    Cluster(cluster::Nodes),
}

/// A client, and whether the runtime of its connection still runs.
#[derive(Clone)]
struct Live {
    client: Client,
    serial: u64,
    alive: Weak<()>,
}

/// The place for the client of one runtime.
struct Home {
    /// The runtime has no timers or can't wait for sockets, so that its connection lives on ours.
    is_bare: bool,
    live: Mutex<Option<Live>>,
    /// Held by the one who connects, while the others wait for him, each within his own deadline.
    connecting: tokio::sync::Mutex<()>,
}

impl Home {
    fn new(runtime: &Handle) -> Self {
        Self {
            is_bare: !net::suits(runtime),
            live: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    fn live(&self) -> Option<Live> {
        self.live.lock().clone().filter(|live| live.alive.strong_count() > 0)
    }
}

/// The clients of all runtimes.
pub(super) struct Tasks {
    route: Arc<Route>,
    limits: Arc<Limits>,
    homes: Mutex<HashMap<Id, Arc<Home>>>,
    serial: AtomicU64,
    epoch: AtomicU64,
}

impl Tasks {
    pub(super) fn new(route: Arc<Route>, limits: Arc<Limits>) -> Self {
        Self { route, limits, homes: Mutex::default(), serial: AtomicU64::new(0), epoch: AtomicU64::new(0) }
    }

    fn home(&self, runtime: &Handle) -> Arc<Home> {
        let known = self.homes.lock().get(&runtime.id()).cloned();
        if let Some(home) = known {
            return home;
        }
        let home = Arc::new(Home::new(runtime));
        let mut homes = self.homes.lock();
        // Runtimes come and go in tests; what they leave goes when the next one comes.
        homes.retain(|_, home| Arc::strong_count(home) > 1 || home.live().is_some());
        Arc::clone(homes.entry(runtime.id()).or_insert(home))
    }

    /// The client of this runtime, and whether it is not new.
    async fn client(&self, home: &Home, deadline: Instant) -> Result<(Live, bool)> {
        if let Some(live) = home.live() {
            return Ok((live, true));
        }
        let by = self.limits.connect_by(deadline);
        let connect = async {
            let _one_at_a_time = home.connecting.lock().await;
            if let Some(live) = home.live() {
                return Ok((live, true));
            }
            let alive = Arc::new(());
            let weak = Arc::downgrade(&alive);
            let live = Live {
                client: self.connect(alive, by).await?,
                serial: self.serial.fetch_add(1, Ordering::Relaxed),
                alive: weak,
            };
            *home.live.lock() = Some(live.clone());
            Ok((live, false))
        };
        timeout_at(by.into(), connect).await.unwrap_or_else(|_| Err(self.route.server.timeout("connecting")))
    }

    async fn connect(&self, alive: Arc<()>, deadline: Instant) -> Result<Client> {
        #[cfg(feature = "redis-cluster")]
        if self.route.target.kind == Kind::Cluster {
            return Ok(Client::Cluster(cluster::Nodes::connect(&self.route, &self.limits, alive).await?));
        }
        let dialer = Dialer { server: &self.route.server, alive };
        Ok(Client::Node(open(&dialer, &self.route, deadline).await?))
    }

    /// The exchange on the runtime that polls.
    async fn exchange_here(
        &self,
        home: &Home,
        batch: &Batch,
        deadline: Instant,
    ) -> Result<Vec<Reply>, Failure> {
        let (live, reused) = self.client(home, deadline).await.map_err(Failure::Final)?;
        let is_node = matches!(live.client, Client::Node(_));
        let answers = async {
            match live.client {
                Client::Node(connection) => send(connection, &batch.commands).await,
                #[cfg(feature = "redis-cluster")]
                Client::Cluster(nodes) => nodes.send(batch).await,
            }
        };
        let (failure, stale) = match timeout_at(deadline.into(), answers).await {
            Ok(Ok(replies)) => return Ok(replies),
            Ok(Err(error)) => {
                let stale = reused && is_closed(&error);
                (self.route.server.error(error), stale)
            }
            Err(_) => (self.route.server.timeout("the answer"), false),
        };
        // Whatever went wrong, the next one begins anew. A cluster's client does so by itself, and has other nodes.
        let mut current = home.live.lock();
        if is_node && current.as_ref().is_some_and(|current| current.serial == live.serial) {
            *current = None;
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        drop(current);
        Err(if stale { Failure::Stale(failure) } else { Failure::Final(failure) })
    }
}

/// Sends commands in one write.
async fn send(
    mut connection: MultiplexedConnection,
    commands: &[super::command::Command],
) -> Result<Vec<Reply>, RedisError> {
    if let [command] = commands {
        return Ok(vec![reply(connection.send_packed_command(&command.cmd).await?)]);
    }
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for command in commands {
        pipeline.add_command(command.cmd.clone());
    }
    let values = connection.send_packed_commands(&pipeline, 0, commands.len()).await?;
    Ok(values.into_iter().map(reply).collect())
}

/// Runs futures side by side, begun in their order; their results, or the first error.
async fn all<T, E>(futures: impl Iterator<Item = impl Future<Output = Result<T, E>>>) -> Result<Vec<T>, E> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        for (future, result) in futures.iter_mut().filter(|(_, result)| result.is_none()) {
            if let Poll::Ready(ended) = future.as_mut().poll(context)? {
                *result = Some(ended);
            }
        }
        let is_done = futures.iter().all(|(_, result)| result.is_some());
        if is_done { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await?;
    Ok(futures.into_iter().filter_map(|(_, result)| result).collect())
}

impl Wire for Arc<Tasks> {
    fn limits(&self) -> &Limits {
        &self.limits
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
        for home in self.homes.lock().values() {
            *home.live.lock() = None;
        }
    }

    async fn exchange(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        if let Ok(runtime) = Handle::try_current() {
            let home = self.home(&runtime);
            if !home.is_bare {
                return self.exchange_here(&home, batch, deadline).await;
            }
        }
        // Something else than tokio polls, or a runtime that can't do it.
        let (tasks, batch) = (Arc::clone(self), batch.clone());
        let runtime = net::own().map_err(Failure::Final)?;
        let home = self.home(&runtime);
        let exchange = runtime.spawn(async move { tasks.exchange_here(&home, &batch, deadline).await });
        exchange.await.unwrap_or_else(|_| {
            Err(Failure::Final(self.route.server.fault(ErrorKind::Other, "the exchange panicked")))
        })
    }
}

struct Dialer<'a> {
    server: &'a Server,
    /// Kept by the task that drives the connection, so that its end is seen.
    alive: Arc<()>,
}

impl Dialer<'_> {
    async fn start<S>(&self, stream: S) -> Result<MultiplexedConnection>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        // The login is ours, as for blocking connections.
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
        let (connection, driver) = MultiplexedConnection::new_with_config(&nobody, stream, config)
            .await
            .map_err(|error| self.server.error(error))?;
        let alive = Arc::clone(&self.alive);
        tokio::spawn(async move {
            driver.await;
            drop(alive);
        });
        Ok(connection)
    }
}

impl Dial for Dialer<'_> {
    type Line = MultiplexedConnection;

    async fn dial(
        &self,
        place: &Place,
        tls: Option<&Arc<ClientConfig>>,
        deadline: Instant,
    ) -> Result<MultiplexedConnection> {
        let failed = |error| self.server.connecting(place, error);
        let connect = async {
            let (host, stream) = match place {
                Place::Unix(path) => {
                    return self.start(UnixStream::connect(path).await.map_err(failed)?).await;
                }
                Place::Tcp(host, port) => (host, net::connect(host, *port, deadline).await),
            };
            let stream = stream.map_err(failed)?;
            let Some(config) = tls else { return self.start(stream).await };
            let name = ServerName::try_from(host.clone())
                .map_err(|error| failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, error)))?;
            let stream =
                TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(failed)?;
            self.start(stream).await
        };
        timeout_at(deadline.into(), connect).await.unwrap_or_else(|_| Err(self.server.timeout("connecting")))
    }

    async fn ask(
        &self,
        line: &mut MultiplexedConnection,
        commands: Vec<Cmd>,
        deadline: Instant,
    ) -> Result<Vec<Value>> {
        // Not as a pipeline: the client forgets the error of one if it can't read the first answer.
        let answers = commands.iter().map(|cmd| {
            let mut line = line.clone();
            async move { line.send_packed_command(cmd).await }
        });
        timeout_at(deadline.into(), all(answers))
            .await
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
            .map_err(|error| self.server.error(error))
    }
}
