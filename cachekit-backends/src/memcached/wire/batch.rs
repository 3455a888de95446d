use super::expected::{Expected, Kind, Leased, Parsed};
use super::fault::Fault;
use super::message::{Action, Format, Reply, Request};
use super::{binary, meta};
use crate::net::Buffer;

/// Several requests that were sent in one go, and their replies so far.
#[derive(Debug)]
pub(in crate::memcached) struct Batch {
    format: Format,
    most: usize,
    expected: std::vec::IntoIter<Expected>,
    replies: Vec<Reply>,
    /// Where stored values end in the bytes, and the end.
    cuts: Vec<usize>,
    /// The progress of the binary format's lease.
    leased: Leased,
}

impl Batch {
    /// Appends the bytes of the requests, which go out as one write. Opaques go on from `opaque`; no value longer than
    /// `most` is accepted. With `end` a mark follows, whose reply shows that no other was lost or added. A server sends
    /// its replies at a mark, each with a write of its own, so that the requests of many callers go without: there it is the
    /// opaque of the next reply that shows it. The binary format always has marks.
    pub(in crate::memcached) fn encode(
        format: Format,
        requests: &[Request<'_>],
        most: usize,
        opaque: &mut u32,
        end: bool,
        out: &mut Vec<u8>,
    ) -> Self {
        let bytes = |request: &Request<'_>| match request.action {
            Action::Store { value, .. } => request.key.as_str().len() + value.len() + 128,
            _ => request.key.as_str().len() + 64,
        };
        out.reserve(requests.iter().map(bytes).sum());
        let mut expected = Vec::with_capacity(requests.len() + 1);
        let mut cuts = Vec::new();
        let mut next = || {
            *opaque = opaque.wrapping_add(1);
            *opaque
        };
        for request in requests {
            let opaque = next();
            let kind = match format {
                Format::Meta => meta::request(request, opaque, out),
                Format::Binary => binary::request(request, opaque, out),
            };
            expected.push(Expected { kind, opaque });
            if kind == Kind::Store {
                cuts.push(out.len());
            }
        }
        if end || format == Format::Binary {
            let opaque = next();
            match format {
                Format::Meta => meta::end(out),
                Format::Binary => binary::end(opaque, out),
            }
            expected.push(Expected { kind: Kind::End, opaque });
        }
        cuts.push(out.len());
        let replies = Vec::with_capacity(requests.len());
        Self { format, most, expected: expected.into_iter(), replies, cuts, leased: Leased::No }
    }

    /// The bytes in pieces that end where stored values do. memcached (1.6.18) with TLS hangs if something follows a large
    /// value in one record: it waits for the socket, while OpenSSL has the rest already.
    pub(in crate::memcached) fn pieces<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
        let mut from = 0;
        self.cuts.iter().map(move |&to| &bytes[std::mem::replace(&mut from, to)..to])
    }

    /// Reads the bytes that arrived. True once they are all replies and nothing else.
    pub(in crate::memcached) fn feed(&mut self, input: &mut Buffer) -> Result<bool, Fault> {
        let complete = self.advance(input)?;
        if complete && !input.is_empty() { Err(Self::unasked()) } else { Ok(complete) }
    }

    /// The fault of bytes after the last reply.
    pub(in crate::memcached) fn unasked() -> Fault {
        Fault::Protocol("more replies than requests".into())
    }

    /// Reads the bytes that arrived; returns whether all replies are complete. Leaves the bytes after them.
    pub(in crate::memcached) fn advance(&mut self, input: &mut Buffer) -> Result<bool, Fault> {
        while let Some(&expected) = self.expected.as_slice().first() {
            let parsed = match self.format {
                Format::Meta => meta::reply(expected, self.most, input)?,
                Format::Binary => binary::reply(expected, self.most, &mut self.leased, input)?,
            };
            match parsed {
                Parsed::Incomplete => return Ok(false),
                Parsed::Part => continue,
                Parsed::Reply(reply) => self.replies.push(reply),
                Parsed::End => {}
            }
            self.expected.next();
        }
        Ok(true)
    }

    /// Where the [pieces](Self::pieces) end.
    pub(in crate::memcached) fn cuts(&self) -> &[usize] {
        &self.cuts
    }

    pub(in crate::memcached) fn into_replies(self) -> Vec<Reply> {
        self.replies
    }
}
