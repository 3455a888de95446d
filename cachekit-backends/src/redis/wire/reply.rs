//! From the bytes of replies to their values.

use redis::Value;

use super::framing::{Framing, Malformed, shown};
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
            let (taken, ended) = self.framing.step(&unread[self.seen..])?;
            self.seen += taken;
            if !ended {
                return Ok(false);
            }
            self.values.push(decode(&unread[..self.seen])?);
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

/// Reads one reply, whose bytes are complete and in bounds, as [`Framing`](super::Framing) has found.
pub(in crate::redis) fn decode(mut bytes: &[u8]) -> Result<Value, Malformed> {
    let value = take(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(Malformed::Foreign) }
}

fn take(bytes: &mut &[u8]) -> Result<Value, Malformed> {
    let all = *bytes;
    let line = line(bytes)?;
    let (&kind, text) = line.split_first().ok_or(Malformed::Foreign)?;
    match kind {
        b'+' if text == b"OK" => Ok(Value::Okay),
        b'+' => Ok(Value::SimpleString(utf8(text)?.into())),
        b':' => Ok(Value::Int(number(text)?)),
        // The library has no other way to make an error of a server.
        b'-' => redis::parse_redis_value(&all[..line.len() + 2]).map_err(|_| Malformed::Foreign),
        b'$' => {
            let Ok(length) = usize::try_from(number(text)?) else { return Ok(Value::Nil) };
            let (text, rest) = bytes.split_at_checked(length).ok_or(Malformed::Foreign)?;
            *bytes = rest.strip_prefix(b"\r\n").ok_or(Malformed::Foreign)?;
            Ok(Value::BulkString(text.to_vec()))
        }
        b'*' => {
            let Ok(length) = usize::try_from(number(text)?) else { return Ok(Value::Nil) };
            // Each element has at least four bytes.
            let mut values = Vec::with_capacity(length.min(bytes.len() / 4));
            for _ in 0..length {
                values.push(take(bytes)?);
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
            return Ok(line);
        }
        from = end + 1;
    }
    Err(Malformed::Foreign)
}

fn utf8(text: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(text).map_err(|_| Malformed::Foreign)
}

fn number(text: &[u8]) -> Result<i64, Malformed> {
    utf8(text)?.parse().map_err(|_| Malformed::Foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_library() {
        for bytes in [
            &b"+OK\r\n"[..],
            b"+a b\r\n",
            b"-ERR no\r\n",
            b":-12\r\n",
            b"$5\r\na\r\nb\n\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*4\r\n*0\r\n*2\r\n:1\r\n-NOSCRIPT no\r\n$-1\r\n$2\r\nab\r\n",
        ] {
            assert_eq!(decode(bytes).unwrap(), redis::parse_redis_value(bytes).unwrap());
        }
    }

    #[test]
    fn what_is_malformed_is_a_fault() {
        for bytes in
            [&b"$2\r\nabcd"[..], b"+\xff\r\n", b":1x\r\n", b"*2\r\n:1\r\n", b"+OK\r\n+OK\r\n", b"+OK"]
        {
            assert_eq!(decode(bytes), Err(Malformed::Foreign), "{}", bytes.escape_ascii());
        }
    }
}
