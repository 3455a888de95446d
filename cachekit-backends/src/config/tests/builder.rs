use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::{CacheType, Config, Secret, Timeout, Value};

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = Config::default();
    assert_eq!(config.cache_type, CacheType::Simple);
    assert_eq!(config.default_timeout, Timeout::After(Duration::from_secs(300)));
    assert_eq!((config.threshold, config.max_bytes), (10_000, None));
    assert!(config.jitter == 0.0);
    assert_eq!(config.key_prefix, "cachekit:");
    assert_eq!(config.flight_timeout, Duration::from_secs(30));
    assert_eq!(config.operation_timeout, Duration::from_millis(500));
    assert_eq!(config.connect_timeout, Duration::from_millis(250));
    assert_eq!(config.probe_interval, Duration::from_secs(1));
    assert_eq!((config.breaker_threshold, config.pool_size), (5, 16));
    assert!(!config.testing && !config.allow_flush && !config.no_null_warning);
    assert!(config.validate().is_ok());
}

#[test]
fn each_setter_sets_its_field_and_no_other() {
    let config = Config::default()
        .cache_type("Redis")
        .no_null_warning(true)
        .args(["a"])
        .options([("k", 1)])
        .default_timeout(0u64)
        .jitter(0.5)
        .threshold(3)
        .max_bytes(1 << 20)
        .key_prefix("p:")
        .memcached_servers(["a:1"])
        .memcached_username("u")
        .memcached_password("p")
        .redis_host("h")
        .redis_port(1)
        .redis_password("q")
        .redis_db(2)
        .redis_url("redis://h")
        .dir("/d")
        .flight_timeout(Duration::from_secs(8))
        .allow_flush(true)
        .near(9)
        .near_staleness(Duration::from_secs(1))
        .near_max_age(Duration::from_secs(60))
        .near_deletion(crate::NearDeletion::Prompt)
        .operation_timeout(Duration::from_secs(2))
        .connect_timeout(Duration::from_secs(3))
        .probe_interval(Duration::from_secs(4))
        .breaker_threshold(6)
        .pool_size(7)
        .testing(true);
    let by_hand = Config {
        cache_type: CacheType::Redis,
        no_null_warning: true,
        args: vec!["a".into()],
        options: BTreeMap::from([("k".into(), Value::Integer(1))]),
        default_timeout: Timeout::Never,
        jitter: 0.5,
        threshold: 3,
        max_bytes: Some(1 << 20),
        key_prefix: "p:".into(),
        memcached_servers: vec!["a:1".into()],
        memcached_username: Some("u".into()),
        memcached_password: Some("p".into()),
        redis_host: Some("h".into()),
        redis_port: Some(1),
        redis_password: Some(Secret::from("q")),
        redis_db: Some(2),
        redis_url: Some("redis://h".into()),
        dir: Some(PathBuf::from("/d")),
        flight_timeout: Duration::from_secs(8),
        near: 9,
        near_staleness: Duration::from_secs(1),
        near_max_age: Duration::from_secs(60),
        near_deletion: crate::NearDeletion::Prompt,
        functions: BTreeMap::new(),
        policies: BTreeMap::new(),
        allow_flush: true,
        operation_timeout: Duration::from_secs(2),
        connect_timeout: Duration::from_secs(3),
        probe_interval: Duration::from_secs(4),
        breaker_threshold: 6,
        pool_size: 7,
        testing: true,
    };
    assert_eq!(config, by_hand);
}

#[test]
fn the_constructors_set_the_type_and_the_place() {
    assert_eq!(Config::null(), Config { cache_type: CacheType::Null, ..Config::default() });
    assert_eq!(Config::simple(), Config::default());
    assert_eq!(Config::filesystem("/d"), Config::default().cache_type("filesystem").dir("/d"));
    assert_eq!(Config::redis("redis://h"), Config::default().cache_type("redis").redis_url("redis://h"));
    let list = Config::memcached(["a:1", "b:2"]);
    assert_eq!(list.memcached_servers, ["a:1", "b:2"]);
    assert_eq!(list, Config::memcached("a:1,b:2"));
    assert_eq!(list, Config::memcached("a:1, b:2,".to_string()));
    assert_eq!(list, Config::memcached(vec!["a:1".to_string(), "b:2".to_string()]));
    assert_eq!(list, Config::memcached(&["a:1", "b:2"][..]));
}

#[test]
fn a_type_reads_its_own_word_in_any_case_and_keeps_a_custom_name() {
    for (word, known) in crate::builtin::known_types() {
        assert_eq!(CacheType::from(*word), *known);
        assert_eq!(CacheType::from(word.to_uppercase()), *known);
        assert_eq!(known.to_string(), *word);
    }
    assert_eq!(CacheType::from("Mine").to_string(), "Mine");
}

#[test]
fn no_secret_shows_in_debug() {
    let config = Config::redis("redis://user:hunter2@host/0?x=hunter2")
        .memcached_servers("u:hunter2@a:1")
        .memcached_password("hunter2")
        .redis_password("hunter2")
        .redis_host("u:hunter2@h")
        .args(["hunter2"])
        .options([("token", "hunter2")]);
    let plain = format!("{config:?}");
    assert_eq!(
        plain,
        "Config { cache_type: \"redis\", no_null_warning: false, args: [***], options: {\"token\": ***}, \
         default_timeout: After(300s), jitter: 0.0, threshold: 10000, max_bytes: None, key_prefix: \"cachekit:\", \
         memcached_servers: [\"***@a:1\"], memcached_username: None, memcached_password: Some(***), \
         redis_host: Some(\"***@h\"), redis_port: None, redis_password: Some(***), redis_db: None, \
         redis_url: Some(\"redis://***@host/0?***\"), dir: None, flight_timeout: 30s, near: 0, \
         near_staleness: 100ms, near_max_age: 30s, near_deletion: Final, functions: {}, policies: {}, allow_flush: false, \
         operation_timeout: 500ms, connect_timeout: 250ms, probe_interval: 1s, breaker_threshold: 5, \
         pool_size: 16, testing: false }"
    );
    assert!(!format!("{config:#?}").contains("hunter2"));
}

#[test]
fn values_answer_for_what_they_are() {
    assert_eq!(Value::from("a").as_str(), Some("a"));
    assert_eq!(Value::from(1).as_str(), None);
    assert_eq!(Value::from(7i64).as_integer(), Some(7));
    assert_eq!(Value::from("7").as_integer(), Some(7));
    assert_eq!(Value::from(7.0).as_integer(), None);
    assert_eq!(Value::from(1.5).as_float(), Some(1.5));
    assert_eq!(Value::from(2).as_float(), Some(2.0));
    assert_eq!(Value::from("2.5").as_float(), Some(2.5));
    for yes in ["true", "YES", "on", "1"] {
        assert_eq!(Value::from(yes).as_bool(), Some(true), "{yes}");
    }
    for no in ["False", "no", "off", "0"] {
        assert_eq!(Value::from(no).as_bool(), Some(false), "{no}");
    }
    assert_eq!(Value::from(true).as_bool(), Some(true));
    assert_eq!(Value::from(1).as_bool(), Some(true));
    assert_eq!(Value::from(2).as_bool(), None);
    assert_eq!(Value::from("").as_bool(), None);
    assert_eq!(Value::from(vec!["a"]).as_list(), Some(&["a".into()][..]));
    let map = BTreeMap::from([("k".to_string(), Value::from(1))]);
    assert_eq!(Value::from(map.clone()).as_map(), Some(&map));
    assert_eq!((Value::from("a").as_list(), Value::from("a").as_map()), (None, None));
}
