//! From the bytes of replies to their values.

use redis::Value;

use super::framing::{Framing, MOST_DEPTH, MOST_ELEMENTS, MOST_LINE, Malformed, length, shown};
use crate::net::Buffer;

/// The replies to some commands, as far as they have arrived.
pub(in crate::redis) struct Replies {
    framing: Framing,
    count: usize,
    values: Vec<Value>,
    /// How many bytes of the next reply the framing has seen.
    seen: usize,
}

impl Replies {
    pub(in crate::redis) fn new(framing: Framing, count: usize) -> Self {
        Self { framing, count, values: Vec::with_capacity(count), seen: 0 }
    }

    /// Takes bytes that have arrived; returns whether all replies are complete. Leaves the bytes after them.
    pub(in crate::redis) fn feed(&mut self, input: &mut Buffer) -> Result<bool, Malformed> {
        while self.values.len() < self.count {
            let unread = input.unread();
            let mut whole = unread;
            // Most replies have arrived as a whole, which one pass reads. The framing judges all others, a fault included.
            if self.seen == 0
                && let Ok(value) = take(&mut whole, self.framing.most, MOST_DEPTH)
            {
                let length = unread.len() - whole.len();
                self.values.push(value);
                input.consume(length);
                continue;
            }
            let (taken, ended) = self.framing.step(&unread[self.seen..])?;
            self.seen += taken;
            if !ended {
                return Ok(false);
            }
            self.values.push(decode(&unread[..self.seen], self.framing.most)?);
            input.consume(std::mem::take(&mut self.seen));
        }
        Ok(true)
    }

    /// The fault of bytes after the last reply.
    pub(in crate::redis) fn unasked(bytes: &[u8]) -> Malformed {
        Malformed::Unasked(shown(&String::from_utf8_lossy(&bytes[..bytes.len().min(MOST_SHOWN)])))
    }

    pub(in crate::redis) fn into_values(self) -> Vec<Value> {
        self.values
    }
}

/// The most bytes of a reply that an error shows.
const MOST_SHOWN: usize = 1024;

/// Reads one reply that the bytes are all of. No text may be longer than `most`.
pub(in crate::redis) fn decode(mut bytes: &[u8], most: usize) -> Result<Value, Malformed> {
    let value = take(&mut bytes, most, MOST_DEPTH)?;
    if bytes.is_empty() { Ok(value) } else { Err(Malformed::Foreign) }
}

/// Takes a reply that is complete and keeps the bounds of [`Framing`]. `depth` is how many arrays may be inside one another.
fn take(bytes: &mut &[u8], most: usize, depth: usize) -> Result<Value, Malformed> {
    let all = *bytes;
    let line = line(bytes)?;
    let (&kind, text) = line.split_first().ok_or(Malformed::Foreign)?;
    match kind {
        b'+' if text == b"OK" => Ok(Value::Okay),
        b'+' => Ok(Value::SimpleString(utf8(text)?.into())),
        b':' => Ok(Value::Int(utf8(text)?.parse().map_err(|_| Malformed::Foreign)?)),
        // The library has no other way to make an error of a server.
        b'-' => redis::parse_redis_value(&all[..line.len() + 2]).map_err(|_| Malformed::Foreign),
        b'$' => {
            let Some(length) = length(text)? else { return Ok(Value::Nil) };
            if length > most {
                return Err(Malformed::Length);
            }
            let (text, rest) = bytes.split_at_checked(length).ok_or(Malformed::Foreign)?;
            *bytes = rest.strip_prefix(b"\r\n").ok_or(Malformed::Foreign)?;
            Ok(Value::BulkString(text.to_vec()))
        }
        b'*' => {
            let Some(length) = length(text)? else { return Ok(Value::Nil) };
            let depth = depth.checked_sub(1).filter(|_| length <= MOST_ELEMENTS).ok_or(Malformed::Length)?;
            // Most elements have four bytes at least.
            let mut values = Vec::with_capacity(length.min(bytes.len() / 4));
            for _ in 0..length {
                values.push(take(bytes, most, depth)?);
            }
            Ok(Value::Array(values))
        }
        _ => Err(Malformed::Foreign),
    }
}

