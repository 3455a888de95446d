//! The settings of Redis: which servers, and how to log in. From the URL, or from its parts.

use crate::config::redacted;
use crate::net::Address;
use crate::{Config, Error, ErrorKind, Result};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// The kind of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One server.
    Node,
    /// Nodes of a cluster.
    Cluster,
    /// Sentinels, which know where the server of this name is.
    Sentinel(String),
}

/// The login. It has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// The contents of a URL.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) servers: Vec<Address>,
    pub(super) tls: bool,
    pub(super) login: Login,
    /// The login at the sentinels themselves.
    pub(super) sentinel_login: Login,
    pub(super) db: u32,
}

impl Target {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a malformed URL, with the reason and without the password.
    pub(super) fn of(config: &Config) -> Result<Self> {
        if let Some(url) = &config.redis_url {
            return parse(url).map_err(|why| {
                Error::new(ErrorKind::Config, format!("`redis_url` {why}; it is `{}`", redacted(url)))
            });
        }
        let host = config.redis_host.clone().unwrap_or_else(|| "localhost".into());
        Ok(Self {
            kind: Kind::Node,
            servers: vec![Address::tcp(host, config.redis_port.unwrap_or(REDIS_PORT))],
            tls: false,
            login: Login {
                user: None,
                password: config.redis_password.as_ref().map(|password| password.expose().to_owned()),
            },
            sentinel_login: Login::default(),
            db: config.redis_db.unwrap_or(0),
        })
    }

    /// All addresses, for messages.
    pub(super) fn name(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        servers.join(",")
    }
}

type Parsed<T> = std::result::Result<T, String>;

/// The kinds of URL: whether it speaks TLS, and what is there.
fn scheme(word: &str) -> Option<(bool, Scheme)> {
    Some(match word {
        "redis" | "valkey" => (false, Scheme::Nodes),
        "rediss" | "valkeys" => (true, Scheme::Nodes),
        "unix" | "redis+unix" | "valkey+unix" => (false, Scheme::Unix),
        "redis+cluster" | "valkey+cluster" => (false, Scheme::Cluster),
        "rediss+cluster" | "valkeys+cluster" => (true, Scheme::Cluster),
        "redis+sentinel" | "valkey+sentinel" => (false, Scheme::Sentinel),
        "rediss+sentinel" | "valkeys+sentinel" => (true, Scheme::Sentinel),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Nodes,
    Unix,
    Cluster,
    Sentinel,
}

fn parse(url: &str) -> Parsed<Target> {
    let Some((word, rest)) = url.split_once("://") else { return Err(FORMS.into()) };
    let Some((tls, scheme)) = scheme(word) else { return Err(FORMS.into()) };
    // Each node may be a URL of its own: `redis://a,redis://b`.
    let again = format!(",{word}://");
    let mut parts = rest.split(again.as_str());
    let mut target = part(parts.next().unwrap_or_default(), tls, scheme)?;
    for text in parts {
        let other = part(text, tls, scheme)?;
        let same = (&other.login, &other.sentinel_login, other.db)
            == (&target.login, &target.sentinel_login, target.db)
            && other.kind == target.kind;
        if !same
            && (&other.login, &other.sentinel_login, other.db) != (&Login::default(), &Login::default(), 0)
        {
            return Err("has several servers with different logins or databases".into());
        }
        target.servers.extend(other.servers);
    }
    if scheme == Scheme::Nodes && target.servers.len() > 1 {
        target.kind = Kind::Cluster;
    }
    if target.kind == Kind::Cluster && target.db != 0 {
        return Err("has a database, which a cluster hasn't".into());
    }
    Ok(target)
}

const FORMS: &str = "must be a URL like `redis://host:6379/0` (or with `rediss`, `redis+unix`, `unix`, `redis+cluster`, \
                     `redis+sentinel`)";

/// Reads the text between `://` and the end.
fn part(text: &str, tls: bool, scheme: Scheme) -> Parsed<Target> {
    if text.contains('#') {
        return Err("has a `#`, which must be written `%23` in a password".into());
    }
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    if scheme == Scheme::Unix {
        let mut target = Target {
            kind: Kind::Node,
            servers: vec![Address::Unix(decoded(text)?.into())],
            tls: false,
            login: Login::default(),
            sentinel_login: Login::default(),
            db: 0,
        };
        if !text.starts_with('/') {
            return Err("must name a socket by its whole path, like `unix:///run/redis.sock`".into());
        }
        read_query(query, &mut target)?;
        return Ok(target);
    }
    let (login, text) = match text.rsplit_once('@') {
        Some((login, text)) => (read_login(login)?, text),
        None => (Login::default(), text),
    };
    let (hosts, path) = text.split_once('/').unwrap_or((text, ""));
    let (kind, db, port) = match scheme {
        Scheme::Cluster => (Kind::Cluster, path, REDIS_PORT),
        Scheme::Sentinel => {
            let (master, db) = path.split_once('/').unwrap_or((path, ""));
            if master.is_empty() {
                return Err("must name the master, like `redis+sentinel://host:26379/mymaster/0`".into());
            }
            (Kind::Sentinel(decoded(master)?), db, SENTINEL_PORT)
        }
        Scheme::Nodes | Scheme::Unix => (Kind::Node, path, REDIS_PORT),
    };
    let servers = hosts.split(',').map(|host| address(host, port)).collect::<Parsed<_>>()?;
    let db = number(db.trim_end_matches('/'))?;
    let mut target = Target { kind, servers, tls, login, sentinel_login: Login::default(), db };
    read_query(query, &mut target)?;
    Ok(target)
}

fn number(text: &str) -> Parsed<u32> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| format!("has `{text}` where the number of a database belongs"))
}

