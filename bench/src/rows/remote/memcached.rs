//! Memcached, beside a bare socket and the `memcache` client. `cached` and `memoize` have no store there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use cachekit::Config;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use super::server::Server;
use super::{CALLERS, Call, KEYS, LIFE_SECS, Load, POOL, Way, fresh, known, outage, payload, row};
use crate::report::Row;

const BARE: &str = "get, a socket for each caller";
const BARE_MISS: &str = "get and set, a socket for each caller";
const CLIENT: &str = "memcache client";
const REFERENCES: [&str; 2] = [BARE, BARE_MISS];

ours!();

/// The least that a client can do: a command, and its answer.
struct Bare(BufReader<TcpStream>);

impl Bare {
    fn connect(server: &Server) -> Self {
        let socket = TcpStream::connect(server.address()).expect("a connection");
        socket.set_nodelay(true).expect("a connection");
        Self(BufReader::new(socket))
    }

    fn ask(&mut self, question: &str) -> String {
        let mut line = String::new();
        self.0.get_mut().write_all(question.as_bytes()).expect("a question");
        self.0.read_line(&mut line).expect("an answer");
        line
    }

    fn get(&mut self, n: u64) -> Option<String> {
        let mut value = vec![0; length(&self.ask(&get(n)))? + END.len()];
        self.0.read_exact(&mut value).expect("a value");
        Some(content(value))
    }

    fn set(&mut self, n: u64) {
        assert_eq!(self.ask(&set(n)), STORED);
    }
}

/// The same as a task.
struct BareTask(tokio::io::BufReader<tokio::net::TcpStream>);

impl BareTask {
    async fn connect(address: &str) -> Self {
        let socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
        socket.set_nodelay(true).expect("a connection");
        Self(tokio::io::BufReader::new(socket))
    }

    async fn ask(&mut self, question: &str) -> String {
        let mut line = String::new();
        self.0.get_mut().write_all(question.as_bytes()).await.expect("a question");
        self.0.read_line(&mut line).await.expect("an answer");
        line
    }

    async fn get(&mut self, n: u64) -> Option<String> {
        let mut value = vec![0; length(&self.ask(&get(n)).await)? + END.len()];
        self.0.read_exact(&mut value).await.expect("a value");
        Some(content(value))
    }

    async fn set(&mut self, n: u64) {
        assert_eq!(self.ask(&set(n)).await, STORED);
    }
}

const END: &str = "\r\nEND\r\n";
const STORED: &str = "STORED\r\n";

fn get(n: u64) -> String {
    format!("get bare:{n}\r\n")
}

fn set(n: u64) -> String {
    let value = payload(n);
    format!("set bare:{n} 0 {LIFE_SECS} {}\r\n{value}\r\n", value.len())
}

/// Of the line `VALUE key flags length`; none if there is no value.
fn length(line: &str) -> Option<usize> {
    let mut words = line.split_whitespace();
    (words.next() == Some("VALUE")).then(|| words.nth(2)?.parse().ok()).flatten()
}

fn content(mut value: Vec<u8>) -> String {
    value.truncate(value.len() - END.len());
    String::from_utf8(value).expect("the text that was stored")
}

struct Bench {
    server: Server,
    runtime: Runtime,
    bare: Vec<Mutex<Bare>>,
    bare_tasks: Arc<[tokio::sync::Mutex<BareTask>]>,
    client: memcache::Client,
}

impl Bench {
    fn start() -> Self {
        let server = Server::memcached();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        OURS.init(Config::memcached(server.address())).expect("our cache");
        let bare: Vec<_> = (0..CALLERS[2]).map(|_| Mutex::new(Bare::connect(&server))).collect();
        let bare_tasks = runtime.block_on(async {
            let mut all = Vec::new();
            for _ in 0..CALLERS[2] {
                all.push(tokio::sync::Mutex::new(BareTask::connect(&server.address()).await));
            }
            all.into()
        });
        let url = format!("memcache://{}?protocol=ascii&tcp_nodelay=true", server.address());
        let client = memcache::Client::with_pool_size(url, POOL).expect("a client");
        for n in 0..KEYS {
            bare[0].lock().expect("no holder panicked").set(n);
            client.set(&key(n), payload(n), LIFE_SECS as u32).expect("the client");
            ours(n);
            runtime.block_on(ours_async(n));
        }
        Self { server, runtime, bare, bare_tasks, client }
    }

    fn hits(&self, way: Way, callers: usize) -> Row {
        let load = Load::new(callers);
        let load = match way {
            Way::Threads => load
                .threads("ours", |call| drop(ours(known(call))))
                .threads(BARE, |call| {
                    self.bare(call).get(known(call)).expect("a value");
                })
                .threads(CLIENT, |call| {
                    let value: Option<String> = self.client.get(&key(known(call))).expect("the client");
                    value.expect("a value");
                }),
            Way::Tasks => {
                let bare = Arc::clone(&self.bare_tasks);
                load.tasks("ours", &self.runtime, |call| async move { drop(ours_async(known(call)).await) })
                    .tasks(BARE, &self.runtime, move |call| {
                        let bare = Arc::clone(&bare);
                        async move {
                            bare[call.caller].lock().await.get(known(call)).await.expect("a value");
                        }
                    })
            }
        };
        row("memcached hit", way, callers, &load.run(), &REFERENCES, Some(BARE))
    }

    fn misses(&self, way: Way, callers: usize) -> Row {
        let load = Load::new(callers);
        let load = match way {
            Way::Threads => load
                .threads("ours", |call| drop(ours(fresh(call))))
                .threads(BARE_MISS, |call| {
                    let mut bare = self.bare(call);
                    if bare.get(fresh(call)).is_none() {
                        bare.set(fresh(call));
                    }
                })
                .threads(CLIENT, |call| {
                    let key = key(fresh(call));
                    if self.client.get::<String>(&key).expect("the client").is_none() {
                        let value = payload(fresh(call));
                        self.client.set(&key, value, LIFE_SECS as u32).expect("the client");
                    }
                }),
            Way::Tasks => {
                let bare = Arc::clone(&self.bare_tasks);
                load.tasks("ours", &self.runtime, |call| async move { drop(ours_async(fresh(call)).await) })
                    .tasks(BARE_MISS, &self.runtime, move |call| {
                        let bare = Arc::clone(&bare);
                        async move {
                            let mut bare = bare[call.caller].lock().await;
                            if bare.get(fresh(call)).await.is_none() {
                                bare.set(fresh(call)).await;
                            }
                        }
                    })
            }
        };
        row("memcached miss and store", way, callers, &load.run(), &REFERENCES, None)
    }

    fn bare(&self, call: Call) -> std::sync::MutexGuard<'_, Bare> {
        self.bare[call.caller].lock().expect("no holder panicked")
    }
}

fn key(n: u64) -> String {
    format!("client:{n}")
}

pub fn rows() -> Vec<Row> {
    let bench = Bench::start();
    let mut rows = Vec::new();
    for way in [Way::Threads, Way::Tasks] {
        rows.extend(CALLERS.map(|callers| bench.hits(way, callers)));
    }
    for way in [Way::Threads, Way::Tasks] {
        rows.extend(CALLERS.map(|callers| bench.misses(way, callers)));
    }
    let Bench { server, runtime, .. } = bench;
    rows.extend(outage::rows("memcached", server, &runtime, small, small_async));
    rows
}
