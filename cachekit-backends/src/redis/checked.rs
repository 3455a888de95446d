//! The stream under the client library, which keeps replies in bounds, in step and in time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::wire::{Framing, Malformed, shown};
use crate::net::{Stream as _, TaskStream};

/// A connection's bytes, with the requests and the replies in them counted. The library bounds neither lines nor texts, and
/// takes a reply that nothing was asked for as that of the next request. It reads on for callers that have gone. Here all of
/// that is an error, after which the connection is closed.
pub(super) struct Checked {
    stream: TaskStream,
    requests: Framing,
    replies: Framing,
    /// How many requests were sent whose reply has not begun.
    due: usize,
    /// How long a reply may take, after the one before it or after its request. No caller waits longer.
    limit: Duration,
    /// Since when the next reply is due.
    since: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Checked {
    /// No text of a reply may be longer than `most`.
    pub(super) fn new(stream: TaskStream, most: usize, limit: Duration) -> Self {
        let since = Instant::now();
        Self {
            stream,
            requests: Framing::new(usize::MAX - 2),
            replies: Framing::new(most),
            due: 0,
            limit,
            since,
            alarm: Box::pin(tokio::time::sleep_until((since + limit).into())),
        }
    }

    fn sent(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        if self.is_idle() {
            self.since = Instant::now();
        }
        while !bytes.is_empty() {
            let (taken, ended) = self.requests.step(bytes)?;
            self.due += usize::from(ended);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn received(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.replies.is_between() {
                self.due = self.due.checked_sub(1).ok_or_else(|| self.unasked(bytes))?;
            }
            let (taken, ended) = self.replies.step(bytes)?;
            if ended {
                self.since = Instant::now();
            }
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// The error of bytes that nothing was asked for. It is one of closed connections if the next request has not begun: that
    /// one may go over another connection.
    fn unasked(&self, bytes: &[u8]) -> io::Error {
        let kind = if self.requests.is_between() {
            io::ErrorKind::ConnectionAborted
        } else {
            io::ErrorKind::InvalidData
        };
        io::Error::new(kind, Malformed::Unasked(shown(&String::from_utf8_lossy(bytes))))
    }

    /// Has the task woken when the next reply is late; an error if it is.
    fn check_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.is_idle() {
            return Ok(());
        }
        loop {
            // The clock, not the alarm, decides: the timers stand still while a flood keeps the runtime busy.
            let end = self.since + self.limit;
            if Instant::now() >= end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.alarm.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            // Set anew when it goes off: once in the limit, not at each request.
            self.alarm.as_mut().reset(end.into());
        }
    }

    /// The error of a connection that is not quiet before a request.
    fn not_quiet(&mut self, cx: &mut Context<'_>) -> io::Error {
        let mut bytes = [0; 64];
        let mut room = ReadBuf::new(&mut bytes);
        match Pin::new(&mut self.stream).poll_read(cx, &mut room) {
            Poll::Ready(Ok(())) if room.filled().is_empty() => io::ErrorKind::UnexpectedEof.into(),
            Poll::Ready(Ok(())) => self.unasked(room.filled()),
            Poll::Ready(Err(_)) | Poll::Pending => io::ErrorKind::ConnectionAborted.into(),
        }
    }

    /// Whether every request has its reply.
    fn is_idle(&self) -> bool {
        self.due == 0 && self.requests.is_between() && self.replies.is_between()
    }
}

impl AsyncRead for Checked {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_time(cx)?;
        let before = room.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, room))?;
        Poll::Ready(this.received(&room.filled()[before..]))
    }
}

impl AsyncWrite for Checked {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_idle() && !this.stream.is_quiet() {
            return Poll::Ready(Err(this.not_quiet(cx)));
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.sent(&bytes[..written])?;
        this.check_time(cx)?;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
