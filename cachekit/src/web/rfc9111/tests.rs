use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use super::fields::date;
use super::*;
use crate::call::freshness::Windows;

/// Fri, 01 Jan 2100 00:00:00 GMT.
const NOW: u64 = 4_102_444_800_000;
const HOUR: u64 = 3_600_000;

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn control(value: &str) -> ResponseControl {
    ResponseControl::new(&fields(&[("cache-control", value)]))
}

fn fresh_for(lines: &[(&str, &str)]) -> Freshness {
    lifetime(StatusCode::OK, &fields(lines), NOW, None)
}

fn is_storable(request: &[(&str, &str)], status: u16, response: &[(&str, &str)]) -> Result<(), Unstorable> {
    let (request, response) = (fields(request), fields(response));
    let status = StatusCode::from_u16(status).unwrap();
    let freshness = lifetime(status, &response, NOW, Some(HOUR));
    let credentials = crate::web::credentials::Credentials::new().has(&request);
    let rules = Rules { credentials, allowed: false };
    storable(rules, &Method::GET, &request, status, &response, freshness)
}

#[test]
fn directives_are_read_in_any_case_and_not_out_of_quotes() {
    assert_eq!(control("MaX-aGe=5, PUBLIC").max_age, Some(5));
    assert_eq!(control("max-age=\"5\"").max_age, Some(5));
    assert!(!control("a=\"no-store, private\"").no_store);
    assert!(!control("a=\"\\\", no-store\"").no_store);
    assert_eq!(control("max-age=99999999999999999999").max_age, Some(u64::MAX));
    for broken in
        ["max-age=-1", "max-age='5'", "max-age=5.0", "max-age= 5", "max-age", "max-age=0, max-age=5"]
    {
        assert_eq!(control(broken).max_age, Some(0), "{broken}");
    }
    assert_eq!(control("max-age =5").max_age, None);
    let listed = control("no-cache=\"A, b\"");
    assert_eq!((listed.no_cache, listed.no_cache_fields), (false, vec!["a".to_string(), "b".into()]));
    assert!(control("private=\"a\"").private && control("no-cache").no_cache);
}

#[test]
fn a_request_asks_by_cache_control_or_else_by_pragma() {
    let asks = |lines: &[(&str, &str)]| RequestControl::new(&fields(lines));
    assert!(asks(&[("pragma", "no-cache")]).no_cache);
    assert!(!asks(&[("pragma", "no-cache"), ("cache-control", "max-age=5")]).no_cache);
    assert_eq!(asks(&[("cache-control", "max-stale")]).max_stale, Some(u64::MAX));
    assert_eq!(asks(&[("cache-control", "max-stale=7, only-if-cached")]).max_stale, Some(7));
}

#[test]
fn the_lifetime_is_the_first_that_is_given() {
    let expires = ("expires", "Fri, 01 Jan 2100 01:00:00 GMT");
    assert_eq!(fresh_for(&[("cache-control", "s-maxage=1, max-age=2"), expires]), Freshness::Explicit(1000));
    assert_eq!(fresh_for(&[("cache-control", "max-age=2"), expires]), Freshness::Explicit(2000));
    assert_eq!(fresh_for(&[expires]), Freshness::Explicit(HOUR));
    assert_eq!(fresh_for(&[expires, ("date", "Fri, 01 Jan 2100 00:59:00 GMT")]), Freshness::Explicit(60_000));
    assert_eq!(fresh_for(&[("expires", "0")]), Freshness::Explicit(0));
    assert_eq!(fresh_for(&[expires, expires]), Freshness::Explicit(0), "two are none that can be read");
    assert_eq!(fresh_for(&[]), Freshness::Unknown);
    let changed = [("last-modified", "Thu, 31 Dec 2099 14:00:00 GMT")];
    assert_eq!(fresh_for(&changed), Freshness::Heuristic(HOUR));
    let old = [("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")];
    assert_eq!(fresh_for(&old), Freshness::Heuristic(24 * HOUR), "a day at most");
    let of = |status: StatusCode, given| lifetime(status, &fields(&changed), NOW, given);
    assert_eq!(of(StatusCode::CREATED, None), Freshness::Unknown);
    assert_eq!(of(StatusCode::OK, Some(5)), Freshness::Given(5));
    assert_eq!(of(StatusCode::NOT_FOUND, Some(5)), Freshness::Unknown, "2xx only");
}

#[test]
fn the_age_is_the_larger_of_what_is_told_and_what_shows() {
    let age = |lines: &[(&str, &str)]| initial_age(&fields(lines), NOW, NOW + 2000);
    assert_eq!(age(&[]), 0);
    assert_eq!(age(&[("age", "7")]), 9000, "and what the answer took");
    assert_eq!(age(&[("date", "Thu, 31 Dec 2099 23:59:50 GMT"), ("age", "7")]), 12_000);
    assert_eq!(age(&[("date", "Fri, 01 Jan 2100 00:01:00 GMT")]), 2000, "a fast clock is not the past");
    for broken in [&[("age", "0, 7")][..], &[("age", "0"), ("age", "0")], &[("age", "-1")], &[("age", "x")]] {
        assert_eq!(age(broken), u64::MAX, "{broken:?}");
    }
}

