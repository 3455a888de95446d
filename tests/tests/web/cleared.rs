//! `clear` while a response is made or streamed: it is not stored afterwards, on any backend.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use cachekit::CacheLayer;
use cachekit_tests::Calls;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tower::ServiceExt as _;

use crate::streams::{Fed, data};
use crate::support::{each, request};

async fn text(app: &Router) -> String {
    let answer = app.clone().oneshot(request("GET", "/", &[])).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
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
            async move { text(&app).await }
        });
        began.notified().await;
        cache.aio().clear().await.unwrap();
        go.notify_one();
        assert_eq!(slow.await.unwrap(), "0");
        assert_eq!(text(&app).await, "1");
        assert_eq!(text(&app).await, "1", "and this one is stored");
    });
}

#[test]
fn a_clear_while_the_body_is_streamed_keeps_it_from_being_stored() {
    each(async |cache, _| {
        let feeds = Arc::new(Mutex::new(Vec::new()));
        let handler = {
            let feeds = feeds.clone();
            move || {
                let (sender, feed) = mpsc::unbounded_channel();
                feeds.lock().push(sender);
                async move { Body::new(Fed(feed)) }
            }
        };
        let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(&cache).timeout(600));
        let ask = || app.clone().oneshot(request("GET", "/", &[]));
        let mut slow = ask().await.unwrap().into_body();
        feeds.lock()[0].send(data("old")).unwrap();
        slow.frame().await.unwrap().unwrap();
        cache.aio().clear().await.unwrap();
        feeds.lock().remove(0);
        assert!(slow.frame().await.is_none(), "it ended");
        let new = ask().await.unwrap();
        feeds.lock()[0].send(data("new")).unwrap();
        feeds.lock().remove(0);
        assert_eq!(new.into_body().collect().await.unwrap().to_bytes(), "new");
        assert_eq!(text(&app).await, "new");
    });
}
