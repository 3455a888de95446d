//! Faults as errors: what happened, at which server, and what to do.

use std::io;

use redis::{ErrorKind as Redis, RedisError, ServerErrorKind, Value};

use super::wire::{Malformed, shown};
use crate::net::Address;
use crate::{Error, ErrorKind};

/// The server's name for errors, and the passwords, which none may show.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) passwords: Vec<String>,
}

impl Server {
    /// An error of our own.
    pub(super) fn fault(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("Redis at {}: {what}", self.name))
    }

    /// The time of an operation is over.
    pub(super) fn timeout(&self, doing: &str) -> Error {
        self.fault(ErrorKind::Timeout, &format!("{doing} took longer than `operation_timeout` allows"))
    }

    pub(super) fn io(&self, error: io::Error) -> Error {
        if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
            return self.timeout("the answer").with_source(error);
        }
        if let Some(malformed) = malformed(&error) {
            return self.fault(ErrorKind::Protocol, &format!("{malformed}: is it a Redis server?"));
        }
        let kind = if tls_error(&error).is_some() {
            ErrorKind::Protocol
        } else if is_gone(&error) {
            ErrorKind::Unavailable
        } else {
            Error::from(io::Error::from(error.kind())).kind()
        };
        self.fault(kind, &format!("{error}{}", tls_advice(&error))).with_source(error)
    }

    /// An error of connecting. The address may be another one than the configuration names.
    pub(super) fn connecting(&self, address: &Address, error: io::Error) -> Error {
        let kind = match self.io(io::Error::from(error.kind())).kind() {
            _ if tls_error(&error).is_some() => ErrorKind::Protocol,
            ErrorKind::Io => ErrorKind::Unavailable,
            kind => kind,
        };
        Error::new(kind, format!("Redis at {address}: can't connect: {error}{}", tls_advice(&error)))
            .with_source(error)
    }

    /// An error of the client library, or one that the server answered.
    pub(super) fn error(&self, error: RedisError) -> Error {
        if let Some(cause) = io_error(&error) {
            let cause = match malformed(cause) {
                Some(malformed) => malformed.clone().into(),
                None => io::Error::new(cause.kind(), error),
            };
            return self.io(cause);
        }
        let (kind, advice) = class(&error);
        // The error itself is not attached: it has the server's text, which can be long, and hide a password.
        self.fault(kind, &format!("{}{advice}", self.text(&error)))
    }

    /// The server's text, fit to be shown.
    fn text(&self, error: &RedisError) -> String {
        let mut text = error.to_string();
        // Some servers repeat the arguments of a command that they don't know.
        for secret in self.passwords.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        shown(&text)
    }

    /// A reply that the command doesn't have.
    pub(super) fn unexpected(&self, command: &str, answer: &Value) -> Error {
        let answer = match answer {
            Value::Nil => "nothing",
            Value::Int(_) => "a number",
            Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "text",
            Value::Array(_) => "a list",
            _ => "something else",
        };
        self.fault(ErrorKind::Protocol, &format!("answered {answer} to `{command}`; is it a Redis server?"))
    }

    /// The server's reply to a login.
    pub(super) fn refused_login(&self, error: RedisError) -> Error {
        let error = self.error(error);
        Error::new(ErrorKind::Auth, error.to_string())
    }

    /// An error that a sentinel replied, to the login or to a question.
    pub(super) fn of_sentinel(&self, sentinel: &Address, error: RedisError, to_login: bool) -> Error {
        if !to_login && class(&error).0 != ErrorKind::Auth {
            return self.error(error);
        }
        let text = self.text(&error);
        Error::new(
            ErrorKind::Auth,
            format!(
                "Redis: the sentinel at {sentinel} refuses the login: {text}: check `sentinel_user` and `sentinel_pass` in the \
                 query of `redis_url`"
            ),
        )
    }
}

/// The system's error behind one of the client library.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    type Shared = std::sync::Arc<dyn std::error::Error + Send + Sync>;
    std::error::Error::source(error)?.downcast_ref::<Shared>()?.downcast_ref()
}

/// Why bytes of the server were refused, if that is the error.
pub(super) fn malformed(error: &io::Error) -> Option<&Malformed> {
    error.get_ref()?.downcast_ref()
}

