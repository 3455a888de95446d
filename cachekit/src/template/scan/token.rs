//! Where the tokens of a tag end.

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Ident,
    Text,
    Number,
    Open,
    Close,
    Operator,
}

/// The token at an offset, and its length.
pub(super) fn at(text: &str, at: usize) -> Option<(Token, usize)> {
    let bytes = &text.as_bytes()[at..];
    if let Some(b"//" | b"**" | b"==" | b"!=" | b">=" | b"<=") = bytes.get(..2) {
        return Some((Token::Operator, 2));
    }
    Some(match bytes.first()? {
        b'(' | b'[' | b'{' => (Token::Open, 1),
        b')' | b']' | b'}' => (Token::Close, 1),
        b'+' | b'-' | b'*' | b'/' | b'%' | b'.' | b',' | b':' | b'~' | b'|' | b'=' | b'>' | b'<' => {
            (Token::Operator, 1)
        }
        quote @ (b'"' | b'\'') => (Token::Text, string(bytes, *quote)?),
        b'0'..=b'9' => (Token::Number, number(text, at)),
        _ => match ident(&text[at..]) {
            0 => return None,
            len => (Token::Ident, len),
        },
    })
}

fn string(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            byte if byte == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// A character outside of ASCII counts as a letter: the engine decides, if it is built to, and refuses the rest itself.
fn ident(text: &str) -> usize {
    let letter = |(at, c): (usize, char)| {
        let is = match c {
            '_' => true,
            _ if c.is_ascii() => c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit()),
            _ => !c.is_whitespace(),
        };
        is.then(|| c.len_utf8())
    };
    text.char_indices().map_while(letter).sum()
}

fn number(text: &str, at: usize) -> usize {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Radix,
        Integer,
        Fraction,
        Exponent,
        Signed,
    }
    let after_dot = text.as_bytes()[..at].last() == Some(&b'.');
    let (prefix, radix) = match text.as_bytes()[at..].get(..2) {
        Some(b"0x" | b"0X") => (2, 16),
        Some(b"0b" | b"0B" | b"0o" | b"0O") => (2, 8),
        _ => (0, 10),
    };
    let rest = &text[at + prefix..];
    let bytes = rest.as_bytes();
    let mut state = if radix == 10 { State::Integer } else { State::Radix };
    let mut len = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    while let Some(byte) = bytes.get(len) {
        state = match (byte, state) {
            (b'.', State::Integer) if after_dot => break,
            (b'.', State::Integer) => {
                let exponent = matches!(bytes.get(len + 1), Some(b'e' | b'E'))
                    && matches!(bytes.get(len + 2), Some(b'+' | b'-' | b'0'..=b'9'));
                if !exponent && ident(&rest[len + 1..]) > 0 {
                    break;
                }
                State::Fraction
            }
            (b'e' | b'E', State::Integer | State::Fraction) => State::Exponent,
            (b'+' | b'-' | b'0'..=b'9', State::Exponent) => State::Signed,
            (b'0'..=b'9' | b'_', state) => state,
            (b'a'..=b'f' | b'A'..=b'F', State::Radix) if radix == 16 => state,
            _ => break,
        };
        len += 1;
    }
    prefix + len
}
