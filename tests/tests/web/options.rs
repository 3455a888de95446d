//! The layer's options.

use std::time::Duration;

use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse as _;
use cachekit::web::CacheFor;
use cachekit::{Cache, CacheLayer, Config, ErrorKind, Timeout};
use cachekit_tests::{Fault, Mem, World};

use crate::support::{App, each, page};

#[test]
fn without_a_timeout_only_what_says_its_lifetime_is_stored() {
    each(async |cache, _| {
        let silent = App::new(CacheLayer::new(&cache), |_, number| page(number, &[]));
        assert_ne!(silent.get("/", &[]).await.body, silent.get("/", &[]).await.body);
        let telling = App::new(CacheLayer::new(cache.clone()), |_, number| {
            page(number, &[("cache-control", "max-age=5")])
        });
        assert_eq!(telling.get("/", &[]).await.body, telling.get("/", &[]).await.body);
    });
}

#[test]
fn what_the_response_says_beats_the_timeout_and_what_the_handler_says_beats_both() {
    each(async |cache, world| {
        let app = App::new(CacheLayer::new(&cache).timeout(50), |request, number| {
            let page = page(number, &[("cache-control", "max-age=5")]);
            match request.uri().path() {
                "/long" => (CacheFor::new(500), page).into_response(),
                "/error" => (StatusCode::NOT_FOUND, CacheFor::new(500), page).into_response(),
                "/ever" => (CacheFor::new(Timeout::Never), page).into_response(),
                "/cookie" => (CacheFor::new(500), [("set-cookie", "a=b")], page).into_response(),
                _ => page,
            }
        });
        for (path, fresh, over) in [
            ("/short", 4, Some(1)),
            ("/long", 499, Some(1)),
            ("/error", 499, Some(1)),
            ("/ever", 1_000_000_000, None),
        ] {
            app.get(path, &[]).await;
            world.advance(Duration::from_secs(fresh));
            app.get(path, &[]).await;
            assert_eq!(app.ran(), 1, "{path}");
            if let Some(over) = over {
                world.advance(Duration::from_secs(over));
                app.get(path, &[]).await;
                assert_eq!(app.ran(), 1, "{path} is over");
            }
        }
        app.get("/cookie", &[]).await;
        app.get("/cookie", &[]).await;
        assert_eq!(app.ran(), 2, "a time makes nothing storable that is for one person");
    });
}

#[test]
fn of_a_query_string_the_order_of_different_names_may_be_ignored() {
    each(async |cache, _| {
        let app = App::new(CacheLayer::new(&cache).timeout(50).query_string(true), |_, n| page(n, &[]));
        let first = app.get("/?a=1&b=2&a=3", &[]).await.body;
        for same in ["/?b=2&a=1&a=3", "/?a=1&a=3&b=2", "/?a=1&a=3&&b=2"] {
            assert_eq!(app.get(same, &[]).await.body, first, "{same}");
        }
        // The order of one name's values, in whatever spelling, and their number count.
        for other in [
            "/?a=3&b=2&a=1",
            "/?a=1&b=2",
            "/?a=2&b=1&a=3",
            "/?a=1&b=2&a=3&c",
            "/?a=3&%61=1&b=2",
            "/?%61=1&a=3&b=2",
            "/",
        ] {
            assert_ne!(app.get(other, &[]).await.body, first, "{other}");
        }
        assert_ne!(app.get("/?a=1&a=2", &[]).await.body, app.get("/?a=2&a=1", &[]).await.body);
        assert_ne!(app.get("/?a=1&%61=2", &[]).await.body, app.get("/?%61=2&a=1", &[]).await.body);
        let plain = App::new(CacheLayer::new(&cache).timeout(50), |_, n| page(n, &[]));
        assert_ne!(plain.get("/q?a&b", &[]).await.body, plain.get("/q?b&a", &[]).await.body);
    });
}

