use std::time::Duration;

use super::message;
#[cfg(not(all(feature = "filesystem", feature = "redis", feature = "memcached")))]
use crate::ErrorKind;
use crate::{Config, Timeout};

fn mistake(config: &Config) -> String {
    message(config.validate().map(|()| config.clone()))
}

/// The message of a backend that isn't built, once everything else is right.
#[cfg(not(all(feature = "filesystem", feature = "redis", feature = "memcached")))]
fn unsupported(config: &Config) -> String {
    let error = config.validate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    error.to_string()
}

#[test]
fn what_is_complete_passes() {
    Config::null().validate().unwrap();
    Config::simple().validate().unwrap();
    #[cfg(feature = "filesystem")]
    Config::filesystem("/d").validate().unwrap();
}

#[test]
fn each_common_mistake_is_named() {
    let d = Config::default;
    for (config, wrong) in [
        (d().key_prefix("a\0b"), "`key_prefix` must not contain NUL"),
        (
            d().default_timeout(Timeout::Default),
            "`default_timeout` must be a duration or `Timeout::Never`; `Timeout::Default` stands for this very setting",
        ),
        (
            d().default_timeout(Duration::ZERO),
            "`default_timeout` must be more than zero; for entries that never expire say `Timeout::Never`",
        ),
        (d().jitter(1.0), "`jitter` must be a number from 0 to less than 1"),
        (d().jitter(f64::NAN), "`jitter` must be a number from 0 to less than 1"),
        (
            d().near_staleness(Duration::from_millis(9)),
            "`near_staleness` must be at least 10 ms and at most 10 s",
        ),
        (
            d().near_staleness(Duration::from_secs(11)),
            "`near_staleness` must be at least 10 ms and at most 10 s",
        ),
        (d().near_max_age(Duration::ZERO), "`near_max_age` must be more than zero and at most a year"),
        (d().operation_timeout(Duration::ZERO), "`operation_timeout` must be more than zero"),
        (d().connect_timeout(Duration::ZERO), "`connect_timeout` must be more than zero"),
        (d().operation_timeout(Duration::MAX), "`operation_timeout` must be at most a year"),
        (d().connect_timeout(Duration::MAX), "`connect_timeout` must be at most a year"),
        (d().probe_interval(Duration::ZERO), "`probe_interval` must be more than zero"),
        (d().breaker_threshold(0), "`breaker_threshold` must be more than zero"),
        (d().pool_size(0), "`pool_size` must be more than zero"),
    ] {
        assert_eq!(mistake(&config), wrong);
        assert_eq!(mistake(&config.testing(true)), wrong, "also when testing");
    }
}

#[test]
fn near_is_refused_where_there_is_no_backend_outside() {
    assert_eq!(
        mistake(&Config::simple().near(1)),
        "`near` keeps values in front of a backend outside of the process, which `simple` isn't: leave it out"
    );
}

#[cfg(feature = "filesystem")]
#[test]
fn filesystem_needs_a_directory() {
    assert_eq!(
        mistake(&Config::default().cache_type("filesystem")),
        "cache type `filesystem` needs `dir` (`CACHE_DIR`), the directory for its files"
    );
    assert_eq!(mistake(&Config::filesystem("")), "`dir` must not be empty");
}

#[cfg(all(feature = "filesystem", feature = "redis", feature = "memcached"))]
#[test]
fn known_backends_refuse_args_and_options_without_showing_them() {
    assert_eq!(
        mistake(&Config::simple().args(["hunter2"])),
        "cache type `simple` takes no `args`: leave them out"
    );
    assert_eq!(
        mistake(&Config::filesystem("/d").options([("mode", "hunter2"), ("depth", "hunter2")])),
        "cache type `filesystem` takes no `options`: leave out `depth`, `mode`"
    );
    assert_eq!(
        mistake(&Config::redis("redis://h").args([1])),
        "cache type `redis` takes no `args`: leave them out"
    );
}

