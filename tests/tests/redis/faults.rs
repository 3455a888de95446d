//! Servers that are gone, hang, refuse or are none.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cachekit::{Config, ErrorKind, Result};
use cachekit_backends::{Backend, Clock, Opened, open};
use cachekit_tests::redis::{
    Certificates, Cluster, PASSWORD, SENTINEL_USER, Watched, over_tls, plain, plain_with, raw, run, shared,
    until, url,
};
use cachekit_tests::server::Server;

const LIMIT: Duration = Duration::from_millis(300);
/// A busy machine is late.
const LATE: Duration = Duration::from_secs(3);

pub(crate) fn backend(config: &Config) -> Arc<dyn Backend> {
    match open(config, &Clock::system()).unwrap() {
        Opened::Shared(backend) => backend,
        Opened::Simple => panic!("not a store of bytes"),
    }
}

fn impatient(url: impl Into<String>) -> Arc<dyn Backend> {
    backend(&Config::redis(url).operation_timeout(LIMIT).connect_timeout(LIMIT))
}

fn patient(url: impl Into<String>) -> Config {
    let long = Duration::from_secs(20);
    Config::redis(url).operation_timeout(long).connect_timeout(long)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Both ways to read a key.
fn both(store: &dyn Backend, rt: &tokio::runtime::Runtime) -> [Result<Option<Vec<u8>>>; 2] {
    [store.get("k"), rt.block_on(store.asynchronous().unwrap().get("k"))]
}

fn fine<T>(results: [Result<T>; 2]) {
    for result in results {
        drop(result.unwrap());
    }
}

/// Runs each operation, which must be an error, and not be late.
fn all_fail_in_time(store: &dyn Backend, rt: &tokio::runtime::Runtime) -> Vec<ErrorKind> {
    let mut kinds = Vec::new();
    let mut timed = |what: &str, run: &mut dyn FnMut() -> Result<()>| {
        let start = Instant::now();
        let error = run().expect_err(what);
        assert!(start.elapsed() < LIMIT + LATE, "{what} took {:?}", start.elapsed());
        kinds.push(error.kind());
    };
    let tasks = store.asynchronous().unwrap();
    timed("get", &mut || store.get("k").map(drop));
    timed("set", &mut || store.set("k", b"v", None));
    timed("delete", &mut || store.delete("k").map(drop));
    timed("fetch", &mut || store.fetch("k", &["v"]).map(drop));
    timed("add", &mut || store.add("k", b"v", None).map(drop));
    timed("clear", &mut || store.clear("k"));
    timed("get of a task", &mut || rt.block_on(tasks.get("k")).map(drop));
    timed("set of a task", &mut || rt.block_on(tasks.set("k", b"v", None)));
    timed("delete of a task", &mut || rt.block_on(tasks.delete("k")).map(drop));
    timed("fetch of a task", &mut || rt.block_on(tasks.fetch("k", &["v"])).map(drop));
    kinds
}

#[test]
fn a_stopped_server_costs_the_limit_and_no_more() {
    let (server, rt) = (plain(), runtime());
    let store = impatient(url(&server));
    until("it answers", || both(&*store, &rt).iter().all(Result::is_ok));
    server.stop();
    let kinds = all_fail_in_time(&*store, &rt);
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::Timeout), "{kinds:?}");
    server.go_on();
    until("it answers again", || both(&*store, &rt).iter().all(Result::is_ok));
}

#[test]
fn a_killed_server_is_an_error_at_once_and_a_new_one_is_found_at_once() {
    let (server, rt) = (plain(), runtime());
    let store = backend(&patient(url(&server)));
    // Several connections lie in the pool.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| drop(store.get("k").unwrap())));
        }
    });
    fine(both(&*store, &rt));
    server.kill();
    for result in both(&*store, &rt) {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    server.start_again();
    fine(both(&*store, &rt));
    // Connections of before the restart don't fail calls, one after another.
    server.kill();
    server.start_again();
    fine(both(&*store, &rt));
    for i in 0..20 {
        assert!(store.add(&format!("k{i}"), b"v", None).unwrap());
    }
}

#[test]
fn a_server_that_never_ends_its_answer_costs_the_limit_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let _ = client.read(&mut [0; 4096]);
                // A long text, a byte at a time: each read is quick, the answer never.
                let answer = std::iter::once(&b"*1\r\n$1000000\r\n"[..]).chain(std::iter::repeat(&b"x"[..]));
                for bytes in answer {
                    if client.write_all(bytes).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
    });
    let kinds = all_fail_in_time(&*impatient(format!("redis://{address}")), &runtime());
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::Timeout), "{kinds:?}");
}

