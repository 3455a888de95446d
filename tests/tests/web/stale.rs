//! Stale responses: served while the handler makes a new one, or because it fails; never after a deletion.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use cachekit::{Cache, CacheLayer, delete_memoized, memoize};
use cachekit_tests::World;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tower::ServiceExt as _;

use crate::streams::{Fed, Piece, data};
use crate::support::{Answer, each, page, request, worlds};

const SECOND: Duration = Duration::from_secs(1);

/// The next answer of the handler.
#[derive(Clone, Copy, PartialEq)]
enum Turn {
    Answer,
    /// Meets the test twice, and answers.
    Stop,
    Fail(u16),
    Panic,
    /// Answers with a page that isn't stored.
    Refuse,
}

/// An app of one handler, whose turns a test decides.
#[derive(Clone)]
struct App {
    router: Router,
    state: Arc<State>,
}

struct State {
    turn: Mutex<Turn>,
    then: Mutex<Turn>,
    runs: AtomicU64,
    inside: Notify,
    go: Notify,
    fields: Mutex<Vec<(&'static str, &'static str)>>,
    /// The fields of the last request that it got.
    seen: Mutex<HeaderMap>,
}

impl State {
    async fn handle(&self, request: Request) -> Response {
        *self.seen.lock() = request.headers().clone();
        let number = self.runs.fetch_add(1, Ordering::SeqCst);
        let mut turn = *self.turn.lock();
        let fields = self.fields.lock().clone();
        if turn == Turn::Stop {
            *self.turn.lock() = Turn::Answer;
            self.inside.notify_one();
            self.go.notified().await;
            turn = *self.then.lock();
        }
        match turn {
            Turn::Answer | Turn::Stop => page(number, &fields),
            Turn::Fail(status) => (StatusCode::from_u16(status).unwrap(), "failed").into_response(),
            Turn::Panic => panic!("the handler panics"),
            Turn::Refuse => page(number, &[("set-cookie", "a=b")]),
        }
    }
}

impl App {
    fn new(layer: CacheLayer, fields: &[(&'static str, &'static str)]) -> Self {
        let state = Arc::new(State {
            turn: Mutex::new(Turn::Answer),
            then: Mutex::new(Turn::Answer),
            runs: AtomicU64::new(0),
            inside: Notify::new(),
            go: Notify::new(),
            fields: Mutex::new(fields.to_vec()),
            seen: Mutex::default(),
        });
        let mine = Arc::clone(&state);
        let handler = move |request: Request| {
            let mine = Arc::clone(&mine);
            async move { mine.handle(request).await }
        };
        Self { router: Router::new().fallback(any(handler)).layer(layer.cache_status(true)), state }
    }

    fn turn(&self, turn: Turn) {
        *self.state.turn.lock() = turn;
    }

    fn runs(&self) -> u64 {
        self.state.runs.load(Ordering::SeqCst)
    }

    async fn ask(&self, request: Request) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, fields: &[(&str, &str)]) -> Answer {
        self.ask(request("GET", "/", fields)).await
    }

    /// Asks until the answer is this one: a task of the layer has stored it.
    async fn until(&self, body: &str) -> Answer {
        let began = Instant::now();
        loop {
            let answer = self.get(&[]).await;
            if answer.body == body {
                return answer;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "`{}` stays, not `{body}`", answer.body);
            tokio::task::yield_now().await;
        }
    }
}

impl Answer {
    fn status_field(&self) -> &str {
        self.header("cache-status").unwrap()
    }
}

const BY_FIELD: [(&str, &str); 1] =
    [("cache-control", "max-age=10, stale-while-revalidate=20, stale-if-error=40")];

