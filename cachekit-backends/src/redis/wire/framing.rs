//! Where a reply of RESP2 ends, and that it keeps its bounds. (<https://redis.io/docs/latest/develop/reference/protocol-spec/>)

use std::fmt;
use std::io;

/// The longest line: a status, an error, a number or a length.
pub(in crate::redis) const MOST_LINE: usize = 64 << 10;
/// The most elements of an array. The parsers reserve nothing for what has not arrived.
pub(super) const MOST_ELEMENTS: usize = 1 << 24;
/// The most arrays inside one another; `CLUSTER SLOTS` has four.
pub(super) const MOST_DEPTH: usize = 8;
/// The longest length, with its sign and the line end.
const MOST_DIGITS: usize = 22;
/// A carriage return and a line feed.
const LINE_END: usize = 2;
/// The most characters of a server's text that an error shows.
const MOST_SHOWN: usize = 200;

/// Bytes that are no reply, or more of one than is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::redis) enum Malformed {
    /// No value of RESP2 begins or goes on like this.
    Foreign,
    /// A line without an end.
    Line,
    /// A value that is longer than any that is stored.
    Length,
    /// A reply that nothing was asked for. Its text, if it is one.
    Unasked(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("sent bytes that are no reply"),
            Self::Line => write!(f, "sent a line of more than {MOST_LINE} bytes"),
            Self::Length => f.write_str("announced a longer value than any that is stored"),
            Self::Unasked(text) => write!(f, "sent a reply that nothing was asked for (`{text}`)"),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(io::ErrorKind::InvalidData, malformed)
    }
}

