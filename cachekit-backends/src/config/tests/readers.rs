//! The common rules of all readers of settings: blanks, emptiness, unknown names, addresses, paths.

use std::path::PathBuf;
use std::time::Duration;

use super::message;
use crate::captured;
use crate::{CacheType, Clock, Config, ErrorKind};

fn read(name: &str, value: &str) -> crate::Result<Config> {
    Config::from_vars([(name, value)], "CACHE_")
}

/// One well-formed value of each variable but the two that hold arbitrary values.
const WELL_FORMED: [(&str, &str); 22] = [
    ("CACHE_TYPE", "redis"),
    ("CACHE_NO_NULL_WARNING", "yes"),
    ("CACHE_DEFAULT_TIMEOUT", "7m"),
    ("CACHE_THRESHOLD", "7"),
    ("CACHE_KEY_PREFIX", "shop:"),
    ("CACHE_MEMCACHED_SERVERS", "a:1,[::1]:2"),
    ("CACHE_MEMCACHED_USERNAME", "u"),
    ("CACHE_MEMCACHED_PASSWORD", "p"),
    ("CACHE_REDIS_HOST", "h"),
    ("CACHE_REDIS_PORT", "6380"),
    ("CACHE_REDIS_PASSWORD", "p"),
    ("CACHE_REDIS_DB", "3"),
    ("CACHE_REDIS_URL", "redis://h"),
    ("CACHE_DIR", "/var/cache/x"),
    ("CACHE_FLIGHT_TIMEOUT", "10s"),
    ("CACHE_ALLOW_FLUSH", "true"),
    ("CACHE_OPERATION_TIMEOUT", "100ms"),
    ("CACHE_CONNECT_TIMEOUT", "2"),
    ("CACHE_PROBE_INTERVAL", "5s"),
    ("CACHE_BREAKER_THRESHOLD", "9"),
    ("CACHE_POOL_SIZE", "4"),
    ("TESTING", "on"),
];

#[test]
fn blanks_around_a_variable_do_not_count() {
    let rest = [
        ("CACHE_ARGS", "a,b"),
        ("CACHE_OPTIONS", "k=v"),
        ("CACHE_ARGS", "[1]"),
        ("CACHE_OPTIONS", "{ k = 1 }"),
    ];
    for (name, value) in WELL_FORMED.into_iter().chain(rest) {
        let plain = read(name, value).unwrap();
        assert_ne!(plain, Config::default(), "{name}: the case proves nothing");
        for blanks in [format!(" {value} "), format!("\t{value}\n"), format!("{value}\r\n")] {
            assert_eq!(read(name, &blanks).unwrap(), plain, "{name}={blanks:?}");
        }
    }
}

#[test]
fn an_empty_variable_is_unset() {
    for (name, _) in WELL_FORMED.into_iter().chain([("CACHE_ARGS", ""), ("CACHE_OPTIONS", "")]) {
        for empty in ["", " ", "\n"] {
            assert_eq!(read(name, empty).unwrap(), Config::default(), "{name}={empty:?}");
        }
    }
}

#[test]
fn blanks_around_a_value_of_a_file_do_not_count() {
    for (text, plain) in [
        ("type = ' simple '", Config::simple()),
        ("type = ' mine '", Config::default().cache_type("mine")),
        ("no_null_warning = ' yes '", Config::default().no_null_warning(true)),
        ("default_timeout = ' 5m '", Config::default().default_timeout(300)),
        ("threshold = ' 7 '", Config::default().threshold(7)),
        ("memcached_servers = ' a:1 , b:2 '", Config::default().memcached_servers("a:1,b:2")),
        ("memcached_servers = [' a:1 ', 'b:2']", Config::default().memcached_servers("a:1,b:2")),
        ("memcached_username = ' u '", Config::default().memcached_username("u")),
        ("redis_host = ' h '", Config::default().redis_host("h")),
        ("redis_port = ' 1 '", Config::default().redis_port(1)),
        ("redis_url = ' redis://h '", Config::default().redis_url("redis://h")),
        ("dir = ' /d '", Config::default().dir("/d")),
        ("operation_timeout = ' 2 '", Config::default().operation_timeout(Duration::from_secs(2))),
        // In quotes these two are what they are.
        ("key_prefix = ' p '", Config::default().key_prefix(" p ")),
        ("redis_password = ' p '", Config::default().redis_password(" p ")),
    ] {
        assert_eq!(Config::from_toml(text).unwrap(), plain, "{text}");
    }
}