/// Whether the other side has closed the connection.
pub(super) fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let closed = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof];
    closed.contains(&error.kind())
}

/// Whether the peer has gone, or was never there.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkUnreachable, NotConnected, NotFound, UnexpectedEof,
    };
    matches!(
        error.kind(),
        AddrNotAvailable
            | BrokenPipe
            | ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | NetworkUnreachable
            | NotConnected
            | NotFound
            | UnexpectedEof
    )
}

/// The error of TLS, if it is one.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Advice for a server that wants a certificate of its clients.
fn tls_advice(error: &io::Error) -> &'static str {
    use rustls::AlertDescription::{CertificateRequired, HandshakeFailure};
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(CertificateRequired | HandshakeFailure)) => {
            ": the server may want a certificate of the client, see the options `tls_cert` and `tls_key`"
        }
        _ => "",
    }
}

/// The kind of an error, and what to do about it.
fn class(error: &RedisError) -> (ErrorKind, &'static str) {
    const ADVICE: &str = ": check the user and the password in `redis_url` or `redis_password`";
    let code = error.code().unwrap_or_default();
    match (error.kind(), code) {
        (Redis::AuthenticationFailed, _) | (_, "NOAUTH" | "WRONGPASS") => (ErrorKind::Auth, ADVICE),
        (Redis::Server(ServerErrorKind::NoPerm), _) => {
            (ErrorKind::Auth, ": the user may not run a command that the cache needs")
        }
        (_, "OOM") => (ErrorKind::Full, ": raise `maxmemory`, or let the server evict by `maxmemory-policy`"),
        (Redis::Parse | Redis::UnexpectedReturnType, _) => (ErrorKind::Protocol, ": is it a Redis server?"),
        (
            Redis::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask,
            )
            | Redis::ClusterConnectionNotFound,
            _,
        )
        | (_, "MISCONF" | "NOREPLICAS" | "BUSY") => (ErrorKind::Unavailable, ""),
        _ => (ErrorKind::Other, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server { name: "h:1".into(), passwords: vec!["hunter2".into()] }
    }

    fn answered(line: &str) -> Error {
        let error = match redis::parse_redis_value(format!("-{line}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => error.into(),
            other => panic!("{other:?}"),
        };
        server().error(error)
    }

    #[test]
    fn answers_have_kinds_that_a_program_can_act_on() {
        for (line, kind) in [
            ("NOAUTH Authentication required.", ErrorKind::Auth),
            ("WRONGPASS invalid username-password pair", ErrorKind::Auth),
            ("NOPERM this user has no permissions", ErrorKind::Auth),
            ("OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::Full),
            ("LOADING Redis is loading the dataset in memory", ErrorKind::Unavailable),
            ("READONLY You can't write against a read only replica.", ErrorKind::Unavailable),
            ("CLUSTERDOWN The cluster is down", ErrorKind::Unavailable),
            ("BUSY Redis is busy running a script.", ErrorKind::Unavailable),
            ("ERR what", ErrorKind::Other),
        ] {
            let error = answered(line);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().starts_with("Redis at h:1: "), "{error}");
        }
    }

    #[test]
    fn a_password_that_the_server_repeats_is_not_shown() {
        let error = answered("ERR unknown command `AUTH`, with args beginning with: `hunter2`");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn an_error_of_the_system_is_recognised() {
        let error = RedisError::from(io::Error::from(io::ErrorKind::UnexpectedEof));
        assert!(io_error(&error).is_some_and(is_closed));
        assert_eq!(server().error(error).kind(), ErrorKind::Unavailable);
        let error = server().error(io::Error::from(io::ErrorKind::TimedOut).into());
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }

    #[test]
    fn a_server_of_another_kind_is_named_so() {
        let library = server().error(redis::parse_redis_value(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err());
        let malformed = || std::io::Error::from(Malformed::Foreign);
        for error in [library, server().io(malformed()), server().error(malformed().into())] {
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(error.to_string().ends_with(": is it a Redis server?"), "{error}");
        }
    }

    #[test]
    fn a_long_text_of_the_server_is_cut() {
        let error = answered(&format!("ERR {}", "x".repeat(100_000)));
        assert!(format!("{error} {error:?}").len() < 1_000);
    }
}
