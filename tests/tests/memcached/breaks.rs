//! When it breaks: slow, stopped, killed and lying servers, and callers that leave.

use std::time::{Duration, Instant};

use cachekit::{Config, ErrorKind};
use cachekit_tests::memcached as servers;
use cachekit_tests::proxy::{Fault, Proxy as Between, Toward};

use crate::proxy::Proxy;
use crate::{backend, patient, prefix, runtime};

const LIMIT: Duration = Duration::from_millis(200);
/// On a busy machine a wake-up takes its time.
const SLACK: Duration = Duration::from_secs(4);

fn hasty(address: String) -> Config {
    Config::memcached([address]).operation_timeout(LIMIT).connect_timeout(LIMIT).key_prefix(prefix())
}

/// An exchange that timed out never gives its late reply to the next one.
#[test]
fn a_late_reply_is_nobodys() {
    let proxy = Proxy::start(servers::shared().port(), |n, _| {
        // The first exchanges are quick, then each third is slow.
        if n > 8 && n % 3 == 0 { LIMIT + Duration::from_millis(50) } else { Duration::ZERO }
    });
    let (slow, random) = (backend(&hasty(proxy.address())), prefix());
    let keys: Vec<String> = (0..4).map(|i| format!("{random}{i}")).collect();
    for key in &keys {
        slow.set(key, key.as_bytes(), None).unwrap();
    }
    let mut late = 0;
    for round in 0..40 {
        let key = &keys[round % keys.len()];
        match slow.get(key) {
            Ok(value) => assert_eq!(value.as_deref(), Some(key.as_bytes())),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
                late += 1;
            }
        }
    }
    assert!(late > 2, "only {late} were late");
}

/// Bytes that were changed on their way give an error or what is right, never another key's value.
#[test]
fn a_lying_server_gives_no_wrong_value() {
    // Opaques, lengths and kinds are changed; the values are longer, and left alone.
    let proxy = Proxy::start(servers::shared().port(), |n, bytes| {
        if n > 10 && n % 2 == 0 {
            let at = usize::try_from(n * 7).unwrap() % bytes.len().clamp(1, 40);
            bytes[at] ^= 1 << (n % 5);
        }
        Duration::ZERO
    });
    let (store, random) = (backend(&hasty(proxy.address())), prefix());
    let keys: Vec<String> = (0..4).map(|i| format!("{random}{i}")).collect();
    for key in &keys {
        store.set(key, key.as_bytes(), None).unwrap();
    }
    let mut errors = 0;
    for round in 0..150 {
        let key = &keys[round % keys.len()];
        match store.get(key) {
            Ok(Some(value)) => {
                let other = keys.iter().any(|other| other != key && other.as_bytes() == value);
                assert!(!other, "the value of another key");
            }
            Ok(None) => {}
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 10, "only {errors} errors");
}

/// A caller that leaves half-way takes the connection along.
#[test]
fn a_cancelled_call_does_not_harm_the_next() {
    let (store, random) =
        (backend(&patient(Config::memcached([servers::address(servers::shared())]))), prefix());
    let keys: Vec<String> = (0..4).map(|i| format!("{random}{i}")).collect();
    runtime().block_on(async {
        let store = store.asynchronous().unwrap();
        for key in &keys {
            store.set(key, key.as_bytes(), None).await.unwrap();
        }
        for round in 0..400 {
            let (left, key) = (&keys[round % 4], &keys[(round + 1) % 4]);
            let mut call = Some(store.get(left));
            // Polled once or twice: the request is out, and the reply may be on its way.
            for _ in 0..=round % 2 {
                std::future::poll_fn(|cx| {
                    if call.as_mut().is_some_and(|call| call.as_mut().poll(cx).is_ready()) {
                        call = None;
                    }
                    std::task::Poll::Ready(())
                })
                .await;
            }
            drop(call);
            assert_eq!(store.get(key).await.unwrap().as_deref(), Some(key.as_bytes()));
        }
    });
}

/// Promise 5: no call waits beyond the operation timeout for a server that is stopped, and all is well once it goes on.
#[test]
fn a_stopped_server_costs_the_operation_timeout_at_most() {
    let server = servers::server(&[]);
    let store = backend(&hasty(servers::address(&server)));
    store.set("k", b"v", None).unwrap();
    let theirs = || runtime().block_on(async { store.asynchronous().unwrap().get("k").await });
    theirs().unwrap();
    server.stop();
    // It takes a moment until it does.
    while store.get("k").is_ok() {}
    for call in [&|| store.get("k") as _, &theirs as &dyn Fn() -> cachekit::Result<_>] {
        let begin = Instant::now();
        assert_eq!(call().unwrap_err().kind(), ErrorKind::Timeout);
        assert!(begin.elapsed() < LIMIT + SLACK, "{:?}", begin.elapsed());
    }
    server.go_on();
    assert_eq!(store.get("k").unwrap().unwrap(), b"v");
    assert_eq!(theirs().unwrap().unwrap(), b"v");
}

/// A restart is noticed by kept connections, and costs no error.
#[test]
fn a_restarted_server_costs_a_miss_and_no_error() {
    let server = servers::server(&[]);
    let store = backend(&patient(Config::memcached([servers::address(&server)])));
    let theirs = || runtime().block_on(async { store.asynchronous().unwrap().get("k").await });
    for _ in 0..2 {
        store.set("k", b"v", None).unwrap();
        assert_eq!(theirs().unwrap().unwrap(), b"v");
        server.kill();
        assert_eq!(store.get("k").unwrap_err().kind(), ErrorKind::Unavailable);
        server.start_again();
        assert_eq!(store.get("k").unwrap(), None);
        assert_eq!(theirs().unwrap(), None);
    }
}

/// A dead server's keys are errors, those of the others work; of several keys at once the error is the answer.
#[test]
fn a_dead_server_takes_its_own_keys_only() {
    let servers: Vec<_> = (0..3).map(|_| servers::server(&[])).collect();
    let config = Config::memcached(servers.iter().map(servers::address).collect::<Vec<_>>());
    let store = backend(&patient(config).breaker_threshold(1_000));
    let keys: Vec<String> = (0..60).map(|i| format!("k{i}")).collect();
    for key in &keys {
        store.set(key, key.as_bytes(), None).unwrap();
    }
    servers[1].kill();
    let mut dead = 0;
    for key in &keys {
        match store.get(key) {
            Ok(value) => assert_eq!(value.as_deref(), Some(key.as_bytes())),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                assert_eq!(store.delete(key).unwrap_err().kind(), ErrorKind::Unavailable, "deletion is loud");
                dead += 1;
            }
        }
    }
    assert!((5..40).contains(&dead), "{dead} of 60");
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(store.get_many(&all).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.clear("k").unwrap_err().kind(), ErrorKind::Unavailable);
}