#[test]
fn blanks_around_a_value_given_in_code_do_not_count() {
    assert_eq!(CacheType::from(" simple\n"), CacheType::Simple);
    assert_eq!(CacheType::from(" mine "), CacheType::Custom("mine".into()));
    #[cfg(feature = "redis")]
    Config::redis(" redis://h:6379/0\n").validate().unwrap();
    #[cfg(feature = "memcached")]
    {
        Config::memcached([" a:1 ", "b:2\n"]).validate().unwrap();
        Config::memcached("a").options([("auth", " auto "), ("tls", " no ")]).validate().unwrap();
    }
}

/// Orchestrators put names there: these are a Kubernetes service that is named `cache`.
#[test]
fn an_unknown_variable_is_a_warning_with_the_nearest_name() {
    let vars = [
        ("CACHE_PORT", "tcp://10.0.0.1:hunter2"),
        ("CACHE_PORT_6379_TCP_ADDR", "10.0.0.1"),
        ("CACHE_SERVICE_HOST", "10.0.0.1"),
        ("CACHE_TRESHOLD", "hunter2"),
        ("CACHE_testing", "1"),
        ("CACHE_", ""),
        ("CACHE_THRESHOLD", "7"),
    ];
    let (config, logged) = captured::during(|| Config::from_vars(vars, "CACHE_").unwrap());
    assert_eq!(config, Config::default().threshold(7));
    let warned = |name: &str| {
        let about: Vec<_> = logged.iter().filter(|line| line.contains(&format!("`{name}`"))).collect();
        assert_eq!(about.len(), 1, "{name}: {logged:?}");
        assert!(about[0].starts_with("WARN cachekit "), "{about:?}");
        about[0].clone()
    };
    for (name, _) in &vars[..6] {
        assert!(!warned(name).contains("hunter2"));
    }
    assert!(warned("CACHE_TRESHOLD").ends_with("; did you mean `CACHE_THRESHOLD`?"));
    assert_eq!(logged.len(), 6, "{logged:?}");
}

#[test]
fn a_port_that_an_orchestrator_has_set_is_explained() {
    let text = message(read("CACHE_REDIS_PORT", "tcp://10.0.0.1:6379"));
    assert!(
        text.contains("`CACHE_REDIS_PORT` must be a port") && text.contains("from_env_prefixed"),
        "{text}"
    );
}

#[test]
fn an_ipv6_server_is_no_toml() {
    for (text, servers) in [
        ("[::1]:11211", &["[::1]:11211"][..]),
        ("[::1]", &["[::1]"]),
        ("[::1], [fe80::2]:3", &["[::1]", "[fe80::2]:3"]),
        ("[::1],[::2]", &["[::1]", "[::2]"]),
        ("a:1,[::1]:2", &["a:1", "[::1]:2"]),
        ("[\"[::1]:1\", \"b:2\"]", &["[::1]:1", "b:2"]),
    ] {
        let config = read("CACHE_MEMCACHED_SERVERS", text).unwrap();
        assert_eq!(config.memcached_servers, servers, "{text}");
        #[cfg(feature = "memcached")]
        config.cache_type(CacheType::Memcached).validate().unwrap();
    }
    for text in ["[1]", "[\"a\"", "['a', 1]"] {
        assert!(message(read("CACHE_MEMCACHED_SERVERS", text)).contains("`CACHE_MEMCACHED_SERVERS` must be"));
    }
    for (text, file) in [(",", "','"), ("[]", "[]"), (" , ,", "''")] {
        let wrong = "must be a list of servers such as `host:11211`; it names none";
        assert!(message(read("CACHE_MEMCACHED_SERVERS", text)).contains(wrong), "{text}");
        assert!(message(Config::from_toml(&format!("memcached_servers = {file}"))).contains(wrong), "{file}");
    }
    let file = Config::from_toml("memcached_servers = '[::1]:1,[::2]:2'").unwrap();
    assert_eq!(file.memcached_servers, ["[::1]:1", "[::2]:2"]);
    assert_eq!(Config::memcached("[::1]:1,[::2]:2").memcached_servers, ["[::1]:1", "[::2]:2"]);
}

