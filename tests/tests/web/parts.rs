//! Deleting a cached function reaches the responses that it took part in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::get;
use cachekit::{CacheKey, CacheLayer, RequestScopeLayer, cached, delete_cached, delete_memoized, memoize};
use cachekit_tests::World;
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::support::{request, worlds};

fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cached(timeout = 600, key_prefix = "comments")]
fn comments() -> u64 {
    fresh()
}

#[cached(timeout = 600)]
async fn by_path() -> u64 {
    fresh()
}

#[cached(view, timeout = 600)]
async fn view() -> String {
    fresh().to_string()
}

#[cached(timeout = 600, key_prefix = format!("user/{id}"))]
fn of_user(id: u32) -> u64 {
    let _ = id;
    fresh()
}

async fn text(app: &Router, uri: &str) -> String {
    let answer = app.clone().oneshot(request("GET", uri, &[])).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Pages that say which run of theirs they are, and what the function said.
fn app(world: &World) -> Router {
    let own = |rest: String| format!("{}: {rest}", fresh());
    Router::new()
        .route("/comments", get(move || async move { own(comments().to_string()) }))
        .route("/path", get(move || async move { own(by_path().await.to_string()) }))
        .route("/user", get(move || async move { own(of_user(7).to_string()) }))
        .route("/view", get(view))
        .route("/none", get(move || async move { own(String::new()) }))
        .layer(RequestScopeLayer::new())
        .layer(CacheLayer::new(world.cache()).timeout(600))
}

/// Runs a test over each kind of cache, as the default one.
fn each<F: Future<Output = ()>>(test: impl Fn(Arc<World>) -> F) {
    for world in worlds() {
        let world = Arc::new(world);
        println!("with the cache `{}`", world.name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(world.wrap(test(Arc::clone(&world))));
    }
}

#[test]
fn delete_cached_reaches_whole_responses() {
    each(async |world| {
        let app = app(&world);
        let uris = ["/comments", "/path", "/user", "/view", "/none"];
        for deleted in 0..4 {
            let mut before = Vec::new();
            for uri in uris {
                before.push(text(&app, uri).await);
                assert_eq!(text(&app, uri).await, before[before.len() - 1], "{uri} is kept");
            }
            match deleted {
                0 => delete_cached!(comments).unwrap(),
                1 => delete_cached!(by_path).await.unwrap(),
                2 => delete_cached!(of_user).unwrap(),
                _ => delete_cached!(view).await.unwrap(),
            }
            for (at, uri) in uris.into_iter().enumerate() {
                let now = text(&app, uri).await;
                assert_eq!(now != before[at], at == deleted, "{uri} after deleting {}", uris[deleted]);
                assert_eq!(text(&app, uri).await, now, "{uri} is kept again");
            }
        }
    });
}

#[test]
fn a_function_whose_value_was_there_already_took_part_too() {
    each(async |world| {
        let app = app(&world);
        let value = comments();
        let before = text(&app, "/comments").await;
        assert!(before.ends_with(&value.to_string()));
        delete_cached!(comments).unwrap();
        assert_ne!(text(&app, "/comments").await, before);
    });
}

#[test]
fn a_response_that_was_being_made_when_its_function_was_deleted_is_not_served_later() {
    each(async |world| {
        let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, wait) = (began.clone(), go.clone());
        let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let handler = move || {
            let (told, wait, first) = (told.clone(), wait.clone(), first.clone());
            async move {
                let value = comments();
                if first.swap(false, Ordering::SeqCst) {
                    told.notify_one();
                    wait.notified().await;
                }
                value.to_string()
            }
        };
        let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(world.cache()).timeout(600));
        let slow = tokio::spawn(world.wrap({
            let app = app.clone();
            async move { text(&app, "/").await }
        }));
        began.notified().await;
        delete_cached!(comments).unwrap();
        let late = tokio::spawn(world.wrap({
            let app = app.clone();
            async move { text(&app, "/").await }
        }));
        tokio::task::yield_now().await;
        go.notify_one();
        let old = slow.await.unwrap();
        assert_ne!(late.await.unwrap(), old, "a caller that came after the deletion and waited");
        assert_ne!(text(&app, "/").await, old);
    });
}

#[test]
fn a_response_inside_of_another_one_hands_on_what_took_part() {
    each(async |world| {
        let inner = app(&world);
        let outer = move || {
            let inner = inner.clone();
            async move { format!("[{}]", text(&inner, "/comments").await) }
        };
        let app =
            Router::new().route("/outer", get(outer)).layer(CacheLayer::new(world.cache()).timeout(600));
        for inner_is_kept in [false, true] {
            if inner_is_kept {
                world.cache().aio().delete_view("/outer").await.unwrap();
            }
            let before = text(&app, "/outer").await;
            assert_eq!(text(&app, "/outer").await, before);
            delete_cached!(comments).unwrap();
            assert_ne!(text(&app, "/outer").await, before, "inner is kept: {inner_is_kept}");
        }
    });
}

