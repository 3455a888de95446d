//! Redis, beside its bare client and `cached`.

use std::sync::{Mutex, OnceLock};

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, Commands, Connection};
use cached::macros::concurrent_cached;
use cachekit::Config;
use tokio::runtime::Runtime;

use super::flask::Flask;
use super::server::Server;
use super::{CALLERS, Call, KEYS, LIFE_SECS, Load, POOL, Way, flask, fresh, known, outage, payload, row};
use crate::report::{Check, Row};

const HELD: &str = "GET, a connection for each thread";
const POOLED: &str = "GET, r2d2 pool";
const SHARED: &str = "GET, multiplexed connection";
const CACHED: &str = "cached redis_store";
const REFERENCES: [&str; 3] = [HELD, POOLED, SHARED];

/// Where `cached` finds the server.
static URL: OnceLock<String> = OnceLock::new();

ours!();

#[concurrent_cached(
    ty = "cached::RedisCache<u64, String>",
    create = r#"{
        cached::RedisCache::builder("bench").ttl_secs(LIFE_SECS).connection_pool_max_size(POOL)
            .connection_string(URL.get().expect("the server runs")).build().expect("a store")
    }"#,
    map_error = r#"|error| error.to_string()"#
)]
fn peer(n: u64) -> Result<String, String> {
    Ok(payload(n))
}

#[concurrent_cached(
    ty = "cached::AsyncRedisCache<u64, String>",
    create = r#"{
        cached::AsyncRedisCache::builder("bench-async").ttl_secs(LIFE_SECS)
            .connection_string(URL.get().expect("the server runs")).build().await.expect("a store")
    }"#,
    map_error = r#"|error| error.to_string()"#
)]
async fn peer_async(n: u64) -> Result<String, String> {
    Ok(payload(n))
}

/// The server and the clients that know no memoization.
struct Bench {
    server: Server,
    runtime: Runtime,
    held: Vec<Mutex<Connection>>,
    pool: r2d2::Pool<Client>,
    shared: MultiplexedConnection,
}

impl Bench {
    fn start() -> Self {
        let server = Server::redis();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        URL.set(server.url()).expect("these rows run once");
        OURS.init(Config::redis(server.url())).expect("our cache");
        let connect = || {
            let info = ::redis::IntoConnectionInfo::into_connection_info(server.url()).expect("an address");
            let tcp = info.tcp_settings().clone().set_nodelay(true);
            Client::open(info.set_tcp_settings(tcp)).expect("an address")
        };
        let connection = || Mutex::new(connect().get_connection().expect("a connection"));
        let held = (0..CALLERS[2]).map(|_| connection()).collect();
        let pool = r2d2::Pool::builder().max_size(POOL).test_on_check_out(false).build(connect());
        let patient = AsyncConnectionConfig::new().set_response_timeout(None);
        let shared = connect();
        let shared = shared.get_multiplexed_async_connection_with_config(&patient);
        let shared = runtime.block_on(shared).expect("a connection");
        let bench = Self { server, runtime, held, pool: pool.expect("connections"), shared };
        for n in 0..KEYS {
            bench.run(::redis::cmd("SET").arg(key(n)).arg(payload(n)));
            ours(n);
            peer(n).expect("cached's store");
            bench.runtime.block_on(async {
                ours_async(n).await;
                peer_async(n).await.expect("cached's store");
            });
        }
        bench
    }

    fn run(&self, command: &::redis::Cmd) {
        let mut connection = self.held[0].lock().expect("no holder panicked");
        command.query::<()>(&mut *connection).expect("an answer");
    }

    fn hits(&self, way: Way, callers: usize) -> Row {
        let (mut load, bare) = self.beside_bare(way, callers);
        load = match way {
            Way::Threads => load
                .threads(POOLED, |call| {
                    get(&mut *self.pool.get().expect("a connection"), known(call)).expect("a value");
                })
                .threads(CACHED, |call| again(|| peer(known(call)))),
            Way::Tasks => load.tasks(CACHED, &self.runtime, |call| async move {
                while peer_async(known(call)).await.is_err() {}
            }),
        };
        row("redis hit", way, callers, &load.run(), &REFERENCES, Some(bare))
    }

