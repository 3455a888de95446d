use super::{Buffer, Fault, Found, Reply, Request, Wire, binary, meta};

/// What a reply must be to be that of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) kind: Kind,
    pub(super) opaque: u32,
}

/// What was asked, as far as it matters for the reply.
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

/// Several requests that were sent in one go, and their replies so far.
#[derive(Debug)]
pub(in crate::memcached) struct Batch {
    wire: Wire,
    most: usize,
    expected: std::vec::IntoIter<Expected>,
    replies: Vec<Reply>,
    /// Where a stored value ends in the bytes, and the end.
    cuts: Vec<usize>,
    /// How far the binary format's lease is.
    leased: Leased,
}

impl Batch {
    /// Appends the bytes of the requests, which go out as one write. Opaques go on from `opaque`; no value longer than
    /// `most` is accepted.
    pub(in crate::memcached) fn encode(
        wire: Wire,
        requests: &[Request<'_>],
        most: usize,
        opaque: &mut u32,
        out: &mut Vec<u8>,
    ) -> Self {
        let mut expected = Vec::with_capacity(requests.len() + 1);
        let mut cuts = Vec::new();
        let mut next = || {
            *opaque = opaque.wrapping_add(1);
            *opaque
        };
        for request in requests {
            let opaque = next();
            let kind = match wire {
                Wire::Meta => meta::request(request, opaque, out),
                Wire::Binary => binary::request(request, opaque, out),
            };
            expected.push(Expected { kind, opaque });
            if kind == Kind::Store {
                cuts.push(out.len());
            }
        }
        let opaque = next();
        match wire {
            Wire::Meta => meta::end(out),
            Wire::Binary => binary::end(opaque, out),
        }
        expected.push(Expected { kind: Kind::End, opaque });
        cuts.push(out.len());
        let replies = Vec::with_capacity(requests.len());
        Self { wire, most, expected: expected.into_iter(), replies, cuts, leased: Leased::No }
    }

    /// The bytes in pieces that end where stored values do. memcached (1.6.18) with TLS hangs if something follows a large
    /// value in one record: it waits for the socket, while OpenSSL has the rest already.
    pub(in crate::memcached) fn pieces<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
        let mut from = 0;
        self.cuts.iter().map(move |&to| &bytes[std::mem::replace(&mut from, to)..to])
    }

    /// Reads what arrived. True when all replies are there, and nothing but them.
    pub(in crate::memcached) fn feed(&mut self, input: &mut Buffer) -> Result<bool, Fault> {
        while let Some(&expected) = self.expected.as_slice().first() {
            let parsed = match self.wire {
                Wire::Meta => meta::reply(expected, self.most, input)?,
                Wire::Binary => binary::reply(expected, self.most, &mut self.leased, input)?,
            };
            match parsed {
                Parsed::Incomplete => return Ok(false),
                Parsed::Part => continue,
                Parsed::Reply(reply) => self.replies.push(reply),
                Parsed::End => {}
            }
            self.expected.next();
        }
        if input.is_empty() { Ok(true) } else { Fault::protocol("more replies than requests") }
    }

    pub(in crate::memcached) fn into_replies(self) -> Vec<Reply> {
        self.replies
    }
}
