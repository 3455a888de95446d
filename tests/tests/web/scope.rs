//! Functions that are cached by the request's path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse as _, Json, Response};
use axum::routing::{any, get};
use cachekit::web::{CacheFor, CurrentRequest};
use cachekit::{RequestScopeLayer, cached, delete_cached};
use cachekit_tests::World;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::support::request;

/// Another number each time.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn app(routes: Router) -> Router {
    routes.layer(RequestScopeLayer::new())
}

async fn answer(
    app: &Router,
    method: &str,
    uri: &str,
    fields: &[(&str, &str)],
) -> (StatusCode, HeaderMap, String) {
    let response = app.clone().oneshot(request(method, uri, fields)).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn text(app: &Router, uri: &str) -> String {
    answer(app, "GET", uri, &[]).await.2
}

/// Runs a test over each kind of cache, as the default one.
fn each<F: Future<Output = ()>>(test: impl Fn(Arc<World>) -> F) {
    for world in crate::support::worlds() {
        let world = Arc::new(world);
        println!("with the cache `{}`", world.name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(world.wrap(test(Arc::clone(&world))));
    }
}

#[test]
fn a_handler_and_a_function_under_it_use_the_whole_path() {
    #[cached(view)]
    async fn page(Path(_): Path<String>) -> Html<String> {
        Html(fresh().to_string())
    }
    #[cached(key_prefix = "view/%s")]
    fn part() -> u64 {
        fresh()
    }
    #[cached(timeout = 50)]
    fn plain() -> u64 {
        fresh()
    }
    each(async |_| {
        let nested = Router::new()
            .route("/page/{id}", get(page))
            .route("/part/{id}", get(async || part().to_string()))
            .route("/plain/{id}", get(async || plain().to_string()));
        let app = app(Router::new().nest("/a", nested.clone()).nest("/b", nested));
        for name in ["page", "part", "plain"] {
            let first = text(&app, &format!("/a/{name}/1")).await;
            assert_eq!(text(&app, &format!("/a/{name}/1")).await, first, "{name}");
            assert_ne!(text(&app, &format!("/a/{name}/2")).await, first, "{name}");
            assert_ne!(text(&app, &format!("/b/{name}/1")).await, first, "{name}");
        }
        assert_eq!(plain(), plain(), "outside of a request it is an ordinary cached function");
        assert_ne!(part(), part(), "and this one is computed");
    });
}

#[test]
fn the_layer_inside_of_a_nested_router_knows_the_whole_path_too() {
    each(async |_| {
        let seen = || async {
            let request = CurrentRequest::get().unwrap();
            tokio::task::yield_now().await;
            let after = CurrentRequest::get().unwrap();
            assert_eq!(after.path(), request.path(), "across await");
            format!("{} {} {} {}", request.method(), request.host(), request.path(), request.query())
        };
        let inner = Router::new().route("/{id}", get(seen)).layer(RequestScopeLayer::new());
        let app = Router::new().nest("/users", inner);
        assert_eq!(text(&app, "/users/7?x=1").await, "GET a.example /users/7 x=1");
        assert!(CurrentRequest::get().is_none());
    });
}

#[test]
fn what_tells_requests_apart_is_in_the_key_and_personal_ones_are_computed() {
    #[cached(view)]
    async fn page() -> String {
        fresh().to_string()
    }
    each(async |_| {
        let app = app(Router::new().route("/", any(page)));
        let first = text(&app, "/").await;
        assert_eq!(text(&app, "/").await, first);
        for (method, uri, fields) in [
            ("GET", "/?a", &[][..]),
            ("GET", "/", &[("host", "b.example")]),
            ("GET", "/", &[("authorization", "ann")]),
            ("GET", "/", &[("cookie", "ann")]),
            ("POST", "/", &[]),
            ("HEAD", "/", &[]),
        ] {
            assert_ne!(answer(&app, method, uri, fields).await.2, first, "{method} {uri} {fields:?}");
        }
        assert_eq!(text(&app, "/").await, first, "none of them was stored for others");
        let open = Router::new().route("/", any(page)).layer(RequestScopeLayer::new().with_credentials(true));
        assert_eq!(answer(&open, "GET", "/", &[("cookie", "ann")]).await.2, first);
    });
}

#[test]
fn delete_view_and_delete_cached_reach_functions() {
    #[cached(view)]
    async fn page() -> String {
        fresh().to_string()
    }
    #[cached(key_prefix = "side/%s", local)]
    fn side() -> u64 {
        fresh()
    }
    each(async |world| {
        let both = async || format!("{} {}", page().await, side());
        let app = app(Router::new().route("/{x}", get(both)));
        let (one, two) = (text(&app, "/1").await, text(&app, "/2").await);
        world.cache().aio().delete_view("/1").await.unwrap();
        let again = text(&app, "/1").await;
        assert!(one.split(' ').zip(again.split(' ')).all(|(old, new)| old != new), "{one} {again}");
        assert_eq!(text(&app, "/2").await, two, "another path stays");
        delete_cached!(page).await.unwrap();
        assert_ne!(text(&app, "/2").await, two);
    });
}

#[test]
fn every_kind_of_response_comes_back_as_it_was() {
    #[cached(view)]
    async fn html() -> Html<String> {
        Html(fresh().to_string())
    }
    #[cached(view)]
    async fn json() -> Json<Vec<u64>> {
        Json(vec![fresh()])
    }
    #[cached(view)]
    async fn tuple() -> (StatusCode, HeaderMap, Html<String>) {
        let mut headers = HeaderMap::new();
        headers.append("x-more", "1".parse().unwrap());
        headers.append("x-more", "2".parse().unwrap());
        (StatusCode::CREATED, headers, Html(fresh().to_string()))
    }
    #[cached(view)]
    async fn pair() -> Result<(StatusCode, String), StatusCode> {
        Ok((StatusCode::ACCEPTED, fresh().to_string()))
    }
    #[cached(view)]
    async fn response() -> Response {
        (StatusCode::CREATED, [("x-more", "1")], Body::from(fresh().to_string())).into_response()
    }
    #[cached(view)]
    async fn asked() -> Result<Response, StatusCode> {
        Ok((StatusCode::NOT_FOUND, CacheFor::new(5), fresh().to_string()).into_response())
    }
    #[cached(view)]
    fn blocking() -> Response {
        fresh().to_string().into_response()
    }
    each(async |_| {
        let app = app(Router::new()
            .route("/html", get(html))
            .route("/json", get(json))
            .route("/tuple", get(tuple))
            .route("/pair", get(pair))
            .route("/response", get(response))
            .route("/asked", get(asked))
            .route("/blocking", get(async || blocking())));
        for (path, status) in [
            ("/html", 200),
            ("/json", 200),
            ("/tuple", 201),
            ("/pair", 202),
            ("/response", 201),
            ("/asked", 404),
            ("/blocking", 200),
        ] {
            let first = answer(&app, "GET", path, &[]).await;
            assert_eq!(first.0.as_u16(), status, "{path}");
            assert_eq!(answer(&app, "GET", path, &[]).await, first, "{path}");
        }
    });
}

#[test]
fn responses_that_are_for_one_person_or_failed_are_not_kept() {
    #[cached(view)]
    async fn response() -> Response {
        let (number, request) = (fresh(), CurrentRequest::get().unwrap());
        let name =
            |name: &'static str, value: &'static str| ([(name, value)], number.to_string()).into_response();
        match request.path() {
            "/cookie" => name("set-cookie", "a=b"),
            "/private" => name("cache-control", "private"),
            "/no-store" => name("cache-control", "no-store"),
            "/no-cache" => name("cache-control", "no-cache"),
            "/vary" => name("vary", "accept-language"),
            "/part" => (StatusCode::PARTIAL_CONTENT, number.to_string()).into_response(),
            "/error" => (StatusCode::NOT_FOUND, number.to_string()).into_response(),
            _ => number.to_string().into_response(),
        }
    }
    #[cached(view)]
    async fn tuple() -> (StatusCode, String) {
        (StatusCode::INTERNAL_SERVER_ERROR, fresh().to_string())
    }
    each(async |_| {
        let app = app(Router::new().route("/tuple", get(tuple)).fallback(get(response)));
        assert_eq!(text(&app, "/").await, text(&app, "/").await);
        for path in ["/cookie", "/private", "/no-store", "/no-cache", "/vary", "/part", "/error", "/tuple"] {
            assert_ne!(text(&app, path).await, text(&app, path).await, "{path}");
        }
    });
}

/// Spans of one thread, with those that are entered.
#[derive(Default)]
struct Spans {
    made: std::sync::Mutex<Vec<&'static tracing::Metadata<'static>>>,
    entered: std::sync::Mutex<Vec<tracing::Id>>,
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        // Not the span of the computation itself.
        metadata.target() != "cachekit"
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::Id {
        let mut made = self.made.lock().unwrap();
        made.push(span.metadata());
        tracing::Id::from_u64(made.len() as u64)
    }
    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, span: &tracing::Id) {
        self.entered.lock().unwrap().push(span.clone());
    }
    fn exit(&self, span: &tracing::Id) {
        assert_eq!(self.entered.lock().unwrap().pop().as_ref(), Some(span));
    }
    fn current_span(&self) -> tracing_core::span::Current {
        let entered = self.entered.lock().unwrap();
        match entered.last() {
            Some(id) => {
                let made = self.made.lock().unwrap();
                let index = usize::try_from(id.into_u64()).unwrap() - 1;
                tracing_core::span::Current::new(id.clone(), made[index])
            }
            None => tracing_core::span::Current::none(),
        }
    }
}

#[test]
fn a_computation_stays_in_the_scope_and_span_of_the_call_that_began_it() {
    use std::task::{Context, Waker};

    static PERMITS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(0);
    #[cachekit::memoize]
    async fn path(n: u64) -> String {
        PERMITS.acquire().await.unwrap().forget();
        let path = CurrentRequest::get().map_or_else(String::new, |request| request.path().to_string());
        let span = tracing::Span::current();
        format!("{path} {} {n}", span.metadata().map_or("", |span| span.name()))
    }
    let _spans = tracing::subscriber::set_default(Spans::default());
    let routes = Router::new()
        .route("/first", get(async || path(1).await))
        .route("/second", get(async || path(1).await));
    let app = app(routes);
    let world = World::simple();
    let call = |uri: &'static str, span: tracing::Span| {
        let app = app.clone();
        Box::pin(world.wrap(tracing::Instrument::instrument(async move { text(&app, uri).await }, span)))
    };
    let (mut first, mut second) =
        (call("/first", tracing::info_span!("one")), call("/second", tracing::info_span!("two")));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    drop(first);
    PERMITS.add_permits(1);
    assert_eq!(cachekit_tests::block_on(second), "/first one 1");
}
