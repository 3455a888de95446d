//! The transport of requests: what moves the bytes of the encoding. One blocks the thread, one waits as a task.
//!
//! An `async fn` over the blocking one waits for nothing but [`Paced::pause`].

use std::future::Future;
use std::time::Instant;

use super::connection::{Connection, Paced};
use super::server::Server;
use super::wire::Fault;

/// A driver. Servers are meant by their place in the list.
pub(super) trait Transport: Send + Sync {
    type Stream: Paced;
    /// The right to one connection.
    type Permit<'a>: Send
    where
        Self: 'a;

    /// Waits for the right to a connection to a server.
    fn permit(
        &self,
        server: usize,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Permit<'_>, Fault>> + Send;
    /// Takes a connection that was kept.
    fn kept(&self, server: usize, permit: &mut Self::Permit<'_>) -> Option<Connection<Self::Stream>>;
    /// Keeps a connection that is in order.
    fn keep(&self, server: usize, permit: &mut Self::Permit<'_>, connection: Connection<Self::Stream>);
    /// Closes all that are kept.
    fn forget(&self, server: usize, permit: &Self::Permit<'_>);
    /// Makes a connection, TLS included.
    fn connect(
        &self,
        server: &Server,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Stream, Fault>> + Send;
    /// Ends a future at the deadline, where its streams don't.
    fn within<T: Send>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> impl Future<Output = Result<T, Fault>> + Send;
}