#[test]
fn a_request_may_want_it_fresher_or_take_it_staler() {
    let ask = |request: &str, response: &str, age: u64| {
        let request = RequestControl::new(&fields(&[("cache-control", request)]));
        served(&request, &control(response), age * 1000, 10_000, &Windows::NONE) == Served::Yes
    };
    assert!(ask("", "", 9) && !ask("", "", 10));
    assert!(!ask("no-cache", "", 0));
    assert!(ask("max-age=5", "", 5) && !ask("max-age=5", "", 6));
    assert!(ask("min-fresh=5", "", 5) && !ask("min-fresh=5", "", 6));
    assert!(ask("max-stale=5", "", 15) && !ask("max-stale=5", "", 16));
    for strict in ["must-revalidate", "proxy-revalidate", "s-maxage=10"] {
        assert!(!ask("max-stale=5", strict, 15), "{strict}");
    }
}

#[test]
fn what_may_be_for_one_person_is_not_storable() {
    assert_eq!(is_storable(&[], 200, &[]), Ok(()));
    for (request, status, response, why) in [
        (
            &[("authorization", "x")][..],
            200,
            &[("cache-control", "public, max-age=5")][..],
            Unstorable::Credentials,
        ),
        (&[("cookie", "x")], 200, &[], Unstorable::Credentials),
        (&[("cache-control", "no-store")], 200, &[], Unstorable::NoStore),
        (&[], 200, &[("cache-control", "no-store")], Unstorable::NoStore),
        (&[], 200, &[("cache-control", "no-cache, max-age=5")], Unstorable::NoCache),
        (&[], 200, &[("cache-control", "private=\"x\"")], Unstorable::Private),
        (&[], 200, &[("set-cookie", "a=b"), ("cache-control", "public")], Unstorable::SetCookie),
        (&[], 200, &[("vary", "a"), ("vary", "b, *")], Unstorable::VaryStar),
        (&[], 200, &[("cache-control", "max-age=0")], Unstorable::NotFresh),
        (&[], 206, &[("cache-control", "max-age=5")], Unstorable::Status),
        (&[], 304, &[("cache-control", "max-age=5")], Unstorable::Status),
        (&[], 599, &[("cache-control", "max-age=5, must-understand")], Unstorable::Status),
        (&[], 404, &[], Unstorable::NotFresh),
    ] {
        assert_eq!(is_storable(request, status, response), Err(why), "{request:?} {status} {response:?}");
    }
    assert_eq!(is_storable(&[], 404, &[("cache-control", "max-age=5")]), Ok(()));
    let head = storable(
        Rules::default(),
        &Method::HEAD,
        &HeaderMap::new(),
        StatusCode::OK,
        &HeaderMap::new(),
        Freshness::Given(5),
    );
    assert_eq!(head, Err(Unstorable::Method));
}

#[test]
fn selecting_fields_are_compared_after_normalization() {
    let response = fields(&[("vary", "Accept-Language, X"), ("vary", "x")]);
    let request = fields(&[("accept-language", "DE, en"), ("x", "a,b")]);
    let selecting = Vary::new(&response).select(&request, &[HeaderName::from_static("y")]).unwrap();
    assert_eq!(selecting.len(), 3);
    let matches = |lines: &[(&str, &str)]| Vary::matches(&selecting, &fields(lines), &[]);
    assert!(matches(&[("accept-language", "de,en"), ("x", "a"), ("x", " b ")]));
    assert!(!matches(&[("accept-language", "en,de"), ("x", "a,b")]), "the order may mean something");
    assert!(!matches(&[("accept-language", "de,en"), ("x", "A,b")]));
    assert!(!matches(&[("accept-language", "de,en")]));
    assert!(!matches(&[("accept-language", "de,en"), ("x", "a,b"), ("y", "")]), "empty isn't absent");
}

#[test]
fn a_304_changes_what_does_not_describe_the_content() {
    let mut stored =
        fields(&[("etag", "\"1\""), ("content-length", "5"), ("x", "old"), ("x", "older"), ("y", "1")]);
    let answer =
        fields(&[("content-length", "0"), ("x", "new"), ("connection", "z"), ("z", "1"), ("etag", "\"1\"")]);
    freshen(&mut stored, &answer);
    assert_eq!(stored, fields(&[("etag", "\"1\""), ("content-length", "5"), ("y", "1"), ("x", "new")]));
    assert!(revalidates(&stored, &answer) && !revalidates(&stored, &fields(&[("etag", "\"2\"")])));
}

#[test]
fn the_fields_of_a_connection_are_not_kept() {
    let response = fields(&[
        ("connection", "close, A"),
        ("a", "1"),
        ("keep-alive", "1"),
        ("transfer-encoding", "chunked"),
        ("cache-control", "no-cache=\"b\""),
        ("b", "1"),
        ("c", "1"),
    ]);
    assert_eq!(kept(&response), fields(&[("cache-control", "no-cache=\"b\""), ("c", "1")]));
}