#[cfg(all(feature = "filesystem", feature = "redis", feature = "memcached"))]
#[test]
fn remote_backends_take_their_options_and_no_others() {
    let redis = |name: &str, value: &str| mistake(&Config::redis("redis://h").options([(name, value)]));
    assert_eq!(
        redis("tls_cart", "hunter2"),
        "cache type `redis` has no option `tls_cart`: valid are lease, tls_ca, tls_cert, tls_key; did you mean `tls_cert`?"
    );
    assert_eq!(
        mistake(&Config::memcached("h").options([("lease", "hunter2")])),
        "cache type `memcached` has no option `lease`: valid are auth, max_item_size, tls, tls_ca, tls_cert, tls_key"
    );
    assert_eq!(redis("tls_ca", ""), "option `tls_ca` must be the path of a file");
    assert_eq!(redis("tls_cert", "/c"), "option `tls_cert` needs `tls_key` as well");
    assert_eq!(redis("tls_key", "/k"), "option `tls_key` needs `tls_cert` as well");
    for wrong in ["hunter2", "0"] {
        assert_eq!(
            redis("lease", wrong),
            "option `lease` must be whole seconds or a duration like `90s`, `5m`, `1h30m`, `250ms`, `1d`, and more than zero"
        );
    }
    assert_eq!(
        mistake(&Config::memcached("h").options([("tls", "hunter2")])),
        "option `tls` must be true or false"
    );
    assert_eq!(
        mistake(&Config::memcached("h").options([("auth", "hunter2")])),
        "option `auth` must be one of auto, sasl, text"
    );
    assert_eq!(
        mistake(&Config::memcached("h").options([("max_item_size", "1m")])),
        "option `max_item_size` must be a number of bytes from 2048 to 1073741824"
    );
}

#[test]
fn an_unknown_type_is_an_error_that_names_the_valid_ones() {
    let text = mistake(&Config::default().cache_type("redsi"));
    let (valid, end) = text.split_once(", and names given to `register_backend` before").unwrap();
    assert!(
        valid.starts_with(
            "unknown cache type `redsi`: valid are null, simple, filesystem, memcached, gaememcached, \
             saslmemcached, spreadsaslmemcached, redis"
        ),
        "{text}"
    );
    assert_eq!(end, "; did you mean `redis`?");
    assert!(mistake(&Config::default().cache_type("RedisCache")).ends_with("; did you mean `redis`?"));
    assert!(mistake(&Config::default().cache_type("postgres")).ends_with("`register_backend` before"));
    let misplaced = mistake(&Config::default().cache_type("redis://:hunter2@h"));
    assert!(misplaced.starts_with("unknown cache type `redis://***@h`"), "{misplaced}");
}

#[test]
fn a_registered_name_is_valid_and_is_listed() {
    crate::register_backend("validate-custom", |_: &Config| Ok(crate::null::Null)).unwrap();
    Config::default().cache_type("validate-custom").args([1]).options([("k", 1)]).validate().unwrap();
    let text = mistake(&Config::default().cache_type("validate-custm"));
    assert!(text.contains("redis") && text.ends_with("did you mean `validate-custom`?"), "{text}");
}

#[cfg(feature = "redis")]
#[test]
fn each_redis_mistake_is_named() {
    let d = || Config::default().cache_type("redis");
    for (config, wrong) in [
        (d().redis_port(0), "`redis_port` must be a port, 1 to 65535; it is `0`"),
        (
            d().redis_host("redis://:hunter2@h"),
            "`redis_host` must be a name or an address; a whole URL goes into `redis_url`",
        ),
        (
            d().redis_host("[::1]"),
            "`redis_host` must not have brackets: write an IPv6 address as `::1`, and the port in `redis_port`",
        ),
        (
            d().redis_url("redis://:hunter2@h").redis_host("h").redis_db(1),
            "`redis_url` and `redis_host`, `redis_db` are both given: keep the URL, which has room for all of it, or drop it",
        ),
        (
            d().redis_url("redis://h").redis_port(1).redis_password("hunter2"),
            "`redis_url` and `redis_port`, `redis_password` are both given: keep the URL, which has room for all of it, or drop it",
        ),
    ] {
        assert_eq!(mistake(&config), wrong);
    }
}

