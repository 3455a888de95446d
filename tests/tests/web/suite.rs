//! The public HTTP cache suite (npm `http-cache-tests`), run against a reverse proxy behind the layer. Its results must be
//! the ones that `suite_known.txt` lists: a new failure is red, and so is a test that is listed and passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use cachekit::{Cache, CacheLayer, Config};
use cachekit_tests::server::{Listening, Server, free_port};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// The version that the expected results are of.
const SUITE: &str = "http-cache-tests@0.4.5";
/// Of the required and the optimal ones; "yes" to a question of behaviour isn't counted.
const LEAST_PASSES: usize = 215;
const MOST_FAILURES: usize = 2;

/// The suite's folder. It is fetched once for a target directory.
fn installed() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("http-cache-tests");
    let suite = home.join("node_modules/http-cache-tests");
    let done = home.join("installed");
    if !done.is_file() {
        let _ = std::fs::remove_dir_all(&home);
        std::fs::create_dir_all(&home).unwrap();
        let npm = Command::new("npm")
            .args(["install", SUITE, "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"])
            .arg("--prefix")
            .arg(&home)
            .stdin(Stdio::null())
            .output();
        match npm {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                panic!("npm could not install {SUITE}: {}", String::from_utf8_lossy(&output.stderr))
            }
            Err(error) => panic!(
                "`npm` is missing ({error}): `scripts/test` installs it, as does `apt-get install nodejs npm`"
            ),
        }
        // It listens on all addresses otherwise, and its standard output is not read.
        let server = suite.join("server/server.mjs");
        let text = std::fs::read_to_string(&server).unwrap();
        assert!(text.contains("server.listen(port)"));
        let text = text.replace("server.listen(port)", "server.listen(port, '127.0.0.1')");
        std::fs::write(&server, format!("{text}\nconsole.log = console.error\n")).unwrap();
        std::fs::write(done, SUITE).unwrap();
    }
    suite
}

/// The server of the suite, whose answers the cache is judged by.
fn origin(suite: &Path) -> Server {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid").display().to_string();
    let script = suite.join("server/server.mjs").display().to_string();
    let environment = [
        ("npm_config_protocol", "http"),
        ("npm_config_port", &port.to_string()),
        ("npm_config_pidfile", &pid),
    ];
    Server::start(("node", "nodejs npm"), dir, Listening::Port(port), &[&script], &environment)
}

#[derive(Clone)]
struct Upstream {
    client: Client<HttpConnector, Body>,
    port: u16,
}

/// Hands a request to the origin.
async fn forward(State(upstream): State<Upstream>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = format!("http://127.0.0.1:{}{path}", upstream.port).parse::<Uri>().unwrap();
    match upstream.client.request(request).await {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// A reverse proxy behind the layer; its port.
async fn proxy(origin: u16, cache: &Cache) -> u16 {
    // A connection that the origin closes while a request is on its way would be a failure of the proxy, not the cache.
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    let upstream = Upstream { client, port: origin };
    // The suite tests a cache by what responses say; it has no notion of a timeout beside them.
    let app = Router::new().fallback(forward).with_state(upstream).layer(CacheLayer::new(cache));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async { axum::serve(listener, app).await });
    port
}

/// Judges the results as the suite does: `id kind outcome`, a line each.
const JUDGE: &str = r"
import fs from 'fs'
const home = process.argv[2]
const tests = (await import(home + '/tests/index.mjs')).default
const { determineTestResult } = await import(home + '/lib/display.mjs')
const results = JSON.parse(fs.readFileSync(process.argv[3]))
const names = { '✅': 'pass', 'Y': 'yes', 'N': 'no', '⛔️': 'fail', '⚠️': 'optional', '🔹': 'setup', '⚪️': 'dependency',
  '⁉️': 'harness', '↻': 'retry', '-': 'untested' }
for (const suite of tests)
  for (const test of suite.tests)
    if (!test.browser_only) console.log(test.id + ' ' + names[determineTestResult(tests, test.id, results)[2]])
";

fn judged(suite: &Path, port: u16) -> BTreeMap<String, String> {
    let output = Command::new("node")
        .arg(suite.join("cli.mjs"))
        .env("npm_config_base", format!("http://127.0.0.1:{port}"))
        .env("npm_package_config_id", "")
        .env("npm_config_id", "")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dir = tempfile::tempdir().unwrap();
    let judge = dir.path().join("judge.mjs");
    // Stays, to find the reason of a failed test.
    let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join("http-cache-tests.json");
    std::fs::write(&judge, JUDGE).unwrap();
    std::fs::write(&found, &output.stdout).unwrap();
    let output =
        Command::new("node").arg(&judge).arg(suite).arg(&found).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_once(' ')).map(|(id, how)| (id.into(), how.into())).collect()
}

#[test]
fn the_public_suite_finds_no_failure_that_is_not_known() {
    let suite = installed();
    let origin = origin(&suite);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cache = Cache::open(Config::simple()).unwrap();
    let port = runtime.block_on(proxy(origin.port(), &cache));
    let known: BTreeMap<String, String> = include_str!("suite_known.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(id, how)| (id.into(), how.into()))
        .collect();
    let mut results = judged(&suite, port);
    for _ in 0..3 {
        if differences(&results, &known).is_none() {
            break;
        }
        // It waits for seconds to pass by, and counts them: a machine that is busy may have let one slip. A test that fails
        // because of the cache fails in each run.
        for (id, how) in judged(&suite, port) {
            if is_expected(&id, &how, &known) {
                results.insert(id, how);
            }
        }
    }
    let count = |what: &str| results.values().filter(|how| *how == what).count();
    println!("of {}: {} pass, {} yes, {} fail", results.len(), count("pass"), count("yes"), count("fail"));
    if let Some(text) = differences(&results, &known) {
        panic!("{text}");
    }
    assert!(results.len() > 300 && count("pass") >= LEAST_PASSES && count("fail") <= MOST_FAILURES);
}

fn passed(how: &str) -> bool {
    ["pass", "yes"].contains(&how)
}

/// Whether a test ended as it is known to.
fn is_expected(id: &str, how: &str, known: &BTreeMap<String, String>) -> bool {
    known.get(id).map_or_else(|| passed(how), |known| known.split('|').any(|known| known == how))
}

/// Where the results aren't the ones that are known.
fn differences(results: &BTreeMap<String, String>, known: &BTreeMap<String, String>) -> Option<String> {
    let wrong = results.iter().filter(|(id, how)| !is_expected(id, how, known)).map(|(id, how)| {
        let expected = known.get(id).map_or("pass", String::as_str);
        format!("\n  {id}: {how}, and {expected} by `suite_known.txt`")
    });
    let gone = known.keys().filter(|id| !results.contains_key(*id));
    let gone = gone.map(|id| format!("\n  {id}: in `suite_known.txt`, and not in the suite"));
    let lines: Vec<String> = wrong.chain(gone).collect();
    (!lines.is_empty()).then(|| lines.concat())
}
