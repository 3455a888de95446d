//! No user gets a response that was made for another one: two users, each rule, with and without `Cache-Control` from the app.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use cachekit::CacheLayer;

use crate::support::{App, each, page, request};

/// `Cache-Control` that an app may set by mistake on a response for one user.
const CONTROLS: [&[(&str, &str)]; 5] = [
    &[],
    &[("cache-control", "max-age=600")],
    &[("cache-control", "public, max-age=600")],
    &[("cache-control", "s-maxage=600")],
    &[("expires", "Wed, 31 Dec 2200 00:00:00 GMT")],
];

/// A page that greets the client, by any of the fields of the request.
fn greeting(request: &Request, number: u64, fields: &[(&str, &str)]) -> Response {
    let name = ["authorization", "cookie", "accept-language", "x-user", "host", "x-forwarded-host"]
        .iter()
        .filter_map(|name| request.headers().get(*name)?.to_str().ok())
        .collect::<Vec<_>>()
        .join("+");
    let mut response = page(number, fields);
    response.headers_mut().insert("x-for", name.parse().unwrap());
    response
}

/// An app behind a layer with a timeout, which says nothing, or something, about caching.
fn app(cache: &cachekit::Cache, fields: &[(&'static str, &'static str)]) -> App {
    let fields = fields.to_vec();
    App::new(CacheLayer::new(cache).timeout(600), move |request, number| greeting(&request, number, &fields))
}

#[test]
fn a_page_is_stored_at_all() {
    each(async |cache, _| {
        for (index, control) in CONTROLS.into_iter().enumerate() {
            let (app, uri) = (app(&cache, control), format!("/{index}"));
            assert_eq!(app.get(&uri, &[]).await.body, app.get(&uri, &[]).await.body, "{control:?}");
            assert_eq!(app.ran(), 1, "{control:?}");
        }
    });
}

#[test]
fn a_response_to_a_request_with_credentials_reaches_nobody_else() {
    each(async |cache, _| {
        for (index, control) in CONTROLS.into_iter().enumerate() {
            for name in ["authorization", "cookie"] {
                let (app, uri) = (app(&cache, control), format!("/{name}/{index}"));
                for user in ["ann", "bob"] {
                    let answer = app.get(&uri, &[(name, user)]).await;
                    assert!(answer.header("x-for").unwrap().contains(user), "{name} {control:?}");
                }
                assert_eq!(app.get(&uri, &[]).await.header("x-for"), Some("a.example"), "{name} {control:?}");
                // And the shared page isn't served to them.
                assert!(app.get(&uri, &[(name, "cid")]).await.header("x-for").unwrap().contains("cid"));
                assert_eq!(app.ran(), 4, "{name} {control:?}");
            }
        }
    });
}

#[test]
fn with_credentials_needs_a_response_that_says_it_is_for_everybody() {
    each(async |cache, _| {
        let shared = [("cache-control", "public, max-age=600")];
        let layer = CacheLayer::new(&cache).timeout(600).with_credentials(true);
        let app = App::new(layer.clone(), move |request, number| greeting(&request, number, &shared));
        app.get("/shared", &[("cookie", "ann")]).await;
        assert_eq!(app.get("/shared", &[("cookie", "bob")]).await.body, "page 0");
        for control in [&[][..], &[("cache-control", "max-age=600")]] {
            let app = App::new(layer.clone(), move |request, number| greeting(&request, number, control));
            let uri = format!("/own/{}", control.len());
            for user in ["ann", "bob"] {
                assert!(app.get(&uri, &[("cookie", user)]).await.header("x-for").unwrap().contains(user));
            }
        }
    });
}

#[test]
fn responses_that_say_they_are_personal_are_not_stored() {
    let rules: [&[(&str, &str)]; 13] = [
        &[("set-cookie", "session=1")],
        &[("set-cookie", "session=1"), ("cache-control", "public, max-age=600")],
        &[("cache-control", "private")],
        &[("cache-control", "private, max-age=600")],
        &[("cache-control", "private=\"x-for\", max-age=600")],
        &[("cache-control", "PRIVATE, s-maxage=600")],
        &[("cache-control", "no-store")],
        &[("cache-control", "max-age=600"), ("cache-control", "no-store")],
        &[("cache-control", "no-cache")],
        &[("cache-control", "no-cache, max-age=600")],
        &[("vary", "*")],
        &[("vary", "accept, *"), ("cache-control", "max-age=600")],
        &[("cache-control", "max-age=0")],
    ];
    each(async |cache, _| {
        for (index, rule) in rules.into_iter().enumerate() {
            let (app, uri) = (app(&cache, rule), format!("/{index}"));
            for user in ["ann", "bob"] {
                let answer = app.get(&uri, &[("x-user", user)]).await;
                assert!(answer.header("x-for").unwrap().contains(user), "{rule:?}");
            }
            assert_eq!(app.ran(), 2, "{rule:?}");
        }
    });
}

