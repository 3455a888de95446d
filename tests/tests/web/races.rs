//! Deletions and failures that come while a response is made, also from another process.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, get};
use cachekit::{Cache, CacheLayer, Config, RequestScopeLayer, cached};
use cachekit_tests::{Calls, World};
use http_body_util::BodyExt as _;
use tokio::sync::{Notify, mpsc};
use tower::ServiceExt as _;

use crate::streams::{Fed, data};
use crate::support::{each, page, request};

/// Two caches that share a store, as two processes do.
fn pairs(dir: &tempfile::TempDir) -> Vec<(&'static str, Cache, Cache)> {
    let prefix = format!("pair{}:", std::process::id());
    let patience = std::time::Duration::from_secs(20);
    let open = |config: Config| {
        let config = config.key_prefix(&*prefix).operation_timeout(patience).connect_timeout(patience);
        Cache::open(config).unwrap()
    };
    let redis = || open(Config::redis(cachekit_tests::redis::url(cachekit_tests::redis::shared())));
    let memcached = || {
        let server = cachekit_tests::memcached::shared();
        open(Config::memcached([cachekit_tests::memcached::address(server)]))
    };
    let files = || open(Config::filesystem(dir.path()));
    vec![
        ("redis", redis(), redis()),
        ("memcached", memcached(), memcached()),
        ("filesystem", files(), files()),
    ]
}

async fn text(app: &Router, method: &str, uri: &str) -> String {
    let answer = app.clone().oneshot(request(method, uri, &[])).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_deletion_in_another_process_is_final_for_what_is_being_made_here() {
    let dir = tempfile::tempdir().unwrap();
    for (name, here, there) in pairs(&dir) {
        for by_post in [false, true] {
            let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let calls = Arc::new(Calls::new());
            let handler = {
                let (began, go, calls) = (began.clone(), go.clone(), calls.clone());
                move || async move {
                    let number = calls.hit();
                    if number == 0 {
                        began.notify_one();
                        go.notified().await;
                    }
                    number.to_string()
                }
            };
            let uri = format!("/{by_post}");
            let app = Router::new().fallback(get(handler)).layer(CacheLayer::new(&here).timeout(600));
            let other =
                Router::new().fallback(any(async || "changed")).layer(CacheLayer::new(&there).timeout(600));
            let slow = tokio::spawn({
                let (app, uri) = (app.clone(), uri.clone());
                async move { text(&app, "GET", &uri).await }
            });
            began.notified().await;
            if by_post {
                text(&other, "POST", &uri).await;
            } else {
                there.aio().delete_view(&uri).await.unwrap();
            }
            go.notify_one();
            assert_eq!(slow.await.unwrap(), "0");
            assert_eq!(text(&app, "GET", &uri).await, "1", "{name}");
            assert_eq!(text(&other, "GET", &uri).await, "1", "{name}: the other one has it too");
        }
    }
}

#[test]
fn a_clear_while_the_handler_runs_keeps_its_response_from_being_stored() {
    each(async |cache, _| {
        let (began, go, calls) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Calls::new()));
        let handler = {
            let (began, go) = (began.clone(), go.clone());
            move || async move {
                let number = calls.hit();
                if number == 0 {
                    began.notify_one();
                    go.notified().await;
                }
                number.to_string()
            }
        };
        let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(&cache).timeout(600));
        let slow = tokio::spawn({
            let app = app.clone();
            async move { text(&app, "GET", "/").await }
        });
        began.notified().await;
        cache.aio().clear().await.unwrap();
        go.notify_one();
        assert_eq!(slow.await.unwrap(), "0");
        assert_eq!(text(&app, "GET", "/").await, "1");
        assert_eq!(text(&app, "GET", "/").await, "1", "and this one is stored");
    });
}

#[test]
fn a_deletion_or_a_clear_while_a_body_is_streamed_is_final() {
    each(async |cache, _| {
        streamed_while(&cache, "/deleted", async || cache.aio().delete_view("/deleted").await.unwrap()).await;
        streamed_while(&cache, "/cleared", async || cache.aio().clear().await.unwrap()).await;
    });
}

