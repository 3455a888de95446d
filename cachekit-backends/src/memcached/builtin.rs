//! The part of `memcached` that the table of backends knows.

use std::sync::Arc;

use super::Memcached;
use super::settings::{address, addresses};
use crate::builtin::BuiltIn;
use crate::config::{OptionKind, Problems, redacted};
use crate::{CacheType, Config, Opened};

pub(crate) const BACKEND: BuiltIn = BuiltIn {
    options: &[
        ("auth", OptionKind::Word(&["auto", "sasl", "text"])),
        ("max_item_size", OptionKind::Bytes(2048, 1 << 30)),
        ("tls", OptionKind::Switch),
        ("tls_ca", OptionKind::Path),
        ("tls_cert", OptionKind::Path),
        ("tls_key", OptionKind::Path),
    ],
    check,
    location: |config| {
        let servers = addresses(config).ok()?.into_iter();
        Some(servers.map(|server| server.to_string()).collect::<Vec<_>>().join(","))
    },
    open: |config, _| Ok(Opened::Shared(Arc::new(Memcached::open(config)?))),
};

fn check(config: &Config, problems: &mut Problems) {
    for server in &config.memcached_servers {
        if server.is_empty() {
            problems.add(
                "`memcached_servers` has no server where one should be: name it, such as `host:11211`, or leave the setting out \
                 for `127.0.0.1:11211`",
            );
        } else if server.contains('@') {
            problems.add(format!(
                "`memcached_servers`: `{}` has a login in it; use `memcached_username` and `memcached_password`",
                redacted(server)
            ));
        } else if let Err(error) = address(server) {
            problems.add(error.to_string());
        }
    }
    // Values are spread without a login too.
    let anonymous = config.cache_type == CacheType::SpreadSaslMemcached
        && config.memcached_username.is_none()
        && config.memcached_password.is_none();
    let logs_in = matches!(config.cache_type, CacheType::SaslMemcached | CacheType::SpreadSaslMemcached);
    for (name, given) in [
        ("memcached_username", config.memcached_username.is_some()),
        ("memcached_password", config.memcached_password.is_some()),
    ] {
        if logs_in && !given && !anonymous {
            let variable = name.to_ascii_uppercase();
            problems.add(format!("cache type `{}` needs `{name}` (`CACHE_{variable}`)", config.cache_type));
        } else if given && !logs_in {
            problems.add(format!(
                "cache type `{}` doesn't log in, so `{name}` has no effect: use `saslmemcached`",
                config.cache_type
            ));
        }
    }
}