/// Layers and fields that say the same: ten seconds fresh, twenty more while it is made anew, forty where that fails.
fn sayings(cache: &Cache) -> [(CacheLayer, &'static [(&'static str, &'static str)]); 2] {
    let layer = || CacheLayer::new(cache);
    [
        (layer(), &BY_FIELD),
        (layer().timeout(10).stale_while_revalidate(20).stale_if_error(Duration::from_secs(40)), &[]),
    ]
}

#[test]
fn past_its_freshness_a_page_is_served_while_one_task_makes_it_anew() {
    each(async |cache, world| {
        for (layer, fields) in sayings(&cache) {
            cache.aio().clear().await.unwrap();
            let app = App::new(layer, fields);
            assert_eq!(app.get(&[]).await.body, "page 0");
            world.advance(Duration::from_millis(9_999));
            let fresh = app.get(&[]).await;
            assert_eq!((&*fresh.body, fresh.status_field()), ("page 0", "cachekit; hit; ttl=0"));
            assert_eq!(app.runs(), 1);
            world.advance(15 * SECOND);
            app.turn(Turn::Stop);
            for _ in 0..3 {
                let stale = app.get(&[]).await;
                assert_eq!((&*stale.body, stale.header("age")), ("page 0", Some("24")));
                let status = "cachekit; hit; ttl=-14; detail=stale-while-revalidate";
                assert_eq!(stale.status_field(), status);
            }
            app.state.inside.notified().await;
            // No second one begins meanwhile, for other methods and parts neither.
            assert_eq!(app.ask(request("HEAD", "/", &[])).await.header("content-length"), Some("6"));
            assert_eq!(app.get(&[("range", "bytes=0-3")]).await.body, "page");
            assert_eq!(app.runs(), 2);
            app.state.go.notify_one();
            let new = app.until("page 1").await;
            assert!(new.status_field().starts_with("cachekit; hit; ttl="), "{}", new.status_field());
            assert_eq!(app.runs(), 2);
            // The window is over: the client waits.
            world.advance(30 * SECOND);
            assert_eq!(app.get(&[]).await.body, "page 2");
        }
    });
}

#[test]
fn a_head_or_a_part_of_a_stale_page_has_the_whole_made_anew() {
    each(async |cache, world| {
        let (layer, fields) = &sayings(&cache)[1];
        let app = App::new(layer.clone(), fields);
        app.get(&[]).await;
        world.advance(10 * SECOND);
        assert_eq!(app.ask(request("HEAD", "/", &[])).await.body, "");
        app.until("page 1").await;
        world.advance(10 * SECOND);
        assert_eq!(app.get(&[("range", "bytes=5-"), ("if-range", "\"x\"")]).await.body, "page 1");
        app.until("page 2").await;
        assert!(!["range", "if-range"].iter().any(|name| app.state.seen.lock().contains_key(*name)));
        world.advance(10 * SECOND);
        let etag = app.get(&[]).await.header("etag").unwrap().to_owned();
        app.until("page 3").await;
        assert_eq!(app.get(&[("if-none-match", &etag)]).await.status, StatusCode::OK);
    });
}

#[test]
fn what_forbids_stale_pages_is_heeded() {
    each(async |cache, world| {
        let layer = || CacheLayer::new(&cache).timeout(10).stale_while_revalidate(20).stale_if_error(20);
        for control in [
            "max-age=10, must-revalidate",
            "max-age=10, proxy-revalidate",
            "s-maxage=10",
            "max-age=10, stale-while-revalidate=20, stale-if-error=20, must-revalidate",
            "max-age=10, stale-while-revalidate=0, stale-if-error=0",
            "max-age=10, stale-while-revalidate=x, stale-if-error=",
        ] {
            cache.aio().clear().await.unwrap();
            let app = App::new(layer(), &[("cache-control", control)]);
            assert_eq!(app.get(&[]).await.body, "page 0");
            world.advance(10 * SECOND);
            assert_eq!(app.get(&[]).await.body, "page 1", "{control}");
            world.advance(10 * SECOND);
            app.turn(Turn::Fail(503));
            assert_eq!(app.get(&[]).await.status, StatusCode::SERVICE_UNAVAILABLE, "{control}");
        }
        // A page that allows it itself may have an `s-maxage`.
        cache.aio().clear().await.unwrap();
        let app = App::new(layer(), &[("cache-control", "s-maxage=10, stale-while-revalidate=20")]);
        app.get(&[]).await;
        world.advance(10 * SECOND);
        assert_eq!(app.get(&[]).await.body, "page 0");
        app.until("page 1").await;
    });
}

#[test]
fn a_request_that_wants_a_new_page_gets_no_stale_one() {
    each(async |cache, world| {
        for control in ["no-cache", "max-age=9", "min-fresh=1"] {
            cache.aio().clear().await.unwrap();
            let (layer, fields) = &sayings(&cache)[0];
            let app = App::new(layer.clone(), fields);
            app.get(&[]).await;
            world.advance(10 * SECOND);
            let fields = [("cache-control", control)];
            assert_eq!(app.get(&fields).await.body, "page 1", "{control}");
            world.advance(10 * SECOND);
            app.turn(Turn::Fail(500));
            assert_eq!(app.get(&fields).await.status, StatusCode::INTERNAL_SERVER_ERROR, "{control}");
        }
    });
}

#[test]
fn a_page_that_is_never_fresh_may_be_served_stale() {
    each(async |cache, _| {
        let fields = [("cache-control", "max-age=0, stale-while-revalidate=20")];
        let app = App::new(CacheLayer::new(&cache), &fields);
        assert_eq!(app.get(&[]).await.body, "page 0");
        assert_eq!(app.get(&[]).await.body, "page 0");
        app.until("page 1").await;
        // The layer's own window makes no page of what says that it is none.
        cache.aio().clear().await.unwrap();
        let layer = CacheLayer::new(&cache).timeout(10).stale_while_revalidate(20);
        let app = App::new(layer, &[("cache-control", "max-age=0")]);
        assert_eq!(app.get(&[]).await.body, "page 0");
        assert_eq!(app.get(&[]).await.body, "page 1");
    });
}

#[test]
fn a_handler_that_fails_is_answered_for_by_the_page_that_is_kept() {
    each(async |cache, world| {
        let failures =
            [(Turn::Fail(500), "; fwd-status=500"), (Turn::Fail(599), "; fwd-status=599"), (Turn::Panic, "")];
        for (layer, fields) in sayings(&cache) {
            for (turn, said) in failures {
                cache.aio().clear().await.unwrap();
                let app = App::new(layer.clone(), fields);
                app.get(&[]).await;
                world.advance(30 * SECOND);
                app.turn(turn);
                let kept = app.get(&[]).await;
                assert_eq!((&*kept.body, kept.header("age")), ("page 0", Some("30")));
                let status = format!("cachekit; fwd=stale{said}; detail=stale-if-error");
                assert_eq!((kept.status, kept.status_field()), (StatusCode::OK, &*status));
                // For a second it isn't asked again.
                let held = app.get(&[]).await;
                assert_eq!(held.status_field(), "cachekit; hit; ttl=-20; detail=stale-if-error");
                assert_eq!((&*held.body, app.runs()), ("page 0", 2));
                // Requests that are only handed on are answered for too.
                for (runs, method, range, body) in
                    [(3, "HEAD", "none", ""), (4, "GET", "bytes=-1", "0"), (5, "GET", "none", "page 0")]
                {
                    world.advance(SECOND);
                    assert_eq!(app.ask(request(method, "/", &[("range", range)])).await.body, body);
                    let held = app.ask(request(method, "/", &[("range", range)])).await;
                    assert_eq!((&*held.body, app.runs()), (body, runs), "{method} {range}");
                }
                world.advance(SECOND);
                app.turn(Turn::Answer);
                assert_eq!(app.get(&[]).await.body, "page 5");
                // The window is over.
                world.advance(50 * SECOND);
                app.turn(turn);
                let asked = app.clone();
                let failed = tokio::spawn(async move { asked.get(&[]).await.status });
                match failed.await {
                    Ok(status) => assert!(status.is_server_error()),
                    Err(error) => assert!(error.is_panic() && turn == Turn::Panic),
                }
            }
        }
    });
}

#[test]
fn a_failure_in_the_background_leaves_the_page_and_is_tried_again_after_a_while() {
    each(async |cache, world| {
        for turn in [Turn::Fail(500), Turn::Panic] {
            cache.aio().clear().await.unwrap();
            let (layer, fields) = &sayings(&cache)[1];
            let layer = layer.clone().stale_while_revalidate(1_000_000).retry_after(2 * SECOND);
            let app = App::new(layer, fields);
            app.get(&[]).await;
            world.advance(10 * SECOND);
            app.turn(turn);
            let began = Instant::now();
            // Each begins another one, unless one is under way or has failed.
            while app.runs() < 2 {
                assert_eq!(app.get(&[]).await.body, "page 0");
                assert!(began.elapsed() < Duration::from_secs(20));
                tokio::task::yield_now().await;
            }
            for _ in 0..20 {
                assert_eq!(app.get(&[]).await.body, "page 0");
            }
            assert_eq!(app.runs(), 2, "it has failed a moment ago");
            app.turn(Turn::Answer);
            // The pause begins when the task has ended.
            while app.get(&[]).await.body != "page 2" {
                world.advance(2 * SECOND);
                assert!(began.elapsed() < Duration::from_secs(20));
                tokio::task::yield_now().await;
            }
        }
    });
}

#[test]
fn a_page_that_is_not_to_be_stored_ends_the_one_before() {
    each(async |cache, world| {
        let (layer, fields) = &sayings(&cache)[1];
        for past in [10, 30] {
            cache.aio().clear().await.unwrap();
            let app = App::new(layer.clone(), fields);
            app.get(&[]).await;
            world.advance(past * SECOND);
            app.turn(Turn::Refuse);
            let began = Instant::now();
            while app.get(&[]).await.body == "page 0" {
                assert!(began.elapsed() < Duration::from_secs(20));
                tokio::task::yield_now().await;
            }
            app.turn(Turn::Fail(500));
            assert_eq!(app.get(&[]).await.status, StatusCode::INTERNAL_SERVER_ERROR);
        }
    });
}

#[memoize(timeout = 600, tags("titles"))]
fn title(id: u64) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    id + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The deletions that reach a page.
async fn delete(world: &World, by: usize, uri: &str) {
    let cache = world.cache().aio();
    match by {
        0 => delete_memoized!(title).unwrap(),
        1 => cache.delete_tag("titles").await.unwrap(),
        2 => cache.delete_view(uri).await.unwrap(),
        _ => cache.clear().await.unwrap(),
    }
}

#[test]
fn a_deleted_page_is_served_to_no_request_that_comes_later() {
    for world in worlds() {
        println!("with the cache `{}`", world.name);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(world.wrap(async {
            for by in 0..4 {
                for past in [10, 30] {
                    stale_and_deleted(&world, by, past * SECOND).await;
                }
            }
        }));
    }
}

/// A stale page that is deleted while the handler runs, behind the request or for it.
async fn stale_and_deleted(world: &World, by: usize, past: Duration) {
    let (inside, go, fails) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(AtomicU64::new(0)));
    let handler = {
        let (inside, go, fails) = (Arc::clone(&inside), Arc::clone(&go), Arc::clone(&fails));
        move || {
            let (inside, go, fails) = (Arc::clone(&inside), Arc::clone(&go), Arc::clone(&fails));
            async move {
                let text = title(7).to_string();
                match fails.load(Ordering::SeqCst) {
                    0 => text.into_response(),
                    1 => {
                        fails.store(2, Ordering::SeqCst);
                        inside.notify_one();
                        go.notified().await;
                        if past_window(past) {
                            StatusCode::BAD_GATEWAY.into_response()
                        } else {
                            text.into_response()
                        }
                    }
                    _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                }
            }
        }
    };
    let layer = CacheLayer::new(world.cache()).timeout(10).stale_while_revalidate(20).stale_if_error(40);
    let app = Router::new().fallback(any(handler)).layer(layer);
    let ask = || async {
        let answer = app.clone().oneshot(request("GET", "/page", &[])).await.unwrap();
        let status = answer.status();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    };
    let (_, old) = ask().await;
    world.advance(past);
    fails.store(1, Ordering::SeqCst);
    let asked = async {
        let (status, body) = ask().await;
        if past_window(past) {
            assert_eq!(status, StatusCode::BAD_GATEWAY, "deleted by {by} while the handler ran");
        } else {
            assert_eq!(body, old, "stale");
        }
    };
    let deletion = async {
        inside.notified().await;
        delete(world, by, "/page").await;
        // The handler fails now, and nothing answers for it. A request may wait for the one before.
        let afterwards = async {
            assert_eq!(ask().await.0, StatusCode::SERVICE_UNAVAILABLE, "deleted by {by}");
        };
        let goes_on = async {
            tokio::task::yield_now().await;
            go.notify_one();
        };
        tokio::join!(afterwards, goes_on);
    };
    tokio::join!(asked, deletion);
    // A response that was begun before the deletion is not stored after it. The handler may still be at it.
    for _ in 0..20 {
        assert_eq!(ask().await.0, StatusCode::SERVICE_UNAVAILABLE, "deleted by {by}");
        tokio::task::yield_now().await;
    }
    fails.store(0, Ordering::SeqCst);
    let (status, new) = ask().await;
    assert_eq!(status, StatusCode::OK);
    // Without a deletion of the function its value stays.
    assert!(by == 2 || new != old, "deleted by {by}");
}

