//! Hostile and careless clients and handlers: none of them decides what another client gets.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::HeaderValue;
use axum::http::{StatusCode, Uri, Version};
use axum::routing::get;
use cachekit::CacheLayer;
use cachekit_tests::Calls;
use http_body_util::{BodyExt, Limited};
use tower::{Layer as _, ServiceExt as _};

use crate::support::{App, each, page, request};

fn plain(cache: &cachekit::Cache, fields: &'static [(&'static str, &'static str)]) -> App {
    App::new(CacheLayer::new(cache).timeout(600), move |_, number| page(number, fields))
}

#[test]
fn names_that_end_in_other_letters_are_other_values() {
    each(async |cache, _| {
        let app = plain(&cache, &[("vary", "x-user")]);
        let ask = |name: &'static str| {
            let mut request = request("GET", "/", &[]);
            request.headers_mut().insert("x-user", HeaderValue::from_bytes(name.as_bytes()).unwrap());
            app.ask(request)
        };
        // Their last bytes are white space in Latin-1.
        assert_ne!(ask("à").await.body, ask("Å").await.body);
    });
}

#[test]
fn values_that_a_handler_may_read_otherwise_are_other_values() {
    each(async |cache, _| {
        let app = plain(&cache, &[("vary", "x-user, accept-language")]);
        for (name, one, other) in [
            ("x-user", "ann", "ann,"),
            ("x-user", "ann", ",ann"),
            ("x-user", "", ","),
            ("x-user", "a,,b", "a,b"),
            ("accept-language", "en", "e n"),
        ] {
            let first = app.get("/", &[(name, one)]).await.body;
            assert_ne!(app.get("/", &[(name, other)]).await.body, first, "{name}: {one:?} {other:?}");
        }
    });
}

#[test]
fn a_vary_that_is_not_well_formed_is_taken_to_be_everything() {
    let rules: [&[(&str, &str)]; 4] = [
        &[("vary", "cookie x-user")],
        &[("vary", "cookie; x-user")],
        &[("vary", "accept"), ("vary", "x-üser")],
        &[("vary", "\"accept, *")],
    ];
    each(async |cache, _| {
        for (index, rule) in rules.into_iter().enumerate() {
            let (app, uri) = (plain(&cache, rule), format!("/{index}"));
            let first = app.get(&uri, &[("x-user", "ann")]).await.body;
            assert_ne!(app.get(&uri, &[("x-user", "bob")]).await.body, first, "{rule:?}");
        }
    });
}

#[test]
fn a_cache_control_that_is_not_well_formed_still_forbids() {
    let rules: [&[(&str, &str)]; 9] = [
        &[("cache-control", "private; max-age=600")],
        &[("cache-control", "public; no-store")],
        &[("cache-control", "private =\"x\"")],
        &[("cache-control", "no-store ;")],
        &[("cache-control", "no-store no-cache")],
        &[("cache-control", "max-age=600, x=\"never closed, private")],
        &[("cache-control", "no-cache;must-revalidate")],
        &[("cache-control", "max-age=600, private,")],
        &[("cache-control", "\u{a0}private")],
    ];
    each(async |cache, _| {
        for (index, rule) in rules.into_iter().enumerate() {
            let (app, uri) = (plain(&cache, rule), format!("/{index}"));
            let first = app.get(&uri, &[]).await.body;
            assert_ne!(app.get(&uri, &[]).await.body, first, "{rule:?}");
        }
    });
}

#[test]
fn credentials_count_in_any_spelling_and_number() {
    each(async |cache, _| {
        let app = plain(&cache, &[("cache-control", "public, s-maxage=600")]);
        let first = app.get("/", &[]).await.body;
        for fields in [
            &[("COOKIE", "a=b")][..],
            &[("cookie", "")],
            &[("Cookie", "a"), ("cookie", "b")],
            &[("aUTHORIZATION", "Basic x")],
            &[("authorization", "")],
            &[("authorization", "a"), ("cookie", "b")],
        ] {
            assert_ne!(app.get("/", fields).await.body, first, "{fields:?}");
            assert_eq!(app.get("/", &[]).await.body, first, "{fields:?}");
        }
    });
}