    /// Hits of ours, and a bare client's own reads.
    fn beside_bare(&self, way: Way, callers: usize) -> (Load<'_>, &'static str) {
        let load = Load::new(callers);
        match way {
            Way::Threads => {
                let load = load.threads("ours", |call| drop(ours(known(call)))).threads(HELD, |call| {
                    let mut held = self.held[call.caller].lock().expect("no holder panicked");
                    get(&mut *held, known(call)).expect("a value");
                });
                (load, HELD)
            }
            Way::Tasks => {
                let shared = self.shared.clone();
                let load = load
                    .tasks("ours", &self.runtime, |call| async move { drop(ours_async(known(call)).await) })
                    .tasks(SHARED, &self.runtime, move |call| {
                        let mut shared = shared.clone();
                        async move {
                            get_async(&mut shared, known(call)).await.expect("a value");
                        }
                    });
                (load, SHARED)
            }
        }
    }

    /// The processor time of a hit: the server's, by its own count, and this process's.
    fn processor(&self, way: Way, callers: usize) -> [Row; 2] {
        /// The most of the server's beside the bare client's.
        const SERVER: f64 = 1.3;
        let (load, bare) = self.beside_bare(way, callers);
        let server = load.run_metered(|| self.server_nanos());
        let (load, _) = self.beside_bare(way, callers);
        let client = load.run_metered(own_nanos);
        let title =
            |whose: &str| format!("processor time of {whose} for a redis hit, 1 KiB, {}", way.of(callers));
        [
            Row::micros(&title("the server"), &server, &REFERENCES).faster(&server, bare, SERVER),
            Row::micros(&title("the client"), &client, &REFERENCES),
        ]
    }

    /// The processor time that the server has used so far.
    fn server_nanos(&self) -> f64 {
        let mut connection = self.held[0].lock().expect("no holder panicked");
        let info: String = ::redis::cmd("INFO").arg("cpu").query(&mut *connection).expect("an answer");
        let seconds = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse::<f64>().ok()).expect("a number")
        };
        (seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1e9
    }

    /// The bare client looks, and then stores with a lifetime, as a program would without a library.
    fn misses(&self, way: Way, callers: usize) -> Row {
        const HELD: &str = "GET and SET, a connection for each thread";
        const SHARED: &str = "GET and SET, multiplexed connection";
        let load = Load::new(callers);
        let load = match way {
            Way::Threads => load
                .threads("ours", |call| drop(ours(fresh(call))))
                .threads(HELD, |call| {
                    let mut held = self.held[call.caller].lock().expect("no holder panicked");
                    if get(&mut *held, fresh(call)).is_none() {
                        let value = payload(fresh(call));
                        let _: () = held.set_ex(key(fresh(call)), value, LIFE_SECS).expect("an answer");
                    }
                })
                .threads(CACHED, |call| again(|| peer(fresh(call)))),
            Way::Tasks => {
                let shared = self.shared.clone();
                load.tasks("ours", &self.runtime, |call| async move { drop(ours_async(fresh(call)).await) })
                    .tasks(SHARED, &self.runtime, move |call| {
                        let mut shared = shared.clone();
                        async move { set_async(&mut shared, call).await }
                    })
                    .tasks(CACHED, &self.runtime, |call| async move {
                        while peer_async(fresh(call)).await.is_err() {}
                    })
            }
        };
        row("redis miss and store", way, callers, &load.run(), &[HELD, SHARED], None)
    }

    /// Beside Python: hits in a second, and how often each asks the server for one.
    fn beside_flask(&self, flask: Result<Flask, String>) -> Vec<Row> {
        const FLASK: &str = "Flask-Caching memoize";
        let load = Load::new(1).threads("ours", |call| drop(ours(known(call))));
        let (load, absent) = match &flask {
            Ok(flask) => (load.other(FLASK, || flask.hits()), String::new()),
            Err(why) => (load, format!(" ({FLASK} is not in this run: {why})")),
        };
        let rates = load.run();
        let mut hits =
            Row::thousands(&format!("redis hits of one caller beside Python{absent}"), &rates, &[]);
        let mut asked = vec![("ours", self.asked(|| (0..flask::COUNT).for_each(|n| drop(ours(n % KEYS)))))];
        asked.push((CACHED, self.asked(|| (0..flask::COUNT).for_each(|n| drop(peer(n % KEYS))))));
        if let Ok(flask) = &flask {
            asked.push((FLASK, self.asked(|| flask.count())));
            let saved = asked[2].1.reads - asked[0].1.reads;
            let goal = format!("{FLASK}'s, for {saved:.1} round trips saved");
            hits = hits.check(Check::at_least(rates.ratio("ours", FLASK), 2.0 * saved.max(1.0), &goal));
        }
        let reads = asked[0].1.reads;
        let trips = Row {
            title: "round trips of a redis hit, by the server's count of reads".into(),
            unit: "",
            more: false,
            ours: reads,
            peers: asked[1..].iter().map(|(name, asked)| ((*name).to_string(), asked.reads)).collect(),
            references: asked
                .iter()
                .flat_map(|(name, asked)| {
                    let named =
                        move |(command, calls): &(String, f64)| (format!("{name}: {command}"), *calls);
                    asked.commands.iter().map(named)
                })
                .collect(),
            checks: vec![Check { goal: "1".into(), measured: format!("{reads:.2}"), ok: reads < 1.05 }],
        };
        vec![hits, trips]
    }

    /// The commands that reach the server, for each of [`flask::COUNT`] hits.
    fn asked(&self, hits: impl FnOnce()) -> Asked {
        self.run(::redis::cmd("CONFIG").arg("RESETSTAT"));
        hits();
        let mut connection = self.held[0].lock().expect("no holder panicked");
        let info: String = ::redis::cmd("INFO").arg("everything").query(&mut *connection).expect("an answer");
        let each = |text: &str| text.parse::<f64>().expect("a number") / flask::COUNT as f64;
        let commands = info.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_string(), each(rest.split(',').next()?)))
        });
        Asked {
            reads: info
                .lines()
                .find_map(|line| line.strip_prefix("total_reads_processed:"))
                .map_or(f64::NAN, each),
            // A rare command is part of the upkeep of a pool, not of a hit.
            commands: commands.filter(|(_, calls)| *calls > 0.1).collect(),
        }
    }
}

