//! The backends that have servers.

use cachekit::Config;
use cachekit_tests::server::Server;
use cachekit_tests::{memcached, redis};

/// A secret that must not be in any error.
pub(crate) const SECRET: &str = "hunter2";

/// A backend.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Starts a server for it.
    pub(crate) server: fn() -> Server,
    /// The configuration for a server at a port of this machine.
    pub(crate) config: fn(u16) -> Config,
}

/// Values larger than half of this are split by [`SPREAD`].
pub(crate) const SPREAD_OVER: usize = 2048;

pub(crate) const REDIS: Kind = Kind {
    name: "redis",
    server: || redis::plain_with(&["--requirepass", SECRET]),
    config: |port| {
        Config::default().cache_type("redis").redis_host("127.0.0.1").redis_port(port).redis_password(SECRET)
    },
};

pub(crate) const MEMCACHED: Kind =
    Kind { name: "memcached", server: || memcached::server(&[]), config: |port| Config::memcached(at(port)) };

pub(crate) const SASL: Kind = Kind {
    name: "saslmemcached",
    server: memcached::with_sasl,
    config: |port| {
        Config::memcached(at(port))
            .cache_type("saslmemcached")
            .memcached_username(memcached::USER)
            .memcached_password(memcached::SASL_PASSWORD)
    },
};

pub(crate) const SPREAD: Kind = Kind {
    name: "spreadsaslmemcached",
    server: || memcached::server(&[]),
    config: |port| {
        Config::memcached(at(port))
            .cache_type("spreadsaslmemcached")
            .options([("max_item_size", i64::try_from(SPREAD_OVER).unwrap())])
    },
};

pub(crate) fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Says of which backend a failure is.
struct Where(&'static str);

impl Drop for Where {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("… with `{}`", self.0);
        }
    }
}

/// Runs a test with each backend, side by side, because most of it is waiting.
pub(crate) fn each(test: impl Fn(&Kind) + Sync) {
    let kinds = [REDIS, MEMCACHED, SASL, SPREAD];
    crate::watch::start();
    std::thread::scope(|scope| {
        for kind in &kinds {
            let test = &test;
            scope.spawn(move || {
                let _where = Where(kind.name);
                test(kind);
            });
        }
    });
    assert_eq!(crate::watch::panics(), Vec::<String>::new(), "nothing panics on other threads");
}
