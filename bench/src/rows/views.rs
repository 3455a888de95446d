//! Requests through axum's router in this process, without a network: a page that takes 200 µs to make, found instead of
//! made.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use cachekit::{Cache, CacheLayer, Config};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::measure::Contest;
use crate::report::Row;

const WORK: Duration = Duration::from_micros(200);
const UNCACHED: &str = "without the layer";
const TRIVIAL: &str = "without the layer, a page that is there";

async fn costly() -> String {
    let start = Instant::now();
    while start.elapsed() < WORK {
        std::hint::spin_loop();
    }
    trivial().await
}

async fn trivial() -> String {
    "x".repeat(1024)
}

pub fn rows() -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let cache = Cache::open(Config::simple()).expect("a cache");
    let plain = Router::new().route("/page", get(costly)).route("/trivial", get(trivial));
    let cached = plain.clone().layer(CacheLayer::new(&cache).timeout(3600));
    let ask = |router: &Router, path: &str| {
        runtime.block_on(async {
            let request = Request::get(path).header("host", "example.org").body(Body::empty());
            let answer = router.clone().oneshot(request.expect("a request")).await.expect("an answer");
            answer.into_body().collect().await.expect("a body").to_bytes()
        })
    };
    assert_eq!(ask(&cached, "/page"), ask(&plain, "/page"));
    let rates = Contest::new()
        .enter("ours", |_| ask(&cached, "/page"))
        .enter(UNCACHED, |_| ask(&plain, "/page"))
        .enter(TRIVIAL, |_| ask(&plain, "/trivial"))
        .run()
        .map(|nanos| 1e9 / nanos);
    vec![Row::thousands(
        "requests for a page that takes 200 µs, axum in process",
        &rates,
        &[UNCACHED, TRIVIAL],
    )]
}