/// A server that says one thing to whatever it is told.
fn says(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let mut question = [0; 4096];
                while client.read(&mut question).is_ok_and(|n| n > 0) && client.write_all(answer).is_ok() {}
            });
        }
    });
    address.to_string()
}

#[test]
fn a_server_of_another_kind_is_named_as_one() {
    let rt = runtime();
    for answer in [
        &b"ERROR\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"*1000000000\r\n+hm\r\n\xff\xff",
        b"$-1\r\n",
        b":12\r\n",
        b"\0\0\0\0",
    ] {
        let store = impatient(format!("redis://{}", says(answer)));
        for result in both(&*store, &rt) {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{:?}: {error}", answer.escape_ascii().to_string());
            assert!(error.to_string().contains("is it a Redis server?"), "{error}");
        }
        all_fail_in_time(&*store, &rt);
    }
    // One that waits for more, or says nothing.
    for answer in [&b""[..], b"*3\r\n"] {
        let kinds = all_fail_in_time(&*impatient(format!("redis://{}", says(answer))), &rt);
        assert!(kinds.iter().all(|kind| *kind == ErrorKind::Timeout), "{kinds:?}");
    }
}

#[test]
fn logins_are_checked_and_passwords_not_shown() {
    let rt = runtime();
    let server = plain_with(&["--requirepass", "p@ss:w/rd%"]);
    let place = format!("127.0.0.1:{}", server.port());
    let works = |config: &Config| both(&*backend(config), &rt).map(|result| result.map(drop));
    fine(works(&patient(format!("redis://:p%40ss%3Aw%2Frd%25@{place}"))));
    let parts = Config::default().cache_type("redis").redis_host("127.0.0.1").redis_port(server.port());
    fine(works(&parts.redis_password("p@ss:w/rd%").operation_timeout(Duration::from_secs(20))));
    let mut raw = raw(&format!("redis://:p%40ss%3Aw%2Frd%25@{place}"));
    run::<()>(&mut raw, &["ACL", "SETUSER", "anna", "on", ">geheim", "~*", "+@all"]);
    run::<()>(&mut raw, &["ACL", "SETUSER", "narrow", "on", ">geheim", "~*", "+ping"]);
    fine(works(&patient(format!("redis://anna:geheim@{place}/2"))));
    for url in [
        format!("redis://{place}"),
        format!("redis://:hunter2@{place}"),
        format!("redis://anna:hunter2@{place}"),
        format!("redis://narrow:geheim@{place}"),
    ] {
        for result in works(&patient(url.clone())) {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Auth, "{url}: {error}");
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hunter2") && text.contains(&place), "{text}");
        }
    }
    // The rights that the book names are enough.
    let rights = "~shop:* +evalsha +eval +mget +getrange +set +pexpire +persist +pttl +scan +unlink";
    let mut rules = vec!["ACL", "SETUSER", "shop", "on", ">geheim"];
    rules.extend(rights.split(' '));
    run::<()>(&mut raw, &rules);
    let store = backend(&patient(format!("redis://shop:geheim@{place}")));
    for _ in 0..2 {
        let token = store.fetch("shop:k", &["shop:v"]).unwrap().token.unwrap();
        assert!(store.put_if("shop:k", b"v", Some(Duration::from_secs(60)), token).unwrap());
    }
    assert!(!store.add("shop:k", b"v", None).unwrap() && store.delete("shop:k").unwrap());
    store.clear("shop:").unwrap();
    for result in works(&patient(format!("redis://anna:geheim@{place}/9999"))) {
        assert!(result.unwrap_err().to_string().contains("DB index is out of range"));
    }
}

#[test]
fn certificates_are_checked() {
    let (ours, theirs, rt) = (Certificates::new(), Certificates::new(), runtime());
    let server = over_tls(&ours, "no");
    let with = |host: &str, ca: &str| {
        let url = format!("rediss://{host}:{}", server.port());
        both(&*backend(&patient(url).options([("tls_ca", ca)])), &rt).map(|result| result.map(drop))
    };
    fine(with("127.0.0.1", &ours.path("ca.pem")));
    fine(with("localhost", &ours.path("ca.pem")));
    for result in with("localhost", &theirs.path("ca.pem")) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    // A client that speaks no TLS, and a server that doesn't.
    for result in both(&*impatient(url(&server)), &rt) {
        assert!(matches!(result.unwrap_err().kind(), ErrorKind::Unavailable | ErrorKind::Protocol));
    }
    let plain = impatient_tls(&url(shared()).replace("redis:", "rediss:"), &ours);
    for result in both(&*plain, &rt) {
        assert!(!matches!(result.unwrap_err().kind(), ErrorKind::Config | ErrorKind::Other));
    }
}

