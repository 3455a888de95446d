//! Logging in: SASL PLAIN in the binary protocol (`memcached -S`), or the text login (`memcached -Y`).

use super::binary::{AUTH_ERROR, Head, OK, Packet, SASL_AUTH, UNKNOWN};
use super::fault::Fault;
use super::message::Format;
use crate::Secret;
use crate::net::Buffer;

/// The opaque of the login. It has line ends in it: a server that reads text takes them for the end of a line and replies,
/// where it would wait for more otherwise.
const OPAQUE: u32 = u32::from_be_bytes(*b"\r\n\r\n");
const MOST_REPLY: usize = 2048;

/// How to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::memcached) enum LoginKind {
    /// SASL PLAIN.
    Sasl,
    /// The text login.
    Text,
}

/// A user name and a password.
#[derive(Clone, Debug)]
pub(in crate::memcached) struct Credentials {
    pub(in crate::memcached) user: String,
    pub(in crate::memcached) password: Secret,
}

/// A login under way.
#[derive(Debug)]
pub(in crate::memcached) struct Login(LoginKind);

/// The reply of a server to a login.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::memcached) enum Greeting {
    /// Nothing yet, or not all.
    Incomplete,
    Welcome(Format),
    /// It speaks text, so the text login is to be tried, on another connection.
    SpeaksText,
}

impl Login {
    /// Appends the bytes that log in.
    pub(in crate::memcached) fn start(
        kind: LoginKind,
        Credentials { user, password }: &Credentials,
        out: &mut Vec<u8>,
    ) -> Result<Self, Fault> {
        let password = password.expose();
        match kind {
            LoginKind::Sasl => {
                let value = [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat();
                let packet = Packet {
                    opcode: SASL_AUTH,
                    opaque: OPAQUE,
                    cas: 0,
                    extras: &[],
                    key: b"PLAIN",
                    value: &value,
                };
                packet.put(out);
            }
            LoginKind::Text => {
                let unfit = |text: &str| text.is_empty() || text.contains([' ', '\r', '\n']);
                if unfit(user) || unfit(password) {
                    return Err(Fault::LoginRefused(
                        "the server wants the text login (`-Y`), in which a user name or a password can't be empty or \
                         contain a space or a line end"
                            .into(),
                    ));
                }
                let line = format!("{user} {password}");
                out.extend_from_slice(format!("set login 0 0 {}\r\n{line}\r\n", line.len()).as_bytes());
            }
        }
        Ok(Self(kind))
    }

    /// Reads what arrived.
    pub(in crate::memcached) fn feed(&self, input: &mut Buffer) -> Result<Greeting, Fault> {
        match self.0 {
            LoginKind::Sasl => sasl(input),
            LoginKind::Text => text(input),
        }
    }
}

fn sasl(input: &mut Buffer) -> Result<Greeting, Fault> {
    let unread = input.unread();
    for text in [&b"CLIENT_ERROR"[..], b"ERROR"] {
        if unread.starts_with(text) {
            return Ok(Greeting::SpeaksText);
        }
        if text.starts_with(unread) {
            return Ok(Greeting::Incomplete);
        }
    }
    let Some(head) = Head::read(unread, OPAQUE, MOST_REPLY)? else { return Ok(Greeting::Incomplete) };
    if unread.len() < head.len() {
        return Ok(Greeting::Incomplete);
    }
    let greeting = match (head.opcode, head.status) {
        (SASL_AUTH, OK) => Greeting::Welcome(Format::Binary),
        (SASL_AUTH, AUTH_ERROR) => return Err(wrong()),
        (SASL_AUTH, UNKNOWN) => {
            return Err(Fault::LoginRefused(
                "the server has no login, and is open to all: start it with `-S` or `-Y`, or use the cache type \
                 `memcached`"
                    .into(),
            ));
        }
        // Its text is left out, here and below: a server may repeat the login in it.
        (SASL_AUTH, status) => {
            let message = format!("the server answered the login with the status {status:#06x}");
            return Err(Fault::LoginRefused(message.into()));
        }
        _ => return Fault::protocol("a reply of another kind than was asked for"),
    };
    input.consume(head.len());
    Ok(greeting)
}

fn text(input: &mut Buffer) -> Result<Greeting, Fault> {
    let unread = input.unread();
    let Some(end) = unread.iter().take(MOST_REPLY).position(|&b| b == b'\n') else {
        return if unread.len() < MOST_REPLY {
            Ok(Greeting::Incomplete)
        } else {
            Fault::protocol("a reply line without an end")
        };
    };
    match unread[..end].trim_ascii_end() {
        b"STORED" => {
            input.consume(end + 1);
            Ok(Greeting::Welcome(Format::Meta))
        }
        line if line.starts_with(b"CLIENT_ERROR") => Err(wrong()),
        line if line.starts_with(b"SERVER_ERROR") || line.starts_with(b"ERROR") => {
            Err(Fault::LoginRefused("the server answered the login with an error of its own".into()))
        }
        _ => Fault::protocol("bytes that are no reply of memcached"),
    }
}

fn wrong() -> Fault {
    Fault::LoginRefused("user name or password are wrong".into())
}