#[test]
fn conditions_and_further_fields_decide() {
    each(async |cache, _| {
        let layer = CacheLayer::new(&cache)
            .timeout(50)
            .unless(|request| request.headers.contains_key("x-fresh"))
            .cache_if(|response| response.headers.contains_key("x-keep"))
            .vary([HeaderName::from_static("x-user")]);
        let app = App::new(layer, |request, number| {
            if request.uri().path() == "/kept" { page(number, &[("x-keep", "1")]) } else { page(number, &[]) }
        });
        assert_ne!(app.get("/dropped", &[]).await.body, app.get("/dropped", &[]).await.body);
        let kept = app.get("/kept", &[("x-user", "ann")]).await.body;
        assert_eq!(app.get("/kept", &[("x-user", "ann")]).await.body, kept);
        assert_ne!(app.get("/kept", &[("x-user", "bob")]).await.body, kept);
        assert_ne!(app.get("/kept", &[("x-user", "ann"), ("x-fresh", "1")]).await.body, kept);
        assert_eq!(app.get("/kept", &[("x-user", "ann")]).await.body, kept, "it is neither read nor written");
    });
}

#[test]
fn a_longer_body_than_the_limit_passes_through() {
    each(async |cache, _| {
        let app = App::new(CacheLayer::new(&cache).timeout(50).max_body(5), |_, n| page(n, &[]));
        assert_eq!(app.get("/", &[]).await.body, "page 0");
        assert_eq!(app.get("/", &[]).await.body, "page 1");
        let app = App::new(CacheLayer::new(&cache).timeout(50).max_body(6), |_, n| page(n, &[]));
        assert_eq!(app.get("/", &[]).await.body, app.get("/", &[]).await.body);
    });
}

#[test]
fn cache_status_says_what_was_done() {
    each(async |cache, world| {
        let layer = CacheLayer::new(&cache).timeout(50).cache_status(true);
        let app = App::new(layer, |_, number| page(number, &[("etag", "\"x\""), ("vary", "accept")]));
        let status = async |fields: &[(&str, &str)]| {
            app.get("/", fields).await.header("cache-status").unwrap().to_string()
        };
        assert_eq!(status(&[]).await, "cachekit; fwd=uri-miss; fwd-status=200; stored");
        world.advance(Duration::from_secs(20));
        assert_eq!(status(&[]).await, "cachekit; hit; ttl=30");
        assert_eq!(status(&[("accept", "x")]).await, "cachekit; fwd=vary-miss; fwd-status=200; stored");
        assert_eq!(status(&[("cookie", "a=b")]).await, "cachekit; fwd=bypass");
        assert_eq!(
            status(&[("cache-control", "no-cache")]).await,
            "cachekit; fwd=request; fwd-status=200; stored"
        );
        assert_eq!(
            status(&[("accept", "y"), ("cache-control", "only-if-cached")]).await,
            "cachekit; fwd=vary-miss"
        );
        world.advance(Duration::from_secs(50));
        assert_eq!(status(&[]).await, "cachekit; fwd=stale; fwd-status=200; stored");
    });
}

#[test]
fn a_backend_that_fails_serves_the_page() {
    let mem = Mem::new();
    for world in [World::plain_over(&mem, |config| config), World::full_over(&mem, |config| config)] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let app = App::new(CacheLayer::new(world.cache()).timeout(50), |_, number| page(number, &[]));
            mem.break_all(Fault::Fail(ErrorKind::Unavailable));
            assert_eq!(app.get("/", &[]).await.body, "page 0");
            assert_eq!(app.get("/", &[]).await.body, "page 1");
            assert!(world.cache().aio().delete_view("/").await.is_err(), "a deletion fails loud");
            mem.heal();
            assert!(world.cache().stats().errors > 0);
        });
    }
}

#[test]
fn null_keeps_nothing() {
    let cache = Cache::open(Config::null().no_null_warning(true)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let app = App::new(CacheLayer::new(&cache).timeout(50), |_, number| page(number, &[]));
        assert_ne!(app.get("/", &[]).await.body, app.get("/", &[]).await.body);
    });
}

#[test]
fn a_page_that_is_too_long_is_not_said_to_be_stored() {
    each(async |cache, _| {
        let layer = CacheLayer::new(&cache).timeout(600).max_body(3).cache_status(true);
        let app = App::new(layer, |_, number| page(number, &[]));
        for _ in 0..2 {
            let answer = app.get("/", &[]).await;
            assert_eq!(answer.header("cache-status"), Some("cachekit; fwd=uri-miss; fwd-status=200"));
            assert_eq!(app.ran(), 1);
        }
    });
}