/// Each runtime has its own connections, and those of one that ended are closed.
#[test]
fn runtimes_come_and_go() {
    let server = servers::server(&[]);
    let store = backend(&patient(Config::memcached([servers::address(&server)])));
    for _ in 0..20 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = store.asynchronous().unwrap();
            store.set("k", b"v", None).await.unwrap();
            assert_eq!(store.get("k").await.unwrap().unwrap(), b"v");
        });
    }
    let end = Instant::now() + Duration::from_secs(5);
    // The server counts its own and ours.
    while servers::statistic(&server, "curr_connections") > 5 {
        assert!(Instant::now() < end, "{}", servers::statistic(&server, "curr_connections"));
        std::thread::yield_now();
    }
}

/// A runtime that can't wait for sockets, or has no timers, is no reason to panic.
#[test]
fn a_runtime_without_drivers_will_do() {
    let server = servers::server(&[]);
    let store = backend(&patient(Config::memcached([servers::address(&server)])));
    let tasks = store.asynchronous().unwrap();
    let (mut nothing, mut timers, mut sockets) = (bare(), bare(), bare());
    timers.enable_time();
    sockets.enable_io();
    for (n, builder) in (0u8..).zip([&mut nothing, &mut timers, &mut sockets]) {
        let runtime = builder.build().unwrap();
        for _ in 0..2 {
            runtime.block_on(tasks.set("k", &[n], None)).unwrap();
            assert_eq!(runtime.block_on(tasks.get("k")).unwrap(), Some(vec![n]));
        }
    }
}

fn bare() -> tokio::runtime::Builder {
    tokio::runtime::Builder::new_current_thread()
}

