//! An app behind the layer, asked without a network.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::any;
use cachekit::{Cache, CacheLayer};
use cachekit_tests::{Calls, World};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// An answer that was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An app that counts how often its handler ran.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) router: Router,
    /// Numbers the runs, from 0 on and for good: two runs make two pages.
    calls: Arc<Calls>,
    told: Arc<AtomicU64>,
}

impl App {
    /// An app of one handler, behind a layer.
    pub(crate) fn new<F>(layer: CacheLayer, handler: F) -> Self
    where
        F: Fn(Request, u64) -> Response + Clone + Send + Sync + 'static,
    {
        let calls = Arc::new(Calls::new());
        let counted = Arc::clone(&calls);
        let handler = move |request: Request| {
            let response = handler(request, counted.hit());
            async move { response }
        };
        Self { router: Router::new().fallback(any(handler)).layer(layer), calls, told: Arc::default() }
    }

    pub(crate) async fn ask(&self, request: Request) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// A `GET` with some fields.
    pub(crate) async fn get(&self, uri: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask(request("GET", uri, fields)).await
    }

    /// How often the handler ran since the last time.
    pub(crate) fn ran(&self) -> u64 {
        let calls = self.calls.get();
        calls - self.told.swap(calls, Ordering::SeqCst)
    }
}

/// A request to the host `a.example`, unless a field says otherwise.
pub(crate) fn request(method: &str, uri: &str, fields: &[(&str, &str)]) -> Request {
    let mut request = axum::http::Request::builder().method(method).uri(uri);
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("host", "a.example");
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// A response of text that counts, so that two of them differ, with some fields.
pub(crate) fn page(number: u64, fields: &[(&str, &str)]) -> Response {
    let mut response = Response::builder();
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(Body::from(format!("page {number}"))).unwrap()
}

/// A cache of each kind that keeps values, those on servers included.
pub(crate) fn worlds() -> Vec<World> {
    let mut all = World::keeping();
    all.extend(World::on_servers());
    all
}

/// Runs a test over each kind of cache that keeps values.
pub(crate) fn each<F: Future<Output = ()>>(test: impl Fn(Cache, Arc<World>) -> F) {
    for world in worlds() {
        let world = Arc::new(world);
        let name = world.name;
        println!("with the cache `{name}`");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(test(world.cache().clone(), Arc::clone(&world)));
    }
}
