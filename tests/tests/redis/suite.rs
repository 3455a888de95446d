//! The suite that all backends pass, on every kind of server, blocking and as tasks.

use std::sync::{Arc, LazyLock};

use cachekit_backends::conformance::Suite;
use cachekit_backends::{Backend, Clock, Config, Opened, open};
use cachekit_tests::redis::{Certificates, Cluster, Watched, on_socket, over_tls, shared, url};
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

macro_rules! servers {
    ($($name:ident: $config:expr;)*) => {$(
        mod $name {
            use super::*;

            mod blocking {
                use super::*;
                cachekit_backends::conformance_tests!(suite($config));
            }

            mod tasks {
                use super::*;
                cachekit_backends::conformance_tests!(as_tasks(suite($config)));
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
    Config::redis(url).options([
        ("tls_ca", certificates.path("ca.pem")),
        ("tls_cert", certificates.path("client.pem")),
        ("tls_key", certificates.path("client.key")),
    ])
}

fn socket() -> Config {
    static SERVER: LazyLock<Server> = LazyLock::new(on_socket);
    Config::redis(format!("unix://{}?db=3", SERVER.socket().display()))
}

servers! {
    plain: Config::redis(url(shared()));
    tls: tls();
    socket: socket();
    cluster: Config::redis(Cluster::shared().url());
    sentinel: Config::redis(Watched::shared().url());
}

/// Futures that something else than tokio polls.
mod without_tokio {
    use super::*;
    cachekit_backends::conformance_tests!(
        suite(Config::redis(url(shared()))).asynchronous(|future| cachekit_tests::block_on(future))
    );
}
