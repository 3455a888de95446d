//! Faults as errors: what happened, at which server, and what to do.

use std::io;

use super::server::Server;
use super::settings::Settings;
use super::wire::Fault;
use crate::{Error, ErrorKind};

/// Advice for a server that never replied: some kinds don't reply to clients of another kind.
const SILENT: &str = "; if the server is up, it may want a login (memcached with `-S` answers nothing to clients without: use \
                      `saslmemcached`) or TLS (the option `tls`)";

/// The error of a server whose circuit breaker is open.
pub(super) fn left_alone(kind: ErrorKind, server: &Server) -> Error {
    let name = &server.name;
    Error::new(
        kind,
        format!("memcached at {name} failed several times in a row and is left alone until a probe succeeds"),
    )
}

pub(super) fn of(fault: Fault, server: &Server, settings: &Settings, answered: bool) -> Error {
    let name = &server.name;
    let hint = if answered || settings.login.is_some() { "" } else { SILENT };
    let new = |kind, text: String| Error::new(kind, text);
    match fault {
        Fault::Connect(source) if source.kind() == io::ErrorKind::TimedOut => new(
            ErrorKind::Unavailable,
            format!(
                "no connection to memcached at {name} within {:?}",
                settings.connect_timeout.min(settings.operation_timeout)
            ),
        ),
        Fault::Connect(source) => {
            new(ErrorKind::Unavailable, format!("memcached at {name} can't be reached: {source}"))
                .with_source(source)
        }
        Fault::Timeout => new(
            ErrorKind::Timeout,
            format!("memcached at {name} has not answered within the operation timeout{hint}"),
        ),
        Fault::Busy => new(
            ErrorKind::Timeout,
            format!(
                "all {} connections to memcached at {name} were busy for the whole operation timeout: raise `pool_size`, or find \
                 out why the server is slow",
                settings.pool_size
            ),
        ),
        Fault::Hangup => {
            new(ErrorKind::Unavailable, format!("memcached at {name} closed the connection{hint}"))
        }
        Fault::Io(source) => {
            new(ErrorKind::Unavailable, format!("the connection to memcached at {name} failed: {source}"))
                .with_source(source)
        }
        Fault::Protocol(what) => new(
            ErrorKind::Protocol,
            format!(
                "memcached at {name} sent {what}; the connection was closed. Is it a memcached of 1.6 or later?"
            ),
        ),
        Fault::LoginNeeded => new(
            ErrorKind::Auth,
            format!(
                "memcached at {name} wants a login: use the cache type `saslmemcached` with `memcached_username` and \
                 `memcached_password`"
            ),
        ),
        Fault::LoginRefused(why) => {
            new(ErrorKind::Auth, format!("memcached at {name} did not take the login: {why}"))
        }
        Fault::Server(text) => {
            new(ErrorKind::Unavailable, format!("memcached at {name} reports an error: {text}"))
        }
    }
}
