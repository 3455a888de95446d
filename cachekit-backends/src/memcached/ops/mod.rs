//! The operations of a backend in terms of requests, written once over both transports and both formats.

mod clear;
mod fetch;
mod read;
mod run;
mod spread;
mod write;

use std::time::Instant;

use super::exchange::{Ask, exchange};
use super::servers::Servers;
use super::transport::Transport;
use super::wire::{Action, Found, Reply};
use crate::{Error, ErrorKind, Result};

/// The kind of an item, in its flags. An item without a value and without flags is a stub, which a lease leaves behind; any
/// other flags are those of a value, also of one that another client wrote.
mod flags {
    /// A value.
    pub(super) const VALUE: u32 = 0;
    /// A value of no bytes, to tell it from a stub.
    pub(super) const EMPTY: u32 = 0x636b_0001;
    /// Where the parts of a large value are.
    pub(super) const MANIFEST: u32 = 0x636b_0002;
}

/// An operation under way.
pub(super) struct Ops<'a, T> {
    transport: &'a T,
    servers: &'a Servers,
    deadline: Instant,
}

/// An action on a key, under its generation.
#[derive(Clone, Copy, Debug)]
struct Task<'a> {
    key: &'a str,
    action: Action<'a>,
}

impl<'a, T: Transport> Ops<'a, T> {
    pub(super) fn new(transport: &'a T, servers: &'a Servers) -> Self {
        Self { transport, servers, deadline: servers.deadline() }
    }

    async fn exchange(&self, asks: &[Ask<'_>]) -> Vec<Result<Vec<Reply>>> {
        let Servers { all, settings, .. } = self.servers;
        exchange(self.transport, all, settings, asks, self.deadline).await
    }

    /// Returns whether an item is a value.
    fn is_value(&self, found: &Found) -> bool {
        match found.flags {
            flags::EMPTY => true,
            flags::MANIFEST => self.servers.settings.spread,
            _ => found.len > 0,
        }
    }

    fn too_large(&self, len: usize) -> Error {
        let most = self.max_value();
        let advice = if self.servers.settings.spread {
            "store less under one key"
        } else {
            "`spreadsaslmemcached` splits large values; for servers with a larger `-I` set the option `max_item_size`"
        };
        Error::new(
            ErrorKind::Full,
            format!("a value of {len} bytes is too large for memcached, which takes {most} here: {advice}"),
        )
    }

    fn no_room(&self, key: &str) -> Error {
        let name = &self.servers.all[self.servers.place(key)].name;
        Error::new(
            ErrorKind::Full,
            format!(
                "memcached at {name} has no memory for the value: give it more (`-m`), or let it evict (no `-M`)"
            ),
        )
    }

    /// The error of a reply that refuses a value because of its size.
    fn refused(&self, key: &str, value: &[u8], reply: &Reply) -> Option<Error> {
        match reply {
            Reply::TooLarge => Some(self.too_large(value.len())),
            Reply::NoRoom => Some(self.no_room(key)),
            _ => None,
        }
    }

    pub(super) fn max_value(&self) -> usize {
        let settings = &self.servers.settings;
        if settings.spread { spread::MOST } else { settings.max_item }
    }
}

/// A server that was started with `-C` has no numbers.
fn numbered(cas: u64) -> Result<u64> {
    if cas == 0 {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "memcached was started with `-C`, which turns off what keeps deletions final: start it without",
        ));
    }
    Ok(cas)
}

/// The error of a key that other clients changed at each try.
fn contended(key: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("`{key}` was changed by others at every try: try again"))
}
