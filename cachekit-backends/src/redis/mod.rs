//! A Redis or Valkey server, one behind Sentinel, or a cluster of them.
//!
//! `ops` has the operations, written once over a `transport::Transport`; `wire` is the encoding. The transports: `blocking`
//! (a pool of connections that block), `multiplexed` (one connection that tasks share) and, for a
//! `cluster`, `parked` (the thread waits for it).

mod backend;
mod blocking;
pub(crate) mod builtin;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod connect;
mod connection;
mod error;
mod limits;
mod multiplexed;
mod ops;
#[cfg(feature = "redis-cluster")]
mod parked;
mod recent;
mod settings;
mod shared;
mod transport;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use self::backend::Redis;
use self::blocking::Pooled;
use self::connect::Route;
use self::error::Server;
use self::limits::Limits;
use self::multiplexed::Multiplexed;
use self::settings::{Kind, Target};
use crate::{Backend, Config, Error, ErrorKind, Result, tls};

/// How long a computation may take and still be stored, unless the option `lease` sets it.
const LEASE: Duration = Duration::from_secs(10 * 60);

/// Checks that the address of a configuration is well formed, and that this build can reach it.
///
/// # Errors
/// [`ErrorKind::Config`] for a malformed address; [`ErrorKind::Unsupported`], with the cargo feature that is missing.
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

/// Opens the store that a configuration names. Makes no connection yet.
pub(crate) fn open(config: &Config) -> Result<Arc<dyn Backend>> {
    check(config)?;
    let target = Target::of(config)?;
    let logins = [&target.login, &target.sentinel_login];
    let passwords = logins.into_iter().filter_map(|login| login.password.clone()).collect();
    let server = Server { name: target.name(), passwords };
    let tls = if target.tls { Some(tls::client_config(config)?) } else { None };
    let lease = config.span_option("lease").unwrap_or(LEASE);
    let limits = Arc::new(Limits::new(config.operation_timeout, config.connect_timeout, lease));
    let route =
        Arc::new(Route { target, tls, server, limits, breaks: AtomicU64::new(0), further: Arc::default() });
    let tasks = Arc::new(Multiplexed::new(Arc::clone(&route)));
    #[cfg(feature = "redis-cluster")]
    if route.target.kind == Kind::Cluster {
        return Ok(Arc::new(Redis::new(parked::Parked(Arc::clone(&tasks)), tasks)));
    }
    Ok(Arc::new(Redis::new(Pooled::new(route, config.pool_size), tasks)))
}
