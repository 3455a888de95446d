//! The meta text commands, as memcached's `doc/protocol.txt` describes them (1.6).

use super::expected::{Expected, Kind, Parsed};
use super::fault::{Fault, shown};
use super::message::{Action, Found, Mode, Reply, Request};
use crate::net::{Buffer, put_decimal};

/// No reply line is longer.
const MOST_LINE: usize = 2048;

/// A part of a request.
enum Part<'t> {
    Text(&'t str),
    Number(u64),
}
use Part::{Number, Text};

fn put<const N: usize>(out: &mut Vec<u8>, parts: [Part<'_>; N]) {
    for part in parts {
        match part {
            Text(text) => out.extend_from_slice(text.as_bytes()),
            Number(number) => put_decimal(out, number),
        }
    }
}

pub(super) fn request(request: &Request<'_>, opaque: u32, out: &mut Vec<u8>) -> Kind {
    let (key, opaque) = (Text(request.key.as_str()), Number(opaque.into()));
    match request.action {
        Action::Get => {
            put(out, [Text("mg "), key, Text(" v f c O"), opaque, Text("\r\n")]);
            Kind::Item
        }
        Action::Peek => {
            put(out, [Text("mg "), key, Text(" s f c O"), opaque, Text("\r\n")]);
            Kind::Head
        }
        Action::Lease { seconds, value } => {
            // An item made by `N` is empty; its size shows that where the value is left out.
            let with = Text(if value { " v f c O" } else { " s f c O" });
            put(out, [Text("mg "), key, with, opaque, Text(" N"), Number(seconds.into()), Text("\r\n")]);
            Kind::Lease
        }
        Action::Store { mode, flags, expiry, value } => {
            put(out, [Text("ms "), key, Text(" "), Number(value.len() as u64)]);
            put(
                out,
                [Text(" T"), Number(expiry.into()), Text(" F"), Number(flags.into()), Text(" O"), opaque],
            );
            match mode {
                Mode::Set => {}
                Mode::Add => put(out, [Text(" ME")]),
                Mode::Cas(cas) => put(out, [Text(" C"), Number(cas)]),
            }
            put(out, [Text("\r\n")]);
            out.extend_from_slice(value);
            put(out, [Text("\r\n")]);
            Kind::Store
        }
        Action::Delete => {
            put(out, [Text("md "), key, Text(" O"), opaque, Text("\r\n")]);
            Kind::Delete
        }
    }
}

pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"mn\r\n");
}

/// The return flags of a reply line that matter here.
#[derive(Default)]
struct Flags {
    opaque: Option<u32>,
    cas: u64,
    client: u32,
    size: Option<usize>,
}

impl Flags {
    fn parse<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Self, Fault> {
        let mut flags = Self::default();
        for word in words {
            let Some((&letter, value)) = word.split_first() else { continue };
            match letter {
                b'O' => flags.opaque = Some(number(value)?),
                b'c' => flags.cas = number(value)?,
                b'f' => flags.client = number(value)?,
                b's' => flags.size = Some(number(value)?),
                _ => {}
            }
        }
        Ok(flags)
    }
}

fn number<N: TryFrom<u64>>(digits: &[u8]) -> Result<N, Fault> {
    let digit = |sum: Option<u64>, &byte: &u8| {
        sum?.checked_mul(10)?.checked_add(char::from(byte).to_digit(10)?.into())
    };
    let number = Some(digits).filter(|digits| !digits.is_empty());
    match number
        .and_then(|digits| digits.iter().fold(Some(0), digit))
        .and_then(|number| number.try_into().ok())
    {
        Some(number) => Ok(number),
        None => Fault::protocol("a reply with a malformed number"),
    }
}

