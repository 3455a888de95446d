//! A connection that blocks its thread.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use redis::Value;
use rustls::ClientConfig;

use super::wire::{Batch, Framing, Replies};
use crate::net::{Address, BlockingStream, Buffer, Stream as _, ready};

/// A connection. After an error it must not be used again: what is read then may belong to another request.
pub(super) struct Connection {
    stream: BlockingStream,
    input: Buffer,
    /// The longest text of a reply.
    most: usize,
}

impl Connection {
    /// Connects before the deadline. No text of a reply may be longer than `most`.
    pub(super) fn connect(
        address: &Address,
        tls: Option<&Arc<ClientConfig>>,
        most: usize,
        deadline: Instant,
    ) -> io::Result<Self> {
        let stream = BlockingStream::connect(address, tls, deadline)?;
        Ok(Self { stream, input: Buffer::default(), most })
    }

    /// Whether it may be used again: it is open, and nothing has arrived since the last reply. A reply that nothing was asked
    /// for would be taken for the next request's.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.stream.is_quiet()
    }

    /// Sends the commands in one write and reads as many replies, which must be all that has arrived then.
    pub(super) fn ask(&mut self, batch: &Batch, deadline: Instant) -> io::Result<Vec<Value>> {
        self.stream.limit(deadline);
        ready(self.stream.write(&batch.packed()))?;
        let mut replies = Replies::new(Framing::new(self.most), batch.commands.len());
        while !replies.feed(&mut self.input)? {
            match ready(self.stream.read(self.input.room()))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.input.filled(n),
            }
        }
        if !self.input.is_empty() {
            return Err(Replies::unasked(self.input.unread()).into());
        }
        self.input.shrink();
        Ok(replies.into_values())
    }
}
