//! The settings of memcached, checked.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::wire::{Credentials, LoginKind};
use crate::config::redacted;
use crate::net::Address;
use crate::{CacheType, Config, Error, ErrorKind, Result};

const PORT: u16 = 11211;
/// An item beside its value: a key of 250 bytes, numbers, links.
const BESIDE: usize = 576;
/// The most that fits into an item of memcached's default size.
const MOST_VALUE: usize = (1 << 20) - BESIDE;

/// Reads `host`, `host:port`, `[ipv6]`, `[ipv6]:port` or `/path`. Each server has one form: its keys depend on it.
pub(super) fn address(text: &str) -> Result<Address> {
    let wrong = || {
        config(format!(
            "`memcached_servers`: `{}` must be `host`, `host:port`, `[ipv6]:port` or the path of a socket",
            redacted(text)
        ))
    };
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(wrong());
    }
    if text.starts_with('/') {
        return Ok(Address::Unix(text.into()));
    }
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((ip, port))) if ip.parse::<Ipv6Addr>().is_ok() => (ip, port),
        Some(_) => return Err(wrong()),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if host.is_empty() || host.contains(['/', ',']) {
        return Err(wrong());
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => PORT,
        Some(digits) => digits.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?,
        None => return Err(wrong()),
    };
    let host = match host.parse() {
        Ok(IpAddr::V6(ip)) => ip.to_string(),
        _ => host.to_ascii_lowercase(),
    };
    Ok(Address::tcp(host, port))
}

/// The login, and its kind if the configuration sets it.
#[derive(Clone, Debug)]
pub(super) struct LogIn {
    pub(super) credentials: Credentials,
    pub(super) kind: Option<LoginKind>,
}

/// All settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) servers: Vec<Address>,
    pub(super) login: Option<LogIn>,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) key_prefix: String,
    /// Whether large values are split.
    pub(super) spread: bool,
    /// The most bytes of one item's value.
    pub(super) max_item: usize,
    pub(super) operation_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) pool_size: usize,
    pub(super) breaker_threshold: u32,
    pub(super) probe_interval: Duration,
}

impl Settings {
    pub(super) fn read(settings: &Config) -> Result<Self> {
        let servers = addresses(settings)?;
        let on_socket = servers.iter().any(|server| matches!(server, Address::Unix(_)));
        if settings.switch_option("tls") && on_socket {
            return Err(config("option `tls` is for servers on the network, not for the path of a socket"));
        }
        let tls =
            if settings.switch_option("tls") { Some(crate::tls::client_config(settings)?) } else { None };
        Ok(Self {
            servers,
            login: log_in(settings)?,
            tls,
            key_prefix: settings.key_prefix.clone(),
            spread: settings.cache_type == CacheType::SpreadSaslMemcached,
            max_item: max_item(settings),
            operation_timeout: settings.operation_timeout,
            connect_timeout: settings.connect_timeout,
            pool_size: settings.pool_size.max(1),
            breaker_threshold: settings.breaker_threshold,
            probe_interval: settings.probe_interval,
        })
    }
}

/// The servers, each once.
pub(super) fn addresses(settings: &Config) -> Result<Vec<Address>> {
    let mut servers: Vec<Address> = Vec::new();
    for text in &settings.memcached_servers {
        let address = address(text)?;
        if !servers.contains(&address) {
            servers.push(address);
        }
    }
    if servers.is_empty() {
        servers.push(address("127.0.0.1")?);
    }
    Ok(servers)
}

fn config(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// The server's item size, less what an item has beside its value.
fn max_item(settings: &Config) -> usize {
    settings.bytes_option("max_item_size").map_or(MOST_VALUE, |bytes| bytes.saturating_sub(BESIDE).max(1))
}

fn log_in(settings: &Config) -> Result<Option<LogIn>> {
    let kind = match settings.text_option("auth") {
        Some("sasl") => Some(LoginKind::Sasl),
        Some("text") => Some(LoginKind::Text),
        _ => None,
    };
    let (user, password) = match (&settings.memcached_username, &settings.memcached_password) {
        (Some(user), Some(password)) => (user.clone(), password.clone()),
        (None, None) => return Ok(None),
        _ => {
            return Err(config(
                "`memcached_username` and `memcached_password` are both needed to log in, or none",
            ));
        }
    };
    if user.contains('\0') || password.expose().contains('\0') {
        return Err(config("`memcached_username` and `memcached_password` must not contain NUL"));
    }
    // While the kind of server is unknown, the packet may reach one that reads lines.
    if kind != Some(LoginKind::Sasl) && password.expose().contains(['\r', '\n']) {
        return Err(config(
            "`memcached_password` has a line end in it, which only the SASL login can carry: set the option `auth` to `sasl`",
        ));
    }
    Ok(Some(LogIn { credentials: Credentials { user, password }, kind }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &Config) -> Settings {
        Settings::read(config).unwrap()
    }

    #[test]
    fn servers_have_one_name_each_however_they_are_written() {
        let settings = read(&Config::memcached([
            "Cache",
            "cache:11211",
            "[0::1]:5",
            "[::1]:5",
            "/run/m.sock",
            "1.2.3.4:7",
        ]));
        let names: Vec<String> = settings.servers.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["cache:11211", "[::1]:5", "/run/m.sock", "1.2.3.4:7"]);
        assert_eq!(
            read(&Config::default().cache_type(CacheType::Memcached)).servers,
            [Address::tcp("127.0.0.1", 11211)]
        );
    }

    #[test]
    fn what_makes_no_sense_is_a_config_error_that_shows_no_secret() {
        let base = || Config::memcached("a").memcached_username("u").memcached_password("secret\0");
        let mut half = Config::memcached("a").memcached_username("u");
        half.memcached_password = None;
        let tls_on_a_socket = Config::memcached("/run/m.sock").options([("tls", "true")]);
        let lines = Config::memcached("a").memcached_username("u").memcached_password("secret\r\n");
        assert!(Settings::read(&lines.clone().options([("auth", "sasl")])).is_ok());
        for config in [base(), half, tls_on_a_socket, lines] {
            let error = Settings::read(&config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let larger = Config::memcached("h").options([("max_item_size", 1 << 20)]);
        assert_eq!(read(&larger).max_item, MOST_VALUE);
    }
}