#[test]
fn certificates_of_clients_are_shown_and_checked() {
    let (ours, theirs, rt) = (Certificates::new(), Certificates::new(), runtime());
    let server = over_tls(&ours, "yes");
    let url = format!("rediss://localhost:{}", server.port());
    let with = |client: Option<&Certificates>| {
        let ca = ours.options().into_iter().take(1);
        let own = client.into_iter().flat_map(|client| client.options().into_iter().skip(1));
        both(&*backend(&patient(&*url).options(ca.chain(own))), &rt).map(|result| result.map(drop))
    };
    fine(with(Some(&ours)));
    for result in with(None).into_iter().chain(with(Some(&theirs))) {
        let error = result.unwrap_err();
        // The server's alert, or the end of the connection, if that is seen first.
        assert!(matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Unavailable), "{error}");
    }
    let half = patient(&*url).options(ours.options().into_iter().take(2));
    let error = cachekit::Cache::open(half).unwrap_err();
    assert!(error.to_string().contains("tls_key"), "{error}");
}

#[test]
fn a_sentinel_checks_a_login_of_its_own() {
    let (certificates, rt) = (Certificates::new(), runtime());
    let watched = Watched::start_secured(&certificates);
    let works = |url: &str| {
        let config = patient(url).options(certificates.options());
        both(&*backend(&config), &rt).map(|result| result.map(drop))
    };
    let url = watched.secured_url();
    fine(works(&url));
    // The default user has the same password.
    fine(works(&url.replace(&format!("sentinel_user={SENTINEL_USER}&"), "")));
    let (address, query) = url.split_once('?').unwrap();
    let (unwatched, of_server) = (Watched::shared().url(), address.replace(PASSWORD, "hunter2"));
    for (wrong, what) in [
        (address.to_owned(), "`sentinel_pass`"),
        (format!("{address}?sentinel_pass=hunter2"), "`sentinel_pass`"),
        (format!("{address}?sentinel_user=nobody&sentinel_pass=hunter2"), "`sentinel_pass`"),
        (format!("{of_server}?{query}"), "the password in `redis_url`"),
    ] {
        for result in works(&wrong) {
            let error = result.unwrap_err();
            let text = format!("{error} {error:?}");
            assert_eq!(error.kind(), ErrorKind::Auth, "{text}");
            assert!(text.contains(what) && !text.contains("hunter2"), "{text}");
        }
    }
    // One that has no login.
    for result in both(&*backend(&patient(format!("{unwatched}?sentinel_pass=hunter2"))), &rt) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

fn impatient_tls(url: &str, certificates: &Certificates) -> Arc<dyn Backend> {
    let config = Config::redis(url).operation_timeout(LIMIT).connect_timeout(LIMIT);
    backend(&config.options([("tls_ca", certificates.path("ca.pem"))]))
}

#[test]
fn runtimes_come_and_go() {
    let store = backend(&patient(url(shared())));
    let tasks = store.asynchronous().unwrap();
    for round in 0..3 {
        let rt = runtime();
        rt.block_on(tasks.set("faults:runtimes", &[round], None)).unwrap();
        assert_eq!(rt.block_on(tasks.get("faults:runtimes")).unwrap(), Some(vec![round]));
    }
    let (one, two) = (runtime(), runtime());
    for _ in 0..3 {
        for rt in [&one, &two] {
            assert_eq!(rt.block_on(tasks.get("faults:runtimes")).unwrap(), Some(vec![2]));
        }
    }
    // One that can't wait for sockets.
    let bare = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(bare.block_on(tasks.delete("faults:runtimes")).unwrap());
}

#[test]
fn tasks_share_a_connection_and_threads_keep_to_the_pool() {
    let (server, rt) = (plain(), runtime());
    let store = backend(&patient(url(&server)).pool_size(3));
    let mut raw = raw(&url(&server));
    let clients = |raw: &mut redis::Connection| run::<String>(raw, &["CLIENT", "LIST"]).lines().count();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..20).for_each(|_| drop(store.get("k").unwrap())));
        }
    });
    let used = clients(&mut raw) - 1;
    // Those of the pool, and the one that tasks and threads share.
    assert!((1..=4).contains(&used), "{used} connections");
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let store = Arc::clone(&store);
            rt.spawn(async move { store.asynchronous().unwrap().get("k").await })
        })
        .collect();
    for task in tasks {
        rt.block_on(task).unwrap().unwrap();
    }
    let with_tasks = clients(&mut raw) - 1;
    assert!((used..=used + 1).contains(&with_tasks), "{with_tasks} connections");
}