/// A write whose answer was lost may have been done. It is an error, and not done again: its value may have been deleted
/// since.
#[test]
fn a_write_whose_answer_was_lost_is_not_repeated() {
    let server = servers::server(&[]);
    let between = Between::start(server.port());
    let store = backend(&patient(Config::memcached([format!("127.0.0.1:{}", between.port())])));
    let theirs = |value: &'static [u8]| {
        runtime().block_on(async { store.asynchronous().unwrap().set("k", value, None).await })
    };
    store.set("k", b"before", None).unwrap();
    theirs(b"before").unwrap();
    for write in [&|| store.set("k", b"v", None), &(|| theirs(b"v")) as &dyn Fn() -> cachekit::Result<()>] {
        let writes = servers::statistic(&server, "cmd_set");
        between.set(Toward::Client, Fault::Close);
        assert_eq!(write().unwrap_err().kind(), ErrorKind::Unavailable);
        between.heal();
        assert_eq!(servers::statistic(&server, "cmd_set") - writes, 1);
    }
}

/// A server that hangs doesn't cost the connections to the others: their answers are read, in any order of requests.
#[test]
fn a_hung_server_leaves_the_others_connections_alone() {
    let servers: Vec<_> = (0..3).map(|_| servers::server(&[])).collect();
    let config = Config::memcached(servers.iter().map(servers::address).collect::<Vec<_>>());
    let store = backend(&config.operation_timeout(LIMIT).connect_timeout(LIMIT));
    let keys: Vec<String> = (0..60).map(|i| format!("k{i}")).collect();
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    store.get_many(&all).unwrap();
    let made = servers::statistic(&servers[2], "total_connections");
    servers[0].stop();
    for _ in 0..3 {
        let error = store.get_many(&all).unwrap_err();
        assert!(error.to_string().contains(&servers::address(&servers[0])), "{error}");
    }
    servers[0].go_on();
    // The look at the statistics is a connection too.
    assert_eq!(servers::statistic(&servers[2], "total_connections"), made + 1);
}

/// Promise 5: one of several servers that hangs costs the operation timeout a few times only, and the others' keys are served
/// meanwhile. It is noticed when it goes on.
#[test]
fn a_hung_server_among_others_is_left_alone_soon() {
    let servers: Vec<_> = (0..3).map(|_| servers::server(&[])).collect();
    let config = Config::memcached(servers.iter().map(servers::address).collect::<Vec<_>>());
    let config =
        config.operation_timeout(LIMIT).connect_timeout(LIMIT).probe_interval(Duration::from_secs(1));
    let cache = cachekit::Cache::open(config.key_prefix(prefix())).unwrap();
    let keys: Vec<String> = (0..40).map(|i| format!("k{i}")).collect();
    for (i, key) in keys.iter().enumerate() {
        cache.set(key, &i, 0).unwrap();
    }
    servers[1].stop();
    let (begin, mut failed) = (Instant::now(), Vec::new());
    for (i, key) in keys.iter().enumerate() {
        match cache.get::<usize>(key) {
            Ok(value) => assert_eq!(value, Some(i)),
            Err(_) => failed.push(key),
        }
    }
    assert!(failed.len() > 5, "{failed:?}");
    assert!(begin.elapsed() < LIMIT * 3 + SLACK, "{:?}", begin.elapsed());
    let error = cache.delete(failed[0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CircuitOpen | ErrorKind::Timeout), "deletion is loud: {error}");
    servers[1].go_on();
    let end = Instant::now() + Duration::from_secs(10);
    while failed.iter().any(|key| cache.get::<usize>(key).is_err()) {
        assert!(Instant::now() < end);
        // The server that goes on is found by a probe, whose time is the real clock's.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server that is full and may not evict is no outage: it has what it has, and says that there is no room for more.
#[test]
fn a_full_server_says_so() {
    let server = servers::server(&["-m", "1", "-M", "-I", "512k"]);
    let store = backend(&patient(Config::memcached([servers::address(&server)])));
    store.set("k", b"v", None).unwrap();
    for size in [100_000, 1] {
        let value = vec![b'x'; size];
        let error = (0..100_000).find_map(|i| store.set(&format!("{size} {i}"), &value, None).err());
        assert_eq!(error.expect("it takes everything").kind(), ErrorKind::Full);
    }
    assert_eq!(store.get("k").unwrap().unwrap(), b"v");
    let found = store.fetch("absent key, hashed", &[]).unwrap();
    assert_eq!((found.entry, found.token), (None, None));
    assert_eq!(store.token("absent key, hashed").unwrap_err().kind(), ErrorKind::Full);
}
