//! Particulars of memcached: keys, sizes, generations.

use std::time::Duration;

use cachekit::{Cache, Config, ErrorKind};
use cachekit_tests::memcached as servers;
use proptest::prelude::*;

use crate::{backend, patient, prefix};

fn one() -> Config {
    patient(Config::memcached([servers::address(servers::shared())]).key_prefix(prefix()))
}

/// Promise 6: no key is a command. The commands in these would change the victim, or end the exchange.
#[test]
fn keys_carry_no_commands() {
    let (store, random) = (backend(&one()), prefix());
    let victim = format!("{random}victim");
    store.set(&victim, b"safe", None).unwrap();
    let hostile = [
        format!("x\r\nset {victim} 0 0 3\r\nbad\r\n"),
        format!("x\nms {victim} 3\r\nbad\r\n"),
        "flush_all\r\n".into(),
        format!("{random} {victim}"),
        "\0".into(),
        "x".repeat(100_000),
        "\u{7f}".into(),
        "é".into(),
        "#generation=".into(),
    ];
    for key in &hostile {
        store.set(key, key.as_bytes(), None).unwrap();
    }
    for key in &hostile {
        assert_eq!(store.get(key).unwrap().as_deref(), Some(key.as_bytes()), "{key:?}");
        assert!(store.delete(key).unwrap());
    }
    assert_eq!(store.get(&victim).unwrap().as_deref(), Some(&b"safe"[..]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Any keys and values, on the real server, against a map.
    #[test]
    fn the_store_is_a_map(
        steps in prop::collection::vec((0..5u8, "[a\\PC\r\n ]{0,3}", prop::collection::vec(any::<u8>(), 0..9)), 1..20),
    ) {
        static STORE: std::sync::LazyLock<std::sync::Arc<dyn cachekit::Backend>> =
            std::sync::LazyLock::new(|| backend(&one()));
        let (store, random) = (&*STORE, prefix());
        let mut map = std::collections::HashMap::new();
        for (step, key, value) in steps {
            let key = format!("{random}{key}");
            match step {
                0 => {
                    store.set(&key, &value, Some(Duration::from_secs(100))).unwrap();
                    map.insert(key, value);
                }
                1 => prop_assert_eq!(store.delete(&key).unwrap(), map.remove(&key).is_some()),
                2 => {
                    prop_assert_eq!(store.add(&key, &value, None).unwrap(), !map.contains_key(&key));
                    map.entry(key).or_insert(value);
                }
                3 => {
                    let token = store.fetch(&key, &[]).unwrap().token.unwrap();
                    prop_assert!(store.put_if(&key, &value, None, token).unwrap());
                    prop_assert!(!store.put_if(&key, b"again", None, token).unwrap());
                    map.insert(key, value);
                }
                _ => prop_assert_eq!(store.get(&key).unwrap(), map.get(&key).cloned()),
            }
        }
    }
}

/// Promise 8: a value that is too large is an error that says so, and what was there isn't served any more. Also where the
/// server takes less than is assumed.
#[test]
fn a_value_that_is_too_large_fails_and_leaves_nothing_stale() {
    let small = servers::server(&["-I", "128k", "-o", "slab_chunk_max=65536"]);
    let of_small = patient(Config::memcached([servers::address(&small)]));
    for (config, size) in [(one(), 1_100_000), (of_small, 200_000)] {
        let store = backend(&config);
        store.set("k", b"old", None).unwrap();
        let error = store.set("k", &vec![1; size], None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        assert!(error.to_string().contains("too large"), "{error}");
        assert_eq!(store.get("k").unwrap(), None, "nothing stale");
        assert_eq!(store.add("k", &vec![1; size], None).unwrap_err().kind(), ErrorKind::Full);
        store.set("k", b"new", None).unwrap();
        assert_eq!(store.get("k").unwrap().unwrap(), b"new", "the connection is in order");
    }
}

/// A server with larger items takes larger values.
#[test]
fn the_item_size_can_be_told() {
    let large = servers::server(&["-I", "8m"]);
    let config = patient(Config::memcached([servers::address(&large)])).options([("max_item_size", 8 << 20)]);
    let (store, value) = (backend(&config), vec![7; 8_388_000]);
    store.set("k", &value, None).unwrap();
    assert_eq!(store.get("k").unwrap(), Some(value));
}

/// Promise 7: `clear` removes what carries the prefix, for every process, and nothing of another prefix; keys of others on
/// the server stay as well.
#[test]
fn clear_is_of_this_prefix_and_seen_by_all() {
    let name = prefix();
    let of = |suffix: &str| {
        let config = one().key_prefix(format!("{name}{suffix}"));
        (Cache::open(config.clone()).unwrap(), Cache::open(config).unwrap())
    };
    let ((app, app_elsewhere), (app2, _)) = (of("app"), of("app2_"));
    for cache in [&app, &app2] {
        cache.set("k", &1, 60u64).unwrap();
    }
    assert_eq!(app_elsewhere.get::<i32>("k").unwrap(), Some(1));
    app.clear().unwrap();
    assert_eq!(app_elsewhere.get::<i32>("k").unwrap(), None);
    assert_eq!(app2.get::<i32>("k").unwrap(), Some(1));
}

/// Promise 2: what is computed from before a restart of the server is not stored after it, although the server counts from
/// the beginning again.
#[test]
fn a_token_does_not_outlive_the_server() {
    let server = servers::server(&[]);
    let store = backend(&patient(Config::memcached([servers::address(&server)])));
    let token = store.token("k").unwrap();
    server.kill();
    server.start_again();
    assert_eq!(store.get("other").unwrap(), None);
    let again = store.token("k").unwrap();
    let number = |token: cachekit_backends::Token| token.0 & u128::from(u64::MAX);
    assert_eq!(number(token), number(again), "the server gives the same number, or this test shows nothing");
    assert!(!store.put_if("k", b"late", None, token).unwrap());
    assert_eq!(store.get("k").unwrap(), None);
}
