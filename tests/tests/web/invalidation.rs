//! Deletion is exact and final, by `delete_view` and by requests that change something.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use cachekit::CacheLayer;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::support::{App, each, page, request};

#[test]
fn delete_view_reaches_every_host_query_and_variant_of_the_path_and_no_other() {
    each(async |cache, _| {
        let app =
            App::new(CacheLayer::new(&cache).timeout(600), |_, number| page(number, &[("vary", "accept")]));
        let asks: [(&str, &[(&str, &str)]); 5] = [
            ("/a%20b", &[]),
            ("/a%20b?x=1", &[]),
            ("/a%20b", &[("host", "b.example")]),
            ("/a%20b", &[("accept", "text/html")]),
            ("/other", &[]),
        ];
        for blocking in [true, false] {
            for (uri, fields) in asks {
                app.get(uri, fields).await;
            }
            app.ran();
            if blocking {
                let cache = cache.clone();
                tokio::task::spawn_blocking(move || cache.delete_view("/a b").unwrap()).await.unwrap();
            } else {
                cache.aio().delete_view("/%61%20b?query=ignored").await.unwrap();
            }
            app.get("/other", &[]).await;
            assert_eq!(app.ran(), 0, "another path stays");
            for (uri, fields) in &asks[..4] {
                app.get(uri, fields).await;
            }
            assert_eq!(app.ran(), 4);
        }
    });
}

#[test]
fn what_was_being_made_before_a_deletion_is_not_served_after_it() {
    each(async |cache, _| {
        let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let text = Arc::new(parking_lot::Mutex::new("old"));
        let handler = {
            let (began, go, text) = (began.clone(), go.clone(), text.clone());
            move || async move {
                let answer = *text.lock();
                if answer == "old" {
                    began.notify_one();
                    go.notified().await;
                }
                answer
            }
        };
        let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(&cache).timeout(600));
        let ask = |app: Router| async move {
            let response = app.oneshot(request("GET", "/", &[])).await.unwrap();
            axum::body::to_bytes(response.into_body(), 100).await.unwrap()
        };
        let slow = tokio::spawn(ask(app.clone()));
        began.notified().await;
        *text.lock() = "new";
        cache.aio().delete_view("/").await.unwrap();
        // This one must not wait for the slow one either.
        assert_eq!(ask(app.clone()).await, "new");
        go.notify_one();
        assert_eq!(slow.await.unwrap(), "old");
        assert_eq!(ask(app.clone()).await, "new");
    });
}

#[test]
fn a_request_that_changes_something_deletes_its_path_and_those_it_names() {
    each(async |cache, _| {
        let app = App::new(CacheLayer::new(&cache).timeout(600), |request, number| {
            let mut response =
                page(number, &[("location", "/list"), ("content-location", "http://b.example/far")]);
            if request.uri().query() == Some("fail") {
                *response.status_mut() = StatusCode::CONFLICT;
            }
            response
        });
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"] {
            for uri in ["/item", "/item?page=2", "/list", "/far"] {
                app.get(uri, &[]).await;
            }
            app.ask(request(method, "/item?fail", &[])).await;
            app.ran();
            app.get("/item", &[]).await;
            assert_eq!(app.ran(), 0, "one that failed changes nothing");
            app.ask(request(method, "/item", &[])).await;
            app.ran();
            for uri in ["/item", "/item?page=2", "/list"] {
                app.get(uri, &[]).await;
            }
            assert_eq!(app.ran(), 3, "{method}");
            app.get("/far", &[]).await;
            assert_eq!(app.ran(), 0, "no request deletes what another host has");
        }
    });
}