/// The setting of a backend that isn't chosen would be ignored silently.
#[test]
fn settings_of_a_backend_need_its_cache_type() {
    let d = Config::default;
    for (config, field, word) in [
        (d().redis_url("redis://:hunter2@h"), "redis_url", "redis"),
        (d().redis_host("h"), "redis_host", "redis"),
        (d().redis_port(1), "redis_port", "redis"),
        (d().redis_password("hunter2"), "redis_password", "redis"),
        (d().redis_db(1), "redis_db", "redis"),
        (d().dir("/d"), "dir", "filesystem"),
        (d().memcached_servers("h"), "memcached_servers", "memcached"),
        (d().memcached_username("u"), "memcached_username", "memcached"),
        (d().memcached_password("hunter2"), "memcached_password", "memcached"),
        (Config::null().dir("/d"), "dir", "filesystem"),
        (Config::redis("redis://h").dir("/d"), "dir", "filesystem"),
        (Config::filesystem("/d").redis_url("redis://h"), "redis_url", "redis"),
        (Config::memcached("h").redis_url("redis://h"), "redis_url", "redis"),
    ] {
        let error = config.validate().unwrap_err();
        let text = error.to_string();
        if error.kind() == ErrorKind::Unsupported {
            continue;
        }
        let variable = field.to_uppercase();
        assert!(text.contains(&format!("`{field}` (`CACHE_{variable}`)")), "{text}");
        assert!(text.contains(&format!("`{word}`")) && !text.contains("hunter2"), "{text}");
        config.clone().testing(true).validate().unwrap();
    }
    // A custom backend may read any field.
    crate::register_backend("readers-custom", |_: &Config| Ok(crate::null::Null)).unwrap();
    d().cache_type("readers-custom").dir("/d").redis_url("redis://h").validate().unwrap();
}

/// The working directory isn't changed here: it belongs to all tests of the process.
#[cfg(all(feature = "filesystem", feature = "redis", feature = "memcached"))]
#[test]
fn paths_are_absolute_once_the_configuration_is_checked() {
    let here = |path: &str| std::env::current_dir().unwrap().join(path);
    let resolved = Config::filesystem("cache/x").resolved().unwrap();
    assert_eq!(resolved.dir, Some(here("cache/x")));
    assert_eq!(Config::filesystem("/d").resolved().unwrap().dir, Some(PathBuf::from("/d")));
    crate::register_backend("readers-paths", |_: &Config| Ok(crate::null::Null)).unwrap();
    let custom = Config::default().cache_type("readers-paths").dir("d").options([("tls_ca", "ca.pem")]);
    let custom = custom.resolved().unwrap();
    assert_eq!(custom.dir, Some(here("d")));
    assert_eq!(custom.options["tls_ca"].as_str(), Some("ca.pem"), "a custom backend's options are its own");
    for config in [Config::redis("rediss://h"), Config::memcached("h")] {
        let files = [("tls_ca", "ca.pem"), ("tls_cert", "./c.pem"), ("tls_key", "/k.pem")];
        let resolved = config.options(files).resolved().unwrap();
        for (option, path) in files {
            let path = here(path);
            let path = path.strip_prefix("./").unwrap_or(&path);
            assert_eq!(resolved.options[option].as_str().map(std::path::Path::new), Some(path), "{option}");
        }
    }
}

/// A path that depends on the working directory is refused where an address is expected.
#[test]
fn sockets_are_absolute_paths() {
    for relative in ["run/m.sock", "./m.sock", "../m.sock"] {
        assert!(Config::memcached([relative]).validate().is_err(), "{relative}");
        for scheme in ["unix", "redis+unix"] {
            assert!(Config::redis(format!("{scheme}://{relative}")).validate().is_err(), "{relative}");
        }
    }
}

#[test]
fn opening_logs_one_line_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap().to_owned();
    let redis = Config::redis("redis://user:hunter2@h:1/0").key_prefix("shop:");
    let sasl = Config::memcached("a,b:2").cache_type("saslmemcached").memcached_username("u");
    for (config, parts) in [
        (Config::simple(), vec!["backend=simple", "prefix=\"cachekit:\""]),
        (Config::null().no_null_warning(true), vec!["backend=null"]),
        (Config::redis("redis://:hunter2@h").testing(true), vec!["backend=null"]),
        (Config::filesystem(&folder), vec!["backend=filesystem", &folder]),
        (redis, vec!["backend=redis", "server=\"h:1\"", "prefix=\"shop:\""]),
        (sasl.memcached_password("hunter2"), vec!["backend=saslmemcached", "server=\"a:11211,b:2\""]),
    ] {
        let (opened, logged) = captured::during(|| crate::open(&config, &Clock::system()));
        if opened.is_err_and(|error| error.kind() == ErrorKind::Unsupported) {
            continue;
        }
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert!(logged[0].starts_with("INFO cachekit "), "{logged:?}");
        assert!(parts.iter().all(|part| logged[0].contains(part)), "{parts:?} {logged:?}");
        assert!(!logged[0].contains("hunter2"), "{logged:?}");
    }
}
