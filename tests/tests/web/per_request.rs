//! `per_request`: values that are kept for the request that is being handled, in a map of its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::get;
use cachekit::{
    CacheKey, RequestScopeLayer, delete_memoized, explain, functions, invalidates, memoize, peek, prime,
    refresh, stats, traced, uncached,
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::support::request;

/// Another number each time.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Only `Clone`, and not `Sync`.
#[derive(Clone)]
struct Session(Cell<u64>);

#[memoize(per_request)]
fn session(token: &str) -> Option<Session> {
    (!token.is_empty()).then(|| Session(Cell::new(fresh())))
}

#[memoize(per_request)]
async fn loaded(id: u64) -> Result<u64, Session> {
    tokio::task::yield_now().await;
    if id == 0 { Err(Session(Cell::new(0))) } else { Ok(fresh()) }
}

#[derive(CacheKey)]
struct Account(u64);

impl Account {
    #[memoize(per_request, cache_if = |value: &u64| *value < u64::MAX, ignore(_hint))]
    fn balance(&self, month: u32, _hint: &str) -> u64 {
        let _ = month;
        fresh()
    }
}

#[invalidates(session(token), Account::balance(account))]
fn change(token: &str, account: &Account) {
    let _ = (token, account);
}

fn number(token: &str) -> Option<u64> {
    session(token).map(|session| session.0.get())
}

async fn in_a_request<F, T>(handler: F) -> String
where
    F: Fn() -> T + Clone + Send + Sync + 'static,
    T: Future<Output = String> + Send,
{
    let app = Router::new().route("/", get(handler)).layer(RequestScopeLayer::new());
    let response = app.oneshot(request("GET", "/", &[])).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn a_value_is_kept_for_one_request() {
    run(async {
        let handler = async || {
            let (one, other) = (number("a"), number("b"));
            assert_eq!((number("a"), number("b")), (one, other));
            assert_ne!(one, other);
            assert_eq!(number(""), None);
            let loads = loaded(1).await.unwrap_or_default();
            assert_eq!(loaded(1).await.unwrap_or_default(), loads);
            // An `Err` is not kept.
            assert!(loaded(0).await.is_err() && loaded(0).await.is_err());
            format!("{one:?} {loads}")
        };
        let (first, second) = (in_a_request(handler).await, in_a_request(handler).await);
        assert_ne!(first, second, "each request has values of its own");
        assert_ne!(number("a"), number("a"), "outside of a request nothing is kept");
        assert_ne!(loaded(1).await.ok(), loaded(1).await.ok());
    });
}

#[test]
fn a_changed_clone_is_not_the_kept_value() {
    run(async {
        let handler = async || {
            let one = session("a").unwrap();
            let before = one.0.replace(u64::MAX);
            assert_eq!(number("a"), Some(before));
            String::new()
        };
        in_a_request(handler).await;
    });
}

#[test]
fn deletions_within_the_request_reach_what_they_are_for() {
    run(async {
        let handler = async || {
            let (ann, bob) = (Account(1), Account(2));
            let all = || [number("a"), number("b"), Some(ann.balance(1, "x")), Some(bob.balance(1, "y"))];
            let changed = |before: [Option<u64>; 4]| {
                let after = all();
                let changed: Vec<usize> = (0..4).filter(|&at| before[at] != after[at]).collect();
                changed
            };
            let before = all();
            assert_eq!(changed(before), Vec::<usize>::new());
            delete_memoized!(session, "a").unwrap();
            assert_eq!(changed(before), [0]);
            let before = all();
            delete_memoized!(session).unwrap();
            assert_eq!(changed(before), [0, 1]);
            let before = all();
            delete_memoized!(ann.balance).unwrap();
            assert_eq!(changed(before), [2]);
            let before = all();
            delete_memoized!(Account::balance).unwrap();
            assert_eq!(changed(before), [2, 3]);
            let before = all();
            delete_memoized!(bob.balance, 1, "").unwrap();
            assert_eq!(changed(before), [3]);
            let before = all();
            change("b", &ann);
            assert_eq!(changed(before), [1, 2]);
            let loads = loaded(1).await.unwrap_or_default();
            delete_memoized!(loaded, 1).await.unwrap();
            assert_ne!(loaded(1).await.unwrap_or_default(), loads);
            String::new()
        };
        in_a_request(handler).await;
    });
}

#[test]
fn a_deletion_while_the_body_runs_is_not_undone_by_its_value() {
    #[memoize(per_request)]
    fn deleted_inside() -> u64 {
        delete_memoized!(deleted_inside).unwrap();
        fresh()
    }
    run(async {
        let handler = async || {
            assert_ne!(deleted_inside(), deleted_inside());
            String::new()
        };
        in_a_request(handler).await;
    });
}

#[test]
fn the_other_macros_are_about_the_request_too() {
    run(async {
        let handler = async || {
            assert_eq!(peek!(loaded, 7).await.unwrap().and_then(Result::ok), None);
            let one = loaded(7).await.ok();
            assert_eq!(peek!(loaded, 7).await.unwrap().and_then(Result::ok), one);
            assert_ne!(uncached!(loaded, 7).await.ok(), one);
            assert_eq!(loaded(7).await.ok(), one);
            let two = refresh!(loaded, 7).await.ok();
            assert_ne!(two, one);
            assert_eq!(traced!(loaded, 7).await.value.ok(), two);
            prime!(loaded, 7 => Ok(u64::MAX)).await.unwrap();
            assert_eq!(loaded(7).await.ok(), Some(u64::MAX));
            assert!(explain!(session, "a").to_string().contains("request"));
            String::new()
        };
        in_a_request(handler).await;
        assert!(explain!(session, "a").to_string().contains("request"));
    });
}

#[test]
fn calls_in_requests_are_counted_and_bind_no_cache() {
    static ELSEWHERE: cachekit::Cache = cachekit::Cache::new();
    #[memoize(per_request, name = "per_request.counted")]
    fn counted(n: u64) -> Option<u64> {
        (n > 0).then(fresh)
    }
    #[memoize(cache = ELSEWHERE)]
    fn never(n: u64) -> u64 {
        n
    }
    let row = || functions().into_iter().find(|row| row.name == "per_request.counted").unwrap();
    run(async {
        counted(1);
        assert_eq!(
            (stats!(counted).misses, row().called),
            (0, false),
            "outside of a request nothing is kept"
        );
        let handler = async || {
            let first = counted(1);
            assert_eq!(counted(1), first);
            counted(0);
            delete_memoized!(counted, 1).unwrap();
            refresh!(counted, 1);
            assert_ne!(counted(1), first);
            String::new()
        };
        in_a_request(handler).await;
        let stats = stats!(counted);
        assert_eq!((stats.hits, stats.misses, stats.stores), (2, 2, 2));
        assert_eq!((row().called, row().counters), (true, stats));
    });
    assert_eq!(stats!(never).misses, 0);
    ELSEWHERE.init(cachekit::Config::simple()).expect("to ask for the statistics binds no cache");
}

thread_local!(static REFRESHES: Cell<bool> = const { Cell::new(false) });

/// A value whose clone computes it anew, once.
#[derive(Debug)]
struct Restless(u64);

impl Clone for Restless {
    fn clone(&self) -> Self {
        if REFRESHES.take() {
            refresh!(restless);
        }
        Self(self.0)
    }
}

#[memoize(per_request)]
fn restless() -> Restless {
    Restless(fresh())
}

#[test]
fn a_hit_does_not_put_its_value_back_over_one_that_was_computed_anew_meanwhile() {
    run(async {
        let handler = async || {
            let old = restless().0;
            REFRESHES.set(true);
            let (hit, new) = (restless().0, restless().0);
            format!("{} {}", hit == old, new > old)
        };
        assert_eq!(in_a_request(handler).await, "true true");
    });
}
