use std::collections::BTreeMap;
use std::time::Duration;

use super::message;
use crate::{Config, FunctionConfig, Timeout, Value};

fn mistake(text: &str) -> String {
    message(Config::from_toml(text))
}

/// Every key, as the file spells it in lower case.
const FULL: &str = r#"
type = "custom-one"
no_null_warning = true
args = [1, "a"]
options = { shards = 4, deep = { list = [true, 1.5] } }
default_timeout = "5m"
jitter = 0.25
threshold = 0
max_bytes = 65536
key_prefix = ""
memcached_servers = ["a:1", "b:2"]
memcached_username = "u"
memcached_password = "p"
redis_host = "h"
redis_port = 6380
redis_password = "q"
redis_db = 2
redis_url = "redis://h"
dir = "/d"
flight_timeout = 8
allow_flush = true
operation_timeout = 2
connect_timeout = "10ms"
probe_interval = "1m"
breaker_threshold = 3
pool_size = 2
testing = true
functions = { "shop::*" = { timeout = "5m", enabled = false, jitter = 0.1 } }
policies = { hot = { stale_while_revalidate = 600, refresh_ahead = 0.8, retry_after = "2s" } }
"#;

fn full() -> Config {
    let deep = BTreeMap::from([("list".to_string(), Value::List(vec![true.into(), 1.5.into()]))]);
    Config::default()
        .cache_type("custom-one")
        .no_null_warning(true)
        .args([Value::from(1), "a".into()])
        .options([("shards", Value::from(4)), ("deep", deep.into())])
        .default_timeout(Duration::from_secs(300))
        .default_timeout(Timeout::After(Duration::from_secs(300)))
        .jitter(0.25)
        .threshold(0)
        .max_bytes(65_536)
        .key_prefix("")
        .memcached_servers("a:1,b:2")
        .memcached_username("u")
        .memcached_password("p")
        .redis_host("h")
        .redis_port(6380)
        .redis_password("q")
        .redis_db(2)
        .redis_url("redis://h")
        .dir("/d")
        .flight_timeout(Duration::from_secs(8))
        .allow_flush(true)
        .operation_timeout(Duration::from_secs(2))
        .connect_timeout(Duration::from_millis(10))
        .probe_interval(Duration::from_secs(60))
        .breaker_threshold(3)
        .pool_size(2)
        .testing(true)
        .functions([("shop::*", FunctionConfig::new().timeout(300).enabled(false).jitter(0.1))])
        .policies([("hot", hot())])
}

fn hot() -> FunctionConfig {
    let seconds = Duration::from_secs;
    FunctionConfig::new().stale_while_revalidate(seconds(600)).refresh_ahead(0.8).retry_after(seconds(2))
}

#[test]
fn every_key_is_read() {
    assert_eq!(Config::from_toml(FULL).unwrap(), full());
}

#[test]
fn the_names_of_the_environment_work_as_well() {
    let shout = |line: &str| match line.split_once(" = ") {
        Some(("testing", value)) => format!("TESTING = {value}\n"),
        Some((key, value)) => format!("CACHE_{} = {value}\n", key.to_uppercase()),
        None => "\n".into(),
    };
    let text: String = FULL.lines().map(shout).collect();
    assert_eq!(Config::from_toml(&text).unwrap(), full());
    assert_eq!(Config::from_toml("cache_type = 'null'").unwrap(), Config::null());
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(Config::from_toml("").unwrap(), Config::default());
}

#[test]
fn tables_may_be_written_out() {
    let config = Config::from_toml("type = 'mine'\n[options]\nshards = 4\n").unwrap();
    assert_eq!(config.options["shards"], Value::Integer(4));
}

#[test]
fn options_by_name_are_tables_or_one_variable() {
    let table = Config::from_toml(
        "[policies.hot]\nstale_while_revalidate = \"10m\"\nrefresh_ahead = 0.8\nretry_after = 2\n",
    );
    assert_eq!(table.unwrap(), Config::default().policies([("hot", hot())]));
    let text = "{ hot = { stale_while_revalidate = \"10m\", refresh_ahead = 0.8, retry_after = 2 } }";
    let variable = Config::from_vars([("CACHE_POLICIES", text)], "CACHE_");
    assert_eq!(variable.unwrap(), Config::default().policies([("hot", hot())]));
}

#[test]
fn a_mistake_in_an_option_by_name_says_of_which_name() {
    for (text, wrong) in [
        (
            "functions = 5",
            "`functions` must be tables of options by name, such as `{ \"shop::*\" = { timeout = \"5m\" } }`; it is `5`",
        ),
        (
            "[functions]\nprice = 5",
            "`functions` of `price`: must be a table such as `{ timeout = \"5m\" }`; it is `5`",
        ),
        (
            "[functions.\"shop::price\"]\ntimeot = 5\nenabled = 7",
            "`functions` of `shop::price`: `enabled` must be true or false (also yes, on, 1, no, off, 0); it is `7`; of \
             `shop::price`: unknown key `timeot`: valid are enabled, timeout, jitter, stale_while_revalidate, stale_if_error, refresh_ahead, \
             retry_after; did you mean `timeout`?",
        ),
        (
            "[policies.hot]\njitter = 1.0",
            "`policies` of `hot`: `jitter` must be a number from 0 to less than 1; it is `1`",
        ),
    ] {
        assert_eq!(mistake(text), wrong, "{text}");
    }
    let wrong = Config::simple()
        .policies([("hot", FunctionConfig::new().refresh_ahead(0.0).timeout(Duration::ZERO))]);
    let text = wrong.validate().unwrap_err().to_string();
    assert!(text.contains("`policies` of `hot`: `refresh_ahead` must be a part"), "{text}");
    assert!(text.contains("`policies` of `hot`: `timeout` must be more than zero"), "{text}");
}

