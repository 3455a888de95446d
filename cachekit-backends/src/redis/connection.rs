//! A connection that blocks its thread.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use redis::{Cmd, Value};
use rustls::ClientConfig;

use super::wire::{Framing, Malformed, decode, shown};
use crate::net::{Address, BlockingStream, Buffer, Stream as _, ready};

/// A connection. After an error it must not be used again: what is read then may belong to another request.
pub(super) struct Connection {
    stream: BlockingStream,
    input: Buffer,
    output: Vec<u8>,
    framing: Framing,
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
        Ok(Self { stream, input: Buffer::default(), output: Vec::new(), framing: Framing::new(most) })
    }

    /// Whether it may be used again: it is open, and nothing has arrived since the last reply. A reply that nothing was asked
    /// for would be taken for the next request's.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.stream.is_quiet()
    }

    /// Sends the commands in one write and reads as many replies, which must be all that has arrived then.
    pub(super) fn ask<'a>(
        &mut self,
        commands: impl ExactSizeIterator<Item = &'a Cmd>,
        deadline: Instant,
    ) -> io::Result<Vec<Value>> {
        /// A buffer that a large value made is not kept.
        const KEEP: usize = 64 * 1024;
        let count = commands.len();
        self.output.clear();
        for cmd in commands {
            cmd.write_packed_command(&mut self.output);
        }
        self.stream.limit(deadline);
        ready(self.stream.write(&self.output))?;
        self.output.shrink_to(KEEP);
        let mut values = Vec::with_capacity(count);
        while values.len() < count {
            values.push(self.hear()?);
        }
        if !self.input.is_empty() {
            return Err(Malformed::Unasked(shown(&String::from_utf8_lossy(self.input.unread()))).into());
        }
        self.input.shrink();
        Ok(values)
    }

    /// Reads the next reply.
    fn hear(&mut self) -> io::Result<Value> {
        let mut seen = 0;
        loop {
            let unread = self.input.unread();
            let (taken, ended) = self.framing.step(&unread[seen..])?;
            seen += taken;
            if ended {
                let value = decode(&unread[..seen])?;
                self.input.consume(seen);
                return Ok(value);
            }
            match ready(self.stream.read(self.input.room()))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.input.filled(n),
            }
        }
    }
}
