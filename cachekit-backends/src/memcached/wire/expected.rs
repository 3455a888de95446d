//! The conditions for the next reply.

use super::message::{Found, Reply};

/// The conditions for a reply to belong to a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) kind: Kind,
    pub(super) opaque: u32,
}

/// The request, as far as it matters for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An item with its value.
    Item,
    /// An item without.
    Head,
    /// An item or a stub, with or without the value. In the binary format, the item, then whether a stub was added.
    Lease,
    Store,
    Delete,
    /// The mark at the end, which shows that no reply was lost or added.
    End,
}

/// The first half of the reply to a lease.
#[derive(Debug, Default)]
pub(super) enum Leased {
    /// It has not come.
    #[default]
    No,
    Missing,
    Item(Found),
}

/// One step of reading.
#[derive(Debug)]
pub(super) enum Parsed {
    /// More bytes are needed.
    Incomplete,
    /// A part of a reply was read.
    Part,
    Reply(Reply),
    End,
}
