//! The builder: one setter for each field, of the same name.

use std::path::PathBuf;
use std::time::Duration;

use super::{CacheType, Config, Secret, Servers, Value};
use crate::Timeout;

macro_rules! setters {
    ($($name:ident($value:ident: $t:ty) = $new:expr;)*) => {
        impl Config {$(
            #[doc = concat!("Sets the field [`", stringify!($name), "`](field@Self::", stringify!($name), ").")]
            #[must_use]
            pub fn $name(mut self, $value: $t) -> Self {
                self.$name = $new;
                self
            }
        )*}
    };
}

setters! {
    cache_type(word: impl Into<CacheType>) = word.into();
    no_null_warning(yes: bool) = yes;
    args(list: impl IntoIterator<Item = impl Into<Value>>) = list.into_iter().map(Into::into).collect();
    options(map: impl IntoIterator<Item = (impl Into<String>, impl Into<Value>)>) =
        map.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    default_timeout(timeout: impl Into<Timeout>) = timeout.into();
    threshold(items: usize) = items;
    key_prefix(prefix: impl Into<String>) = prefix.into();
    memcached_servers(servers: impl Into<Servers>) = servers.into().into();
    memcached_username(name: impl Into<String>) = Some(name.into());
    memcached_password(password: impl Into<Secret>) = Some(password.into());
    redis_host(host: impl Into<String>) = Some(host.into());
    redis_port(port: u16) = Some(port);
    redis_password(password: impl Into<Secret>) = Some(password.into());
    redis_db(number: u32) = Some(number);
    redis_url(url: impl Into<String>) = Some(url.into());
    dir(path: impl Into<PathBuf>) = Some(path.into());
    allow_flush(yes: bool) = yes;
    operation_timeout(limit: Duration) = limit;
    connect_timeout(limit: Duration) = limit;
    probe_interval(interval: Duration) = interval;
    breaker_threshold(failures: u32) = failures;
    pool_size(connections: usize) = connections;
    testing(yes: bool) = yes;
}