#[test]
fn responses_that_a_clients_own_fields_brought_about_are_not_stored() {
    each(async |cache, _| {
        for status in [401, 406, 407, 408, 412, 413, 415, 416, 417, 421, 425, 426, 428, 429, 431] {
            let layer = CacheLayer::new(&cache).timeout(600);
            let app = App::new(layer, move |request: Request, number| {
                let mut page = page(number, &[("cache-control", "public, max-age=600")]);
                if request.headers().contains_key("x-provokes") {
                    *page.status_mut() = StatusCode::from_u16(status).unwrap();
                }
                page
            });
            let uri = format!("/{status}");
            app.get(&uri, &[("x-provokes", "1")]).await;
            assert_eq!(app.get(&uri, &[]).await.status, StatusCode::OK, "{status}");
        }
    });
}

#[test]
fn a_body_that_a_get_carries_does_not_choose_what_others_get() {
    each(async |cache, _| {
        let app = plain(&cache, &[]);
        let with_body = |fields: &[(&str, &str)], version: Version| {
            let mut request = request("GET", "/", fields);
            *request.body_mut() = Body::from("user=evil");
            *request.version_mut() = version;
            app.ask(request)
        };
        with_body(&[("content-length", "9")], Version::HTTP_11).await;
        with_body(&[("transfer-encoding", "chunked")], Version::HTTP_11).await;
        with_body(&[], Version::HTTP_2).await;
        assert_eq!(app.get("/", &[("content-length", "0")]).await.body, "page 3");
        assert_eq!(app.get("/", &[]).await.body, "page 3");
    });
}

#[test]
fn a_body_of_any_type_that_is_or_may_be_content_does_not_choose_what_others_get() {
    /// A body that tells nothing about its length.
    struct Silent(Body);
    impl http_body::Body for Silent {
        type Data = axum::body::Bytes;
        type Error = axum::Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<axum::body::Bytes>, axum::Error>>> {
            Pin::new(&mut self.0).poll_frame(context)
        }
    }
    /// Asks a layer over a handler that answers with the content that it gets: with content, then without.
    async fn ask<B>(cache: &cachekit::Cache, path: &str, version: Version, wrap: impl Fn(Body) -> B) -> String
    where
        B: http_body::Body<Data = axum::body::Bytes, Error: std::fmt::Debug> + Send + 'static,
    {
        let handler = tower::service_fn(async |request: axum::http::Request<B>| {
            let content = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(axum::http::Response::new(Body::from(content)))
        });
        let service = CacheLayer::new(cache).timeout(600).layer(handler);
        let mut answer = String::new();
        for content in ["evil", ""] {
            let mut request = axum::http::Request::get(path).body(wrap(Body::from(content))).unwrap();
            *request.version_mut() = version;
            let body = service.clone().oneshot(request).await.unwrap().into_body();
            answer = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        }
        answer
    }
    each(async |cache, _| {
        for version in [Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
            let limited =
                ask(&cache, &format!("/limited/{version:?}"), version, |body| Limited::new(body, 9)).await;
            let boxed = ask(&cache, &format!("/boxed/{version:?}"), version, BodyExt::boxed_unsync).await;
            assert_eq!((limited.as_str(), boxed.as_str()), ("", ""), "{version:?}");
        }
        assert_eq!(ask(&cache, "/silent", Version::HTTP_2, Silent).await, "");
    });
}