/// Whether a page of such an age is served only where the handler fails.
fn past_window(age: Duration) -> bool {
    age >= 30 * SECOND
}

#[test]
fn requests_that_wait_for_a_handler_that_fails_get_the_page_that_is_kept() {
    each(async |cache, world| {
        let (layer, fields) = &sayings(&cache)[1];
        let app = App::new(layer.clone(), fields);
        app.get(&[]).await;
        world.advance(30 * SECOND);
        app.turn(Turn::Stop);
        *app.state.then.lock() = Turn::Fail(503);
        let first = tokio::spawn({
            let app = app.clone();
            async move { app.get(&[]).await.body }
        });
        app.state.inside.notified().await;
        app.turn(Turn::Fail(503));
        let others: Vec<_> = (0..4)
            .map(|_| {
                let app = app.clone();
                tokio::spawn(async move { app.get(&[]).await.body })
            })
            .collect();
        tokio::task::yield_now().await;
        app.state.go.notify_one();
        assert_eq!(first.await.unwrap(), "page 0");
        for other in others {
            assert_eq!(other.await.unwrap(), "page 0");
        }
        assert_eq!(app.runs(), 2, "the handler fails once");
    });
}

#[test]
fn a_body_that_comes_in_pieces_is_read_to_its_end_by_the_task() {
    each(async |cache, world| {
        let feeds: Arc<Mutex<Vec<mpsc::UnboundedSender<Piece>>>> = Arc::default();
        let mine = Arc::clone(&feeds);
        let handler = move || {
            let (sender, feed) = mpsc::unbounded_channel();
            mine.lock().push(sender);
            async move { Body::new(Fed(feed)) }
        };
        let layer = CacheLayer::new(&cache).timeout(10).stale_while_revalidate(20);
        let app = Router::new().fallback(any(handler)).layer(layer);
        let ask = || async {
            let answer = app.clone().oneshot(request("GET", "/", &[])).await.unwrap();
            answer.into_body()
        };
        let first = ask().await;
        feeds.lock()[0].send(data("old")).unwrap();
        feeds.lock().clear();
        assert_eq!(first.collect().await.unwrap().to_bytes(), "old");
        world.advance(10 * SECOND);
        let served = async || ask().await.collect().await.unwrap().to_bytes();
        while feeds.lock().is_empty() {
            assert_eq!(served().await, "old");
            tokio::task::yield_now().await;
        }
        feeds.lock()[0].send(data("ne")).unwrap();
        for _ in 0..20 {
            assert_eq!(served().await, "old");
            tokio::task::yield_now().await;
        }
        assert_eq!(feeds.lock().len(), 1, "no second one begins before the body is read");
        feeds.lock()[0].send(data("w")).unwrap();
        feeds.lock().clear();
        let began = Instant::now();
        while served().await != "new" {
            assert!(began.elapsed() < Duration::from_secs(20));
            tokio::task::yield_now().await;
        }
        assert!(feeds.lock().is_empty());
    });
}

#[tokio::test]
async fn an_error_of_the_service_is_a_failure_too() {
    use tower::{Layer as _, service_fn};
    let world = World::simple();
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mine = Arc::clone(&fails);
    let service = service_fn(move |_: Request| {
        let fails = mine.load(Ordering::SeqCst);
        async move { if fails { Err("down") } else { Ok(Response::new(Body::from("up"))) } }
    });
    let service = CacheLayer::new(world.cache()).timeout(10).stale_if_error(20).layer(service);
    let ask = || service.clone().oneshot(request("GET", "/", &[]));
    ask().await.unwrap();
    fails.store(true, Ordering::SeqCst);
    world.advance(10 * SECOND);
    assert_eq!(ask().await.unwrap().into_body().collect().await.unwrap().to_bytes(), "up");
    world.advance(20 * SECOND);
    assert_eq!(ask().await.err(), Some("down"));
}
