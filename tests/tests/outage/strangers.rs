//! Servers that are none of ours, and passwords that are wrong.

use cachekit::ErrorKind::{Auth, Protocol, Timeout, Unavailable};
use cachekit::{Config, ErrorKind};
use cachekit_tests::proxy::impostor;
use cachekit_tests::{memcached, redis};

use crate::kinds::{Kind, MEMCACHED, REDIS, SASL, SECRET, SPREAD, each};
use crate::subject::{Subject, are_clear, is_late, shows};

/// The functions go on, and every error is of one of these kinds and says a thing.
fn is_no_server(kind: &Kind, port: u16, kinds: &[ErrorKind], says: &str) {
    let subject = Subject::stubborn(kind, port);
    subject.bears_it();
    let errors = subject.errors();
    are_clear(&errors, kinds, port);
    let (late, seen): (Vec<_>, Vec<_>) = errors.iter().partition(|error| is_late(error));
    assert!(!seen.is_empty() || kinds.contains(&Timeout), "all were late: {late:?}");
    for error in seen {
        shows(error, says);
    }
    subject.bears_it();
}

#[test]
fn a_silent_one() {
    let port = impostor(b"");
    each(|kind| is_no_server(kind, port, &[Timeout], ""));
}

#[test]
fn one_that_speaks_http() {
    let port = impostor(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    each(|kind| is_no_server(kind, port, &[Protocol], "s it a "));
}

#[test]
fn one_that_speaks_nonsense() {
    let port = impostor(b"\xff\0\xff\0 nonsense without an end");
    each(|kind| is_no_server(kind, port, &[Protocol, Timeout], ""));
}

#[test]
fn redis_where_memcached_is_expected_and_the_reverse() {
    let (redis, memcached) = (redis::plain(), memcached::server(&[]));
    each(|kind| {
        match kind.name {
            "redis" => is_no_server(kind, memcached.port(), &[Protocol], "s it a "),
            // Redis takes the binary login for the beginning of a line, and waits for more.
            "saslmemcached" => is_no_server(kind, redis.port(), &[Timeout], ""),
            _ => is_no_server(kind, redis.port(), &[Protocol], "s it a "),
        }
    });
}

#[test]
fn memcached_with_login_where_one_without_is_expected_and_the_reverse() {
    let server = memcached::with_sasl();
    for kind in [MEMCACHED, SPREAD] {
        // It closes the connection, or leaves it open, without a word.
        is_no_server(&kind, server.port(), &[Auth, Unavailable, Timeout], "saslmemcached");
    }
    let server = memcached::server(&[]);
    is_no_server(&SASL, server.port(), &[Auth], "login");
}

#[test]
fn wrong_and_missing_passwords() {
    let servers = [(REDIS.server)(), (SASL.server)()];
    let wrong = |kind: &Kind, config: Config| {
        let server = &servers[usize::from(kind.name == SASL.name)];
        let subject = Subject::new(config.breaker_threshold(u32::MAX));
        subject.bears_it();
        let errors = subject.errors();
        are_clear(&errors, &[Auth], server.port());
        for error in &errors {
            shows(error, "password");
        }
        subject.bears_it();
    };
    let other = format!("{SECRET}, but wrong");
    wrong(&REDIS, (REDIS.config)(servers[0].port()).redis_password(other.as_str()));
    wrong(&REDIS, Config::redis(redis::url(&servers[0])));
    wrong(&SASL, (SASL.config)(servers[1].port()).memcached_password(other.as_str()));
    let spread = (SASL.config)(servers[1].port()).cache_type("spreadsaslmemcached");
    wrong(&SASL, spread.memcached_username(other.as_str()));
}

/// A password that is refused counts as a failure: the server isn't asked for ever.
#[test]
fn wrong_passwords_open_the_breaker() {
    let server = (REDIS.server)();
    let config = (REDIS.config)(server.port()).redis_password("wrong");
    let subject =
        Subject::new(config.breaker_threshold(2).probe_interval(std::time::Duration::from_secs(3600)));
    subject.bears_it();
    assert_eq!(subject.cache().get::<u8>("a").unwrap_err().kind(), ErrorKind::CircuitOpen);
}
