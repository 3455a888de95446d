//! The binary protocol, as memcached's `doc/protocol-binary.txt` describes it.

use super::expected::{Expected, Kind, Leased, Parsed};
use super::fault::{Fault, shown};
use super::message::{Action, Found, Mode, Reply, Request};
use crate::net::Buffer;

pub(super) const HEADER: usize = 24;
const REQUEST: u8 = 0x80;
const RESPONSE: u8 = 0x81;

const GET: u8 = 0x00;
const SET: u8 = 0x01;
const ADD: u8 = 0x02;
const DELETE: u8 = 0x04;
const NOOP: u8 = 0x0a;
pub(super) const SASL_AUTH: u8 = 0x21;

pub(super) const OK: u16 = 0x00;
const NOT_FOUND: u16 = 0x01;
const EXISTS: u16 = 0x02;
const TOO_LARGE: u16 = 0x03;
const NOT_STORED: u16 = 0x05;
pub(super) const AUTH_ERROR: u16 = 0x20;
pub(super) const UNKNOWN: u16 = 0x81;
const NO_MEMORY: u16 = 0x82;

/// No text of an error is longer.
const MOST_TEXT: usize = 2048;

/// A request.
pub(super) struct Packet<'a> {
    pub(super) opcode: u8,
    pub(super) opaque: u32,
    pub(super) cas: u64,
    pub(super) extras: &'a [u8],
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

impl Packet<'_> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let Self { opcode, opaque, cas, extras, key, value } = self;
        // Keys have at most 250 bytes, extras 8, and values are checked to be far below 4 GiB.
        let key_len = u16::try_from(key.len()).unwrap_or(u16::MAX);
        let extras_len = u8::try_from(extras.len()).unwrap_or(u8::MAX);
        let body = u32::try_from(extras.len() + key.len() + value.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&[REQUEST, *opcode]);
        out.extend_from_slice(&key_len.to_be_bytes());
        out.extend_from_slice(&[extras_len, 0, 0, 0]);
        out.extend_from_slice(&body.to_be_bytes());
        out.extend_from_slice(&opaque.to_be_bytes());
        out.extend_from_slice(&cas.to_be_bytes());
        for part in [extras, key, value] {
            out.extend_from_slice(part);
        }
    }
}

pub(super) fn request(request: &Request<'_>, opaque: u32, out: &mut Vec<u8>) -> Kind {
    let key = request.key.as_str().as_bytes();
    let mut put = |opcode, cas, extras: &[u8], value: &[u8]| {
        Packet { opcode, opaque, cas, extras, key, value }.put(out);
    };
    let extras = |flags: u32, expiry: u32| (u64::from(flags) << 32 | u64::from(expiry)).to_be_bytes();
    match request.action {
        Action::Get | Action::Peek => {
            put(GET, 0, &[], &[]);
            Kind::Item
        }
        Action::Lease { seconds, .. } => {
            put(GET, 0, &[], &[]);
            put(ADD, 0, &extras(0, seconds), &[]);
            Kind::Lease
        }
        Action::Store { mode, flags, expiry, value } => {
            let (opcode, cas) = match mode {
                Mode::Set => (SET, 0),
                Mode::Add => (ADD, 0),
                Mode::Cas(cas) => (SET, cas),
            };
            put(opcode, cas, &extras(flags, expiry), value);
            Kind::Store
        }
        Action::Delete => {
            put(DELETE, 0, &[], &[]);
            Kind::Delete
        }
    }
}

pub(super) fn end(opaque: u32, out: &mut Vec<u8>) {
    Packet { opcode: NOOP, opaque, cas: 0, extras: &[], key: &[], value: &[] }.put(out);
}

/// The head of a response.
pub(super) struct Head {
    pub(super) opcode: u8,
    pub(super) status: u16,
    cas: u64,
    key: usize,
    extras: usize,
    body: usize,
}

