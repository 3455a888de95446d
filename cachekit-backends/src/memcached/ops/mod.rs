//! What the operations of a backend are in terms of requests: the decisions, written once over both drivers and both wire
//! formats.

mod clear;
mod fetch;
mod read;
mod run;
mod spread;
mod write;

use std::time::Instant;

use super::cluster::Cluster;
use super::net::{Ask, Net, exchange};
use super::wire::{Action, Found, Reply};
use crate::{Error, ErrorKind, Result};

/// The flags of an item that say what it is. An item without a value and without flags is a stub, which a lease leaves
/// behind; any other flags are those of a value, also one that another client wrote.
mod flags {
    /// A value.
    pub(super) const VALUE: u32 = 0;
    /// A value of no bytes, to tell it from a stub.
    pub(super) const EMPTY: u32 = 0x636b_0001;
    /// Where the parts of a large value are.
    pub(super) const MANIFEST: u32 = 0x636b_0002;
}

/// An operation under way.
pub(super) struct Ops<'a, N> {
    net: &'a N,
    cluster: &'a Cluster,
    deadline: Instant,
}

/// Something to do with a key, under its generation.
#[derive(Clone, Copy, Debug)]
struct Task<'a> {
    key: &'a str,
    action: Action<'a>,
}

impl<'a, N: Net> Ops<'a, N> {
    pub(super) fn new(net: &'a N, cluster: &'a Cluster) -> Self {
        Self { net, cluster, deadline: cluster.deadline() }
    }

    async fn exchange(&self, asks: &[Ask<'_>]) -> Vec<Result<Vec<Reply>>> {
        let Cluster { servers, settings, .. } = self.cluster;
        exchange(self.net, servers, settings, asks, self.deadline).await
    }

    /// Whether an item is a value here.
    fn is_value(&self, found: &Found) -> bool {
        match found.flags {
            flags::EMPTY => true,
            flags::MANIFEST => self.cluster.settings.spread,
            _ => found.len > 0,
        }
    }

    fn too_large(&self, len: usize) -> Error {
        let most = self.max_value();
        let advice = if self.cluster.settings.spread {
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
        let name = &self.cluster.servers[self.cluster.place(key)].address.name;
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
        let settings = &self.cluster.settings;
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

/// Others changed the same key at each try.
fn contended(key: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("`{key}` was changed by others at every try: try again"))
}
