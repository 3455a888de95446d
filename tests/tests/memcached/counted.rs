//! Promise 3: a hit is one round trip to each server involved, a miss at most two, a function's first call three.

use std::sync::Arc;

use cachekit::{Cache, Config, memoize};
use cachekit_tests::memcached as servers;

use crate::proxy::Proxy;
use crate::{patient, prefix};

static SYNC: Cache = Cache::new();
static ASYNC: Cache = Cache::new();

#[memoize(cache = SYNC)]
fn double(n: u64) -> u64 {
    2 * n
}

#[memoize(cache = ASYNC)]
async fn triple(n: u64) -> u64 {
    3 * n
}

#[derive(cachekit::CacheKey)]
struct Shop(u32);

impl Shop {
    #[memoize(cache = SYNC)]
    fn price(&self, item: &str) -> usize {
        item.len() * self.0 as usize
    }
}

fn counting(proxy: &Proxy) -> Config {
    patient(Config::memcached([proxy.address()]).key_prefix(prefix()))
}

/// Counted by the writes that pass a proxy, and by the reads that the server's own statistics count.
#[test]
fn a_hit_is_one_round_trip_and_a_miss_two() {
    let server = servers::server(&[]);
    let proxy = Proxy::honest(server.port());
    SYNC.init(counting(&proxy)).unwrap();
    assert_eq!(double(1), 2);
    assert!(proxy.round_trips() <= 3, "a function's first call ever, in a process that knows nothing");
    assert_eq!(double(2), 4);
    assert_eq!(proxy.round_trips(), 2, "a miss");
    let reads = servers::statistic(&server, "cmd_get");
    for _ in 0..10 {
        assert_eq!(double(1), 2);
    }
    assert_eq!(proxy.round_trips(), 10, "ten hits");
    let per_hit = (servers::statistic(&server, "cmd_get") - reads).div_ceil(10);
    assert!(per_hit <= 3, "generation, entry and version: {per_hit}");

    let shop = Shop(7);
    assert_eq!(shop.price("a"), 7);
    assert!(proxy.round_trips() <= 3, "the first call of a method");
    assert_eq!(shop.price("a"), 7);
    assert_eq!(proxy.round_trips(), 1, "a hit of a method, with two versions");
    assert_eq!(SYNC.stats().errors, 0);
}

#[test]
fn on_tokio_as_well() {
    let server = servers::server(&[]);
    let proxy = Proxy::honest(server.port());
    ASYNC.init(counting(&proxy)).unwrap();
    crate::runtime().block_on(async {
        assert_eq!(triple(1).await, 3);
        assert!(proxy.round_trips() <= 3);
        assert_eq!(triple(2).await, 6);
        assert_eq!(proxy.round_trips(), 2);
        for _ in 0..10 {
            assert_eq!(triple(1).await, 3);
        }
        assert_eq!(proxy.round_trips(), 10);
    });
    assert_eq!(proxy.connections(), 1, "it is kept");
}

/// Each server involved is asked once, also for many keys.
#[test]
fn many_keys_are_one_round_trip_to_each_server() {
    let servers: Vec<_> = (0..3).map(|_| servers::server(&[])).collect();
    let proxies: Arc<[Proxy]> = servers.iter().map(|server| Proxy::honest(server.port())).collect();
    let config = Config::memcached(proxies.iter().map(Proxy::address).collect::<Vec<_>>());
    let cache = Cache::open(patient(config.key_prefix(prefix()))).unwrap();
    let items: Vec<(String, u32)> = (0..100).map(|n| (format!("k{n}"), n)).collect();
    let items: Vec<(&str, u32)> = items.iter().map(|(key, n)| (key.as_str(), *n)).collect();
    let keys: Vec<&str> = items.iter().map(|(key, _)| *key).collect();
    cache.set_many(&items, 60u64).unwrap();
    for proxy in &*proxies {
        proxy.round_trips();
    }
    let values = cache.get_many::<u32>(&keys).unwrap();
    assert!(values.iter().enumerate().all(|(n, value)| value.is_some_and(|value| value as usize == n)));
    for proxy in &*proxies {
        assert_eq!(proxy.round_trips(), 1);
    }
}

/// However many ids a call has, sync and as a task.
#[test]
fn a_call_for_many_ids_is_as_many_round_trips_as_one_for_one() {
    static EACH: Cache = Cache::new();
    #[memoize(cache = EACH, each = ids)]
    fn doubles(ids: &[u64]) -> Vec<u64> {
        ids.iter().map(|id| 2 * id).collect()
    }
    let server = servers::server(&[]);
    let proxy = Proxy::honest(server.port());
    EACH.init(counting(&proxy)).unwrap();
    let all: Vec<u64> = (0..50).collect();
    doubles(&all[..20]);
    assert!(proxy.round_trips() <= 3, "a function's first call ever");
    assert_eq!(doubles(&all[..40])[39], 78);
    assert_eq!(proxy.round_trips(), 2, "twenty misses among forty");
    for _ in 0..10 {
        assert_eq!(doubles(&all[..40]).len(), 40);
    }
    assert_eq!(proxy.round_trips(), 10, "ten hits");
}
