use std::time::Duration;

use super::blocking::Blocking;
use super::ops::Ops;
use super::servers::Servers;
use super::settings::Settings;
use super::tasks::Tasks;
use crate::delegate::{for_each_operation, for_each_optional_operation, run_as_task, run_blocking};
use crate::net::Callers;
use crate::{
    AsyncBackend, Backend, BoxFuture, Capabilities, Config, Cursor, Fetched, KeyPage, Put, Result, Token, Ttl,
};

/// Memcached servers as one store. Opened by [`open`](crate::open); no connection is made before the first operation.
#[derive(Debug)]
pub struct Memcached {
    servers: Servers,
    blocking: Blocking,
    tasks: Tasks,
    callers: Callers,
}

impl Memcached {
    /// Reads a configuration of one of the four memcached types.
    pub fn open(config: &Config) -> Result<Self> {
        let settings = Settings::read(config)?;
        let (count, pool_size) = (settings.servers.len(), settings.pool_size);
        Ok(Self {
            servers: Servers::new(settings),
            blocking: Blocking::new(count, pool_size),
            tasks: Tasks::new(count),
            // Memcached has several threads, each for some of the connections, so that only callers that would wait for one share.
            callers: Callers::new(pool_size),
        })
    }

    fn blocking(&self) -> Ops<'_, Blocking> {
        Ops::new(&self.blocking, &self.servers)
    }

    fn tasks(&self) -> Ops<'_, Tasks> {
        Ops::new(&self.tasks, &self.servers)
    }
}

impl Backend for Memcached {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .shared(true)
            .atomic_add(true)
            .conditional(true)
            .clear_by_prefix(true)
            .bounded(true)
            .max_value_len(self.blocking().max_value())
    }

    for_each_operation!(run_blocking!);
    for_each_optional_operation!(run_blocking!);

    fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
        Some(self)
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.servers.set_limit(limit);
    }
}

impl AsyncBackend for Memcached {
    for_each_operation!(run_as_task!);
    for_each_optional_operation!(run_as_task!);
}
