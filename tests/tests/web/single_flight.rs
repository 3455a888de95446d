//! Requests that miss together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use cachekit::{Cache, CacheLayer, Config};
use cachekit_tests::Calls;
use tower::ServiceExt as _;

use crate::support::{page, request};

const CALLERS: u64 = 20;
const WORK: Duration = Duration::from_millis(50);

/// A page that takes its time.
fn slow(fields: &'static [(&'static str, &'static str)]) -> (Router, Arc<Calls>) {
    let calls = Arc::new(Calls::new());
    let counted = Arc::clone(&calls);
    let handler = move || {
        let number = counted.hit();
        async move {
            tokio::time::sleep(WORK).await;
            page(number, fields)
        }
    };
    let cache = Cache::open(Config::simple()).unwrap();
    (Router::new().route("/", get(handler)).layer(CacheLayer::new(&cache).timeout(600)), calls)
}

async fn together(app: &Router) -> Duration {
    let began = Instant::now();
    let asks: Vec<_> =
        (0..CALLERS).map(|_| tokio::spawn(app.clone().oneshot(request("GET", "/", &[])))).collect();
    for ask in asks {
        assert!(ask.await.unwrap().unwrap().status().is_success());
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_callers_of_a_page_make_it_once() {
    let (app, calls) = slow(&[]);
    together(&app).await;
    assert_eq!(calls.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_callers_of_an_uncacheable_page_do_not_wait_in_line() {
    let (app, calls) = slow(&[("set-cookie", "a=b")]);
    let first = together(&app).await;
    assert_eq!(calls.take(), CALLERS);
    // One finds out while the others wait, and then they go side by side; in line they would take 20 times as long.
    assert!(first < WORK * 10, "{first:?}");
    let second = together(&app).await;
    assert_eq!(calls.take(), CALLERS);
    assert!(second < WORK * 5, "known to be uncacheable, no request waits: {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_or_is_cancelled_hands_over() {
    let cache = Cache::open(Config::simple()).unwrap();
    let calls = Arc::new(Calls::new());
    let counted = Arc::clone(&calls);
    let handler = move || {
        let number = counted.hit();
        async move {
            tokio::time::sleep(WORK).await;
            assert!(number != 0, "the first one fails");
            let response: Response = page(number, &[]).into_response();
            response
        }
    };
    let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(&cache).timeout(600));
    let first = tokio::spawn(app.clone().oneshot(request("GET", "/", &[])));
    while calls.get() == 0 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn(app.clone().oneshot(request("GET", "/", &[])));
    assert!(first.await.is_err());
    assert!(second.await.unwrap().unwrap().status().is_success());
    assert_eq!(calls.get(), 2);
}
