//! Bodies that come in pieces.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use cachekit::CacheLayer;
use cachekit_tests::Calls;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use crate::support::{each, request};

pub(crate) type Piece = Result<Frame<Bytes>, std::io::Error>;

/// A body that is fed from outside.
pub(crate) struct Fed(pub(crate) mpsc::UnboundedReceiver<Piece>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.0.poll_recv(context)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}

type Feeds = Arc<parking_lot::Mutex<VecDeque<mpsc::UnboundedReceiver<Piece>>>>;

/// An app whose responses are the feeds, one after another.
fn app(
    cache: &cachekit::Cache,
    fields: &'static [(&'static str, &'static str)],
) -> (Router, Feeds, Arc<Calls>) {
    let (feeds, calls) = (Feeds::default(), Arc::new(Calls::new()));
    let (mine, counted) = (Arc::clone(&feeds), Arc::clone(&calls));
    let handler = move || {
        counted.hit();
        let feed = mine.lock().pop_front().expect("a feed");
        let mut response = Response::builder();
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let response = response.body(Body::new(Fed(feed))).unwrap();
        async move { response }
    };
    (
        Router::new().route("/", get(handler)).layer(CacheLayer::new(cache).timeout(600).max_body(100)),
        feeds,
        calls,
    )
}

#[allow(clippy::unnecessary_wraps, reason = "pieces may fail")]
pub(crate) fn data(text: &str) -> Piece {
    Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())))
}

async fn ask(app: &Router) -> Response {
    app.clone().oneshot(request("GET", "/", &[])).await.unwrap()
}

async fn text(response: Response) -> Option<Bytes> {
    response.into_body().collect().await.ok().map(http_body_util::Collected::to_bytes)
}