#[test]
fn an_unknown_key_is_an_error_that_names_the_valid_ones() {
    assert_eq!(
        mistake("key_prefiks = 'x'"),
        "unknown key `key_prefiks`: valid are type, no_null_warning, args, options, default_timeout, jitter, threshold, \
         max_bytes, key_prefix, memcached_servers, memcached_username, memcached_password, redis_host, redis_port, \
         redis_password, redis_db, redis_url, dir, flight_timeout, near, near_staleness, near_max_age, near_deletion, \
         functions, policies, allow_flush, operation_timeout, connect_timeout, \
         probe_interval, breaker_threshold, pool_size, testing; did you mean `key_prefix`?"
    );
    for key in ["Threshold", "CACHE_threshold", "cache_threshold", "testing_"] {
        assert!(
            mistake(&format!("{key} = 1")).starts_with(&format!("unknown key `{key}`: valid are type, "))
        );
    }
}

#[test]
fn a_table_of_settings_is_told_from_an_unknown_key() {
    assert_eq!(
        mistake("[cache]\nkey_prefix = 'shop:'\n"),
        "`[cache]` is a table, and the settings stand at the top level: remove its head, or read the table of a larger file with \
         serde, into a struct that has the field `cache: cachekit::Config`"
    );
    assert!(mistake("[cache]\nother = 1\n").starts_with("unknown key `cache`: valid are type, "));
}

#[test]
fn each_malformed_value_is_an_error_that_says_what_is_valid() {
    for (text, wrong) in [
        ("type = 1", "`type` must be text; it is `1`"),
        ("args = 'a'", "`args` must be a list"),
        ("options = [1]", "`options` must be a table"),
        ("threshold = 1.5", "`threshold` must be the most items to keep, 0 for no limit; it is `1.5`"),
        ("threshold = [1]", "`threshold` must be the most items to keep, 0 for no limit; it is a list"),
        ("key_prefix = true", "`key_prefix` must be text; it is `true`"),
        ("dir = {}", "`dir` must be text; it is a table"),
        ("redis_port = 70000", "`redis_port` must be a port, 1 to 65535; it is `70000`"),
        ("memcached_servers = 1", "`memcached_servers` must be a list of servers such as `host:11211`"),
        (
            "default_timeout = -5",
            "`default_timeout` must be whole seconds or a duration like `90s`, `5m`, `1h30m`, `250ms`, `1d`, \
             or 0 for never; it is `-5`: expected number at 0",
        ),
        ("testing = 'ja'", "`testing` must be true or false (also yes, on, 1, no, off, 0); it is `ja`"),
        (
            "threshold = 1\nCACHE_THRESHOLD = 2",
            "`threshold` and `CACHE_THRESHOLD` are the same setting: give it once",
        ),
    ] {
        assert_eq!(mistake(text), wrong);
    }
}

#[test]
fn no_mistake_shows_a_secret() {
    for text in [
        "redis_password = ['hunter2']",
        "redis_password = hunter2",
        "redis_password = \"hunter2",
        "redis_password = 'hunter2' x",
        "redis_password = { a = 'hunter2' }",
        "redis_password = 'hunter2'\nredis_password = 'hunter2'",
        "memcached_password = ['hunter2']",
        "redis_pasword = 'hunter2'",
        "threshold = 'redis://:hunter2@h'",
        "args = 'hunter2'",
        "options = 'hunter2'",
        "memcached_servers = [['hunter2']]",
    ] {
        let error = Config::from_toml(text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(mistake("redis_password = 7"), "`redis_password` must be text");
}

#[test]
fn broken_toml_tells_its_line() {
    assert_eq!(
        mistake("threshold = 1\nthreshold 2\n"),
        "expected an equals, found an identifier at line 2 column 11"
    );
}

/// `MessagePack` stands for all formats but TOML; it has nulls.
#[test]
fn any_format_of_serde_is_read() {
    use serde::Serialize;
    #[derive(Serialize)]
    struct Settings {
        threshold: Option<u64>,
        dir: Option<String>,
        options: BTreeMap<&'static str, f64>,
    }
    let read = |threshold| {
        let settings = Settings { threshold, dir: None, options: BTreeMap::from([("x", 0.5)]) };
        rmp_serde::from_slice::<Config>(&rmp_serde::to_vec_named(&settings).unwrap())
            .map_err(|e| e.to_string())
    };
    assert_eq!(read(Some(5)), Ok(Config::default().threshold(5).options([("x", 0.5)])));
    assert_eq!(read(None).unwrap().threshold, 10_000);
    assert_eq!(read(Some(u64::MAX)).unwrap_err(), "a number is greater than 2^63 - 1");
}

#[test]
fn a_table_in_a_larger_file_names_its_mistakes() {
    #[derive(Debug, serde::Deserialize)]
    struct Settings {
        #[expect(dead_code, reason = "it can't be read")]
        cache: Config,
    }
    let error = basic_toml::from_str::<Settings>("[cache]\nthreshold = 'x'").unwrap_err().to_string();
    assert!(
        error.starts_with("`threshold` must be the most items to keep, 0 for no limit; it is `x`"),
        "{error}"
    );
}
