//! The transport of requests: what moves the bytes of the encoding. One blocks the thread, one waits as a task.
//!
//! An `async fn` over the blocking one waits for nothing but [`Paced::pause`].

use std::future::Future;
use std::time::Instant;

use super::connection::Paced;
use super::exchange::Ask;
use super::server::Server;
use super::settings::Settings;
use super::wire::{Fault, Reply};

/// A driver.
pub(super) trait Transport: Send + Sync {
    /// Sends the requests to a server and waits for their replies.
    fn talk(
        &self,
        server: &Server,
        settings: &Settings,
        ask: &Ask<'_>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<Reply>, Fault>> + Send;
}

/// The part of a driver that connects.
pub(super) trait Dial: Send + Sync {
    type Stream: Paced;

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
