//! The suite on a real server: that of `POSTGRES_URL`, or one that is started for this program, where it is installed.

mod server;

use std::sync::Arc;

use cachekit::ErrorKind;
use cachekit_backends::conformance::Suite;
use cachekit_example_backends::Postgres;
use server::Server;

#[test]
fn the_suite() {
    let given = std::env::var("POSTGRES_URL").ok();
    let started = if given.is_none() { Server::start() } else { None };
    let Some(address) = given.or_else(|| started.as_ref().map(Server::address)) else {
        eprintln!(
            "skipped: no server, neither by `POSTGRES_URL` nor installed (`apt-get install postgresql`)"
        );
        return;
    };
    Suite::new(move |clock| {
        Arc::new(Postgres::connect_with_clock(&address, clock.clone()).expect("the server answers"))
    })
    .run();
}

#[test]
fn a_server_that_is_down_is_unavailable() {
    let down = Postgres::connect("host=127.0.0.1 port=1 user=nobody connect_timeout=1");
    assert!(down.is_err_and(|error| error.kind() == ErrorKind::Unavailable));
    let wrong = Postgres::connect("postgres://user:hunter2@host:port/").err().expect("the port is no number");
    assert!(wrong.kind() == ErrorKind::Config && !wrong.to_string().contains("hunter2"), "{wrong}");
}
