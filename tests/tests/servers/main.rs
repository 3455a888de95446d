//! The backends on servers, where the process or the server is out of the ordinary: forked processes, runtimes without
//! drivers, replies without an end or without a request.

mod endless;
mod process;
mod reuse;
mod twice;

use std::sync::Arc;
use std::time::Duration;

use cachekit::{Backend, Config};
use cachekit_backends::{Clock, Opened, open};

fn backend(config: &Config) -> Arc<dyn Backend> {
    match open(config, &Clock::system()).unwrap() {
        Opened::Shared(backend) => backend,
        Opened::Simple => panic!("not a store of bytes"),
    }
}

fn patient(config: Config) -> Config {
    let long = Duration::from_secs(20);
    config.operation_timeout(long).connect_timeout(long)
}

fn hasty(config: Config) -> Config {
    let limit = Duration::from_millis(300);
    config.operation_timeout(limit).connect_timeout(limit)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