#[test]
fn the_first_piece_is_not_held_back_and_the_whole_is_kept() {
    each(async |cache, _| {
        let (app, feeds, calls) = app(&cache, &[]);
        let (sender, feed) = mpsc::unbounded_channel();
        feeds.lock().push_back(feed);
        let mut body = ask(&app).await.into_body();
        sender.send(data("one ")).unwrap();
        // Nothing more was sent: this would hang if the layer waited for the end.
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one ");
        sender.send(data("two")).unwrap();
        drop(sender);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "two");
        assert_eq!(text(ask(&app).await).await.unwrap(), "one two");
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn a_body_that_is_known_to_be_complete_is_stored_before_its_last_piece_is_passed_on() {
    each(async |cache, _| {
        let (app, feeds, calls) = app(&cache, &[("content-length", "3")]);
        let (sender, feed) = mpsc::unbounded_channel();
        feeds.lock().push_back(feed);
        let mut body = ask(&app).await.into_body();
        sender.send(data("one")).unwrap();
        // A server asks for no more than the length that was told.
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        drop(body);
        assert_eq!(text(ask(&app).await).await.unwrap(), "one");
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn what_is_broken_too_long_abandoned_or_has_trailers_is_not_stored() {
    let broken = || vec![data("one"), Err(std::io::Error::other("gone"))];
    let long = || vec![data(&"x".repeat(60)), data(&"y".repeat(60))];
    let trailers = || vec![data("one"), Ok(Frame::trailers(HeaderMap::new()))];
    each(async |cache, _| {
        for (streamed, pieces) in [
            (true, broken()),
            (false, broken()),
            (true, long()),
            (false, long()),
            (true, trailers()),
            (false, trailers()),
        ] {
            let (app, feeds, calls) = app(&cache, &[]);
            for pieces in [pieces, vec![data("new")]] {
                let (sender, feed) = mpsc::unbounded_channel();
                feeds.lock().push_back(feed);
                let mut pieces = pieces.into_iter();
                if !streamed {
                    pieces.by_ref().for_each(|piece| sender.send(piece).unwrap());
                }
                if calls.get() == 1 && streamed {
                    // The second response, after the first one has gone wrong.
                    sender.send(data("new")).unwrap();
                    drop(sender);
                    assert_eq!(text(ask(&app).await).await.unwrap(), "new");
                    continue;
                }
                let response = ask(&app).await;
                pieces.for_each(|piece| sender.send(piece).unwrap());
                drop(sender);
                text(response).await;
            }
            assert_eq!(calls.get(), 2);
            cache.aio().delete_view("/").await.unwrap();
        }
        // A client that goes away.
        let (app, feeds, calls) = app(&cache, &[]);
        for _ in 0..2 {
            let (sender, feed) = mpsc::unbounded_channel();
            feeds.lock().push_back(feed);
            let mut body = ask(&app).await.into_body();
            sender.send(data("one")).unwrap();
            body.frame().await.unwrap().unwrap();
            drop(body);
        }
        assert_eq!(calls.get(), 2);
    });
}

#[test]
fn a_body_that_is_shorter_than_it_says_is_not_stored() {
    each(async |cache, _| {
        let (app, feeds, calls) = app(&cache, &[("content-length", "30")]);
        for ready in [true, false, true] {
            let (sender, feed) = mpsc::unbounded_channel();
            feeds.lock().push_back(feed);
            if ready {
                sender.send(data("one")).unwrap();
                drop(sender);
                text(ask(&app).await).await;
            } else {
                let response = ask(&app).await;
                sender.send(data("one")).unwrap();
                drop(sender);
                text(response).await;
            }
        }
        assert_eq!(calls.get(), 3);
    });
}

#[test]
fn a_client_that_reads_slowly_holds_up_no_other() {
    each(async |cache, _| {
        let (app, feeds, _) = app(&cache, &[]);
        let (_slow, feed) = mpsc::unbounded_channel();
        feeds.lock().push_back(feed);
        let unread = ask(&app).await;
        let (sender, feed) = mpsc::unbounded_channel();
        feeds.lock().push_back(feed);
        sender.send(data("two")).unwrap();
        drop(sender);
        assert_eq!(text(ask(&app).await).await.unwrap(), "two");
        drop(unread);
    });
}

/// A body of many frames that are all ready, which counts how often it is asked.
struct Ready {
    frame: Bytes,
    left: usize,
    asked: Arc<Calls>,
}

impl http_body::Body for Ready {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.asked.hit();
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(self.frame.clone()))))
    }
}

/// Asks twice for a page of frames, within a measure of the memory: how much was taken at most, how much was left, and how
/// often the body was asked before there was a response.
fn measured(cache: &cachekit::Cache, frame: &'static [u8], frames: usize) -> (u64, u64, i64) {
    let asked = Arc::new(Calls::new());
    let body = Arc::clone(&asked);
    let app = Router::new()
        .route(
            "/",
            get(move || async move {
                // Each frame is a slice of a buffer of its own.
                let frame = if frames > 1 { Bytes::from_static(frame) } else { vec![7; 10_000_000].into() };
                let frame = if frames > 1 { frame } else { frame.slice(..10) };
                Response::new(Body::new(Ready { frame, left: frames, asked: body }))
            }),
        )
        .layer(CacheLayer::new(cache).timeout(600));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut before = 0;
    let memory = allocation_counter::measure(|| {
        runtime.block_on(async {
            let mut body = ask(&app).await.into_body();
            before = asked.get();
            while let Some(frame) = body.frame().await {
                drop(frame.unwrap());
            }
        });
    });
    (before, memory.bytes_max, memory.bytes_current)
}

#[test]
fn memory_and_time_are_bounded_by_more_than_the_content() {
    let world = cachekit_tests::World::simple();
    for (frame, frames, most) in [(&b"x"[..], 1_000_000, 8_000_000), (b"", 1_000_000, 300_000)] {
        world.cache().clear().unwrap();
        let (before, memory, _) = measured(world.cache(), frame, frames);
        assert!(before <= 2000, "{before} frames are read ahead");
        assert!(memory < most, "{memory} bytes for frames of {} bytes", frame.len());
    }
    world.cache().clear().unwrap();
    let (_, _, kept) = measured(world.cache(), b"", 1);
    assert!(kept < 1_000_000, "{kept} bytes are held by a page of ten");
}

#[test]
fn a_body_of_many_frames_is_kept_whole() {
    each(async |cache, _| {
        for (index, (frame, frames)) in
            [(&b"ab"[..], 900), (b"ab", 3000), (b"", 3000)].into_iter().enumerate()
        {
            let calls = Arc::new(Calls::new());
            let counted = Arc::clone(&calls);
            let handler = move || {
                counted.hit();
                let body = Ready { frame: Bytes::from_static(frame), left: frames, asked: Arc::default() };
                async move { Response::new(Body::new(body)) }
            };
            let uri = format!("/{index}");
            let app = Router::new().route(&uri, get(handler)).layer(CacheLayer::new(&cache).timeout(600));
            for _ in 0..2 {
                let answer = app.clone().oneshot(request("GET", &uri, &[])).await.unwrap();
                assert_eq!(text(answer).await.unwrap(), frame.repeat(frames));
            }
            assert_eq!(calls.get(), 1, "{frames} frames of {}", frame.len());
        }
    });
}