#[test]
fn a_response_that_is_validated_still_depends_on_what_made_it() {
    each(async |world| {
        let handler = async |headers: axum::http::HeaderMap| {
            use axum::response::IntoResponse as _;
            if headers.contains_key("if-none-match") {
                return axum::http::StatusCode::NOT_MODIFIED.into_response();
            }
            ([("etag", "\"e\"")], comments().to_string()).into_response()
        };
        let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(world.cache()).timeout(50));
        let before = text(&app, "/").await;
        world.advance(std::time::Duration::from_secs(55));
        assert_eq!(text(&app, "/").await, before, "validated");
        delete_cached!(comments).unwrap();
        assert_ne!(text(&app, "/").await, before);
    });
}

#[derive(CacheKey)]
struct Shop(u64);

impl Shop {
    #[memoize(timeout = 600)]
    fn price(&self, item: u64) -> u64 {
        item * 100_000_000 + fresh()
    }
}

#[memoize(timeout = 600, tags("names", format!("user:{id}")))]
fn name_of(id: u64) -> u64 {
    id * 100_000_000 + fresh()
}

#[memoize(name = "parts.later", timeout = 600)]
async fn later<T: 'static>() -> u64 {
    fresh() + size_of::<[T; 0]>() as u64
}

/// Pages made of memoized functions, which are asked before the page in one case and in it alone in the other.
fn memoized(world: &World) -> Router {
    let own = |rest: u64| format!("{}: {rest}", fresh());
    Router::new()
        .route("/shop1", get(move || async move { own(Shop(1).price(1)) }))
        .route("/shop2", get(move || async move { own(Shop(2).price(1)) }))
        .route("/name7", get(move || async move { own(name_of(7)) }))
        .route("/name8", get(move || async move { own(name_of(8)) }))
        .route("/u8", get(move || async move { own(later::<u8>().await) }))
        .route("/u16", get(move || async move { own(later::<u16>().await) }))
        .layer(CacheLayer::new(world.cache()).timeout(600))
}

#[test]
fn the_deletion_of_a_function_an_instance_or_a_tag_reaches_the_pages_made_of_it() {
    each(async |world| {
        let (app, shop) = (memoized(&world), Shop(1));
        let uris = ["/shop1", "/shop2", "/name7", "/name8", "/u8", "/u16"];
        for warm in [false, true] {
            for (deleted, reached) in
                [&uris[..1], &uris[..2], &uris[2..3], &uris[2..4], &uris[4..5], &uris[4..], &[]]
                    .iter()
                    .enumerate()
            {
                if warm {
                    let _ = (Shop(1).price(1), Shop(2).price(1), name_of(7), name_of(8));
                    let _ = (later::<u8>().await, later::<u16>().await);
                }
                let mut before = Vec::new();
                for uri in uris {
                    before.push(text(&app, uri).await);
                    assert_eq!(text(&app, uri).await, before[before.len() - 1], "{uri} is kept");
                }
                match deleted {
                    0 => delete_memoized!(shop.price).unwrap(),
                    1 => delete_memoized!(Shop::price).unwrap(),
                    2 => world.cache().delete_tag("user:7").unwrap(),
                    3 => world.cache().aio().delete_tag("names").await.unwrap(),
                    4 => delete_memoized!(later::<u8>).await.unwrap(),
                    5 => world.cache().aio().delete_memoized_named("parts.later").await.unwrap(),
                    _ => delete_memoized!(name_of, 9).unwrap(),
                }
                for (uri, before) in uris.into_iter().zip(before) {
                    let now = text(&app, uri).await;
                    assert_eq!(
                        now != before,
                        reached.contains(&uri),
                        "{uri} after deletion {deleted}, {warm}"
                    );
                    assert_eq!(text(&app, uri).await, now, "{uri} is kept again");
                }
                // The next round begins with pages and functions that are not there.
                world.cache().clear().unwrap();
            }
        }
    });
}

#[test]
fn a_page_that_was_being_made_when_a_tag_was_deleted_is_not_served_later() {
    each(async |world| {
        let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let handler = {
            let (began, go) = (Arc::clone(&began), Arc::clone(&go));
            move || async move {
                let text = name_of(7).to_string();
                began.notify_one();
                go.notified().await;
                text
            }
        };
        let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(world.cache()).timeout(600));
        let slow = async { text(&app, "/").await };
        let deletion = async {
            began.notified().await;
            world.cache().aio().delete_tag("user:7").await.unwrap();
            go.notify_one();
        };
        let (old, ()) = tokio::join!(slow, deletion);
        go.notify_one();
        assert_ne!(text(&app, "/").await, old);
    });
}
