//! The suite that all backends pass, on every kind of server, blocking and as tasks.

use std::sync::{Arc, LazyLock};

use cachekit_backends::conformance::Suite;
use cachekit_backends::{Backend, Clock, Config, Opened, open};
use cachekit_tests::redis::{Certificates, Cluster, Watched, on_socket, over_tls, shared, url, valkey};
use cachekit_tests::server::{Server, free_port};

fn backend(config: &Config) -> Arc<dyn Backend> {
    match open(config, &Clock::system()).unwrap() {
        Opened::Shared(backend) => backend,
        Opened::Simple => panic!("not a store of bytes"),
    }
}

/// A busy machine is no test of time limits.
fn patient(config: Config) -> Config {
    let long = std::time::Duration::from_secs(20);
    config.operation_timeout(long).connect_timeout(long)
}

fn suite(config: Config) -> Suite {
    let config = patient(config);
    Suite::new(move |_| backend(&config))
        .wait_past(std::thread::sleep)
        // The server counts milliseconds. An entry that is to be found must not expire while a busy machine looks for it.
        .granularity(std::time::Duration::from_millis(200))
        .unreachable(|_| backend(&Config::redis(format!("redis://127.0.0.1:{}", free_port()))))
}

fn as_tasks(suite: Suite) -> Suite {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    });
    suite.asynchronous(|future| RUNTIME.block_on(future))
}

/// A new connection takes several handshakes, during which no entry must expire on a busy machine.
fn slow_to_open(suite: Suite) -> Suite {
    suite.granularity(std::time::Duration::from_millis(600))
}

macro_rules! servers {
    ($($name:ident: $suite:expr;)*) => {$(
        mod $name {
            use super::*;

            mod blocking {
                use super::*;
                cachekit_backends::conformance_tests!($suite);
            }

            mod tasks {
                use super::*;
                cachekit_backends::conformance_tests!(as_tasks($suite));
            }
        }
    )*};
}

static TLS: LazyLock<(Certificates, Server)> = LazyLock::new(|| {
    let certificates = Certificates::new();
    let server = over_tls(&certificates, "yes");
    (certificates, server)
});

fn tls() -> Config {
    let (certificates, server) = &*TLS;
    let url = format!("rediss://localhost:{}/0", server.port());
    Config::redis(url).options(certificates.options())
}

fn cluster_over_tls() -> Config {
    static NODES: LazyLock<(Certificates, Cluster)> = LazyLock::new(|| {
        let certificates = Certificates::new();
        let cluster = Cluster::start_over_tls(&certificates);
        (certificates, cluster)
    });
    let (certificates, cluster) = &*NODES;
    Config::redis(cluster.url_over_tls()).options(certificates.options())
}

fn secured_sentinel() -> Config {
    static WATCHED: LazyLock<(Certificates, Watched)> = LazyLock::new(|| {
        let certificates = Certificates::new();
        let watched = Watched::start_secured(&certificates);
        (certificates, watched)
    });
    let (certificates, watched) = &*WATCHED;
    Config::redis(watched.secured_url()).options(certificates.options())
}

fn socket() -> Config {
    static SERVER: LazyLock<Server> = LazyLock::new(on_socket);
    Config::redis(format!("unix://{}?db=3", SERVER.socket().display()))
}

servers! {
    plain: suite(Config::redis(url(shared())));
    tls: suite(tls());
    socket: suite(socket());
    cluster: suite(Config::redis(Cluster::shared().url()));
    sentinel: suite(Config::redis(Watched::shared().url()));
    cluster_over_tls: slow_to_open(suite(cluster_over_tls()));
    sentinel_with_logins_over_tls: slow_to_open(suite(secured_sentinel()));
}

/// Runs all cases of a suite at once.
fn run(suite: &Suite) {
    std::thread::scope(|scope| Suite::cases().for_each(|case| _ = scope.spawn(move || suite.run_case(case))));
}

#[test]
fn valkey_passes_the_suite_where_it_is_installed() {
    let Some(server) = valkey() else {
        return println!("skipped: there is no `valkey-server` (Debian has it from version 13 on)");
    };
    let config = || Config::redis(url(&server).replace("redis:", "valkey:"));
    run(&suite(config()));
    run(&as_tasks(suite(config())));
}

/// Futures that something else than tokio polls.
mod without_tokio {
    use super::*;
    cachekit_backends::conformance_tests!(
        suite(Config::redis(url(shared()))).asynchronous(|future| cachekit_tests::block_on(future))
    );
}