impl Head {
    /// Reads a head, if it is there, and checks that it answers `opaque` and announces no more than `most` bytes.
    pub(super) fn read(unread: &[u8], opaque: u32, most: usize) -> Result<Option<Self>, Fault> {
        // A server that speaks text is noticed at its first byte.
        if unread.first().is_some_and(|&magic| magic != RESPONSE) {
            return Fault::protocol("bytes that are no reply of memcached's binary protocol");
        }
        let Some(bytes) = unread.first_chunk::<HEADER>() else { return Ok(None) };
        let number =
            |at: usize, len: usize| bytes[at..at + len].iter().fold(0, |n, &b| n << 8 | u64::from(b));
        let size = |at, len| usize::try_from(number(at, len)).unwrap_or(usize::MAX);
        let head = Self {
            opcode: bytes[1],
            key: size(2, 2),
            extras: size(4, 1),
            status: u16::from_be_bytes([bytes[6], bytes[7]]),
            body: size(8, 4),
            cas: number(16, 8),
        };
        if number(12, 4) != u64::from(opaque) {
            return Fault::protocol("a reply that belongs to another request");
        }
        if head.body > most || head.key + head.extras > head.body {
            return Fault::protocol("a reply with an impossible length");
        }
        Ok(Some(head))
    }

    /// The packet's length.
    pub(super) fn len(&self) -> usize {
        HEADER + self.body
    }
}

pub(super) fn reply(
    expected: Expected,
    most: usize,
    leased: &mut Leased,
    input: &mut Buffer,
) -> Result<Parsed, Fault> {
    let unread = input.unread();
    // Four bytes of flags stand before a value.
    let Some(head) = Head::read(unread, expected.opaque, most.max(MOST_TEXT) + 4)? else {
        return Ok(Parsed::Incomplete);
    };
    let Some(packet) = unread.get(..head.len()) else { return Ok(Parsed::Incomplete) };
    let parsed = interpret(&head, &packet[HEADER..], expected.kind, leased)?;
    input.consume(head.len());
    Ok(parsed)
}

fn interpret(head: &Head, body: &[u8], kind: Kind, leased: &mut Leased) -> Result<Parsed, Fault> {
    let reply = match (kind, head.opcode, head.status) {
        (Kind::End, NOOP, OK) => return Ok(Parsed::End),
        (Kind::Item, GET, OK) => Reply::Item(item(head, body)?),
        (Kind::Item, GET, NOT_FOUND) | (Kind::Delete, DELETE, NOT_FOUND) => Reply::Missing,
        (Kind::Lease, GET, OK | NOT_FOUND) if matches!(leased, Leased::No) => {
            *leased = if head.status == OK { Leased::Item(item(head, body)?) } else { Leased::Missing };
            return Ok(Parsed::Part);
        }
        (Kind::Lease, ADD, status) => match (std::mem::take(leased), status) {
            (Leased::Item(found), OK | EXISTS | NOT_STORED | NO_MEMORY) => Reply::Item(found),
            (Leased::Missing, OK) => Reply::Item(Found { cas: head.cas, ..Found::default() }),
            (Leased::Missing, EXISTS | NOT_STORED) => Reply::Missing,
            (Leased::Missing, NO_MEMORY) => Reply::NoRoom,
            _ => return Err(error(head, body)),
        },
        (Kind::Store, SET | ADD, OK) => Reply::Stored,
        (Kind::Store, SET | ADD, NOT_FOUND | EXISTS | NOT_STORED) => Reply::Refused,
        (Kind::Store, SET | ADD, TOO_LARGE) => Reply::TooLarge,
        (Kind::Store, SET | ADD, NO_MEMORY) => Reply::NoRoom,
        (Kind::Delete, DELETE, OK) => Reply::Deleted,
        _ => return Err(error(head, body)),
    };
    Ok(Parsed::Reply(reply))
}

fn item(head: &Head, body: &[u8]) -> Result<Found, Fault> {
    let (extras, rest) = body.split_at(head.extras.min(body.len()));
    let Ok(flags) = <[u8; 4]>::try_from(extras) else {
        return Fault::protocol("an item without its flags");
    };
    let value = rest.get(head.key..).unwrap_or_default();
    Ok(Found { flags: u32::from_be_bytes(flags), cas: head.cas, len: value.len(), value: value.to_vec() })
}

fn error(head: &Head, body: &[u8]) -> Fault {
    match head.status {
        AUTH_ERROR => Fault::LoginNeeded,
        OK | NOT_FOUND | EXISTS | NOT_STORED => {
            Fault::Protocol("a reply of another kind than was asked for".into())
        }
        status => Fault::Server(format!("status {status:#x}: {}", shown(body))),
    }
}
