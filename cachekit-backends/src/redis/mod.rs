//! A Redis or Valkey server, one behind Sentinel, or a cluster of them.
//!
//! `ops` has the operations, written once over a `wire::Wire`; `command` builds what goes to the server, `form` knows
//! what stands there under a key. The wires: `blocking` (a pool of connections that block), `tasks` (a shared
//! connection for each tokio runtime) and `cluster` (the client library's cluster, for both).

#[cfg(feature = "redis-cluster")]
mod background;
mod blocking;
pub(crate) mod builtin;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod command;
mod error;
mod form;
mod glob;
mod line;
mod ops;
mod place;
mod route;
mod tasks;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use self::blocking::Pooled;
use self::error::Server;
use self::place::{Kind, Target};
use self::route::Route;
use self::tasks::Tasks;
use self::wire::{Limits, Wire, ready};
use crate::{
    AsyncBackend, Backend, BoxFuture, Capabilities, Config, Error, ErrorKind, Fetched, Lifetime, Result,
    Token, tls,
};

/// How long a computation may take and still be stored, if the option `lease` doesn't say.
const LEASE: Duration = Duration::from_secs(10 * 60);

/// Whether the address of a configuration can be understood, and this build can go there.
///
/// # Errors
/// [`ErrorKind::Config`] with what is wrong; [`ErrorKind::Unsupported`] naming the cargo feature.
pub(crate) fn check(config: &Config) -> Result<()> {
    let (feature, built) = match Target::of(config)?.kind {
        Kind::Node => return Ok(()),
        Kind::Cluster => ("redis-cluster", cfg!(feature = "redis-cluster")),
        Kind::Sentinel(_) => ("redis-sentinel", cfg!(feature = "redis-sentinel")),
    };
    if built {
        return Ok(());
    }
    let message = format!("`redis_url` needs cachekit's cargo feature `{feature}`, which this build hasn't");
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Opens the store that a configuration names. Connects to nobody yet.
pub(crate) fn open(config: &Config) -> Result<Arc<dyn Backend>> {
    check(config)?;
    let target = Target::of(config)?;
    let server = Server { name: target.name(), password: target.login.password.clone() };
    let tls = if target.tls { Some(tls::client_config(config)?) } else { None };
    let lease = config.span_option("lease").unwrap_or(LEASE);
    let limits = Arc::new(Limits::new(config.operation_timeout, config.connect_timeout, lease));
    #[cfg_attr(not(feature = "redis-cluster"), expect(unused_mut, reason = "only a cluster has more"))]
    let mut route = Route {
        target,
        tls,
        server,
        #[cfg(feature = "redis-cluster")]
        certificates: None,
    };
    #[cfg(feature = "redis-cluster")]
    if route.target.kind == Kind::Cluster {
        if route.target.tls {
            route.certificates = Some(cluster::certificates(config)?);
        }
        let tasks = Arc::new(Tasks::new(Arc::new(route), limits));
        return Ok(Arc::new(Redis { blocking: cluster::Blocking(Arc::clone(&tasks)), tasks }));
    }
    let route = Arc::new(route);
    Ok(Arc::new(Redis {
        blocking: Pooled::new(Arc::clone(&route), Arc::clone(&limits), config.pool_size),
        tasks: Arc::new(Tasks::new(route, limits)),
    }))
}

/// The store: two ways to the same server.
struct Redis<B> {
    blocking: B,
    tasks: Arc<Tasks>,
}

impl<B: Wire + Send + 'static> Backend for Redis<B> {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .shared(true)
            .atomic_add(true)
            .conditional(true)
            .clear_by_prefix(true)
            .bounded(true)
            .max_value_len(form::MAX_VALUE_LEN)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        ready(ops::get(&self.blocking, key))
    }

    fn set(&self, key: &str, value: &[u8], life: Lifetime) -> Result<()> {
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

    fn set_many(&self, items: &[(&str, &[u8])], life: Lifetime) -> Result<()> {
        ready(ops::set_many(&self.blocking, items, life))
    }

    fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        ready(ops::delete_many(&self.blocking, keys))
    }

    fn add(&self, key: &str, value: &[u8], life: Lifetime) -> Result<bool> {
        ready(ops::add(&self.blocking, key, value, life))
    }

    fn token(&self, key: &str) -> Result<Token> {
        ready(ops::token(&self.blocking, key))
    }

    fn put_if(&self, key: &str, value: &[u8], life: Lifetime, token: Token) -> Result<bool> {
        ready(ops::put_if(&self.blocking, key, value, life, token))
    }

    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        ready(ops::fetch(&self.blocking, entry, versions))
    }

    fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
        Some(self)
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.blocking.limits().set_operation(limit);
    }
}

impl<B: Wire + Send + 'static> AsyncBackend for Redis<B> {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        Box::pin(ops::get(&self.tasks, key))
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a [u8], life: Lifetime) -> BoxFuture<'a, Result<()>> {
        Box::pin(ops::set(&self.tasks, key, value, life))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ops::delete(&self.tasks, key))
    }

    fn clear<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(ops::clear(&self.tasks, prefix))
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>>> {
        Box::pin(ops::get_many(&self.tasks, keys))
    }

    fn set_many<'a>(&'a self, items: &'a [(&'a str, &'a [u8])], life: Lifetime) -> BoxFuture<'a, Result<()>> {
        Box::pin(ops::set_many(&self.tasks, items, life))
    }

    fn delete_many<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(ops::delete_many(&self.tasks, keys))
    }

    fn add<'a>(&'a self, key: &'a str, value: &'a [u8], life: Lifetime) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ops::add(&self.tasks, key, value, life))
    }

    fn token<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Token>> {
        Box::pin(ops::token(&self.tasks, key))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        life: Lifetime,
        token: Token,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ops::put_if(&self.tasks, key, value, life, token))
    }

    fn fetch<'a>(&'a self, entry: &'a str, versions: &'a [&'a str]) -> BoxFuture<'a, Result<Fetched>> {
        Box::pin(ops::fetch(&self.tasks, entry, versions))
    }
}
