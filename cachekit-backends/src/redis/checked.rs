//! The stream under the client library, which keeps replies in bounds and in step.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::{Framing, Malformed, shown};
use crate::net::TaskStream;

/// A connection's bytes, with the requests and the replies in them counted. The library bounds neither lines nor texts, and
/// takes a reply that nothing was asked for as that of the next request. Here both are an error, after which the connection
/// is closed.
pub(super) struct Checked {
    stream: TaskStream,
    requests: Framing,
    replies: Framing,
    /// How many requests were sent whose reply has not begun.
    due: usize,
}

impl Checked {
    /// No text of a reply may be longer than `most`.
    pub(super) fn new(stream: TaskStream, most: usize) -> Self {
        Self { stream, requests: Framing::new(usize::MAX - 2), replies: Framing::new(most), due: 0 }
    }

    fn sent(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            let (taken, ended) = self.requests.step(bytes)?;
            self.due += usize::from(ended);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn received(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            if self.replies.is_between() {
                let due = self.due.checked_sub(1);
                self.due = due.ok_or_else(|| Malformed::Unasked(shown(&String::from_utf8_lossy(bytes))))?;
            }
            let (taken, _) = self.replies.step(bytes)?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Whether every request has its reply.
    fn is_idle(&self) -> bool {
        self.due == 0 && self.requests.is_between() && self.replies.is_between()
    }
}

impl AsyncRead for Checked {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = room.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, room))?;
        Poll::Ready(this.received(&room.filled()[before..]).map_err(Into::into))
    }
}

impl AsyncWrite for Checked {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_idle() {
            let mut byte = [0];
            // Any byte, or the end: the request is not sent, so it may go over another connection.
            if Pin::new(&mut this.stream).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        Poll::Ready(this.sent(&bytes[..written]).map(|()| written).map_err(Into::into))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
