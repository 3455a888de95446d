//! Promise 5, and that what a server sends has a bound: a reply without an end costs the operation timeout, its connection is
//! closed then, and a long text of an error is not passed on.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use cachekit::Config;
use cachekit_tests::proxy::impostor;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{backend, hasty, runtime};

/// How long after its call a connection may be open.
const LATE: Duration = Duration::from_secs(30);
/// The most that a server may get rid of in that time: a value of Redis' greatest length, and the bytes in flight.
const MOST: usize = (512 + 64) << 20;

/// A server that begins a reply to the first request of a connection and never ends it.
struct Endless {
    port: u16,
    /// A message for each connection that asked.
    asked: UnboundedReceiver<()>,
    /// For each of them that was closed, how many bytes it took.
    ends: mpsc::Receiver<usize>,
}

fn endless(begin: &'static [u8], more: &'static [u8]) -> Endless {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (closed, ends) = mpsc::channel();
    let (asks, asked) = unbounded_channel();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (asks, closed) = (asks.clone(), closed.clone());
            std::thread::spawn(move || {
                if let Some(sent) = flood(client, begin, more, &asks) {
                    let _ = closed.send(sent);
                }
            });
        }
    });
    Endless { port, asked, ends }
}

/// Returns how many bytes a client took that asked.
fn flood(mut client: TcpStream, begin: &[u8], more: &[u8], asks: &UnboundedSender<()>) -> Option<usize> {
    // As fast as it can be read: a client that is always behind never waits.
    let piece = more.repeat((1 << 20) / more.len());
    if !client.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {
        return None;
    }
    let _ = asks.send(());
    let mut sent = 0;
    if client.write_all(begin).is_err() {
        return Some(sent);
    }
    while client.write_all(&piece).is_ok() {
        sent += piece.len();
    }
    Some(sent)
}

/// Each way to ask ends with an error, and its connections are closed while the store lives.
fn is_closed(config: impl Fn(u16) -> Config, (begin, more): (&'static [u8], &'static [u8])) {
    let rt = runtime();
    for tasks in [false, true] {
        let Endless { port, mut asked, ends } = endless(begin, more);
        let store = backend(&hasty(config(port)));
        let name = begin.escape_ascii();
        // On a busy machine a call may be over before it has a connection.
        let has_asked = (0..100).any(|_| {
            let result =
                if tasks { rt.block_on(store.asynchronous().unwrap().get("k")) } else { store.get("k") };
            let error = result.expect_err("a reply without an end");
            assert!(format!("{error} {error:?}").len() < 2_000, "{name}: {error}");
            asked.try_recv().is_ok()
        });
        assert!(has_asked, "{name}: no request, as a task: {tasks}");
        let sent =
            ends.recv_timeout(LATE).unwrap_or_else(|_| panic!("{name}: still open, as a task: {tasks}"));
        assert!(sent < MOST, "{name}: {sent} bytes");
        while ends.try_recv().is_ok() {}
        drop(store);
    }
}

const REDIS: [(&[u8], &[u8]); 5] = [
    (b"+", b"x"),
    (b"-ERR ", b"x"),
    (b"$536870912\r\n", b"x"),
    (b"*1000000\r\n$536870000\r\n", b"x"),
    (b"*10000000\r\n", b":1\r\n"),
];

#[test]
fn of_redis() {
    for reply in REDIS {
        is_closed(|port| Config::redis(format!("redis://127.0.0.1:{port}")), reply);
    }
}

#[test]
fn of_a_sentinel() {
    for reply in REDIS {
        is_closed(|port| Config::redis(format!("redis+sentinel://127.0.0.1:{port}/main")), reply);
    }
}

#[test]
fn of_a_node_of_a_cluster() {
    for reply in REDIS {
        is_closed(|port| Config::redis(format!("redis+cluster://127.0.0.1:{port}")), reply);
    }
}

#[test]
fn of_memcached() {
    for reply in [(&b"VA "[..], &b"1"[..]), (b"SERVER_ERROR ", b"x"), (b"VA 1048000 f0 c1 O1\r\n", b"x")] {
        is_closed(|port| Config::memcached([format!("127.0.0.1:{port}")]), reply);
    }
}

/// A caller that leaves before the time is over leaves no connection that reads on for it.
#[test]
fn of_redis_for_a_caller_that_has_gone() {
    let rt = runtime();
    for reply in REDIS {
        let Endless { port, mut asked, ends } = endless(reply.0, reply.1);
        let store = backend(&hasty(Config::redis(format!("redis://127.0.0.1:{port}"))));
        rt.block_on(async {
            loop {
                tokio::select! {
                    result = store.asynchronous().unwrap().get("k") => drop(result.unwrap_err()),
                    _ = asked.recv() => break,
                }
            }
        });
        ends.recv_timeout(LATE).unwrap_or_else(|_| panic!("{}: still open", reply.0.escape_ascii()));
    }
}

/// A text with an end, within the bounds of a reply.
#[test]
fn a_long_error_is_cut() {
    let long: &'static [u8] = [&b"-ERR "[..], &b"x".repeat(60_000), b"\r\n"].concat().leak();
    let store = backend(&hasty(Config::redis(format!("redis://127.0.0.1:{}", impostor(long)))));
    let rt = runtime();
    for error in
        [store.get("k").unwrap_err(), rt.block_on(store.asynchronous().unwrap().get("k")).unwrap_err()]
    {
        assert!(format!("{error} {error:?}").len() < 2_000, "{} bytes", format!("{error} {error:?}").len());
    }
}
