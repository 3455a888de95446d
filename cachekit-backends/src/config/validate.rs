//! The check of a whole configuration, before anything is opened.

use std::path::Path;
use std::time::Duration;

use super::problems::Problems;
use super::secret::redacted;
use super::suggest::hint;
use super::{CacheType, Config};
use crate::{Error, ErrorKind, Result, Timeout, registry};

impl Config {
    /// Whether a cache can be opened with this: everything that the backend needs is there, nothing contradicts, nothing
    /// would be ignored silently. With [`testing`](field@Self::testing) the backend's own settings don't matter.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with a message that names every mistake and what is valid instead;
    /// [`ErrorKind::Unsupported`] for a backend that this build lacks, naming the cargo feature.
    pub fn validate(&self) -> Result<()> {
        let mut problems = Problems::default();
        self.check_common(&mut problems);
        if self.testing {
            return problems.finish();
        }
        match &self.cache_type {
            CacheType::Null | CacheType::Simple => {}
            CacheType::FileSystem => self.check_filesystem(&mut problems),
            CacheType::Redis => self.check_redis(&mut problems),
            CacheType::Custom(name) => check_custom(name, &mut problems),
            CacheType::Memcached
            | CacheType::GaeMemcached
            | CacheType::SaslMemcached
            | CacheType::SpreadSaslMemcached => self.check_memcached(&mut problems),
        }
        if !matches!(self.cache_type, CacheType::Custom(_)) {
            self.check_extras(&mut problems);
        }
        problems.finish()?;
        check_built(&self.cache_type)
    }

    fn check_common(&self, problems: &mut Problems) {
        if self.key_prefix.contains('\0') {
            problems.add("`key_prefix` must not contain NUL");
        }
        match self.default_timeout {
            Timeout::Default => problems.add(
                "`default_timeout` must be a duration or `Timeout::Never`; `Timeout::Default` stands for this very setting",
            ),
            Timeout::After(time) if time.is_zero() => {
                problems.add("`default_timeout` must be more than zero; for entries that never expire say `Timeout::Never`");
            }
            Timeout::After(_) | Timeout::Never => {}
        }
        for (name, is_zero) in [
            ("operation_timeout", self.operation_timeout.is_zero()),
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("probe_interval", self.probe_interval.is_zero()),
            ("breaker_threshold", self.breaker_threshold == 0),
            ("pool_size", self.pool_size == 0),
        ] {
            if is_zero {
                problems.add(format!("`{name}` must be more than zero"));
            }
        }
        for (name, time) in
            [("operation_timeout", self.operation_timeout), ("connect_timeout", self.connect_timeout)]
        {
            // More could not be added to any moment.
            if time > Duration::from_secs(365 * 24 * 60 * 60) {
                problems.add(format!("`{name}` must be at most a year"));
            }
        }
    }

    fn check_filesystem(&self, problems: &mut Problems) {
        match self.dir.as_deref() {
            None => {
                problems
                    .add("cache type `filesystem` needs `dir` (`CACHE_DIR`), the directory for its files");
            }
            Some(dir) if dir == Path::new("") => problems.add("`dir` must not be empty"),
            Some(_) => {}
        }
    }

