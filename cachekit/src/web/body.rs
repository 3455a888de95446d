//! The body of a response on its way through the layer.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Frames of fewer bytes than this are copied together. A frame may hold on to a much larger buffer, and its bookkeeping
/// takes some 100 bytes.
const SMALL: usize = 4096;
/// The size that copied frames are collected to.
const CHUNK: usize = 4 * SMALL;
/// How many frames are read ahead in one poll.
const FRAMES: usize = 1024;

/// Stores a complete body.
pub(super) type Finish = Box<dyn FnOnce(Bytes) -> Storing + Send>;
/// The future of storing it.
pub(super) type Storing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of a response that went through a [`CacheLayer`](super::CacheLayer): a stored one, or the handler's own, which
/// is passed on while it is copied.
pub struct CacheBody<B: Body> {
    state: State<B>,
}

enum State<B: Body> {
    Whole(Bytes),
    Stream(Stream<B>),
}

struct Stream<B: Body> {
    /// Frames that were read ahead.
    ahead: VecDeque<Frame<Bytes>>,
    failed: Option<B::Error>,
    inner: Pin<Box<B>>,
    tee: Option<Tee>,
    /// The last frame, held back while the body is stored: a client that has the whole response finds it stored.
    last: Option<Frame<Bytes>>,
    storing: Option<Storing>,
    ended: bool,
}

/// The copy of a body that passes.
struct Tee {
    copy: Vec<u8>,
    limit: usize,
    expected: Option<u64>,
    finish: Finish,
}

/// Data that was read ahead, in few frames.
#[derive(Default)]
struct Ahead {
    frames: VecDeque<Frame<Bytes>>,
    /// Small frames, not yet one of `frames`.
    small: Vec<u8>,
    length: usize,
}

impl Ahead {
    fn push(&mut self, data: Bytes) {
        self.length += data.len();
        if data.len() >= SMALL {
            self.flush();
            self.frames.push_back(Frame::data(data));
            return;
        }
        self.small.extend_from_slice(&data);
        if self.small.len() >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.frames.push_back(Frame::data(std::mem::take(&mut self.small).into()));
        }
    }

    fn into_frames(mut self) -> VecDeque<Frame<Bytes>> {
        self.flush();
        self.frames
    }

    /// All of it in one allocation of its own: it is kept, and the handler's buffers may be larger.
    fn joined(mut self) -> Bytes {
        if self.frames.is_empty() {
            return exact(self.small);
        }
        self.flush();
        let mut all = Vec::with_capacity(self.length);
        for data in self.frames.iter().filter_map(Frame::data_ref) {
            all.extend_from_slice(data);
        }
        exact(all)
    }
}

/// Bytes without spare capacity.
fn exact(mut bytes: Vec<u8>) -> Bytes {
    bytes.shrink_to_fit();
    bytes.into()
}

/// How far a body could be read without waiting.
pub(super) enum ReadAhead<B: Body> {
    /// To its end.
    Complete(Bytes),
    /// Not to its end: it isn't ready, is too long, comes in too many frames, has trailers, or failed.
    Partly(CacheBody<B>),
}

