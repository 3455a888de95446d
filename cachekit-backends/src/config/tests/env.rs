use std::collections::BTreeMap;
use std::time::Duration;

use super::message;
use crate::{CacheType, Config, NearDeletion, Timeout, Value};

fn read(name: &str, value: &str) -> crate::Result<Config> {
    Config::from_vars([(name, value)], "CACHE_")
}

fn mistake(name: &str, value: &str) -> String {
    message(read(name, value))
}

#[test]
fn each_key_sets_its_field() {
    let d = Config::default;
    for (name, value, config) in [
        ("CACHE_TYPE", "Redis", d().cache_type(CacheType::Redis)),
        ("CACHE_NO_NULL_WARNING", "yes", d().no_null_warning(true)),
        ("CACHE_ARGS", "a, b", d().args(["a", "b"])),
        ("CACHE_OPTIONS", "k=v, k2=a=b", d().options([("k", "v"), ("k2", "a=b")])),
        ("CACHE_DEFAULT_TIMEOUT", "60", d().default_timeout(60u64)),
        ("CACHE_JITTER", "0.1", d().jitter(0.1)),
        ("CACHE_THRESHOLD", "0", d().threshold(0)),
        ("CACHE_MAX_BYTES", "1048576", d().max_bytes(1 << 20)),
        ("CACHE_KEY_PREFIX", "shop:", d().key_prefix("shop:")),
        ("CACHE_MEMCACHED_SERVERS", "a:1,b:2", d().memcached_servers(["a:1", "b:2"])),
        ("CACHE_MEMCACHED_USERNAME", "u", d().memcached_username("u")),
        ("CACHE_MEMCACHED_PASSWORD", " p,=", d().memcached_password("p,=")),
        ("CACHE_REDIS_HOST", "h", d().redis_host("h")),
        ("CACHE_REDIS_PORT", "6380", d().redis_port(6380)),
        ("CACHE_REDIS_PASSWORD", "12345", d().redis_password("12345")),
        ("CACHE_REDIS_DB", "3", d().redis_db(3)),
        ("CACHE_REDIS_URL", "redis://h", d().redis_url("redis://h")),
        ("CACHE_DIR", "/var/cache/x", d().dir("/var/cache/x")),
        ("CACHE_FLIGHT_TIMEOUT", "10s", d().flight_timeout(Duration::from_secs(10))),
        ("CACHE_ALLOW_FLUSH", "1", d().allow_flush(true)),
        ("CACHE_NEAR", "9", d().near(9)),
        ("CACHE_NEAR_STALENESS", "1s", d().near_staleness(Duration::from_secs(1))),
        ("CACHE_NEAR_MAX_AGE", "1m", d().near_max_age(Duration::from_secs(60))),
        ("CACHE_NEAR_DELETION", "prompt", d().near_deletion(NearDeletion::Prompt)),
        ("CACHE_OPERATION_TIMEOUT", "100ms", d().operation_timeout(Duration::from_millis(100))),
        ("CACHE_CONNECT_TIMEOUT", "2", d().connect_timeout(Duration::from_secs(2))),
        ("CACHE_PROBE_INTERVAL", "5s", d().probe_interval(Duration::from_secs(5))),
        ("CACHE_BREAKER_THRESHOLD", "9", d().breaker_threshold(9)),
        ("CACHE_POOL_SIZE", "4", d().pool_size(4)),
        ("TESTING", "on", d().testing(true)),
    ] {
        assert_ne!(config, d(), "{name}: the case proves nothing");
        assert_eq!(read(name, value).unwrap(), config, "{name}");
    }
}

#[test]
fn timeouts_are_seconds_or_durations_and_zero_is_never() {
    for (text, timeout) in [
        ("0", Timeout::Never),
        ("300", Timeout::After(Duration::from_secs(300))),
        ("250ms", Timeout::After(Duration::from_millis(250))),
        ("1h30m", Timeout::After(Duration::from_secs(5400))),
    ] {
        assert_eq!(read("CACHE_DEFAULT_TIMEOUT", text).unwrap().default_timeout, timeout, "{text}");
    }
}

#[test]
fn lists_and_maps_may_be_toml() {
    let args = read("CACHE_ARGS", " [1, \"a\", 2.5, true, [2]]").unwrap().args;
    assert_eq!(args, [1.into(), "a".into(), 2.5.into(), true.into(), Value::from(vec![2])]);
    let options = read("CACHE_OPTIONS", "{ shards = 4, name = \"a,b\" }").unwrap().options;
    assert_eq!(options, BTreeMap::from([("shards".into(), 4.into()), ("name".into(), "a,b".into())]));
    let servers = read("CACHE_MEMCACHED_SERVERS", "[\"a:1\", \"b:2\"]").unwrap().memcached_servers;
    assert_eq!(servers, ["a:1", "b:2"]);
}

#[test]
fn what_has_another_prefix_is_not_read() {
    let vars = [("CACHE_TYPE", "null"), ("SHOP_TYPE", "redis"), ("HOME", "/"), ("cache_threshold", "1")];
    assert_eq!(Config::from_vars(vars, "SHOP_").unwrap(), Config::default().cache_type("redis"));
    assert_eq!(Config::from_vars(vars, "CACHE_").unwrap(), Config::null());
    assert_eq!(Config::from_vars([("TESTING", "1")], "SHOP_").unwrap(), Config::default().testing(true));
    assert_eq!(
        message(Config::from_vars(vars, "")),
        "the prefix of the environment variables must not be empty"
    );
}