pub(super) fn reply(expected: Expected, most: usize, input: &mut Buffer) -> Result<Parsed, Fault> {
    let unread = input.unread();
    let Some(end) = unread.iter().take(MOST_LINE).position(|&b| b == b'\n') else {
        return if unread.len() < MOST_LINE {
            Ok(Parsed::Incomplete)
        } else {
            Fault::protocol("a reply line without an end")
        };
    };
    let Some(line) = unread[..end].strip_suffix(b"\r") else {
        return Fault::protocol("a reply line that doesn't end in CR LF");
    };
    let body = &unread[end + 1..];
    let (parsed, rest) = match line {
        b"MN" if expected.kind == Kind::End => (Parsed::End, 0),
        _ => match reply_to(line, body, expected, most)? {
            Some((reply, rest)) => (Parsed::Reply(reply), rest),
            None => return Ok(Parsed::Incomplete),
        },
    };
    input.consume(end + 1 + rest);
    Ok(parsed)
}

/// The reply that a line begins, and how many bytes after the line belong to it; none if more have to arrive.
fn reply_to(
    line: &[u8],
    body: &[u8],
    expected: Expected,
    most: usize,
) -> Result<Option<(Reply, usize)>, Fault> {
    let mut words = line.split(|&b| b == b' ').filter(|word| !word.is_empty());
    let word = words.next().unwrap_or_default();
    if !matches!(word, b"VA" | b"HD" | b"EN" | b"NF" | b"NS" | b"EX") {
        return error_line(line, expected.kind).map(|reply| Some((reply, 0)));
    }
    let len = if word == b"VA" { Some(number(words.next().unwrap_or(b"none"))?) } else { None };
    let flags = Flags::parse(words)?;
    // `EN` has no opaque on some servers; the mark at the end counts it.
    if flags.opaque != Some(expected.opaque) && !(flags.opaque.is_none() && word == b"EN") {
        return Fault::protocol("a reply that belongs to another request");
    }
    let found = |len, value| Reply::Item(Found { flags: flags.client, cas: flags.cas, len, value });
    let reply = match (expected.kind, word, len) {
        (Kind::Item | Kind::Lease, b"VA", Some(len)) => {
            return Ok(value(len, body, most)?.map(|v| (found(len, v), len + 2)));
        }
        (Kind::Head | Kind::Lease, b"HD", _) => match flags.size {
            Some(size) => found(size, Vec::new()),
            None => return Fault::protocol("an item without a size"),
        },
        // It has left no stub.
        (Kind::Lease, b"EN", _) => Reply::NoRoom,
        (Kind::Item | Kind::Head, b"EN", _) | (Kind::Delete, b"NF", _) => Reply::Missing,
        (Kind::Store, b"HD", _) => Reply::Stored,
        (Kind::Store, b"NS" | b"EX" | b"NF", _) => Reply::Refused,
        (Kind::Delete, b"HD", _) => Reply::Deleted,
        _ => return Fault::protocol("a reply of another kind than was asked for"),
    };
    Ok(Some((reply, 0)))
}

fn value(len: usize, body: &[u8], most: usize) -> Result<Option<Vec<u8>>, Fault> {
    if len > most {
        return Fault::protocol("a value longer than any that may be stored");
    }
    match body.get(..len + 2) {
        None => Ok(None),
        Some(body) => match body.strip_suffix(b"\r\n") {
            Some(value) => Ok(Some(value.to_vec())),
            None => Fault::protocol("a value that doesn't end where it should"),
        },
    }
}

/// Errors come without an opaque. Only after a refused value is the connection in order.
fn error_line(line: &[u8], kind: Kind) -> Result<Reply, Fault> {
    let text = line.to_ascii_lowercase();
    let says = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    if text.starts_with(b"server_error") && kind == Kind::Store {
        if says(b"too large") {
            return Ok(Reply::TooLarge);
        }
        if says(b"out of memory") {
            return Ok(Reply::NoRoom);
        }
    }
    if text.starts_with(b"client_error") && says(b"unauthenticated") {
        return Err(Fault::LoginNeeded);
    }
    if [&b"server_error"[..], b"client_error", b"error"].iter().any(|start| text.starts_with(start)) {
        return Err(Fault::Server(shown(line)));
    }
    Fault::protocol("bytes that are no reply of memcached")
}