/// Ends what is kept while a page is streamed. The page is not stored afterwards, and the next one is.
async fn streamed_while(cache: &Cache, path: &str, end: impl AsyncFnOnce()) {
    let feeds = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let handler = {
        let feeds = feeds.clone();
        move || {
            let (sender, feed) = mpsc::unbounded_channel();
            feeds.lock().push(sender);
            async move { Body::new(Fed(feed)) }
        }
    };
    let app = Router::new().route(path, get(handler)).layer(CacheLayer::new(cache).timeout(600));
    let ask = || app.clone().oneshot(request("GET", path, &[]));
    let mut slow = ask().await.unwrap().into_body();
    feeds.lock()[0].send(data("old")).unwrap();
    slow.frame().await.unwrap().unwrap();
    end().await;
    feeds.lock().remove(0);
    assert!(slow.frame().await.is_none(), "it ended");
    let new = ask().await.unwrap();
    feeds.lock()[0].send(data("new")).unwrap();
    feeds.lock().remove(0);
    assert_eq!(new.into_body().collect().await.unwrap().to_bytes(), "new");
    assert_eq!(text(&app, "GET", path).await, "new");
    assert!(feeds.lock().is_empty(), "from the cache");
}

#[test]
fn a_client_that_goes_away_while_the_page_is_made_hands_over_and_stores_nothing() {
    each(async |cache, _| {
        let (began, calls) = (Arc::new(Notify::new()), Arc::new(Calls::new()));
        let handler = {
            let (began, calls) = (began.clone(), calls.clone());
            move || async move {
                let number = calls.hit();
                if number == 0 {
                    began.notify_one();
                    std::future::pending::<()>().await;
                }
                page(number, &[])
            }
        };
        let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(&cache).timeout(600));
        let gone = tokio::spawn(app.clone().oneshot(request("GET", "/", &[])));
        began.notified().await;
        let waits = tokio::spawn({
            let app = app.clone();
            async move { text(&app, "GET", "/").await }
        });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err());
        assert_eq!(waits.await.unwrap(), "page 1");
        assert_eq!(text(&app, "GET", "/").await, "page 1");
    });
}

#[test]
fn a_handler_that_panics_stores_nothing() {
    each(async |cache, _| {
        let calls = Arc::new(Calls::new());
        let counted = calls.clone();
        let handler = move || async move {
            assert!(counted.hit() != 0, "the first one fails");
            "page"
        };
        let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(&cache).timeout(600));
        assert!(tokio::spawn(app.clone().oneshot(request("GET", "/", &[]))).await.is_err());
        for _ in 0..2 {
            assert_eq!(text(&app, "GET", "/").await, "page");
        }
        assert_eq!(calls.get(), 2);
    });
}

#[cached(view, timeout = 600)]
async fn view() -> String {
    static NEXT: Calls = Calls::new();
    NEXT.hit().to_string()
}

#[tokio::test]
async fn functions_in_spawned_tasks_belong_to_no_request() {
    let world = World::simple();
    let _entered = world.enter();
    let spawned = async || tokio::spawn(view()).await.unwrap();
    let both = async || {
        // Each on its own thread's turn, between those of others.
        let first = view().await;
        tokio::task::yield_now().await;
        assert_eq!(view().await, first);
        first
    };
    let app = Router::new()
        .route("/spawned", get(spawned))
        .route("/{x}", get(both))
        .layer(RequestScopeLayer::new());
    assert_ne!(text(&app, "GET", "/spawned").await, text(&app, "GET", "/spawned").await);
    let (a, b) = tokio::join!(text(&app, "GET", "/a"), text(&app, "GET", "/b"));
    assert_ne!(a, b, "two requests on one thread");
}

#[test]
fn two_layers_over_one_cache_and_route_keep_to_their_rules() {
    each(async |cache, _| {
        let calls = Arc::new(Calls::new());
        let counted = calls.clone();
        let handler = move |request: axum::extract::Request| {
            let number = counted.hit();
            let user = request.headers().get("x-user").cloned();
            async move {
                let mut response: Response = page(number, &[]);
                response.headers_mut().insert("x-for", user.unwrap_or_else(|| "none".parse().unwrap()));
                response
            }
        };
        let user = axum::http::HeaderName::from_static("x-user");
        let app = Router::new()
            .route("/", get(handler))
            .layer(CacheLayer::new(&cache).timeout(600).vary([user.clone()]))
            .layer(CacheLayer::new(&cache).timeout(600).vary([user]).max_body(3));
        for name in ["ann", "bob", "ann"] {
            let answer = app.clone().oneshot(request("GET", "/", &[("x-user", name)])).await.unwrap();
            assert_eq!(
                (answer.status(), answer.headers()["x-for"].to_str().unwrap()),
                (StatusCode::OK, name)
            );
        }
        assert_eq!(calls.get(), 2);
    });
}
