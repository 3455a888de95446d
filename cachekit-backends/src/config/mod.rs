//! What a cache is told at its start: [`Config`], and how it is read from code, a file or the environment.

mod cache_type;
mod debug;
mod duration;
mod env;
mod fields;
mod file;
mod options;
mod problems;
mod secret;
mod servers;
mod setters;
mod suggest;
mod validate;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::Timeout;

pub use cache_type::CacheType;
pub use secret::Secret;
#[cfg(feature = "redis")]
pub(crate) use secret::redacted;
pub use servers::Servers;
pub use value::Value;

/// The settings of a cache: which backend, where it is, and how it is used.
///
/// Fill it by its constructors and setters, by its fields, from the environment ([`from_env`](Self::from_env)) or from a
/// file ([`from_toml`](Self::from_toml), or any format of serde). Nothing is checked until [`validate`](Self::validate),
/// which `init` calls. Passwords never show in `Debug` or in an error.
///
/// In a file a key is the field's name (`type` for `cache_type`) at the top level, such as `key_prefix`; the name of the
/// environment, `CACHE_KEY_PREFIX`, works as well. An unknown key is an error that names the valid ones. Durations are
/// whole seconds or text like `90s`, `5m`, `1h30m`, `250ms`, `1d`.
///
/// ```
/// use cachekit_backends::Config;
///
/// let config = Config::filesystem("/var/cache/shop").key_prefix("shop:").default_timeout(60);
/// let file = Config::from_toml(
///     r#"
///     type = "filesystem"
///     dir = "/var/cache/shop"
///     key_prefix = "shop:"
///     default_timeout = "1m"
///     "#,
/// )?;
/// assert_eq!(config, file);
/// # Ok::<(), cachekit_backends::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Config {
    /// The backend. Default: [`CacheType::Simple`].
    pub cache_type: CacheType,
    /// Silences the warning that the `null` backend logs once. Default: false.
    pub no_null_warning: bool,
    /// A list for a custom backend; the known backends refuse it. Default: empty. In the environment
    /// `CACHE_ARGS=a,b`, or a TOML array such as `[1, "a"]`.
    pub args: Vec<Value>,
    /// A map for a custom backend, and for what few need of the known ones: TLS files of `redis` and `memcached`
    /// (`tls_ca`, `tls_cert`, `tls_key`), `lease` of `redis`, `tls` of `memcached`; others refuse it. Default: empty. In
    /// the environment `CACHE_OPTIONS=k=v,k2=v2`, or an inline TOML table such as `{ k = 1 }`.
    pub options: BTreeMap<String, Value>,
    /// How long an entry lives that was stored without a timeout of its own. Default: 300 s; 0 is never.
    pub default_timeout: Timeout,
    /// The most items that `simple` and `filesystem` keep. Default: 10,000; 0 is no limit.
    pub threshold: usize,
    /// What stands before every key, on every backend. Default: `cachekit:`.
    pub key_prefix: String,
    /// The memcached servers, each `host`, `host:port`, `[ipv6]:port` or the path of a socket. Default: empty, which means
    /// `127.0.0.1:11211`. Comma separated in the environment.
    pub memcached_servers: Vec<String>,
    /// The user name for `saslmemcached` and `spreadsaslmemcached`. Default: none.
    pub memcached_username: Option<String>,
    /// The password that belongs to it. Default: none.
    pub memcached_password: Option<Secret>,
    /// The Redis server's name or address. Default: none, which means `localhost`.
    pub redis_host: Option<String>,
    /// The Redis server's port. Default: none, which means 6379.
    pub redis_port: Option<u16>,
    /// The password for Redis. Default: none.
    pub redis_password: Option<Secret>,
    /// The number of the Redis database. Default: none, which means 0.
    pub redis_db: Option<u32>,
    /// Everything about the Redis server in one URL, instead of the four parts before: `redis://user:password@host:6379/0`,
    /// also `rediss` (TLS) and `valkey`; `unix:///path?db=0`; several nodes of a cluster, `redis://a:6379,b:6379`; sentinels,
    /// `redis+sentinel://a:26379,b:26379/master/0`. Default: none.
    pub redis_url: Option<String>,
    /// The directory of `filesystem`, which needs one. Default: none.
    pub dir: Option<PathBuf>,
    /// Lets `clear` empty a whole shared server where the key prefix is empty. Default: false.
    pub allow_flush: bool,
    /// How long one operation of a backend may take. Default: 500 ms.
    pub operation_timeout: Duration,
    /// How long making one connection may take; at most the operation timeout counts. Default: 250 ms.
    pub connect_timeout: Duration,
    /// How often a backend that failed is tried again. Default: 1 s.
    pub probe_interval: Duration,
    /// After how many failures in a row a backend isn't asked until a probe succeeds. Default: 5.
    pub breaker_threshold: u32,
    /// The most connections, or threads for a backend that blocks, that one cache uses at a time. Default: 16.
    pub pool_size: usize,
    /// Uses `null`, whatever the type. Default: false. In the environment this is `TESTING`, without the prefix.
    pub testing: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_type: CacheType::default(),
            no_null_warning: false,
            args: Vec::new(),
            options: BTreeMap::new(),
            default_timeout: Timeout::After(Duration::from_secs(300)),
            threshold: 10_000,
            key_prefix: "cachekit:".into(),
            memcached_servers: Vec::new(),
            memcached_username: None,
            memcached_password: None,
            redis_host: None,
            redis_port: None,
            redis_password: None,
            redis_db: None,
            redis_url: None,
            dir: None,
            allow_flush: false,
            operation_timeout: Duration::from_millis(500),
            connect_timeout: Duration::from_millis(250),
            probe_interval: Duration::from_secs(1),
            breaker_threshold: 5,
            pool_size: 16,
            testing: false,
        }
    }
}

impl Config {
    /// Nothing is kept: every call computes.
    pub fn null() -> Self {
        Self::default().cache_type(CacheType::Null)
    }

    /// In this process.
    pub fn simple() -> Self {
        Self::default().cache_type(CacheType::Simple)
    }

    /// One file per entry in a directory, which processes may share.
    pub fn filesystem(dir: impl Into<PathBuf>) -> Self {
        Self::default().cache_type(CacheType::FileSystem).dir(dir)
    }

    /// The Redis server at a URL such as `redis://user:password@host:6379/0`.
    pub fn redis(url: impl Into<String>) -> Self {
        Self::default().cache_type(CacheType::Redis).redis_url(url)
    }

    /// Memcached servers: a list, or text with commas.
    ///
    /// ```
    /// # use cachekit_backends::Config;
    /// assert_eq!(Config::memcached("a:11211,b:11211"), Config::memcached(["a:11211", "b:11211"]));
    /// ```
    pub fn memcached(servers: impl Into<Servers>) -> Self {
        Self::default().cache_type(CacheType::Memcached).memcached_servers(servers)
    }
}
