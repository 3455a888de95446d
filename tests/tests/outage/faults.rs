//! Servers that are killed, stopped and started again, and networks that drop, delay and hold back what they carry.

use std::time::Duration;

use cachekit::ErrorKind;
use cachekit::ErrorKind::{Protocol, Timeout, Unavailable};
use cachekit_tests::proxy::{Fault, Proxy, Toward};

use crate::kinds::{Kind, each};
use crate::subject::{LIMIT, Subject, outage};

/// An outage behind a proxy.
fn behind(kind: &Kind, kinds: &[ErrorKind], breaks: impl FnOnce(&Proxy), heals: impl FnOnce(&Proxy)) {
    let server = (kind.server)();
    let proxy = Proxy::start(server.port());
    let asked = || proxy.traffic();
    outage((kind, proxy.port()), kinds, Some(&asked), || breaks(&proxy), || heals(&proxy));
}

fn with_fault(toward: Toward, fault: Fault, kinds: &[ErrorKind]) {
    each(|kind| behind(kind, kinds, |proxy| proxy.set(toward, fault), Proxy::heal));
}

#[test]
fn a_killed_server_and_one_that_is_started_again() {
    each(|kind| {
        let server = (kind.server)();
        outage((kind, server.port()), &[Unavailable], None, || server.kill(), || server.start_again());
    });
}

#[test]
fn a_stopped_server() {
    each(|kind| {
        let server = (kind.server)();
        let proxy = Proxy::start(server.port());
        let asked = || proxy.traffic();
        outage((kind, proxy.port()), &[Timeout], Some(&asked), || server.stop(), || server.go_on());
    });
}

#[test]
fn a_server_that_is_restarted_between_two_calls() {
    each(|kind| {
        let server = (kind.server)();
        let subject = Subject::stubborn(kind, server.port());
        subject.works();
        for _ in 0..2 {
            server.kill();
            server.start_again();
            subject.bears_it();
            subject.works();
        }
    });
}

#[test]
fn refused_connections() {
    each(|kind| behind(kind, &[Unavailable], Proxy::refuse, Proxy::heal));
}

#[test]
fn connections_that_are_closed_when_something_is_asked() {
    with_fault(Toward::Server, Fault::Close, &[Unavailable]);
}

#[test]
fn connections_that_are_closed_instead_of_the_answer() {
    with_fault(Toward::Client, Fault::Close, &[Unavailable]);
}

#[test]
fn answers_that_are_cut_off() {
    with_fault(Toward::Client, Fault::Truncate(3), &[Unavailable, Protocol]);
}

#[test]
fn questions_that_are_cut_off() {
    with_fault(Toward::Server, Fault::Truncate(3), &[Unavailable, Protocol]);
}

#[test]
fn answers_that_are_held_back_and_come_late() {
    with_fault(Toward::Client, Fault::Stall, &[Timeout]);
}

#[test]
fn questions_that_are_held_back_and_come_late() {
    with_fault(Toward::Server, Fault::Stall, &[Timeout]);
}

#[test]
fn answers_that_come_too_late_each() {
    with_fault(Toward::Client, Fault::Delay(LIMIT + Duration::from_secs(1)), &[Timeout]);
}

/// Connections that break now and then, but never for long, cost a computation at most.
#[test]
fn connections_that_are_cut_again_and_again() {
    each(|kind| {
        let server = (kind.server)();
        let proxy = Proxy::start(server.port());
        let subject = Subject::stubborn(kind, proxy.port());
        subject.works();
        for _ in 0..10 {
            proxy.cut();
            subject.bears_it();
        }
        subject.works();
    });
}

/// A server that is slow, but not too slow, is used.
#[test]
fn answers_that_come_a_little_late() {
    each(|kind| {
        let server = (kind.server)();
        let proxy = Proxy::start(server.port());
        let subject = Subject::stubborn(kind, proxy.port());
        subject.works();
        subject.call(1);
        proxy.set(Toward::Client, Fault::Delay(LIMIT / 10));
        assert!((0..3).any(|_| subject.hits(1)), "what is stored is found");
        subject.works();
    });
}

/// More callers than connections, and all with the same keys: the limit holds for the wait for a connection as well, and
/// a caller that has waited in vain doesn't do so again because another one has computed meanwhile.
#[test]
fn many_callers_at_a_server_that_hangs() {
    each(|kind| {
        let server = (kind.server)();
        let config = (kind.config)(server.port()).pool_size(2).breaker_threshold(u32::MAX);
        let subject = Subject::new(config);
        subject.works();
        server.stop();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..2).for_each(|_| subject.bears_it()));
            }
        });
        server.go_on();
        subject.works();
    });
}