#[test]
fn sentinel_leads_to_the_new_master() {
    let (watched, rt) = (Watched::start(), runtime());
    let store = impatient(watched.url());
    let tasks = store.asynchronous().unwrap();
    until("the master takes a value", || store.set("k", b"v", None).is_ok());
    until("… also from a task", || rt.block_on(tasks.set("k", b"v", None)).is_ok());
    let mut replica = raw(&url(&watched.servers[1]));
    until("the replica has it", || run::<u64>(&mut replica, &["EXISTS", "k"]) == 1);
    watched.servers[0].kill();
    until("the new master takes a value", || store.set("k", b"new", None).is_ok());
    until("… also from a task", || rt.block_on(tasks.get("k")).is_ok_and(|v| v.as_deref() == Some(b"new")));
}

#[test]
fn a_master_that_became_a_replica_is_left() {
    let (one, two) = (plain(), plain());
    let sentinel = fake_sentinel(&[one.port(), one.port(), two.port()]);
    let store = backend(&patient(format!("redis+sentinel://{sentinel}/main")));
    store.set("k", b"v", None).unwrap();
    let rt = runtime();
    let tasks = store.asynchronous().unwrap();
    rt.block_on(tasks.set("k", b"v", None)).unwrap();
    run::<()>(&mut raw(&url(&one)), &["REPLICAOF", "127.0.0.1", &two.port().to_string()]);
    // Also what must not run twice: a replica that refused has done nothing.
    assert!(store.add("added", b"v", None).unwrap());
    assert!(rt.block_on(tasks.add("added too", b"v", None)).unwrap());
    let mut raw = raw(&url(&two));
    assert_eq!(run::<u64>(&mut raw, &["EXISTS", "added", "added too"]), 2);
}

/// A sentinel that names one port after another as the master's, and the last one for ever.
fn fake_sentinel(ports: &[u16]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ports = ports.to_vec();
    std::thread::spawn(move || {
        for (i, client) in listener.incoming().enumerate() {
            let (mut client, mut question) = (client.unwrap(), [0; 4096]);
            let port = ports.get(i).or(ports.last()).unwrap().to_string();
            if client.read(&mut question).is_ok_and(|n| n > 0) {
                let answer = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                let _ = client.write_all(answer.as_bytes());
            }
        }
    });
    address.to_string()
}

#[test]
fn a_dead_node_of_a_cluster_leaves_the_others_alone() {
    let (cluster, rt) = (Cluster::start(), runtime());
    for node in &cluster.nodes {
        run::<()>(&mut raw(&url(node)), &["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let store = impatient(cluster.url());
    let tasks = store.asynchronous().unwrap();
    let keys: Vec<String> = (0..30).map(|i| format!("k{i}")).collect();
    for key in &keys {
        until("it takes a value", || store.set(key, b"v", None).is_ok());
    }
    cluster.nodes[0].kill();
    let mut there = [0, 0];
    for key in &keys {
        let start = Instant::now();
        there[0] += usize::from(store.get(key).is_ok_and(|value| value.is_some()));
        there[1] += usize::from(rt.block_on(tasks.get(key)).is_ok_and(|value| value.is_some()));
        assert!(start.elapsed() < 2 * (LIMIT + LATE));
    }
    assert!(there.iter().all(|there| (10..30).contains(there)), "{there:?} of 30");
}

#[test]
fn a_cluster_that_hangs_costs_the_limit_and_no_more() {
    let (cluster, rt) = (Cluster::start(), runtime());
    let store = impatient(cluster.url());
    until("it answers", || both(&*store, &rt).iter().all(Result::is_ok));
    cluster.nodes.iter().for_each(Server::stop);
    all_fail_in_time(&*store, &rt);
    cluster.nodes.iter().for_each(Server::go_on);
    until("it answers again", || both(&*store, &rt).iter().all(Result::is_ok));
}