#[test]
fn a_request_without_content_is_answered_whatever_the_type_of_its_body() {
    each(async |cache, _| {
        let calls = Arc::new(Calls::new());
        let counted = Arc::clone(&calls);
        let handler = tower::service_fn(move |_: axum::http::Request<Limited<Body>>| {
            counted.hit();
            async { Ok::<_, Infallible>(page(0, &[])) }
        });
        let service = CacheLayer::new(&cache).timeout(600).layer(handler);
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let mut request = axum::http::Request::get("/").body(Limited::new(Body::empty(), 9)).unwrap();
            *request.version_mut() = version;
            service.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        }
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn fields_without_end_are_not_stored_and_spoil_nothing() {
    each(async |cache, _| {
        let app = App::new(CacheLayer::new(&cache).timeout(600).cache_status(true), |request, number| {
            let mut page = page(number, &[("vary", "x-user")]);
            if request.uri().path() == "/many" {
                for index in 0..2000 {
                    page.headers_mut().append("x-more", HeaderValue::from(index));
                }
            }
            page
        });
        for _ in 0..2 {
            let answer = app.get("/many", &[]).await;
            assert_eq!(answer.headers.get_all("x-more").iter().count(), 2000);
        }
        assert_eq!(app.ran(), 2, "many fields of a response");
        let long = "x".repeat(50_000);
        for _ in 0..2 {
            let status = app.get("/", &[("x-user", &long)]).await.header("cache-status").unwrap().to_string();
            assert!(!status.contains("stored"), "{status}");
        }
        assert_eq!(app.ran(), 2, "a long field of a request");
        // One that takes almost all the room leaves one page, and no other user's is lost for long.
        let almost = "x".repeat(19_000);
        for user in ["ann", &almost, "bob", "ann", "bob"] {
            app.get("/", &[("x-user", user)]).await;
        }
        assert!(app.ran() <= 4);
        app.get("/", &[("x-user", "bob")]).await;
        assert_eq!(app.ran(), 0);
    });
}

#[test]
fn a_method_in_a_field_does_not_choose_what_others_get() {
    each(async |cache, _| {
        let app = plain(&cache, &[]);
        for (index, name) in
            ["x-http-method-override", "x-http-method", "x-method-override"].into_iter().enumerate()
        {
            let uri = format!("/{index}");
            let odd = app.get(&uri, &[(name, "POST")]).await.body;
            assert_ne!(app.get(&uri, &[]).await.body, odd, "{name}");
        }
    });
}

#[test]
fn the_scheme_is_in_the_key() {
    each(async |cache, _| {
        let app = plain(&cache, &[]);
        let secure = app.get("https://a.example/", &[]).await.body;
        assert_ne!(app.get("http://a.example/", &[]).await.body, secure);
    });
}

#[test]
fn what_a_layer_around_it_rewrote_the_path_to_is_in_the_key() {
    each(async |cache, _| {
        let handler = async |uri: Uri| uri.to_string();
        let rewrite = |mut request: Request| async move {
            let language = request.headers().get("accept-language").cloned();
            let language =
                language.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("en").to_string();
            *request.uri_mut() = format!("/{language}/page").parse().unwrap();
            request
        };
        let app = Router::new()
            .route("/page", get(handler))
            .layer(CacheLayer::new(&cache).timeout(600))
            .layer(axum::middleware::map_request(rewrite));
        for language in ["de", "fr"] {
            let answer = app.clone().oneshot(request("GET", "/page", &[("accept-language", language)])).await;
            let body = axum::body::to_bytes(answer.unwrap().into_body(), 100).await.unwrap();
            assert_eq!(body, format!("/{language}/page"));
        }
    });
}

#[test]
fn a_field_that_a_layer_adds_counts_for_what_was_stored_without_it() {
    each(async |cache, _| {
        let user = axum::http::HeaderName::from_static("x-user");
        let careless = plain(&cache, &[]);
        let first = careless.get("/", &[("x-user", "ann")]).await.body;
        let layer = CacheLayer::new(&cache).timeout(600).vary([user]);
        let careful = App::new(layer, |_, _| page(77, &[]));
        assert_ne!(careful.get("/", &[("x-user", "bob")]).await.body, first);
    });
}

#[test]
fn a_waiter_gets_no_variant_that_is_over() {
    each(async |cache, world| {
        let gate = std::sync::Arc::new(tokio::sync::Notify::new());
        let (began, go) = (std::sync::Arc::new(tokio::sync::Notify::new()), gate.clone());
        let told = began.clone();
        let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let handler = move |request: Request| {
            let (go, told) = (go.clone(), told.clone());
            let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async move {
                if number == 2 {
                    told.notify_one();
                    go.notified().await;
                }
                let _ = request;
                page(number, &[("vary", "x-user"), ("etag", "\"e\"")])
            }
        };
        let app = Router::new().route("/", get(handler)).layer(CacheLayer::new(&cache).timeout(50));
        let ask = |user: &'static str| {
            let app = app.clone();
            async move {
                let answer = app.oneshot(request("GET", "/", &[("x-user", user)])).await.unwrap();
                axum::body::to_bytes(answer.into_body(), 100).await.unwrap()
            }
        };
        assert_eq!(ask("ann").await, "page 0");
        assert_eq!(ask("bob").await, "page 1");
        world.advance(std::time::Duration::from_secs(55));
        let ann = tokio::spawn(ask("ann"));
        began.notified().await;
        let bob = tokio::spawn(ask("bob"));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        gate.notify_one();
        assert_eq!(ann.await.unwrap(), "page 2");
        assert_eq!(bob.await.unwrap(), "page 3", "his stale one is not served");
    });
}

#[test]
fn fields_of_the_connection_and_those_it_names_reach_only_the_first() {
    each(async |cache, _| {
        let app = plain(
            &cache,
            &[("connection", "x-hop, keep-alive"), ("x-hop", "1"), ("keep-alive", "5"), ("x-end", "2")],
        );
        app.get("/", &[]).await;
        let hit = app.get("/", &[]).await;
        assert_eq!((hit.body.as_str(), hit.header("x-end")), ("page 0", Some("2")));
        for name in ["connection", "x-hop", "keep-alive"] {
            assert_eq!(hit.header(name), None, "{name}");
        }
    });
}

#[test]
fn spellings_of_paths_and_queries_are_pages_of_their_own() {
    each(async |cache, _| {
        let app = plain(&cache, &[]);
        let long = format!("/?{}", "x".repeat(60_000));
        let longer = format!("{long}y");
        let uris = [
            "/a/b",
            "/a/b/",
            "/a//b",
            "/a/./b",
            "/a/../a/b",
            "/A/b",
            "/a%2Fb",
            "/a%2fb",
            "/a/%62",
            "/a/b?x=1+2",
            "/a/b?x=1%202",
            "/a/b?x",
            "/a/b?x=",
            "/a/b?x=1&y=2",
            "/a/b?y=2&x=1",
            "/a/b?x=1&x=1",
            "/a/b?&x=1",
            &long,
            &longer,
        ];
        let mut bodies = Vec::new();
        for uri in uris {
            bodies.push(app.get(uri, &[]).await.body);
        }
        assert_eq!(app.ran(), uris.len() as u64);
        for (uri, body) in uris.iter().zip(&bodies) {
            assert_eq!(&app.get(uri, &[]).await.body, body, "{uri}");
        }
    });
}

#[test]
fn hosts_do_not_mix() {
    each(async |cache, _| {
        let app = plain(&cache, &[]);
        let mut bodies = Vec::new();
        for (uri, hosts) in [
            ("/", &["a"][..]),
            ("/", &["b"]),
            ("/", &["a", "b"]),
            ("/", &["b", "a"]),
            ("/", &["a:80"]),
            ("/", &["a."]),
            ("/", &[""]),
            ("http://b/", &["a"]),
            ("http://u@a/", &["a"]),
        ] {
            let mut request = request("GET", uri, &[("host", hosts[0])]);
            for host in &hosts[1..] {
                request.headers_mut().append("host", host.parse().unwrap());
            }
            bodies.push(app.ask(request).await.body);
        }
        let all = bodies.len();
        bodies.sort();
        bodies.dedup();
        // The two that name `b` and `a`, in that order, contradict themselves in the same way.
        assert!(bodies.len() >= all - 1, "{bodies:?}");
    });
}

#[test]
fn changed_bytes_are_no_page() {
    each(async |cache, world| {
        let Some(mem) = &world.mem else { return };
        let app = App::new(CacheLayer::new(&cache).timeout(600), |_, number| {
            page(number, &[("x-some", "field"), ("cache-control", "max-age=60")])
        });
        app.get("/", &[]).await;
        let mut at = 0;
        loop {
            let mut length = 0;
            mem.tamper(|key, bytes| {
                if key.contains("web::pages") && !cachekit_tests::is_version(key) {
                    length = bytes.len();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << (at % 8);
                    }
                }
            });
            assert!(length > 0);
            if at >= length {
                break;
            }
            app.ran();
            app.get("/", &[]).await;
            assert_eq!(app.ran(), 1, "byte {at} of {length}");
            at += 1;
        }
    });
}
