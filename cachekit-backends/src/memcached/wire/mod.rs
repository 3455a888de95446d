//! The protocol core, without input or output: requests become bytes, bytes become replies.
//!
//! Everything above is one code path for both wire formats, the meta text commands and the binary protocol. A reply is
//! believed only if it is the next one due and carries the opaque of its request; anything else is a [`Fault`], after which the
//! connection is closed.

mod batch;
mod binary;
mod buffer;
mod fault;
mod login;
mod meta;
#[cfg(test)]
mod tests;

pub(super) use batch::Batch;
pub(super) use buffer::Buffer;
pub(super) use fault::Fault;
pub(super) use login::{Credentials, Greeting, Login, LoginKind};

use super::key::WireKey;

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// The meta text commands (`mg`, `ms`, `md`, `mn`), also after a text login.
    Meta,
    /// The binary protocol, which is what a server with SASL speaks.
    Binary,
}

/// When a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Set,
    /// Only where no item is.
    Add,
    /// Only over the item with this number, which is not 0.
    Cas(u64),
}

/// One thing asked of a server about one key.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) key: WireKey,
    pub(super) action: Action<'a>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action<'a> {
    Get,
    /// [`Get`](Self::Get) without the value, where the format can.
    Peek,
    /// [`Get`](Self::Get), and where no item is, leaves an empty one without flags (a stub) for so many seconds. The value may
    /// be left out.
    Lease {
        seconds: u32,
        value: bool,
    },
    Store {
        mode: Mode,
        flags: u32,
        /// As the protocol wants it: 0 is never.
        expiry: u32,
        value: &'a [u8],
    },
    Delete,
}

impl Action<'_> {
    /// Whether doing it twice is as good as doing it once. No store is: between the two somebody may have deleted or replaced
    /// what the first one wrote, and it would be back.
    pub(super) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Store { .. })
    }
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Item(Found),
    Missing,
    Stored,
    /// An item was in the way, or not the one with the number.
    Refused,
    Deleted,
    /// The value is larger than the server takes.
    TooLarge,
    /// The server has no memory left, for the value or for a stub.
    NoRoom,
}

/// An item of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) flags: u32,
    pub(super) cas: u64,
    /// The length of the value, also if it was left out.
    pub(super) len: usize,
    pub(super) value: Vec<u8>,
}

/// Text of a server, fit to be shown: short, and without control characters.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(200)]);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