#[test]
fn who_waits_for_a_response_that_turns_out_personal_makes_its_own() {
    each(async |cache, _| {
        let app = app(&cache, &[("set-cookie", "session=1")]);
        let asks = (0..8).map(|user| {
            let app = app.clone();
            tokio::spawn(async move {
                let user = format!("user{user}");
                let answer = app.get("/", &[("x-user", &user)]).await;
                assert!(answer.header("x-for").unwrap().contains(&user));
            })
        });
        for ask in asks.collect::<Vec<_>>() {
            ask.await.unwrap();
        }
    });
}

#[test]
fn vary_is_heeded() {
    each(async |cache, _| {
        for (index, control) in CONTROLS.into_iter().enumerate() {
            let fields = [control, &[("vary", "Accept-Language, X-User")]].concat();
            let (app, uri) = (app(&cache, &fields), format!("/{index}"));
            let german = app.get(&uri, &[("accept-language", "de"), ("x-user", "ann")]).await;
            for other in [
                &[("accept-language", "en"), ("x-user", "ann")][..],
                &[("accept-language", "de"), ("x-user", "bob")],
                &[("accept-language", "de")],
                &[("accept-language", "de"), ("x-user", "")],
            ] {
                assert_ne!(app.get(&uri, other).await.body, german.body, "{control:?} {other:?}");
            }
            let again = app.get(&uri, &[("accept-language", "DE"), ("x-user", "ann")]).await;
            assert_eq!(again.body, german.body, "{control:?}: the variants live side by side");
        }
    });
}

#[test]
fn vary_tells_values_apart_that_are_no_text() {
    each(async |cache, _| {
        let app = app(&cache, &[("vary", "x-user")]);
        let ask = |byte: u8| {
            let mut request = request("GET", "/", &[]);
            let value = axum::http::HeaderValue::from_bytes(&[byte]).unwrap();
            request.headers_mut().insert("x-user", value);
            app.ask(request)
        };
        assert_ne!(ask(0xe4).await.body, ask(0xf6).await.body);
        assert_eq!(ask(0xe4).await.body, "page 0");
    });
}

#[test]
fn the_host_and_the_query_are_in_the_key_and_forwarded_hosts_are_not_trusted() {
    each(async |cache, _| {
        let app = app(&cache, &[]);
        let first = app.get("/p?user=1", &[]).await;
        assert_eq!(app.get("/p?user=1", &[("host", "A.example")]).await.body, first.body);
        for (uri, fields) in [
            ("/p?user=2", &[][..]),
            ("/p", &[]),
            ("/P?user=1", &[]),
            ("/p?user=1", &[("host", "b.example")]),
            ("/p?user=1", &[("host", "a.example:8080")]),
            // The two contradict each other: neither page may be served to requests that name one host only.
            ("http://a.example/p?user=1", &[("host", "evil.example")]),
        ] {
            assert_ne!(app.get(uri, fields).await.body, first.body, "{uri} {fields:?}");
        }
        app.ran();
        for name in ["x-forwarded-host", "forwarded", "x-host"] {
            let answer = app.get("/p?user=1", &[(name, "b.example")]).await;
            assert_eq!(answer.body, first.body, "{name} doesn't choose another host's page");
        }
        let absolute = app.get("http://a.example/p?user=1", &[]).await;
        assert_eq!(absolute.body, first.body);
        assert_eq!(app.ran(), 0);
    });
}

#[test]
fn only_reading_methods_are_answered_and_a_head_primes_nothing() {
    each(async |cache, _| {
        let app = app(&cache, &[("cache-control", "max-age=600")]);
        let head = |app: &App| {
            let app = app.clone();
            async move { app.ask(request("HEAD", "/", &[])).await }
        };
        assert_eq!(head(&app).await.body, "");
        let page = app.get("/", &[]).await;
        assert_eq!(page.body, "page 1", "a HEAD fills nothing");
        let hit = head(&app).await;
        assert_eq!((hit.body.as_str(), hit.header("content-length")), ("", Some("6")));
        assert_eq!(app.get("/", &[]).await.body, "page 1");
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = app.ask(request(method.as_str(), "/", &[])).await;
            assert_ne!(answer.body, "page 1", "{method} isn't answered from the cache");
        }
        app.ran();
        assert_eq!(app.get("/", &[]).await.body, "page 6", "and none of them was stored");
    });
}

