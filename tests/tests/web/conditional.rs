//! Age, validators and conditional requests.

use std::time::Duration;

use axum::http::StatusCode;
use cachekit::CacheLayer;

use crate::support::{App, each, page};

#[test]
fn a_hit_tells_its_age_and_ends_at_its_time() {
    each(async |cache, world| {
        let app = App::new(CacheLayer::new(&cache).timeout(50), |_, number| page(number, &[]));
        let made = app.get("/", &[]).await;
        assert_eq!(made.header("age"), None);
        world.advance(Duration::from_secs(49));
        let hit = app.get("/", &[]).await;
        assert_eq!((hit.header("age"), &hit.body), (Some("49"), &made.body));
        assert!(hit.headers.contains_key("date"));
        world.advance(Duration::from_secs(1));
        assert_eq!(app.get("/", &[]).await.body, "page 1");
    });
}

#[test]
fn who_has_the_page_gets_a_304() {
    each(async |cache, _| {
        let app = App::new(CacheLayer::new(&cache).timeout(50), |_, number| {
            page(number, &[("content-type", "text/plain"), ("x-more", "1")])
        });
        let made = app.get("/", &[]).await;
        let etag = made.header("etag").expect("one is made").to_string();
        for tags in [etag.clone(), format!("\"x\", {etag}"), "*".into()] {
            let answer = app.get("/", &[("if-none-match", &tags)]).await;
            assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{tags}");
            assert_eq!((answer.header("etag"), answer.header("content-type")), (Some(&*etag), None));
            assert!(answer.headers.contains_key("x-more") && answer.headers.contains_key("age"));
        }
        // A tag that differs wins over a date that doesn't.
        let fields = [("if-none-match", "\"x\""), ("if-modified-since", "Wed, 31 Dec 2200 00:00:00 GMT")];
        assert_eq!(app.get("/", &fields).await.status, StatusCode::OK);
        assert_eq!(app.ran(), 1);
    });
}

#[test]
fn a_stale_page_is_validated_by_what_its_handler_knows_it_by() {
    each(async |cache, world| {
        let app = App::new(CacheLayer::new(&cache).timeout(50), |request, number| {
            let tag = request.headers().get("if-none-match").and_then(|tag| tag.to_str().ok());
            let count = number.to_string();
            let fields = [("etag", "\"one\""), ("x-count", count.as_str())];
            let mut response = page(number, &fields);
            if tag == Some("\"one\"") {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                *response.body_mut() = axum::body::Body::empty();
            }
            response
        });
        app.get("/", &[]).await;
        world.advance(Duration::from_secs(60));
        let validated = app.get("/", &[]).await;
        assert_eq!((validated.status, validated.body.as_str()), (StatusCode::OK, "page 0"));
        assert_eq!(validated.header("x-count"), Some("1"), "brought up to date");
        assert_eq!(app.get("/", &[]).await.header("x-count"), Some("1"));
        assert_eq!(app.ran(), 2);
    });
}

#[test]
fn a_304_that_sets_a_cookie_is_for_its_client_only() {
    each(async |cache, world| {
        let app = App::new(CacheLayer::new(&cache).timeout(50), |request, number| {
            let mut response = page(number, &[("etag", "\"one\"")]);
            if request.headers().contains_key("if-none-match") {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response.headers_mut().insert("set-cookie", format!("user={number}").parse().unwrap());
            }
            response
        });
        app.get("/", &[]).await;
        world.advance(Duration::from_secs(60));
        assert_eq!(app.get("/", &[]).await.header("set-cookie"), Some("user=1"));
        assert_eq!(app.get("/", &[]).await.header("set-cookie"), Some("user=2"));
    });
}
