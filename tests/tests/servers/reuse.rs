//! A connection is used again, also one over TLS, whose server sends session tickets when it likes.

use std::io::copy;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cachekit::Config;
use cachekit_tests::redis::{Certificates, over_tls, plain};
use cachekit_tests::{memcached, server::Server};

use crate::{backend, patient, runtime};

/// Passes connections on to a server; its port, and how many there were.
fn counting(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
            for (mut from, mut to) in
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
            {
                std::thread::spawn(move || copy(&mut from, &mut to));
            }
        }
    });
    (port, count)
}

/// One connection for each way to ask.
fn is_used_again(server: &Server, config: impl Fn(u16) -> Config) {
    let (port, connections) = counting(server.port());
    let (store, rt) = (backend(&patient(config(port))), runtime());
    let tasks = store.asynchronous().unwrap();
    for round in 0..50u8 {
        store.set("reuse", &[round], None).unwrap();
        assert_eq!(rt.block_on(tasks.get("reuse")).unwrap(), Some(vec![round]));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn of_redis() {
    is_used_again(&plain(), |port| Config::redis(format!("redis://127.0.0.1:{port}")));
}

#[test]
fn of_redis_over_tls() {
    let certificates = Certificates::new();
    is_used_again(&over_tls(&certificates, "no"), |port| {
        Config::redis(format!("rediss://127.0.0.1:{port}")).options([("tls_ca", certificates.path("ca.pem"))])
    });
}

#[test]
fn of_memcached() {
    is_used_again(&memcached::server(&[]), |port| Config::memcached([format!("127.0.0.1:{port}")]));
}
