//! A backend's asynchronous methods as blocking ones, so that the same cases try them.

use std::sync::Arc;
use std::time::Duration;

use super::BlockOn;
use crate::{
    AsyncBackend, Backend, BoxFuture, Capabilities, Error, ErrorKind, Fetched, Lifetime, Result, Token,
};

pub(super) struct Blocking {
    inner: Arc<dyn Backend>,
    block_on: BlockOn,
}

impl Blocking {
    pub(super) fn new(inner: Arc<dyn Backend>, block_on: BlockOn) -> Self {
        Self { inner, block_on }
    }

    fn wait<'a, T: Send>(
        &'a self,
        call: impl FnOnce(&'a dyn AsyncBackend) -> BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let missing = |what| Err(Error::new(ErrorKind::Unsupported, what));
        let Some(methods) = self.inner.asynchronous() else { return missing("no asynchronous methods") };
        let future = call(methods);
        let mut result = None;
        (self.block_on)(Box::pin(async { result = Some(future.await) }));
        result.unwrap_or_else(|| missing("`block_on` has not run the future to its end"))
    }
}

impl Backend for Blocking {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.wait(|b| b.get(key))
    }
    fn set(&self, key: &str, value: &[u8], life: Lifetime) -> Result<()> {
        self.wait(|b| b.set(key, value, life))
    }
    fn delete(&self, key: &str) -> Result<bool> {
        self.wait(|b| b.delete(key))
    }
    fn clear(&self, prefix: &str) -> Result<()> {
        self.wait(|b| b.clear(prefix))
    }
    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        self.wait(|b| b.get_many(keys))
    }
    fn set_many(&self, items: &[(&str, &[u8])], life: Lifetime) -> Result<()> {
        self.wait(|b| b.set_many(items, life))
    }
    fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        self.wait(|b| b.delete_many(keys))
    }
    fn add(&self, key: &str, value: &[u8], life: Lifetime) -> Result<bool> {
        self.wait(|b| b.add(key, value, life))
    }
    fn token(&self, key: &str) -> Result<Token> {
        self.wait(|b| b.token(key))
    }
    fn put_if(&self, key: &str, value: &[u8], life: Lifetime, token: Token) -> Result<bool> {
        self.wait(|b| b.put_if(key, value, life, token))
    }
    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        self.wait(|b| b.fetch(entry, versions))
    }
    fn set_operation_timeout(&self, limit: Duration) {
        self.inner.set_operation_timeout(limit);
    }
}
