//! The suite on each kind of server, blocking, on tokio, and on an executor that knows nothing of tokio. The cases of some kinds run
//! at once, since they wait for the server's clock; those of all would keep a small machine busy for longer than an operation may take.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cachekit::Config;
use cachekit_backends::conformance::Suite;
use cachekit_tests::memcached as servers;
use cachekit_tests::server::{Server, free_port};

use crate::{backend, patient, runtime, suite};

fn unreachable(_: &cachekit_backends::Clock) -> Arc<dyn cachekit::Backend> {
    backend(&patient(Config::memcached([format!("127.0.0.1:{}", free_port())])))
}

fn with_login(server: &Server, password: &str, cache_type: &str) -> Config {
    Config::memcached([servers::address(server)])
        .cache_type(cache_type)
        .memcached_username(servers::USER)
        .memcached_password(password)
}

/// A configuration of each kind. The servers live as long as the program.
fn kinds() -> Vec<(&'static str, Config)> {
    type Servers = ([Server; 3], Server, Server, Server);
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    let (three, socket, sasl, text) = SERVERS.get_or_init(|| {
        let three = [(); 3].map(|()| servers::server(&[]));
        (three, servers::on_socket(), servers::with_sasl(), servers::with_text_login())
    });
    let one = || Config::memcached([servers::address(servers::shared())]);
    vec![
        ("one server", one()),
        (
            "three servers",
            Config::memcached(three.each_ref().map(servers::address)).cache_type("gaememcached"),
        ),
        ("socket", Config::memcached([socket.socket().to_str().unwrap()])),
        ("SASL", with_login(sasl, servers::SASL_PASSWORD, "saslmemcached")),
        ("text login", with_login(text, servers::TEXT_PASSWORD, "saslmemcached")),
        ("TLS", crate::login::tls_config()),
        ("spread", one().cache_type("spreadsaslmemcached")),
        ("spread, with SASL", with_login(sasl, servers::SASL_PASSWORD, "spreadsaslmemcached")),
    ]
}

/// Runs all cases, each on a thread, those of four kinds at once.
fn run(suites: &[(&'static str, Suite)]) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let failed: Vec<String> = suites.chunks(4).flat_map(run_at_once).collect();
    assert!(failed.is_empty(), "failed, with details above: {failed:#?}");
}

/// Runs all cases at once. Returns the names of those that failed.
fn run_at_once(suites: &[(&'static str, Suite)]) -> Vec<String> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = suites
            .iter()
            .flat_map(|(kind, suite)| {
                Suite::cases()
                    .map(|case| (format!("{kind}: {case}"), scope.spawn(move || suite.run_case(case))))
                    .collect::<Vec<_>>()
            })
            .collect();
        threads.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect()
    })
}

fn suites(driver: fn(Suite) -> Suite) -> Vec<(&'static str, Suite)> {
    let of = |(kind, config)| (kind, driver(suite(config).unreachable(unreachable)));
    kinds().into_iter().map(of).collect()
}

#[test]
fn every_kind_of_server_passes_the_suite() {
    run(&suites(|suite| suite));
}

#[test]
fn every_kind_of_server_passes_the_suite_on_tokio() {
    run(&suites(|suite| suite.asynchronous(|future| runtime().block_on(future))));
}

#[test]
fn the_suite_passes_without_a_runtime() {
    let one = suite(Config::memcached([servers::address(servers::shared())]));
    run(&[("no runtime", one.asynchronous(|future| cachekit_tests::block_on(future)))]);
}
