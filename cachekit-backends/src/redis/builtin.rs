//! The part of `redis` that the table of backends knows.

use super::settings::Target;
use crate::builtin::BuiltIn;
use crate::config::{OptionKind, Problems};
use crate::{Config, Opened};

pub(crate) const BACKEND: BuiltIn = BuiltIn {
    options: &[
        ("lease", OptionKind::Span),
        ("tls_ca", OptionKind::Path),
        ("tls_cert", OptionKind::Path),
        ("tls_key", OptionKind::Path),
    ],
    check,
    location: |config| Target::of(config).ok().map(|target| target.name()),
    open: |config, _| super::open(config).map(Opened::Shared),
};

fn check(config: &Config, problems: &mut Problems) {
    if config.redis_port == Some(0) {
        problems.add("`redis_port` must be a port, 1 to 65535; it is `0`");
    }
    if config.redis_host.as_deref().is_some_and(|host| host.is_empty() || host.contains(['@', '/'])) {
        problems.add("`redis_host` must be a name or an address; a whole URL goes into `redis_url`");
    }
    if config.redis_host.as_deref().is_some_and(|host| host.contains(['[', ']'])) {
        problems.add("`redis_host` must not have brackets: write an IPv6 address as `::1`, and the port in `redis_port`");
    }
    if config.redis_url.is_none() {
        return;
    }
    let parts: Vec<&str> = [
        ("`redis_host`", config.redis_host.is_some()),
        ("`redis_port`", config.redis_port.is_some()),
        ("`redis_password`", config.redis_password.is_some()),
        ("`redis_db`", config.redis_db.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, given)| given.then_some(name))
    .collect();
    if !parts.is_empty() {
        problems.add(format!(
            "`redis_url` and {} are both given: keep the URL, which has room for all of it, or drop it",
            parts.join(", ")
        ));
    }
    if let Err(error) = super::check(config) {
        problems.add(error.to_string());
    }
}
