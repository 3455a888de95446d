use std::fmt;

use super::Config;
use super::secret::redacted;

/// Every field, without secrets: those of an address are cut out, and of the options of a custom backend only the names
/// are shown, as nobody knows what they mean.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cache_type,
            no_null_warning,
            args,
            options,
            default_timeout,
            threshold,
            key_prefix,
            memcached_servers,
            memcached_username,
            memcached_password,
            redis_host,
            redis_port,
            redis_password,
            redis_db,
            redis_url,
            dir,
            allow_flush,
            operation_timeout,
            connect_timeout,
            probe_interval,
            breaker_threshold,
            pool_size,
            testing,
        } = self;
        f.debug_struct("Config")
            .field("cache_type", &redacted(cache_type.as_str()))
            .field("no_null_warning", no_null_warning)
            .field("args", &Hidden::all(args))
            .field("options", &Names(options.keys()))
            .field("default_timeout", default_timeout)
            .field("threshold", threshold)
            .field("key_prefix", key_prefix)
            .field("memcached_servers", &memcached_servers.iter().map(|s| redacted(s)).collect::<Vec<_>>())
            .field("memcached_username", memcached_username)
            .field("memcached_password", memcached_password)
            .field("redis_host", &redis_host.as_deref().map(redacted))
            .field("redis_port", redis_port)
            .field("redis_password", redis_password)
            .field("redis_db", redis_db)
            .field("redis_url", &redis_url.as_deref().map(redacted))
            .field("dir", dir)
            .field("allow_flush", allow_flush)
            .field("operation_timeout", operation_timeout)
            .field("connect_timeout", connect_timeout)
            .field("probe_interval", probe_interval)
            .field("breaker_threshold", breaker_threshold)
            .field("pool_size", pool_size)
            .field("testing", testing)
            .finish()
    }
}

struct Hidden;

impl Hidden {
    fn all<T>(items: &[T]) -> Vec<Self> {
        items.iter().map(|_| Self).collect()
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

struct Names<I>(I);

impl<I: Iterator<Item: fmt::Debug> + Clone> fmt::Debug for Names<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.clone().map(|name| (name, Hidden))).finish()
    }
}
