use std::time::Duration;

use super::blocking::Blocking;
use super::ops::Ops;
use super::servers::Servers;
use super::settings::Settings;
use super::tasks::Tasks;
use super::transport::Transport;
use crate::net::{on_runtime, ready};
use crate::{AsyncBackend, Backend, BoxFuture, Capabilities, Config, Fetched, Result, Token, Ttl};

/// Memcached servers as one store. Opened by [`open`](crate::open); no connection is made before the first operation.
#[derive(Debug)]
pub struct Memcached {
    servers: Servers,
    blocking: Blocking,
    tasks: Tasks,
}

impl Memcached {
    /// Reads a configuration of one of the four memcached types.
    pub fn open(config: &Config) -> Result<Self> {
        let settings = Settings::read(config)?;
        let (count, pool_size) = (settings.servers.len(), settings.pool_size);
        Ok(Self {
            servers: Servers::new(settings),
            blocking: Blocking::new(count, pool_size),
            tasks: Tasks::new(count, pool_size),
        })
    }

    fn over<'a, T: Transport>(&'a self, transport: &'a T) -> Ops<'a, T> {
        Ops::new(transport, &self.servers)
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
            .max_value_len(self.over(&self.blocking).max_value())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        ready(self.over(&self.blocking).get_many(&[key])).map(|mut values| values.pop().flatten())
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        ready(self.over(&self.blocking).set_many(&[(key, value)], life))
    }

    fn delete(&self, key: &str) -> Result<bool> {
        ready(self.over(&self.blocking).delete_many(&[key])).map(|there| there == [true])
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        ready(self.over(&self.blocking).clear(prefix))
    }

    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        ready(self.over(&self.blocking).get_many(keys))
    }

    fn set_many(&self, items: &[(&str, &[u8])], life: Ttl) -> Result<()> {
        ready(self.over(&self.blocking).set_many(items, life))
    }

    fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        ready(self.over(&self.blocking).delete_many(keys)).map(|there| count(&there))
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        ready(self.over(&self.blocking).add(key, value, life))
    }

    fn token(&self, key: &str) -> Result<Token> {
        ready(self.over(&self.blocking).token(key))
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        ready(self.over(&self.blocking).put_if(key, value, life, token))
    }

    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        ready(self.over(&self.blocking).fetch(entry, versions))
    }

    fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
        Some(self)
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.servers.set_limit(limit);
    }
}

fn count(there: &[bool]) -> u64 {
    there.iter().map(|&there| u64::from(there)).sum()
}

impl AsyncBackend for Memcached {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        Box::pin(on_runtime(
            async move { Ok(self.over(&self.tasks).get_many(&[key]).await?.pop().flatten()) },
        ))
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a [u8], life: Ttl) -> BoxFuture<'a, Result<()>> {
        Box::pin(on_runtime(async move { self.over(&self.tasks).set_many(&[(key, value)], life).await }))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool>> {
        Box::pin(on_runtime(async move { Ok(self.over(&self.tasks).delete_many(&[key]).await? == [true]) }))
    }

    fn clear<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(on_runtime(async move { self.over(&self.tasks).clear(prefix).await }))
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>>> {
        Box::pin(on_runtime(async move { self.over(&self.tasks).get_many(keys).await }))
    }

    fn set_many<'a>(&'a self, items: &'a [(&'a str, &'a [u8])], life: Ttl) -> BoxFuture<'a, Result<()>> {
        Box::pin(on_runtime(async move { self.over(&self.tasks).set_many(items, life).await }))
    }

    fn delete_many<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(on_runtime(async move { Ok(count(&self.over(&self.tasks).delete_many(keys).await?)) }))
    }

    fn add<'a>(&'a self, key: &'a str, value: &'a [u8], life: Ttl) -> BoxFuture<'a, Result<bool>> {
        Box::pin(on_runtime(async move { self.over(&self.tasks).add(key, value, life).await }))
    }

    fn token<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Token>> {
        Box::pin(on_runtime(async move { self.over(&self.tasks).token(key).await }))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        life: Ttl,
        token: Token,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(on_runtime(async move { self.over(&self.tasks).put_if(key, value, life, token).await }))
    }

    fn fetch<'a>(&'a self, entry: &'a str, versions: &'a [&'a str]) -> BoxFuture<'a, Result<Fetched>> {
        Box::pin(on_runtime(async move { self.over(&self.tasks).fetch(entry, versions).await }))
    }
}
