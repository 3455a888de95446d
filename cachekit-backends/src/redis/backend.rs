use std::sync::Arc;
use std::time::Duration;

use super::multiplexed::Multiplexed;
use super::ops;
use super::recent::Recent;
use super::transport::Transport;
use super::wire::MAX_VALUE_LEN;
use crate::net::ready;
use crate::{AsyncBackend, Backend, BoxFuture, Capabilities, Fetched, Result, Token, Ttl};

/// The store: two transports to the same server.
pub(super) struct Redis<B> {
    blocking: B,
    tasks: Arc<Multiplexed>,
    recent: Recent,
}

impl<B> Redis<B> {
    pub(super) fn new(blocking: B, tasks: Arc<Multiplexed>) -> Self {
        Self { blocking, tasks, recent: Recent::new() }
    }
}

impl<B: Transport + Send + 'static> Backend for Redis<B> {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .shared(true)
            .atomic_add(true)
            .conditional(true)
            .clear_by_prefix(true)
            .bounded(true)
            .max_value_len(MAX_VALUE_LEN)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        ready(ops::get(&self.blocking, key))
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        ready(ops::set(&self.blocking, key, value, life))
    }

    fn delete(&self, key: &str) -> Result<bool> {
        ready(ops::delete(&self.blocking, key))
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        ready(ops::clear(&self.blocking, prefix))
    }

    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        ready(ops::get_many(&self.blocking, keys))
    }

    fn set_many(&self, items: &[(&str, &[u8])], life: Ttl) -> Result<()> {
        ready(ops::set_many(&self.blocking, items, life))
    }

    fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        ready(ops::delete_many(&self.blocking, keys))
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        ready(ops::add(&self.blocking, key, value, life))
    }

    fn token(&self, key: &str) -> Result<Token> {
        ready(ops::token(&self.blocking, key))
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        ready(ops::put_if(&self.blocking, key, value, life, token))
    }

    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        ready(ops::fetch(&self.blocking, &self.recent, entry, versions))
    }

    fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
        Some(self)
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.blocking.limits().set_operation(limit);
    }
}

impl<B: Transport + Send + 'static> AsyncBackend for Redis<B> {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        Box::pin(ops::get(&*self.tasks, key))
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a [u8], life: Ttl) -> BoxFuture<'a, Result<()>> {
        Box::pin(ops::set(&*self.tasks, key, value, life))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ops::delete(&*self.tasks, key))
    }

    fn clear<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(ops::clear(&*self.tasks, prefix))
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>>> {
        Box::pin(ops::get_many(&*self.tasks, keys))
    }

    fn set_many<'a>(&'a self, items: &'a [(&'a str, &'a [u8])], life: Ttl) -> BoxFuture<'a, Result<()>> {
        Box::pin(ops::set_many(&*self.tasks, items, life))
    }

    fn delete_many<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(ops::delete_many(&*self.tasks, keys))
    }

    fn add<'a>(&'a self, key: &'a str, value: &'a [u8], life: Ttl) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ops::add(&*self.tasks, key, value, life))
    }

    fn token<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Token>> {
        Box::pin(ops::token(&*self.tasks, key))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        life: Ttl,
        token: Token,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ops::put_if(&*self.tasks, key, value, life, token))
    }

    fn fetch<'a>(&'a self, entry: &'a str, versions: &'a [&'a str]) -> BoxFuture<'a, Result<Fetched>> {
        Box::pin(ops::fetch(&*self.tasks, &self.recent, entry, versions))
    }
}