fn read_login(text: &str) -> Parsed<Login> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password)?)),
        None => (text, None),
    };
    let user = if user.is_empty() { None } else { Some(decoded(user)?) };
    Ok(Login { user, password })
}

/// `db`, `user` and `pass`, as they are said with sockets, and the login at the sentinels.
fn read_query(query: &str, target: &mut Target) -> Parsed<()> {
    let has_sentinels = matches!(target.kind, Kind::Sentinel(_));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "db" => target.db = number(value)?,
            "user" => target.login.user = Some(decoded(value)?),
            "pass" => target.login.password = Some(decoded(value)?),
            "sentinel_user" if has_sentinels => target.sentinel_login.user = Some(decoded(value)?),
            "sentinel_pass" if has_sentinels => target.sentinel_login.password = Some(decoded(value)?),
            _ if has_sentinels => {
                return Err(
                    "has a query with something else than `db`, `user`, `pass`, `sentinel_user` and \
                            `sentinel_pass`"
                        .into(),
                );
            }
            _ => return Err("has a query with something else than `db`, `user` and `pass`".into()),
        }
    }
    if target.sentinel_login.user.is_some() && target.sentinel_login.password.is_none() {
        return Err("has a `sentinel_user` without a `sentinel_pass`".into());
    }
    Ok(())
}

/// `host`, `host:port`, `[ipv6]` or `[ipv6]:port`.
fn address(text: &str, default_port: u16) -> Parsed<Address> {
    let wrong = || "must name its server as `host`, `host:port` or `[ipv6]:port`".to_owned();
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((ip, port))) if ip.parse::<std::net::Ipv6Addr>().is_ok() => (ip, port),
        Some(_) => return Err(wrong()),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => default_port,
        Some(digits) => digits.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?,
        None => return Err(wrong()),
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(wrong());
    }
    Ok(Address::tcp(host, port))
}

