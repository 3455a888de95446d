//! The driver that waits on tokio.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::runtime::{Handle, Id};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::blocking::server_name;
use super::connection::Connection;
use super::{Fault, Net, Server, Stream};
use crate::memcached::settings::Place;

/// A runtime's kept connections, by server.
type Kept = Vec<Vec<Connection<Wired>>>;

/// Connections belong to the runtime that they were made on, so each runtime has its own.
#[derive(Debug, Default)]
struct Idle(Mutex<HashMap<Id, Kept>>);

#[derive(Debug)]
pub(in crate::memcached) struct Tokio {
    permits: Vec<Semaphore>,
    idle: Arc<Idle>,
    /// Ends the tasks that watch runtimes when it is dropped.
    open: watch::Sender<()>,
}

#[derive(Debug)]
pub(in crate::memcached) enum Wired {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Tokio {
    pub(in crate::memcached) fn new(servers: usize, pool_size: usize) -> Self {
        Self {
            permits: (0..servers).map(|_| Semaphore::new(pool_size.min(Semaphore::MAX_PERMITS))).collect(),
            idle: Arc::default(),
            open: watch::Sender::new(()),
        }
    }

    /// Leaves a task on the runtime that drops its connections when it ends.
    fn watch(&self, runtime: &Handle) {
        let gone = Gone { idle: Arc::downgrade(&self.idle), runtime: runtime.id() };
        let mut open = self.open.subscribe();
        runtime.spawn(async move {
            let _gone = gone;
            // Only ever an error: there is nothing to be sent.
            let _ = open.changed().await;
        });
    }
}

struct Gone {
    idle: Weak<Idle>,
    runtime: Id,
}

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(idle) = self.idle.upgrade() {
            let kept = idle.0.lock().remove(&self.runtime);
            drop(kept);
        }
    }
}

impl Net for Tokio {
    type Stream = Wired;
    type Permit<'a> = SemaphorePermit<'a>;

    async fn permit(&self, place: usize, deadline: Instant) -> Result<SemaphorePermit<'_>, Fault> {
        match timeout_at(deadline.into(), self.permits[place].acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Fault::Busy),
        }
    }

    fn idle(&self, place: usize) -> Option<Connection<Wired>> {
        let runtime = Handle::try_current().ok()?.id();
        loop {
            let mut connection = self.idle.0.lock().get_mut(&runtime)?[place].pop()?;
            if connection.is_fresh() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, place: usize, connection: Connection<Wired>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut idle = self.idle.0.lock();
        let known = idle.contains_key(&runtime.id());
        let kept =
            idle.entry(runtime.id()).or_insert_with(|| self.permits.iter().map(|_| Vec::new()).collect());
        kept[place].push(connection);
        drop(idle);
        if !known {
            self.watch(&runtime);
        }
    }

    fn forget(&self, place: usize) {
        let Ok(runtime) = Handle::try_current() else { return };
        let kept = self.idle.0.lock().get_mut(&runtime.id()).map(|kept| std::mem::take(&mut kept[place]));
        drop(kept);
    }

    async fn connect(&self, server: &Server, deadline: Instant) -> Result<Wired, Fault> {
        connect(server, deadline).await.map_err(Fault::Connect)
    }

    async fn pause(&self) {}

    async fn within<T: Send>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        timeout_at(deadline.into(), work).await.unwrap_or(Err(Fault::Timeout))
    }
}

async fn connect(server: &Server, deadline: Instant) -> io::Result<Wired> {
    match &server.address.place {
        Place::Tcp { host, port } => {
            let socket = crate::net::connect(host, *port, deadline).await?;
            let Some(config) = &server.tls else { return Ok(Wired::Tcp(socket)) };
            let tls = TlsConnector::from(Arc::clone(config)).connect(server_name(host)?, socket).await?;
            Ok(Wired::Tls(Box::new(tls)))
        }
        #[cfg(unix)]
        Place::Unix(path) => Ok(Wired::Unix(UnixStream::connect(path).await?)),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

impl Stream for Wired {
    async fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(room).await,
            #[cfg(unix)]
            Self::Unix(socket) => socket.read(room).await,
            Self::Tls(tls) => tls.read(room).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.write_all(bytes).await,
            #[cfg(unix)]
            Self::Unix(socket) => socket.write_all(bytes).await,
            Self::Tls(tls) => {
                tls.write_all(bytes).await?;
                tls.flush().await
            }
        }
    }

    fn has_records(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    fn is_spoiled(&mut self) -> bool {
        let waits =
            |result: io::Result<usize>| result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        match self {
            Self::Tcp(socket) => !waits(socket.try_read(&mut [0])),
            #[cfg(unix)]
            Self::Unix(socket) => !waits(socket.try_read(&mut [0])),
            // A server may send session tickets at any time, so that only the end counts.
            Self::Tls(tls) => {
                let (mut byte, mut cx) = ([0], Context::from_waker(Waker::noop()));
                let look = tls.get_ref().0.poll_peek(&mut cx, &mut ReadBuf::new(&mut byte));
                matches!(look, Poll::Ready(Ok(0) | Err(_)))
            }
        }
    }

    /// The driver ends futures at their deadline.
    fn limit(&mut self, _deadline: Instant) {}
}
