//! Every surface waits for a failing backend once: twenty callers of one key, through `#[memoize]`, `get_or_insert_with`,
//! a template fragment and `CacheLayer`.
//!
//! The operation timeout and the breaker run by the system's clock, so this backend takes real time to fail.

use std::sync::Once;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use cachekit::testing::Scoped;
use cachekit::{
    Backend, CacheLayer, Capabilities, Config, Error, ErrorKind, Result, Ttl, memoize, register_backend,
    template,
};
use cachekit_tests::block_on;
use minijinja::{Environment, context};
use tower::ServiceExt as _;

/// The default operation timeout.
const LIMIT: Duration = Duration::from_millis(500);
/// How long an operation takes to fail: less than the limit, so that the backend's own error comes back.
const FAILS_AFTER: Duration = Duration::from_millis(490);
/// How late a thread of a busy machine may be. Less than a second wait would take.
const LATE: Duration = Duration::from_millis(350);
const CALLERS: u32 = 20;
const APART: Duration = Duration::from_millis(15);

/// A backend whose every operation fails after a while.
struct Failing {
    /// Whether its operations run on the caller's thread.
    bounded: bool,
}

fn fail<T>() -> Result<T> {
    sleep(FAILS_AFTER);
    Err(Error::new(ErrorKind::Unavailable, "broken on command"))
}

impl Backend for Failing {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none().bounded(self.bounded)
    }

    fn get(&self, _: &str) -> Result<Option<Vec<u8>>> {
        fail()
    }

    fn set(&self, _: &str, _: &[u8], _: Ttl) -> Result<()> {
        fail()
    }

    fn delete(&self, _: &str) -> Result<bool> {
        fail()
    }

    fn clear(&self, _: &str) -> Result<()> {
        fail()
    }
}

fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (name, bounded) in [("failing", false), ("failing-bounded", true)] {
            register_backend(name, move |_| Ok(Box::new(Failing { bounded }) as Box<dyn Backend>)).unwrap();
        }
    });
}

#[memoize(name = "outage.surface")]
fn number(n: u64) -> u64 {
    n
}

#[memoize(name = "outage.surface.later")]
async fn later(n: u64) -> u64 {
    n
}

/// The longest wait of twenty callers that come one after another.
fn longest(scoped: &'static Scoped, call: fn(&'static Scoped)) -> Duration {
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            spawn(move || {
                let _entered = scoped.enter();
                sleep(APART * caller);
                let began = Instant::now();
                call(scoped);
                began.elapsed()
            })
        })
        .collect();
    callers.into_iter().map(|caller| caller.join().unwrap()).max().unwrap()
}

/// Runs a surface over each way to the backend, with the default breaker and with one that never opens. A caller that waits
/// twice by design does so each time; a busy machine doesn't.
fn waits_once(call: fn(&'static Scoped)) {
    register();
    for backend in ["failing", "failing-bounded"] {
        for threshold in [Config::default().breaker_threshold, u32::MAX] {
            let config = || Config::default().cache_type(backend).breaker_threshold(threshold);
            let mut times = Vec::new();
            while times.last().is_none_or(|took| *took > LIMIT + LATE) {
                assert!(times.len() < 3, "{backend} with threshold {threshold}: {times:?}");
                times.push(longest(Box::leak(Box::new(Scoped::new(config()))), call));
            }
        }
    }
}

#[test]
fn callers_of_a_memoized_function_wait_for_a_failing_backend_once() {
    waits_once(|_| assert_eq!(number(7), 7));
}

#[test]
fn callers_of_an_async_memoized_function_wait_for_a_failing_backend_once() {
    waits_once(|_| assert_eq!(block_on(later(7)), 7));
}

#[test]
fn callers_of_get_or_insert_with_wait_for_a_failing_backend_once() {
    waits_once(|scoped| assert_eq!(scoped.cache().get_or_insert_with("key", 60, || 7u64), 7));
}

#[test]
fn callers_of_async_get_or_insert_with_wait_for_a_failing_backend_once() {
    waits_once(|scoped| {
        let value = scoped.cache().aio();
        assert_eq!(block_on(value.get_or_insert_with("key", 60, || async { 7u64 })), 7);
    });
}

#[test]
fn renderings_of_a_fragment_wait_for_a_failing_backend_once() {
    waits_once(|scoped| {
        let mut env = Environment::new();
        template::install(&mut env, scoped.cache());
        template::add_template(&mut env, "page", "{% cache 60, 'key' %}text{% endcache %}").unwrap();
        assert_eq!(env.get_template("page").unwrap().render(context! {}).unwrap(), "text");
    });
}

#[test]
fn requests_of_a_page_wait_for_a_failing_backend_once() {
    waits_once(|scoped| {
        let app = Router::new()
            .route("/", get(|| async { "page" }))
            .layer(CacheLayer::new(scoped.cache()).timeout(600));
        let request = axum::http::Request::builder().uri("/").header("host", "a.example");
        let response = block_on(app.oneshot(request.body(Body::empty()).unwrap())).unwrap();
        assert!(response.status().is_success());
    });
}
