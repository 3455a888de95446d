//! Memcached: the suite that all backends pass, on servers of every kind, and what holds for it alone.

mod behaviour;
mod breaks;
mod conformance;
mod counted;
mod interop;
mod login;
mod near;
mod proxy;
mod spread;

use std::time::Duration;

use cachekit::Config;
use cachekit_backends::conformance::Suite;
use cachekit_tests::memcached::backend;

/// Configurations of tests have time: a busy machine is no outage.
fn patient(config: Config) -> Config {
    config.operation_timeout(Duration::from_secs(10)).connect_timeout(Duration::from_secs(10))
}

/// A prefix that no other test has.
fn prefix() -> String {
    let random = cachekit_backends::Version::fresh().to_bytes();
    format!("test {}:", cachekit_backends::base32(&random))
}

/// The suite on servers, which count in ticks of a second; a second is added so that none is short. The time of a real server
/// can't be moved, so what is to be over is slept for.
fn suite(config: Config) -> Suite {
    let config = patient(config.key_prefix(prefix()));
    Suite::new(move |_| backend(&config)).wait_past(std::thread::sleep).granularity(Duration::from_secs(2))
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}
