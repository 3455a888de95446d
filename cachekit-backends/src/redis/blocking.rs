//! The transport that blocks the thread: a pool of connections to one server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use redis::Value;

use super::connect::{Dial, Dialing, Route, open};
use super::connection::Connection;
use super::error::{Server, is_closed};
use super::limits::Limits;
use super::transport::{Failure, Transport};
use super::wire::{Batch, Reply, is_demoted, reply};
use crate::Result;
use crate::net::{Permit, Pool, ready};

pub(super) struct Pooled {
    pool: Pool<Connection>,
    size: usize,
    route: Arc<Route>,
}

impl Pooled {
    pub(super) fn new(route: Arc<Route>, size: usize) -> Self {
        Self { pool: Pool::new(size), size, route }
    }

    fn run(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        let mut permit = self.pool.permit(deadline).ok_or_else(|| {
            let doing = format!("waiting for one of {} connections (`pool_size`)", self.size);
            Failure::Final(self.route.server.timeout(&doing))
        })?;
        let (mut connection, reused) = self.connection(&mut permit, deadline)?;
        match connection.ask(batch, deadline) {
            Ok(values) => {
                let replies: Vec<Reply> = values.into_iter().map(reply).collect();
                if !replies.iter().any(is_demoted) {
                    permit.keep(connection);
                }
                Ok(replies)
            }
            Err(error) => {
                let stale = reused && is_closed(&error);
                if stale {
                    self.forget_from(permit.epoch());
                }
                let error = self.route.server.io(error);
                Err(if stale { Failure::Stale(error) } else { Failure::Final(error) })
            }
        }
    }

    /// Closes all connections that were kept up to an epoch of the pool.
    fn forget_from(&self, epoch: u64) {
        self.route.broke();
        self.pool.forget(epoch);
    }

    /// Returns a connection, and whether it was used before.
    fn connection(&self, permit: &mut Permit<Connection>, deadline: Instant) -> Result<(Connection, bool)> {
        if let Some(mut connection) = permit.take() {
            if connection.is_quiet() {
                return Ok((connection, true));
            }
            // The server was restarted, most likely, and the other connections are closed as well.
            self.forget_from(permit.epoch());
        }
        let by = self.route.limits.connect_by(deadline);
        let connection = ready(open(&Dialer { server: &self.route.server }, &self.route, by))?;
        Ok((connection, false))
    }
}

impl Transport for Pooled {
    fn limits(&self) -> &Limits {
        &self.route.limits
    }

    fn server(&self) -> &Server {
        &self.route.server
    }

    fn is_scattered(&self) -> bool {
        false
    }

    fn epoch(&self) -> u64 {
        self.route.breaks.load(Ordering::Acquire)
    }

    fn forget(&self) {
        self.forget_from(self.pool.epoch());
    }

    async fn exchange(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        self.run(batch, deadline)
    }
}

struct Dialer<'a> {
    server: &'a Server,
}

impl Dial for Dialer<'_> {
    type Connection = Connection;

    async fn dial(&self, dialing: Dialing<'_>) -> Result<Connection> {
        let Dialing { address, tls, most, deadline, .. } = dialing;
        Connection::connect(address, tls, most, deadline)
            .map_err(|error| self.server.connecting(address, error))
    }

    async fn ask(&self, connection: &mut Connection, batch: &Batch, deadline: Instant) -> Result<Vec<Value>> {
        connection.ask(batch, deadline).map_err(|error| self.server.io(error))
    }
}