/// The processor time that this process has used so far.
fn own_nanos() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// For each hit.
struct Asked {
    reads: f64,
    commands: Vec<(String, f64)>,
}

/// `cached` gives a server 0.5 s by default, which a busy machine may exceed. It is asked again, and the time counts.
fn again(mut call: impl FnMut() -> Result<String, String>) {
    while call().is_err() {}
}

fn key(n: u64) -> String {
    format!("bare:{n}")
}

fn get(connection: &mut impl Commands, n: u64) -> Option<String> {
    connection.get(key(n)).expect("an answer")
}

async fn get_async(connection: &mut MultiplexedConnection, n: u64) -> Option<String> {
    ::redis::cmd("GET").arg(key(n)).query_async(connection).await.expect("an answer")
}

async fn set_async(connection: &mut MultiplexedConnection, call: Call) {
    let n = fresh(call);
    if get_async(connection, n).await.is_none() {
        let mut set = ::redis::cmd("SETEX");
        set.arg(key(n)).arg(LIFE_SECS).arg(payload(n));
        set.query_async::<()>(connection).await.expect("an answer");
    }
}

pub fn rows() -> Vec<Row> {
    let bench = Bench::start();
    let mut rows = Vec::new();
    for way in [Way::Threads, Way::Tasks] {
        rows.extend(CALLERS.map(|callers| bench.hits(way, callers)));
    }
    for way in [Way::Threads, Way::Tasks] {
        rows.extend(CALLERS.into_iter().flat_map(|callers| bench.processor(way, callers)));
    }
    rows.extend(bench.beside_flask(Flask::start(bench.server.port)));
    for way in [Way::Threads, Way::Tasks] {
        for callers in CALLERS {
            rows.push(bench.misses(way, callers));
            // Misses are stored, and add up.
            bench.run(::redis::cmd("FLUSHALL").arg("SYNC"));
        }
    }
    let Bench { server, runtime, .. } = bench;
    rows.extend(outage::rows("redis", server, &runtime, small, small_async));
    rows
}