#[cfg(feature = "redis")]
#[test]
fn a_redis_url_is_read_before_it_is_used() {
    for (url, wrong) in [
        (
            "http://:hunter2@h",
            "`redis_url` must be a URL like `redis://host:6379/0` (or with `rediss`, `redis+unix`, `unix`, \
             `redis+cluster`, `redis+sentinel`); it is `http://***@h`",
        ),
        (
            "hunter2@h:6379",
            "`redis_url` must be a URL like `redis://host:6379/0` (or with `rediss`, `redis+unix`, `unix`, \
             `redis+cluster`, `redis+sentinel`); it is `***@h:6379`",
        ),
        (
            "redis://",
            "`redis_url` must name its server as `host`, `host:port` or `[ipv6]:port`; it is `redis://`",
        ),
    ] {
        assert_eq!(mistake(&Config::redis(url)), wrong);
    }
    #[cfg(not(feature = "redis-cluster"))]
    assert_eq!(
        mistake(&Config::redis("redis://a,b")),
        "`redis_url` needs cachekit's cargo feature `redis-cluster`, which this build hasn't"
    );
}

#[cfg(feature = "memcached")]
#[test]
fn each_memcached_mistake_is_named() {
    const NONE: &str = "`memcached_servers` has no server where one should be: name it, such as `host:11211`, or leave the setting \
                        out for `127.0.0.1:11211`";
    let sasl = || Config::default().cache_type("saslmemcached");
    for (config, wrong) in [
        (Config::memcached(","), NONE),
        (Config::memcached(Vec::<String>::new()), NONE),
        (
            Config::memcached("u:hunter2@h:1"),
            "`memcached_servers`: `***@h:1` has a login in it; use `memcached_username` and `memcached_password`",
        ),
        (
            Config::memcached("h:0"),
            "`memcached_servers`: `h:0` must be `host`, `host:port`, `[ipv6]:port` or the path of a socket",
        ),
        (
            sasl().memcached_password("p"),
            "cache type `saslmemcached` needs `memcached_username` (`CACHE_MEMCACHED_USERNAME`)",
        ),
        (
            sasl().memcached_username("u"),
            "cache type `saslmemcached` needs `memcached_password` (`CACHE_MEMCACHED_PASSWORD`)",
        ),
        (
            Config::memcached("h").memcached_username("u"),
            "cache type `memcached` doesn't log in, so `memcached_username` has no effect: use `saslmemcached`",
        ),
        (
            Config::memcached("h").memcached_password("p"),
            "cache type `memcached` doesn't log in, so `memcached_password` has no effect: use `saslmemcached`",
        ),
    ] {
        assert_eq!(mistake(&config), wrong);
    }
}

#[cfg(feature = "memcached")]
#[test]
fn servers_are_hosts_with_ports_or_sockets() {
    for good in ["h", "h:1", "10.0.0.1:11211", "[::1]", "[::1]:11211", "/run/memcached.sock"] {
        assert!(Config::memcached([good]).validate().is_ok(), "{good}");
    }
    for bad in
        ["", ":1", "h:", "h:x", "h:65536", "::1", "[::1", "[x]:1", "[::1]1", "a b", "a:1,b:2", "h:1\r\nx"]
    {
        mistake(&Config::memcached([bad]));
    }
}

#[cfg(not(feature = "redis"))]
#[test]
fn redis_without_its_feature_says_so() {
    assert_eq!(
        unsupported(&Config::redis("redis://:p@h:6379/0")),
        "this build has no `redis` backend: enable cachekit's cargo feature `redis`"
    );
}

#[cfg(not(feature = "memcached"))]
#[test]
fn memcached_without_its_feature_says_so() {
    assert_eq!(
        unsupported(&Config::memcached("h").cache_type("gaememcached")),
        "this build has no `gaememcached` backend: enable cachekit's cargo feature `memcached`"
    );
}

#[cfg(not(feature = "filesystem"))]
#[test]
fn filesystem_without_its_feature_says_so() {
    assert_eq!(
        unsupported(&Config::filesystem("/d")),
        "this build has no `filesystem` backend: enable cachekit's cargo feature `filesystem`"
    );
}

#[test]
fn testing_needs_nothing_of_the_real_backend() {
    for word in ["filesystem", "redis", "saslmemcached", "not registered"] {
        Config::default().cache_type(word).args([1]).testing(true).validate().unwrap();
    }
}
