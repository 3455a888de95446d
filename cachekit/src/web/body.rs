//! The body of a response on its way through the layer.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// What stores a body that is complete.
pub(super) type Finish = Box<dyn FnOnce(Bytes) -> Storing + Send>;
/// The storing.
pub(super) type Storing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of a response that went through a [`CacheLayer`](super::CacheLayer): what was stored, or the handler's own,
/// passed through while it is kept.
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
    /// The last frame, held back while the body is stored, so that whoever has the whole response finds it stored.
    last: Option<Frame<Bytes>>,
    storing: Option<Storing>,
    ended: bool,
}

/// What keeps a copy of the body.
struct Tee {
    copy: BytesMut,
    limit: usize,
    expected: Option<u64>,
    finish: Finish,
}

/// How far a body could be read at once.
pub(super) enum ReadAhead<B: Body> {
    /// To its end.
    Complete(Bytes),
    /// Not to its end: it is a stream, too long, has trailers, or failed.
    Partly(CacheBody<B>),
}

impl<B: Body<Data = Bytes>> CacheBody<B> {
    /// A body that is all here.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { state: State::Whole(bytes) }
    }

    /// The handler's body as it is.
    pub(super) fn through(body: B) -> Self {
        Self::stream(Box::pin(body), VecDeque::new(), None)
    }

    fn stream(inner: Pin<Box<B>>, ahead: VecDeque<Frame<Bytes>>, failed: Option<B::Error>) -> Self {
        let stream = Stream { ahead, failed, inner, tee: None, last: None, storing: None, ended: false };
        Self { state: State::Stream(stream) }
    }

    /// Reads what is there already, without waiting, up to `limit` bytes.
    pub(super) fn read_ahead(body: B, limit: usize, context: &mut Context<'_>) -> ReadAhead<B> {
        let mut inner = Box::pin(body);
        let mut ahead = VecDeque::new();
        let mut length = 0;
        loop {
            let failed = match inner.as_mut().poll_frame(context) {
                Poll::Ready(None) => return ReadAhead::Complete(joined(&ahead)),
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.data_ref().map(Bytes::len);
                    ahead.push_back(frame);
                    length += data.unwrap_or_default();
                    match data {
                        Some(_) if length <= limit => continue,
                        _ => None,
                    }
                }
                Poll::Ready(Some(Err(error))) => Some(error),
                Poll::Pending => None,
            };
            return ReadAhead::Partly(Self::stream(inner, ahead, failed));
        }
    }

    /// Keeps a copy of what passes, and hands it to `finish` once it is complete. A longer body than `limit` bytes, one with
    /// trailers, one that fails and one whose client goes away isn't kept.
    /// `expected` is the length that the response tells, after which nobody may ask for more.
    pub(super) fn keep(&mut self, limit: usize, expected: Option<u64>, finish: Finish) {
        if let State::Stream(stream) = &mut self.state
            && stream.failed.is_none()
        {
            stream.tee = Some(Tee { copy: BytesMut::new(), limit, expected, finish });
        }
    }
}

fn joined(frames: &VecDeque<Frame<Bytes>>) -> Bytes {
    let mut data = frames.iter().filter_map(Frame::data_ref);
    match (data.next(), frames.len()) {
        (None, _) => Bytes::new(),
        (Some(only), 1) => only.clone(),
        _ => frames
            .iter()
            .filter_map(Frame::data_ref)
            .fold(BytesMut::new(), |mut all, data| {
                all.extend_from_slice(data);
                all
            })
            .freeze(),
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
            self.storing = Some((tee.finish)(tee.copy.freeze()));
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