    fn check_redis(&self, problems: &mut Problems) {
        if self.redis_port == Some(0) {
            problems.add("`redis_port` must be a port, 1 to 65535; it is `0`");
        }
        if self.redis_host.as_deref().is_some_and(|host| host.is_empty() || host.contains(['@', '/'])) {
            problems.add("`redis_host` must be a name or an address; a whole URL goes into `redis_url`");
        }
        if self.redis_url.is_none() {
            return;
        }
        let parts: Vec<&str> = [
            ("`redis_host`", self.redis_host.is_some()),
            ("`redis_port`", self.redis_port.is_some()),
            ("`redis_password`", self.redis_password.is_some()),
            ("`redis_db`", self.redis_db.is_some()),
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
        // Without the backend nobody reads it.
        #[cfg(feature = "redis")]
        if let Err(error) = crate::redis::check(self) {
            problems.add(error.to_string());
        }
    }

    fn check_memcached(&self, problems: &mut Problems) {
        for server in &self.memcached_servers {
            if server.contains('@') {
                problems.add(format!(
                    "`memcached_servers`: `{}` has a login in it; use `memcached_username` and `memcached_password`",
                    redacted(server)
                ));
            } else if !is_server(server) {
                problems.add(format!(
                    "`memcached_servers`: `{server}` must be `host`, `host:port`, `[ipv6]:port` or the path of a socket"
                ));
            }
        }
        // Values are spread without a login too.
        let anonymous = self.cache_type == CacheType::SpreadSaslMemcached
            && self.memcached_username.is_none()
            && self.memcached_password.is_none();
        let logs_in = matches!(self.cache_type, CacheType::SaslMemcached | CacheType::SpreadSaslMemcached);
        for (name, given) in [
            ("memcached_username", self.memcached_username.is_some()),
            ("memcached_password", self.memcached_password.is_some()),
        ] {
            if logs_in && !given && !anonymous {
                let variable = name.to_ascii_uppercase();
                problems.add(format!("cache type `{}` needs `{name}` (`CACHE_{variable}`)", self.cache_type));
            } else if given && !logs_in {
                problems.add(format!(
                    "cache type `{}` doesn't log in, so `{name}` has no effect: use `saslmemcached`",
                    self.cache_type
                ));
            }
        }
    }

    /// What custom backends take, and others little of. The values aren't shown: nobody knows what they mean.
    fn check_extras(&self, problems: &mut Problems) {
        if !self.args.is_empty() {
            problems.add(format!("cache type `{}` takes no `args`: leave them out", self.cache_type));
        }
        self.check_options(problems);
    }
}

fn check_custom(name: &str, problems: &mut Problems) {
    let registered = registry::names();
    if registered.iter().any(|known| known == name) {
        return;
    }
    let known = CacheType::KNOWN.iter().map(|(word, _)| *word);
    let valid: Vec<&str> = known.chain(registered.iter().map(String::as_str)).collect();
    // Flask-Caching says `RedisCache`.
    let lower = name.to_ascii_lowercase();
    let hint = hint(lower.strip_suffix("cache").unwrap_or(&lower), valid.iter().copied());
    problems.add(format!(
        "unknown cache type `{}`: valid are {}, and names given to `register_backend` before{hint}",
        redacted(name),
        valid.join(", ")
    ));
}

/// The cargo feature that a type needs, and whether this build has it.
fn check_built(cache_type: &CacheType) -> Result<()> {
    let (feature, built) = match cache_type {
        CacheType::Null | CacheType::Simple | CacheType::Custom(_) => return Ok(()),
        CacheType::FileSystem => ("filesystem", cfg!(feature = "filesystem")),
        CacheType::Redis => ("redis", cfg!(feature = "redis")),
        CacheType::Memcached
        | CacheType::GaeMemcached
        | CacheType::SaslMemcached
        | CacheType::SpreadSaslMemcached => ("memcached", cfg!(feature = "memcached")),
    };
    if built {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("this build has no `{cache_type}` backend: enable cachekit's cargo feature `{feature}`"),
    ))
}

/// `host`, `host:port`, `[ipv6]`, `[ipv6]:port` or `/path`.
fn is_server(server: &str) -> bool {
    if server.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return false;
    }
    if server.starts_with('/') {
        return true;
    }
    let (host_ok, port) = if let Some(rest) = server.strip_prefix('[') {
        let Some((ip, port)) = rest.split_once(']') else { return false };
        (ip.parse::<std::net::Ipv6Addr>().is_ok(), port)
    } else {
        let (host, port) = server.split_at(server.find(':').unwrap_or(server.len()));
        (!host.is_empty() && !host.contains(['/', ',']), port)
    };
    let port_ok = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().is_ok_and(|port| port > 0),
        None => port.is_empty(),
    };
    host_ok && port_ok
}
