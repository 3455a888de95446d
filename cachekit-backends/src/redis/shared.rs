//! A connection that tasks share.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use redis::Value;

use super::connect::{Dial, Dialing};
use super::error::{Server, malformed, tls_error};
use super::wire::{Batch, Framing, Replies};
use crate::Result;
use crate::net::{Buffer, Exchange, Line, Lost, Packed, TaskStream};

impl Exchange for Replies {
    type Fault = io::Error;

    fn feed(&mut self, input: &mut Buffer) -> io::Result<bool> {
        Ok(Self::feed(self, input)?)
    }

    fn unasked(bytes: &[u8]) -> io::Error {
        Self::unasked(bytes).into()
    }

    fn again(fault: &io::Error) -> io::Error {
        match (malformed(fault), tls_error(fault)) {
            (Some(malformed), _) => malformed.clone().into(),
            (_, Some(tls)) => io::Error::new(fault.kind(), tls.clone()),
            (None, None) => io::Error::new(fault.kind(), fault.to_string()),
        }
    }
}

/// A connection, closed with the last clone.
#[derive(Clone)]
pub(super) struct Shared {
    line: Line<Replies>,
    /// The longest text of a reply.
    most: usize,
}

impl Shared {
    /// Connects, on the runtime that polls.
    pub(super) async fn connect(dialing: Dialing<'_>) -> io::Result<Self> {
        let Dialing { address, tls, most, deadline, further } = dialing;
        let stream = TaskStream::connect(address, tls, deadline).await?;
        Ok(Self { line: Line::start(stream, Some(Arc::clone(further))), most })
    }

    /// Whether the server has closed it, or it was closed after an error.
    pub(super) fn is_closed(&self) -> bool {
        self.line.is_closed()
    }

    /// Whether both are the same connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.line.is(&other.line)
    }

    /// Sends packed commands in one write, and waits for as many replies.
    pub(super) async fn send(
        &self,
        packed: &[u8],
        count: usize,
        deadline: Instant,
    ) -> Result<Vec<Value>, Lost<io::Error>> {
        let replies = Replies::new(Framing::new(self.most), count);
        let sending = self.line.send(&Packed { bytes: packed, cuts: &[] }, replies, deadline);
        Ok(sending.await?.into_values())
    }

    /// The same for the commands of a batch.
    pub(super) async fn send_batch(
        &self,
        batch: &Batch,
        deadline: Instant,
    ) -> Result<Vec<Value>, Lost<io::Error>> {
        self.send(&batch.packed(), batch.commands.len(), deadline).await
    }
}

/// Makes such connections.
pub(super) struct Dialer<'a> {
    pub(super) server: &'a Server,
}

impl Dial for Dialer<'_> {
    type Connection = Shared;

    async fn dial(&self, dialing: Dialing<'_>) -> Result<Shared> {
        let address = dialing.address;
        Shared::connect(dialing).await.map_err(|error| self.server.connecting(address, error))
    }

    async fn ask(&self, connection: &mut Shared, batch: &Batch, deadline: Instant) -> Result<Vec<Value>> {
        let replies = connection.send_batch(batch, deadline).await;
        replies.map_err(|lost| self.server.io(lost.fault))
    }
}