/// Text of a server, fit to be shown: short, and without control characters.
pub(in crate::redis) fn shown(text: &str) -> String {
    let mut shown: String =
        text.trim().chars().take(MOST_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().chars().nth(MOST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The part of a reply that the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The first byte of a value, which is its kind.
    #[default]
    Kind,
    /// A line of this kind.
    Line(u8),
    /// A text, of which so many bytes are missing, the line end included.
    Bulk(usize),
}

/// Follows replies through a stream of bytes in whichever pieces they arrive. Keeps a few numbers of them and no bytes.
#[derive(Debug)]
pub(in crate::redis) struct Framing {
    /// The longest text.
    pub(super) most: usize,
    state: State,
    /// The bytes of the line so far, and the last of them.
    line: usize,
    last: u8,
    digits: [u8; MOST_DIGITS],
    /// How many elements are missing of each array that is open.
    open: Vec<usize>,
}

impl Framing {
    /// Begins between two replies. No text may be longer than `most`.
    pub(in crate::redis) fn new(most: usize) -> Self {
        Self { most, state: State::Kind, line: 0, last: 0, digits: [0; MOST_DIGITS], open: Vec::new() }
    }

    /// Reads on to the end of the reply or of the bytes; returns how many bytes that took, and whether the reply has ended.
    pub(in crate::redis) fn step(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let value_ended = match self.state {
                State::Kind => {
                    at += 1;
                    self.begin(rest[0])?;
                    false
                }
                State::Line(kind) => {
                    let end = rest.iter().position(|&byte| byte == b'\n');
                    let part = &rest[..end.map_or(rest.len(), |end| end + 1)];
                    at += part.len();
                    self.line(kind, part)?
                }
                State::Bulk(missing) => {
                    let taken = missing.min(rest.len());
                    at += taken;
                    self.state = State::Bulk(missing - taken);
                    missing == taken
                }
            };
            if value_ended {
                self.state = State::Kind;
                if self.close() {
                    return Ok((at, true));
                }
            }
        }
        Ok((at, false))
    }

    fn begin(&mut self, kind: u8) -> Result<(), Malformed> {
        if !matches!(kind, b'+' | b'-' | b':' | b'$' | b'*') {
            return Err(Malformed::Foreign);
        }
        (self.state, self.line, self.last) = (State::Line(kind), 0, 0);
        Ok(())
    }

    /// Takes a part of a line, which has a line feed at its end at most; whether the line is a value that has ended.
    fn line(&mut self, kind: u8, part: &[u8]) -> Result<bool, Malformed> {
        let [.., last] = part else { return Ok(false) };
        let before = match part {
            [.., before, _] => *before,
            _ => self.last,
        };
        let has_length = matches!(kind, b'$' | b'*');
        for (&byte, slot) in part.iter().zip(self.digits.iter_mut().skip(self.line)) {
            *slot = byte;
        }
        self.line += part.len();
        self.last = *last;
        if self.line > MOST_LINE {
            return Err(Malformed::Line);
        }
        if has_length && self.line > MOST_DIGITS {
            return Err(Malformed::Foreign);
        }
        // A line feed by itself doesn't end a line.
        if (before, *last) != (b'\r', b'\n') {
            return Ok(false);
        }
        if !has_length {
            return Ok(true);
        }
        match length(&self.digits[..self.line - LINE_END])? {
            Some(length) => self.length(kind, length),
            None => Ok(true),
        }
    }

    /// Takes the length of a text or an array; whether that is all of it.
    fn length(&mut self, kind: u8, length: usize) -> Result<bool, Malformed> {
        if kind == b'$' {
            if length > self.most {
                return Err(Malformed::Length);
            }
            self.state = State::Bulk(length + LINE_END);
            return Ok(false);
        }
        if length > MOST_ELEMENTS || self.open.len() == MOST_DEPTH {
            return Err(Malformed::Length);
        }
        if length == 0 {
            return Ok(true);
        }
        self.open.push(length);
        self.state = State::Kind;
        Ok(false)
    }

    /// Counts a value that has ended in the arrays around it; whether no array is open any more.
    fn close(&mut self) -> bool {
        while let Some(missing) = self.open.last_mut() {
            *missing -= 1;
            if *missing > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}

/// Reads the length of a text or an array; none for an absent one.
pub(super) fn length(digits: &[u8]) -> Result<Option<usize>, Malformed> {
    if digits == b"-1" {
        return Ok(None);
    }
    let next = |length: usize, digit: &u8| {
        let value = usize::from(digit.wrapping_sub(b'0'));
        if value > 9 { None } else { length.checked_mul(10)?.checked_add(value) }
    };
    let is_short = (1..=MOST_DIGITS - LINE_END).contains(&digits.len());
    let length = digits.iter().try_fold(0, next).filter(|_| is_short);
    Ok(Some(length.ok_or(Malformed::Foreign)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: usize = 1000;

    /// Feeds bytes in pieces; the replies' ends, or the fault.
    fn ends(bytes: &[u8], piece: usize) -> Result<Vec<usize>, Malformed> {
        let (mut framing, mut ends, mut at) = (Framing::new(MOST), Vec::new(), 0);
        for piece in bytes.chunks(piece) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (taken, ended) = framing.step(rest)?;
                assert!(taken > 0);
                (at, rest) = (at + taken, &rest[taken..]);
                if ended {
                    ends.push(at);
                    assert!(framing.state == State::Kind && framing.open.is_empty());
                }
            }
        }
        Ok(ends)
    }

    #[test]
    fn replies_end_where_they_end_however_they_arrive() {
        let replies: [&[u8]; 9] = [
            b"+OK\r\n",
            b"-ERR a\nb\r\n",
            b":-12\r\n",
            b"$5\r\na\r\nb\n\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*3\r\n*2\r\n:1\r\n*0\r\n$-1\r\n+x\r\n",
        ];
        let bytes = replies.concat();
        let expected: Vec<usize> = replies
            .iter()
            .scan(0, |at, reply| {
                *at += reply.len();
                Some(*at)
            })
            .collect();
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(ends(&bytes, piece).unwrap(), expected, "{piece}");
        }
    }

    #[test]
    fn what_has_no_bound_is_a_fault() {
        let endless = [&b"-"[..], &b"x".repeat(MOST_LINE + 1)].concat();
        let deep = b"*1\r\n".repeat(MOST_DEPTH + 1);
        for (bytes, fault) in [
            (&endless[..], Malformed::Line),
            (b"$1001\r\n", Malformed::Length),
            (b"$99999999999999999999999\r\n", Malformed::Foreign),
            (b"$-2\r\n", Malformed::Foreign),
            (b"*1000000000\r\n", Malformed::Length),
            (&deep, Malformed::Length),
            (b"HTTP/1.1 400 Bad Request\r\n", Malformed::Foreign),
            (b"*1\r\n\0", Malformed::Foreign),
        ] {
            assert_eq!(
                ends(bytes, 16).unwrap_err(),
                fault,
                "{}",
                bytes[..bytes.len().min(30)].escape_ascii()
            );
        }
        let long = "é\r".repeat(500);
        assert_eq!(shown(&long).chars().count(), MOST_SHOWN + 1);
        assert!(!shown(&long).contains('\r'));
    }

    proptest! {
        /// Foreign bytes never panic, and where the client library reads a reply, so does this.
        #[test]
        fn it_agrees_with_the_library(bytes in "([+:$*-]|[0-9]|-1|\r\n){0,20}|[+*$:-]{1,2}[0-3]\r\n([ab]{0,3}\r\n|[+*$:-][0-2]\r\n){0,6}") {
            let bytes = bytes.as_bytes();
            if let Ok(ends) = ends(bytes, 3)
                && let Some(&end) = ends.first()
                && let Ok(value) = redis::parse_redis_value(&bytes[..end])
            {
                prop_assert_eq!(super::super::reply::decode(&bytes[..end], MOST), Ok(value));
            }
        }
    }
}