/// Takes a line, without its end.
fn line<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], Malformed> {
    let mut from = 0;
    while let Some(end) = bytes[from..].iter().position(|&byte| byte == b'\n') {
        let end = from + end;
        if let Some(line) = bytes[..end].strip_suffix(b"\r") {
            *bytes = &bytes[end + 1..];
            return if end <= MOST_LINE { Ok(line) } else { Err(Malformed::Line) };
        }
        from = end + 1;
    }
    Err(Malformed::Foreign)
}

fn utf8(text: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(text).map_err(|_| Malformed::Foreign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: usize = 1000;

    /// Feeds bytes in pieces, as the replies to so many commands; the values, or the fault.
    fn values(bytes: &[u8], piece: usize, count: usize) -> Result<Option<Vec<Value>>, Malformed> {
        let (mut replies, mut input) = (Replies::new(Framing::new(MOST), count), Buffer::default());
        for piece in bytes.chunks(piece) {
            input.push(piece);
            if replies.feed(&mut input)? {
                return Ok(Some(replies.into_values()));
            }
        }
        Ok(None)
    }

    #[test]
    fn values_are_those_of_the_library() {
        for bytes in [
            &b"+OK\r\n"[..],
            b"+a b\r\n",
            b"+\r\n",
            b"-ERR no\r\n",
            b":-12\r\n",
            b"$5\r\na\r\nb\n\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*5\r\n*0\r\n*2\r\n:1\r\n-NOSCRIPT no\r\n$-1\r\n$2\r\nab\r\n+\r\n",
        ] {
            let value = redis::parse_redis_value(bytes).unwrap();
            assert_eq!(decode(bytes, MOST).as_ref(), Ok(&value));
            let twice = [bytes, bytes].concat();
            for piece in [1, 3, 1000] {
                let values = values(&twice, piece, 2).unwrap().unwrap();
                assert_eq!(values, [value.clone(), value.clone()], "{piece}");
            }
        }
    }

    #[test]
    fn what_is_malformed_is_a_fault() {
        for bytes in
            [&b"$2\r\nabcd"[..], b"+\xff\r\n", b":1x\r\n", b"*2\r\n:1\r\n", b"+OK\r\n+OK\r\n", b"+OK"]
        {
            assert_eq!(decode(bytes, MOST), Err(Malformed::Foreign), "{}", bytes.escape_ascii());
        }
    }

    /// A whole reply keeps the same bounds as one in pieces.
    #[test]
    fn a_fault_is_the_same_however_it_arrives() {
        let line = |length| [&b"+"[..], &b"x".repeat(length), b"\r\n"].concat();
        let deep = |arrays| [&b"*1\r\n".repeat(arrays)[..], b":1\r\n"].concat();
        let text = |length| [format!("${length}\r\n").as_bytes(), &b"x".repeat(length), b"\r\n"].concat();
        for (good, bad, fault) in [
            (line(MOST_LINE - 2), line(MOST_LINE - 1), Malformed::Line),
            (deep(MOST_DEPTH), deep(MOST_DEPTH + 1), Malformed::Length),
            (text(MOST), text(MOST + 1), Malformed::Length),
            (
                b"$00000000000000000001\r\na\r\n".to_vec(),
                b"$000000000000000000001\r\na\r\n".to_vec(),
                Malformed::Foreign,
            ),
            (b"$-1\r\n".to_vec(), b"$-2\r\n".to_vec(), Malformed::Foreign),
            (b"*0\r\n".to_vec(), b"*\r\n".to_vec(), Malformed::Foreign),
            (b"$1\r\na\r\n".to_vec(), b"$1\r\nab\n".to_vec(), Malformed::Foreign),
        ] {
            for piece in [16, usize::MAX] {
                assert!(values(&good, piece, 1).unwrap().is_some(), "{piece}: {fault:?}");
                assert_eq!(values(&bad, piece, 1).unwrap_err(), fault, "{piece}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(bytes in "([+:$*-][0-3a]?\r\n|[0-9]|-1|\r\n|[ab]){0,12}|\\*[1-3]\r\n([+*$:-][0-2]\r\n|[$]2\r\nab\r\n){0,6}") {
            let whole = values(bytes.as_bytes(), usize::MAX, 2);
            prop_assert_eq!(values(bytes.as_bytes(), 1, 2), whole);
        }
    }
}