#[test]
fn a_change_makes_its_own_host_s_pages_invalid() {
    let paths = |status: u16, lines: &[(&str, &str)]| {
        invalidated("a.example", "/x/1", StatusCode::from_u16(status).unwrap(), &fields(lines))
    };
    assert_eq!(paths(200, &[]), ["/x/1"]);
    assert_eq!(paths(303, &[("location", "http://A.example/y?q")]), ["/x/1", "/y"]);
    assert_eq!(paths(201, &[("location", "2"), ("content-location", "/z")]), ["/x/1", "/x/2", "/z"]);
    assert_eq!(paths(200, &[("location", "http://b.example/y")]), ["/x/1"]);
    assert!(paths(404, &[("location", "/y")]).is_empty());
    assert!(is_safe(&Method::HEAD) && !is_safe(&Method::from_bytes(b"PURGE").unwrap()));
}

#[test]
fn dates_come_in_three_formats() {
    for text in ["Fri, 01 Jan 2100 00:00:00 GMT", "Fri Jan  1 00:00:00 2100"] {
        assert_eq!(date(&fields(&[("date", text)]), &http::header::DATE), Some(NOW), "{text}");
    }
    let rfc850 = fields(&[("date", "Sunday, 06-Nov-94 08:49:37 GMT")]);
    assert_eq!(date(&rfc850, &http::header::DATE), Some(784_111_777_000));
    assert_eq!(date(&fields(&[("date", "2100-01-01")]), &http::header::DATE), None);
}

mod random {
    //! Fields that clients and handlers made up: no reading of them panics, and none makes more than it was given.

    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = HeaderValue> {
        let words = prop::sample::select(
            &[
                "no-store",
                "private",
                "no-cache",
                "max-age",
                "s-maxage",
                "=",
                "=\"",
                "\"",
                "\\",
                ",",
                ", ",
                ";",
                " ",
                "*",
                "18446744073709551616",
                "-1",
                "0",
                "accept",
                "W/",
                "Sun, 06 Nov 1994 08:49:37 GMT",
                "Sunday, 06-Nov-94",
                "Fri, 31 Dec 9999 23:59:59 GMT",
                "//",
                "http://b",
                "/../x",
                "%",
                "\u{e9}",
            ][..],
        );
        let text = prop::collection::vec(words, 0..10).prop_map(|words| words.concat().into_bytes());
        let bytes = prop::collection::vec(any::<u8>(), 0..24);
        prop_oneof![text, bytes].prop_filter_map("no value", |bytes| HeaderValue::from_bytes(&bytes).ok())
    }

    fn headers() -> impl Strategy<Value = HeaderMap> {
        let names = [
            "cache-control",
            "pragma",
            "vary",
            "age",
            "date",
            "expires",
            "last-modified",
            "etag",
            "if-none-match",
            "if-modified-since",
            "connection",
            "location",
            "content-location",
            "cookie",
            "accept-language",
            "content-length",
        ];
        let name = prop::sample::select(names.to_vec()).prop_map(HeaderName::from_static);
        prop::collection::vec((name, value()), 0..8).prop_map(|fields| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, value);
            }
            headers
        })
    }

    fn length(headers: &HeaderMap) -> usize {
        headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_fields_are_read(request in headers(), response in headers(), now in any::<u64>(), status in 100u16..1000) {
            let status = StatusCode::from_u16(status).unwrap();
            let freshness = lifetime(status, &response, now, Some(5));
            let age = initial_age(&response, now.saturating_sub(5), now);
            let stored = storable(Rules::default(), &Method::GET, &request, status, &response, freshness);
            let (asks, says) = (RequestControl::new(&request), ResponseControl::new(&response));
            let answered = served(&asks, &says, age, freshness.millis(), &Windows::NONE);
            prop_assert!(!(asks.no_cache && answered == Served::Yes));
            let mut fresh = response.clone();
            freshen(&mut fresh, &request);
            let kept = kept(&response);
            prop_assert!(kept.keys().all(|name| !is_of_connection(name)));
            prop_assert!(length(&kept) <= length(&response));
            is_not_modified(&request, &response);
            for path in invalidated("a", "/x", status, &response) {
                prop_assert!(path.len() <= length(&response) + 8);
            }
            match Vary::new(&response).select(&request, &[]) {
                None => prop_assert!(stored.is_err()),
                Some(selecting) => {
                    prop_assert!(Vary::matches(&selecting, &request, &[]), "a request matches its own fields");
                    prop_assert!(selecting.len() <= length(&response));
                }
            }
            // A word that forbids is heeded wherever it stands outside of quotes.
            let text = |name| response.get_all(name).iter().any(|value: &HeaderValue| value.as_bytes() == b"no-store");
            prop_assert!(!(text("cache-control") && stored.is_ok()));
        }

        #[test]
        fn cookies_are_read_in_the_strict_sense(request in headers()) {
            let mut credentials = crate::web::credentials::Credentials::new();
            credentials.ignore_cookies(["*"]);
            let relevant = credentials.relevant(&request);
            prop_assert_eq!(credentials.has(&request), relevant.contains_key("cookie"));
        }
    }
}
