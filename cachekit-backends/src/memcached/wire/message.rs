//! Requests and replies, in no format yet.

use std::borrow::Cow;

use super::key::WireKey;

/// A format of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::memcached) enum Format {
    /// The meta text commands (`mg`, `ms`, `md`, `mn`), also after a text login.
    Meta,
    /// The binary protocol, which is what a server with SASL speaks.
    Binary,
}

/// When a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::memcached) enum Mode {
    Set,
    /// Only where no item is.
    Add,
    /// Only over the item with this number, which is not 0.
    Cas(u64),
}

/// A request about one key.
#[derive(Clone, Debug)]
pub(in crate::memcached) struct Request<'a> {
    pub(in crate::memcached) key: Cow<'a, WireKey>,
    pub(in crate::memcached) action: Action<'a>,
}

/// The action of a request.
#[derive(Clone, Copy, Debug)]
pub(in crate::memcached) enum Action<'a> {
    Get,
    /// [`Get`](Self::Get) without the value, where the format can.
    Peek,
    /// [`Get`](Self::Get), which leaves an empty item without flags (a stub) for so many seconds where there is none. The value
    /// may be left out.
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
    /// Returns whether the server may do it twice. Not a store: between the two another client may have deleted or replaced the
    /// value, and it would be back.
    pub(in crate::memcached) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Store { .. })
    }
}

/// The reply to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::memcached) enum Reply {
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
pub(in crate::memcached) struct Found {
    pub(in crate::memcached) flags: u32,
    pub(in crate::memcached) cas: u64,
    /// The length of the value, also if it was left out.
    pub(in crate::memcached) len: usize,
    pub(in crate::memcached) value: Vec<u8>,
}