impl<B: Body<Data = Bytes>> CacheBody<B> {
    /// Returns a body that is complete.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { state: State::Whole(bytes) }
    }

    /// Returns the handler's body as it is.
    pub(super) fn through(body: B) -> Self {
        Self::stream(Box::pin(body), VecDeque::new(), None)
    }

    fn stream(inner: Pin<Box<B>>, ahead: VecDeque<Frame<Bytes>>, failed: Option<B::Error>) -> Self {
        let stream = Stream { ahead, failed, inner, tee: None, last: None, storing: None, ended: false };
        Self { state: State::Stream(stream) }
    }

    /// Reads without waiting, up to `limit` bytes and [`FRAMES`] frames.
    pub(super) fn read_ahead(body: B, limit: usize, context: &mut Context<'_>) -> ReadAhead<B> {
        let mut inner = Box::pin(body);
        let mut ahead = Ahead::default();
        let mut trailers = None;
        let mut failed = None;
        for _ in 0..FRAMES {
            match inner.as_mut().poll_frame(context).map_ok(Frame::into_data) {
                Poll::Ready(None) => return ReadAhead::Complete(ahead.joined()),
                Poll::Ready(Some(Ok(Ok(data)))) => {
                    ahead.push(data);
                    if ahead.length > limit {
                        break;
                    }
                }
                Poll::Ready(Some(Ok(Err(other)))) => {
                    trailers = Some(other);
                    break;
                }
                Poll::Ready(Some(Err(error))) => {
                    failed = Some(error);
                    break;
                }
                Poll::Pending => break,
            }
        }
        let mut frames = ahead.into_frames();
        frames.extend(trailers);
        ReadAhead::Partly(Self::stream(inner, frames, failed))
    }

    /// Reads the rest. None of a body that is longer than `limit` bytes, has trailers, fails, or is not of the `expected` length.
    pub(super) async fn rest(mut self, limit: usize, expected: Option<u64>) -> Option<Bytes> {
        let mut all = Vec::new();
        let is_whole = |all: &Vec<u8>| expected == Some(all.len() as u64);
        while !is_whole(&all)
            && let Some(frame) = poll_fn(|context| Pin::new(&mut self).poll_frame(context)).await
        {
            let data = frame.ok()?.into_data().ok()?;
            if all.len() + data.len() > limit {
                return None;
            }
            all.extend_from_slice(&data);
        }
        (expected.is_none() || is_whole(&all)).then(|| exact(all))
    }

    /// Copies the frames that pass, and hands the copy to `finish` once it is complete. A body that is longer than `limit`
    /// bytes, has trailers, fails, or whose client goes away isn't kept. `expected` is the length that the response tells; a
    /// server may ask for no frame after it.
    pub(super) fn keep(&mut self, limit: usize, expected: Option<u64>, finish: Finish) {
        if let State::Stream(stream) = &mut self.state
            && stream.failed.is_none()
        {
            stream.tee = Some(Tee { copy: Vec::new(), limit, expected, finish });
        }
    }
}

impl<B: Body<Data = Bytes>> Stream<B> {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(frame) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = self.failed.take() {
            self.ended = true;
            return Poll::Ready(Some(Err(error)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        self.inner.as_mut().poll_frame(context)
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.storing.is_none() {
            let next = ready!(self.poll_next(context));
            self.ended |= !matches!(next, Some(Ok(_)));
            let Some(mut tee) = self.tee.take() else { return Poll::Ready(next) };
            let frame = match next {
                None => None,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    match frame.data_ref() {
                        Some(data) if tee.copy.len() + data.len() <= tee.limit => {
                            tee.copy.extend_from_slice(data);
                        }
                        _ => return Poll::Ready(Some(Ok(frame))),
                    }
                    let ends = self.inner.is_end_stream() || tee.expected == Some(tee.copy.len() as u64);
                    if !(ends && self.ahead.is_empty() && self.failed.is_none()) {
                        self.tee = Some(tee);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Some(frame)
                }
            };
            self.ended = true;
            self.last = frame;
            self.storing = Some((tee.finish)(exact(tee.copy)));
        }
        if let Some(storing) = &mut self.storing {
            ready!(storing.as_mut().poll(context));
            self.storing = None;
        }
        Poll::Ready(self.last.take().map(Ok))
    }
}

impl<B: Body<Data = Bytes>> Body for CacheBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.state {
            State::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            State::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            State::Stream(stream) => stream.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Whole(bytes) => bytes.is_empty(),
            State::Stream(stream) => {
                stream.ahead.is_empty()
                    && stream.failed.is_none()
                    && stream.tee.is_none()
                    && stream.storing.is_none()
                    && (stream.ended || stream.inner.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            State::Stream(stream) => {
                let waiting = stream.ahead.iter().chain(&stream.last).filter_map(Frame::data_ref);
                let ahead: u64 = waiting.map(|data| data.len() as u64).sum();
                if stream.ended {
                    return SizeHint::with_exact(ahead);
                }
                let inner = stream.inner.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(inner.lower() + ahead);
                if let Some(upper) = inner.upper() {
                    hint.set_upper(upper + ahead);
                }
                hint
            }
        }
    }
}

// The handler's body is boxed, everything else may move.
impl<B: Body> Unpin for CacheBody<B> {}

impl<B: Body<Data = Bytes>> Default for CacheBody<B> {
    fn default() -> Self {
        Self::whole(Bytes::new())
    }
}

impl<B: Body> fmt::Debug for CacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Whole(bytes) => f.debug_tuple("CacheBody").field(&bytes.len()).finish(),
            State::Stream(_) => f.write_str("CacheBody(stream)"),
        }
    }
}