/// The value may be a password under a misspelled name.
#[test]
fn no_mistake_shows_a_password() {
    for name in ["CACHE_REDIS_DB", "CACHE_THRESHOLD", "CACHE_TYPE", "CACHE_MEMCACHED_SERVERS"] {
        let read = read(name, "redis://u:hunter2@h");
        assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
    }
}

#[test]
fn each_malformed_value_is_an_error_that_says_what_is_valid() {
    const FORMS: &str = "whole seconds or a duration like `90s`, `5m`, `1h30m`, `250ms`, `1d`";
    for (name, value, rest) in [
        (
            "CACHE_NO_NULL_WARNING",
            "maybe",
            "must be true or false (also yes, on, 1, no, off, 0); it is `maybe`".to_string(),
        ),
        ("CACHE_ALLOW_FLUSH", "2", "must be true or false (also yes, on, 1, no, off, 0); it is `2`".into()),
        ("CACHE_ARGS", "[1", "must be a list `a,b` or a TOML array `[1, \"a\"]`".into()),
        ("CACHE_ARGS", "[1]\nother = 2", "must be a list `a,b` or a TOML array `[1, \"a\"]`".into()),
        ("CACHE_OPTIONS", "k", "must be `k=v,k2=v2` or an inline TOML table `{ k = 1 }`".into()),
        ("CACHE_OPTIONS", "=v", "must be `k=v,k2=v2` or an inline TOML table `{ k = 1 }`".into()),
        ("CACHE_OPTIONS", "k=1,k=2", "must be `k=v,k2=v2` or an inline TOML table `{ k = 1 }`".into()),
        ("CACHE_OPTIONS", "{ k = }", "must be `k=v,k2=v2` or an inline TOML table `{ k = 1 }`".into()),
        (
            "CACHE_DEFAULT_TIMEOUT",
            "-1",
            format!("must be {FORMS}, or 0 for never; it is `-1`: expected number at 0"),
        ),
        ("CACHE_DEFAULT_TIMEOUT", "0s", format!("must be {FORMS}, or 0 for never; it is `0s`")),
        (
            "CACHE_OPERATION_TIMEOUT",
            "1h30",
            format!("must be {FORMS}; it is `1h30`: time unit needed, for example 30sec or 30ms"),
        ),
        ("CACHE_CONNECT_TIMEOUT", "1,5s", format!("must be {FORMS}; it is `1,5s`: invalid character at 1")),
        (
            "CACHE_FLIGHT_TIMEOUT",
            "18446744073709551615",
            format!("must be {FORMS}; it is `18446744073709551615`: more than 584 million years"),
        ),
        ("CACHE_PROBE_INTERVAL", "5 u:pw@h", format!("must be {FORMS}; it is `***@h`")),
        ("CACHE_PROBE_INTERVAL", "-1s", format!("must be {FORMS}; it is `-1s`: expected number at 0")),
        ("CACHE_THRESHOLD", "many", "must be the most items to keep, 0 for no limit; it is `many`".into()),
        ("CACHE_THRESHOLD", "-1", "must be the most items to keep, 0 for no limit; it is `-1`".into()),
        ("CACHE_MEMCACHED_SERVERS", "[1]", "must be a list of servers such as `host:11211`".into()),
        ("CACHE_REDIS_PORT", "65536", "must be a port, 1 to 65535; it is `65536`".into()),
        ("CACHE_REDIS_DB", "-1", "must be the number of a database; it is `-1`".into()),
        ("CACHE_REDIS_DB", "redis://u:p@h", "must be the number of a database; it is `redis://***@h`".into()),
        ("CACHE_BREAKER_THRESHOLD", "x", "must be a number of failures, at least 1; it is `x`".into()),
        ("CACHE_POOL_SIZE", "-4", "must be a number of connections, at least 1; it is `-4`".into()),
    ] {
        assert_eq!(mistake(name, value), format!("`{name}` {rest}"));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let vars = [("TESTING", "x"), ("CACHE_THRESHOLD", "x"), ("CACHE_ARGS", "[1")];
    assert_eq!(
        message(Config::from_vars(vars, "CACHE_")),
        "3 mistakes in the configuration:\n\
         - `CACHE_ARGS` must be a list `a,b` or a TOML array `[1, \"a\"]`\n\
         - `CACHE_THRESHOLD` must be the most items to keep, 0 for no limit; it is `x`\n\
         - `TESTING` must be true or false (also yes, on, 1, no, off, 0); it is `x`"
    );
}

#[cfg(unix)]
#[test]
fn a_path_need_not_be_utf_8_and_all_else_must() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = || OsString::from_vec(vec![b'/', 0xff]);
    let config = Config::from_vars([("CACHE_DIR", bytes())], "CACHE_").unwrap();
    assert_eq!(config.dir.unwrap().into_os_string(), bytes());
    for name in ["CACHE_REDIS_PASSWORD", "CACHE_ARGS", "CACHE_THRESHOLD"] {
        let text = message(Config::from_vars([(name, bytes())], "CACHE_"));
        assert_eq!(text, format!("`{name}` must be UTF-8"));
    }
}

#[test]
fn the_process_environment_is_read_by_prefix() {
    // These are never set.
    assert_eq!(Config::from_env_prefixed("CACHEKIT_NO_SUCH_PREFIX_").unwrap().cache_type, CacheType::Simple);
}