#[test]
fn parts_and_failures_are_not_stored() {
    each(async |cache, _| {
        for (index, status) in [206, 304, 404, 500, 302].into_iter().enumerate() {
            let layer = CacheLayer::new(&cache).timeout(600);
            let app = App::new(layer, move |_, number| {
                let mut response = page(number, &[("content-range", "bytes 0-5/9")]);
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                response
            });
            let uri = format!("/{index}");
            assert_ne!(app.get(&uri, &[]).await.body, app.get(&uri, &[]).await.body, "{status}");
        }
        // A part that was asked for doesn't become the whole.
        let app = app(&cache, &[]);
        app.get("/range", &[("range", "bytes=0-1")]).await;
        assert_eq!(app.get("/range", &[]).await.body, "page 1");
    });
}

#[test]
fn entries_of_another_path_are_not_reached_by_a_custom_key() {
    each(async |cache, _| {
        let layer = CacheLayer::new(&cache).timeout(600).key(|_| "one for all".into());
        let app = App::new(layer, |_, number| page(number, &[]));
        assert_ne!(app.get("/a", &[]).await.body, app.get("/b", &[]).await.body);
        assert_eq!(app.get("/a?x", &[("host", "b.example")]).await.body, "page 0");
    });
}

#[test]
fn fields_that_tell_who_asks_are_credentials_whoever_sets_them() {
    let names = [
        "x-api-key",
        "X-Auth-Token",
        "x-access-token",
        "proxy-authorization",
        "x-csrf-token",
        "x-session-token",
        "x-forwarded-user",
        "x-forwarded-email",
        "x-remote-user",
        "remote-user",
        "x-amzn-oidc-data",
        "x-amzn-oidc-identity",
        "x-goog-authenticated-user-email",
        "x-goog-iap-jwt-assertion",
        "cf-access-jwt-assertion",
        "cf-access-authenticated-user-email",
        "tailscale-user-login",
        "x-ms-client-principal",
        "x-auth-request-email",
        "x-ssl-client-s-dn",
    ];
    each(async |cache, _| {
        let app = app(&cache, &[("cache-control", "public, max-age=600")]);
        let first = app.get("/", &[]).await.body;
        for name in names {
            for user in ["ann", "bob"] {
                assert_ne!(app.get("/", &[(name, user)]).await.body, first, "{name}");
                assert_ne!(app.get("/own", &[(name, user)]).await.body, first, "{name}");
            }
        }
        assert_eq!(app.ran(), 1 + 4 * names.len() as u64, "each of them was made for itself");
        app.get("/own", &[]).await;
        assert_eq!(app.ran(), 1, "and none was stored");
        // Fields that all clients send don't.
        for name in
            ["accept", "user-agent", "x-forwarded-for", "x-request-id", "traceparent", "origin", "dnt"]
        {
            assert_eq!(app.get("/", &[(name, "x")]).await.body, first, "{name}");
        }
    });
}

#[test]
fn credentials_are_added_to_and_cookies_taken_out() {
    each(async |cache, _| {
        let layer = CacheLayer::new(&cache)
            .timeout(600)
            .credentials(["X-Tenant", "x-acme-*"])
            .credentials([axum::http::header::FROM])
            .ignore_cookies(["_ga*", "theme"]);
        for vary in [&[][..], &[("vary", "cookie")]] {
            let app = App::new(layer.clone(), move |request, number| greeting(&request, number, vary));
            let uri = format!("/{}", vary.len());
            let first = app.get(&uri, &[]).await.body;
            for fields in [
                &[("x-tenant", "a")][..],
                &[("x-acme-user", "a")],
                &[("from", "a")],
                &[("authorization", "a")],
                &[("x-api-key", "a")],
                &[("cookie", "session=1")],
                &[("cookie", "_ga=1; session=1")],
                &[("cookie", "_ga=1, session=1")],
                &[("cookie", "_ga=1"), ("cookie", "session=1")],
            ] {
                assert_ne!(app.get(&uri, fields).await.body, first, "{fields:?}");
            }
            for fields in [
                &[("cookie", "_ga=GA1.2.3")][..],
                &[("cookie", "_ga=1; _gat_x=2; theme=dark")],
                &[("cookie", "_ga=1"), ("cookie", "theme=dark")],
            ] {
                assert_eq!(app.get(&uri, fields).await.body, first, "{fields:?} {vary:?}");
            }
        }
    });
}
