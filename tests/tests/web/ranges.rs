//! Parts of a kept page.

use axum::http::StatusCode;
use cachekit::CacheLayer;

use crate::support::{App, each, page, request};

#[test]
fn a_part_of_a_kept_page_is_served_without_the_handler() {
    each(async |cache, _| {
        let fields = [("etag", "\"v1\""), ("content-type", "text/plain"), ("content-length", "6")];
        let app = App::new(CacheLayer::new(&cache).timeout(50), move |_, number| page(number, &fields));
        // A request for a part of what isn't there is handed on.
        app.get("/", &[("range", "bytes=0-1")]).await;
        assert_eq!(app.ran(), 1);
        app.get("/", &[]).await;
        assert_eq!(app.ran(), 1);
        for (range, body, told) in [
            ("bytes=0-0", "p", "bytes 0-0/6"),
            ("bytes=1-3", "age", "bytes 1-3/6"),
            ("bytes=4-", " 1", "bytes 4-5/6"),
            ("bytes=-1", "1", "bytes 5-5/6"),
            ("bytes=0-99", "page 1", "bytes 0-5/6"),
        ] {
            for fields in [vec![("range", range)], vec![("range", range), ("if-range", "\"v1\"")]] {
                let part = app.get("/", &fields).await;
                assert_eq!((part.status, &*part.body), (StatusCode::PARTIAL_CONTENT, body), "{range}");
                assert_eq!(part.header("content-range"), Some(told));
                assert_eq!(part.header("content-length"), Some(&*body.len().to_string()));
                assert_eq!(
                    (part.header("etag"), part.header("content-type")),
                    (Some("\"v1\""), Some("text/plain"))
                );
                assert!(part.headers.contains_key("age") && part.headers.contains_key("date"));
            }
        }
        let none = app.get("/", &[("range", "bytes=6-")]).await;
        assert_eq!((none.status, &*none.body), (StatusCode::RANGE_NOT_SATISFIABLE, ""));
        assert_eq!((none.header("content-range"), none.header("content-type")), (Some("bytes */6"), None));
        // The whole, of several parts and where the client has a part of another response.
        for fields in [
            vec![("range", "bytes=0-1,3-4")],
            vec![("range", "lines=0-1")],
            vec![("range", "bytes=0-1"), ("if-range", "\"v0\"")],
            vec![("range", "bytes=0-1"), ("if-range", "W/\"v1\"")],
        ] {
            let whole = app.get("/", &fields).await;
            assert_eq!((whole.status, &*whole.body), (StatusCode::OK, "page 1"), "{fields:?}");
            assert_eq!(whole.header("content-range"), None);
        }
        // Conditions come first, and a `HEAD` has no parts.
        let known = app.get("/", &[("range", "bytes=0-1"), ("if-none-match", "\"v1\"")]).await;
        assert_eq!(known.status, StatusCode::NOT_MODIFIED);
        let head = app.ask(request("HEAD", "/", &[("range", "bytes=0-1")])).await;
        assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, Some("6")));
        assert_eq!(app.ran(), 0);
    });
}

#[test]
fn a_page_that_refuses_parts_and_one_that_is_no_200_are_served_whole() {
    each(async |cache, _| {
        let app = App::new(CacheLayer::new(&cache).timeout(50), |request, number| {
            let mut response = page(number, &[("accept-ranges", "none")]);
            if request.uri().path() == "/missing" {
                response = page(number, &[("cache-control", "max-age=50")]);
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            response
        });
        for uri in ["/", "/missing"] {
            let whole = app.get(uri, &[]).await;
            let again = app.get(uri, &[("range", "bytes=0-1")]).await;
            assert_eq!((again.status, again.body), (whole.status, whole.body));
        }
        assert_eq!(app.ran(), 2);
    });
}
