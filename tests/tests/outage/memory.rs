//! Servers without room.

use std::cell::Cell;

use cachekit::{ErrorKind, delete_memoized, memoize};
use cachekit_tests::{memcached, redis};

use crate::kinds::{MEMCACHED, REDIS, SECRET, SPREAD, SPREAD_OVER, at};
use crate::subject::{Subject, shows};

/// A Redis server that may not evict: what it has is still found, functions go on, and it is not left alone.
#[test]
fn redis_that_is_full() {
    let server = (REDIS.server)();
    let port = server.port();
    let subject = Subject::new((REDIS.config)(port).breaker_threshold(2));
    subject.works();
    subject.call(1);
    let mut raw = redis::raw(&format!("redis://:{SECRET}@{}/0", at(port)));
    let memory: String = redis::run(&mut raw, &["INFO", "memory"]);
    let used = memory.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let most = used.trim().parse::<u64>().unwrap() + 500_000;
    redis::run::<()>(&mut raw, &["CONFIG", "SET", "maxmemory", &most.to_string()]);
    let block = "x".repeat(10_000);
    let full = (0..10_000)
        .any(|i| ::redis::cmd("SET").arg(format!("foreign{i}")).arg(&block).query::<()>(&mut raw).is_err());
    assert!(full, "it takes everything");
    for _ in 0..3 {
        subject.bears_it();
        assert!(subject.hits(1), "what is stored is found");
        let error = subject.cache().set("outage", &block, 60).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
        shows(&error, "raise `maxmemory`");
        shows(&error, &at(port));
    }
    redis::run::<()>(&mut raw, &["CONFIG", "SET", "maxmemory", "0"]);
    subject.works();
}

/// A memcached that may not evict.
#[test]
fn memcached_that_is_full() {
    for kind in [MEMCACHED, SPREAD] {
        let server = memcached::server(&["-m", "2", "-M"]);
        let port = server.port();
        let subject = Subject::new((kind.config)(port).breaker_threshold(2));
        let block = "x".repeat(SPREAD_OVER - 1000);
        let full = (0..100_000).find_map(|i| subject.cache().set(&format!("block{i}"), &block, 60).err());
        let full = full.expect("it takes everything");
        assert_eq!(full.kind(), ErrorKind::Full, "{full}");
        shows(&full, &at(port));
        (0..3).for_each(|_| subject.bears_it());
    }
}

thread_local!(static STATE: Cell<u64> = const { Cell::new(0) });

/// More of these than the server has room for.
const MANY: u64 = 600;

fn state_now(n: u64) -> String {
    format!("{n} {:>1$}", STATE.get(), 4 * SPREAD_OVER)
}

#[memoize(name = "outage.state")]
fn state(n: u64) -> String {
    state_now(n)
}

/// A memcached that evicts whatever it likes, versions and parts of values included: a deletion is as final as ever, and
/// values are whole.
#[test]
fn memcached_that_evicts() {
    for kind in [MEMCACHED, SPREAD] {
        let server = memcached::server(&["-m", "2"]);
        let config = (kind.config)(server.port());
        let subject = Subject::new(config.breaker_threshold(u32::MAX));
        let _entered = subject.enter();
        let are_new = || (0..MANY).for_each(|n| assert_eq!(state(n), state_now(n)));
        let before = memcached::statistic(&server, "evictions");
        are_new();
        for _ in 0..3 {
            STATE.set(STATE.get() + 1);
            delete_memoized!(state).unwrap();
            are_new();
            STATE.set(STATE.get() + 1);
            for n in 0..MANY {
                delete_memoized!(state, n).unwrap();
                assert_eq!(state(n), state_now(n));
            }
        }
        let evicted = memcached::statistic(&server, "evictions") - before;
        assert!(evicted > MANY, "only {evicted} items were evicted");
    }
}
