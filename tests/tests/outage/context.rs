//! An error says which operation of which backend it is of.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cachekit::{Backend, Cache, Config, Error, ErrorKind, Result, Ttl};

use crate::kinds::{Kind, MEMCACHED, REDIS, SASL, SPREAD};

/// A port at which nothing listens.
const CLOSED: u16 = 1;

/// Fails without a word about where.
struct Broken;

impl Backend for Broken {
    fn get(&self, _: &str) -> Result<Option<Vec<u8>>> {
        Err(Error::new(ErrorKind::Unavailable, "broken"))
    }
    fn set(&self, _: &str, _: &[u8], _: Ttl) -> Result<()> {
        Err(Error::new(ErrorKind::Unavailable, "broken"))
    }
    fn delete(&self, _: &str) -> Result<bool> {
        Err(Error::new(ErrorKind::Unavailable, "broken"))
    }
    fn clear(&self, _: &str) -> Result<()> {
        Err(Error::new(ErrorKind::Unavailable, "broken"))
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}

/// Every operation of the cache object fails, and its error names the operation and the backend.
fn all_are_named(cache: &Cache, backend: &str) {
    let aio = cache.aio();
    // `incr` begins with the state of its key.
    let errors = [
        ("get_many", cache.get::<u8>("k").map(drop)),
        ("get_many", cache.get_many::<u8>(&["k", "l"]).map(drop)),
        ("set", cache.set("k", &1u8, 60)),
        ("set_many", cache.set_many(&[("k", 1u8)], 60)),
        ("add", cache.add("k", &1u8, 60).map(drop)),
        ("delete", cache.delete("k").map(drop)),
        ("delete_many", cache.delete_many(&["k", "l"]).map(drop)),
        ("get_many", cache.contains("k").map(drop)),
        ("clear", cache.clear()),
        ("get_many", block_on(aio.get::<u8>("k")).map(drop)),
        ("set", block_on(aio.set("k", &1u8, 60))),
        ("delete", block_on(aio.delete("k")).map(drop)),
        ("clear", block_on(aio.clear())),
    ];
    for (operation, result) in errors {
        let error = result.expect_err(operation);
        assert_eq!((error.operation(), error.backend()), (Some(operation), Some(backend)), "{error}");
    }
}

#[test]
fn an_error_of_a_backend_names_its_operation_and_the_backend() {
    for Kind { name, config, .. } in [REDIS, MEMCACHED, SASL, SPREAD] {
        all_are_named(&Cache::open(config(CLOSED).breaker_threshold(u32::MAX)).unwrap(), name);
    }
    cachekit::register_backend("broken", |_: &Config| Ok(Broken)).unwrap();
    let config = Config::default().breaker_threshold(u32::MAX);
    all_are_named(&Cache::open(config.clone().cache_type("broken")).unwrap(), "broken");
    let name = std::any::type_name::<Broken>();
    all_are_named(&Cache::with_backend_and_config(Broken, &config), name);
}

#[test]
fn a_directory_that_is_gone_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let cache = Cache::open(Config::filesystem(&path).breaker_threshold(u32::MAX)).unwrap();
    cache.set("k", &1u8, 60).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::write(&path, "a file").unwrap();
    let error = cache.set("l", &1u8, 60).unwrap_err();
    assert_eq!((error.operation(), error.backend()), (Some("set"), Some("filesystem")), "{error}");
}

#[test]
fn an_open_breaker_is_named() {
    let cache = Cache::open((REDIS.config)(CLOSED).breaker_threshold(1)).unwrap();
    let _ = cache.get::<u8>("k");
    let error = cache.delete("k").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert_eq!((error.operation(), error.backend()), (Some("delete"), Some("redis")));
}

#[test]
fn an_error_that_no_backend_made_is_named() {
    let cache = Cache::open(Config::simple()).unwrap();
    cache.set("text", &"a".to_owned(), 60).unwrap();
    let error = cache.incr("text", 1).unwrap_err();
    assert_eq!((error.operation(), error.backend()), (Some("incr"), Some("simple")), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Config::filesystem(dir.path()).key_prefix("")).unwrap();
    cache.set("text", &"a".to_owned(), 60).unwrap();
    for (operation, error) in
        [("incr", cache.incr("text", 1).unwrap_err()), ("clear", cache.clear().unwrap_err())]
    {
        assert_eq!((error.operation(), error.backend()), (Some(operation), Some("filesystem")), "{error}");
    }
}