/// Text without its percent-encoding. A `%` that begins none stays.
fn decoded(text: &str) -> Parsed<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.filter(|_| first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).map_err(|_| "has percent-encoded bytes that are no UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(url: &str) -> Target {
        parse(url).unwrap_or_else(|why| panic!("{url} {why}"))
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::tcp(host, port)
    }

    #[test]
    fn one_server_in_all_its_forms() {
        for (url, server, tls, db) in [
            ("redis://h", tcp("h", 6379), false, 0),
            ("redis://h/", tcp("h", 6379), false, 0),
            ("rediss://h:1/5", tcp("h", 1), true, 5),
            ("valkey://10.0.0.1:1/5/", tcp("10.0.0.1", 1), false, 5),
            ("valkeys://[::1]:1", tcp("::1", 1), true, 0),
            ("redis://[::1]/3", tcp("::1", 6379), false, 3),
            ("redis://h?db=4", tcp("h", 6379), false, 4),
            ("unix:///run/a%20b.sock?db=2", Address::Unix("/run/a b.sock".into()), false, 2),
            ("redis+unix:///r@s", Address::Unix("/r@s".into()), false, 0),
        ] {
            let got = target(url);
            assert_eq!((&got.servers[..], got.tls, got.db), (&[server][..], tls, db), "{url}");
            assert_eq!(got.kind, Kind::Node, "{url}");
        }
    }

    #[test]
    fn several_servers_are_a_cluster_and_sentinels_know_a_master() {
        let servers = [tcp("a", 1), tcp("b", 2)];
        for url in [
            "redis://a:1,b:2",
            "redis://a:1,redis://b:2",
            "redis+cluster://a:1,b:2",
            "redis://u:p@a:1,redis://u:p@b:2",
            "redis://u:p@a:1,b:2/0",
        ] {
            let got = target(url);
            assert_eq!((&got.kind, &got.servers[..]), (&Kind::Cluster, &servers[..]), "{url}");
        }
        assert_eq!(target("redis+cluster://a").kind, Kind::Cluster);
        let got = target("rediss+sentinel://u:p@a:1,b/my%20master/7");
        assert_eq!((got.kind, got.tls, got.db), (Kind::Sentinel("my master".into()), true, 7));
        assert_eq!(got.servers, [tcp("a", 1), tcp("b", 26379)]);
        let got = target("redis+sentinel://u:p@a/m/7?sentinel_user=w%40&sentinel_pass=s%26");
        assert_eq!((got.db, got.login.user.as_deref()), (7, Some("u")));
        let login = got.sentinel_login;
        assert_eq!((login.user.as_deref(), login.password.as_deref()), (Some("w@"), Some("s&")));
    }

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        for (url, why) in [
            ("http://h", "must be a URL like"),
            ("redis://", "must name its server"),
            ("redis://h:0", "must name its server"),
            ("redis://h:65536", "must name its server"),
            ("redis://::1", "must name its server"),
            ("redis://[x]:1", "must name its server"),
            ("redis://:hunter2@h/x", "has `x` where the number of a database belongs"),
            ("redis://h/-1", "has `-1` where"),
            ("redis://:hunter2@h#insecure", "has a `#`"),
            ("redis://:%ff@h", "no UTF-8"),
            ("redis://h?pass=hunter2&x=hunter2", "has a query with something else"),
            ("redis://h?sentinel_pass=hunter2", "has a query with something else"),
            ("redis+sentinel://h/m?sentinel_user=hunter2", "has a `sentinel_user` without"),
            ("redis+sentinel://h/m?x=hunter2", "and `sentinel_pass`"),
            ("unix://run/redis.sock", "must name a socket by its whole path"),
            ("redis+sentinel://h:1", "must name the master"),
            ("redis://a:1,b:2/1", "has a database, which a cluster hasn't"),
            ("redis://u:hunter2@a,redis://v:hunter2@b", "different logins"),
        ] {
            let error = Target::of(&Config::redis(url)).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            let text = format!("{error} {error:?}");
            assert!(text.contains(why) && !text.contains("hunter2"), "{url}: {text}");
        }
    }

    #[test]
    fn the_parts_of_the_configuration_do_as_well() {
        let config = Config::default().redis_host("h").redis_port(1).redis_password("p").redis_db(2);
        let got = Target::of(&config).unwrap();
        assert_eq!((&got.servers[..], got.db, got.tls), (&[tcp("h", 1)][..], 2, false));
        assert_eq!(got.login.password.as_deref(), Some("p"));
        assert_eq!(Target::of(&Config::default()).unwrap().name(), "localhost:6379");
    }

    proptest! {
        /// Any user and password come through, percent-encoded.
        #[test]
        fn logins_come_through(user in ".{1,12}", password in ".{0,12}") {
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
            let url = format!("redis://{}:{}@h/3", encode(&user), encode(&password));
            let got = target(&url);
            prop_assert_eq!(got.login.user, Some(user));
            prop_assert_eq!(got.login.password, Some(password));
            prop_assert_eq!(got.db, 3);
        }

        #[test]
        fn nothing_panics(url in ".{0,40}") {
            let _ = parse(&url);
            let _ = parse(&format!("redis://{url}"));
            let _ = parse(&format!("redis+sentinel://{url}"));
        }
    }
}
