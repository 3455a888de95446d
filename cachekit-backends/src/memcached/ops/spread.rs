//! Values that are larger than an item: parts of at most 1,000,000 bytes under a random id of each write, and a manifest
//! under the key, written last.

use std::borrow::Cow;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::{Ops, flags};
use crate::memcached::exchange::Ask;
use crate::memcached::transport::Transport;
use crate::memcached::wire::WireKey;
use crate::memcached::wire::exptime;
use crate::memcached::wire::{Action, Mode, Reply, Request};
use crate::random::random_u128;
use crate::{Error, Result, Ttl};

/// The most bytes of a value.
pub(super) const MOST: usize = 128 << 20;
/// The most bytes of a part.
const CHUNK: usize = 1_000_000;
/// Parts live so much longer than their manifest that none is missing at its last moment.
const LONGER: Duration = Duration::from_secs(60);
const FORMAT: u8 = 1;
const LEN: usize = 1 + 4 + 4 + 8 + 16 + 16;

/// Where the parts of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    count: u32,
    chunk: u32,
    total: u64,
    id: u128,
    checksum: u128,
}

/// The item under the key of a value.
pub(super) struct Prepared<'v> {
    pub(super) flags: u32,
    pub(super) value: Cow<'v, [u8]>,
    pub(super) manifest: Option<Manifest>,
}

impl Prepared<'_> {
    pub(super) fn store(&self, mode: Mode, expiry: u32) -> Action<'_> {
        Action::Store { mode, flags: self.flags, expiry, value: &self.value }
    }
}

impl Manifest {
    fn new(value: &[u8], chunk: usize) -> Self {
        // All are far below 2³².
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            count: narrow(value.len().div_ceil(chunk)),
            chunk: narrow(chunk),
            total: value.len() as u64,
            id: random_u128(),
            checksum: xxh3_128(value),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.chunk.to_le_bytes());
        bytes.extend_from_slice(&self.total.to_le_bytes());
        bytes.extend_from_slice(&self.id.to_le_bytes());
        bytes.extend_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    /// Reads what [`bytes`](Self::bytes) wrote; none if it makes no sense or announces more than `most` bytes.
    pub(super) fn parse(bytes: &[u8], most: usize) -> Option<Self> {
        let (&[format], rest) = bytes.split_first_chunk::<1>()?;
        let (count, rest) = rest.split_first_chunk()?;
        let (chunk, rest) = rest.split_first_chunk()?;
        let (total, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let checksum = rest.try_into().ok()?;
        let this = Self {
            count: u32::from_le_bytes(*count),
            chunk: u32::from_le_bytes(*chunk),
            total: u64::from_le_bytes(*total),
            id: u128::from_le_bytes(*id),
            checksum: u128::from_le_bytes(checksum),
        };
        let fits = format == FORMAT
            && this.total <= most as u64
            && (1024..=CHUNK as u64).contains(&u64::from(this.chunk))
            && this.total.div_ceil(this.chunk.into()) == u64::from(this.count);
        fits.then_some(this)
    }

    fn keys(&self) -> impl Iterator<Item = WireKey> + use<> {
        let id = self.id;
        (0..self.count).map(move |number| WireKey::of_chunk(id, number))
    }
}

impl<T: Transport> Ops<'_, T> {
    /// Stores the parts of a value, if it has any, and returns the item for its key. An error of the kind `Full` if it is too
    /// large or there is no room.
    pub(super) async fn prepare<'v>(&self, key: &str, value: &'v [u8], life: Ttl) -> Result<Prepared<'v>> {
        let mut prepared = self.prepare_many(&[(key, value, life)]).await;
        prepared.pop().unwrap_or_else(|| Err(self.no_room(key)))
    }

    /// The same for several values, whose parts go out together.
    pub(super) async fn prepare_many<'v>(
        &self,
        items: &[(&str, &'v [u8], Ttl)],
    ) -> Vec<Result<Prepared<'v>>> {
        let mut prepared: Vec<Result<Prepared<'v>>> =
            items.iter().map(|&(_, value, _)| self.prepared(value)).collect();
        let chunk = self.chunk();
        let parts = items.iter().zip(&prepared).flat_map(|(&(_, value, life), prepared)| {
            let expiry = exptime(life.map(|life| life.saturating_add(LONGER)));
            let keys = prepared.as_ref().ok().and_then(|one| one.manifest).into_iter();
            keys.flat_map(|manifest| manifest.keys()).zip(value.chunks(chunk)).map(move |(key, value)| {
                (key, Action::Store { mode: Mode::Set, flags: flags::VALUE, expiry, value })
            })
        });
        let parts: Vec<(WireKey, Action<'_>)> = parts.collect();
        let replies = self.chunks(parts.into_iter()).await;
        let mut in_order = replies.as_deref().unwrap_or_default().iter();
        let mut useless = Vec::new();
        for (&(key, value, _), prepared) in items.iter().zip(&mut prepared) {
            let Some(manifest) = prepared.as_ref().ok().and_then(|one| one.manifest) else { continue };
            let failure = match &replies {
                // Each value has an error of its own, since errors can't be cloned.
                Err(error) => Some(Error::new(error.kind(), error.to_string())),
                // To the end: what follows belongs to others.
                Ok(_) => in_order
                    .by_ref()
                    .take(manifest.count as usize)
                    .filter(|reply| **reply != Reply::Stored)
                    .map(|reply| self.refused(key, value, reply).unwrap_or_else(|| self.no_room(key)))
                    .reduce(|first, _| first),
            };
            if let Some(error) = failure {
                useless.push(manifest);
                *prepared = Err(error);
            }
        }
        self.remove_chunks(useless).await;
        prepared
    }

    /// The most bytes of a part.
    fn chunk(&self) -> usize {
        CHUNK.min(self.servers.settings.max_item)
    }

    /// The item for the key of a value, before its parts are stored.
    fn prepared<'v>(&self, value: &'v [u8]) -> Result<Prepared<'v>> {
        if value.len() > self.max_value() {
            return Err(self.too_large(value.len()));
        }
        if !self.servers.settings.spread || value.len() <= self.chunk() {
            let flags = if value.is_empty() { flags::EMPTY } else { flags::VALUE };
            return Ok(Prepared { flags, value: value.into(), manifest: None });
        }
        let manifest = Manifest::new(value, self.chunk());
        Ok(Prepared { flags: flags::MANIFEST, value: manifest.bytes().into(), manifest: Some(manifest) })
    }

    /// The values of several manifests; none where a part is missing or another one.
    pub(super) async fn read_chunks(&self, manifests: &[Manifest]) -> Result<Vec<Option<Vec<u8>>>> {
        if manifests.is_empty() {
            return Ok(Vec::new());
        }
        let keys = manifests.iter().flat_map(Manifest::keys);
        let mut replies = self.chunks(keys.map(|key| (key, Action::Get))).await?.into_iter();
        let whole = |manifest: &Manifest| {
            let mut value = Vec::new();
            let mut complete = true;
            for reply in replies.by_ref().take(manifest.count as usize) {
                match reply {
                    Reply::Item(found) if complete => {
                        complete = value.len() + found.value.len() <= self.max_value();
                        value.extend_from_slice(&found.value);
                    }
                    _ => complete = false,
                }
            }
            complete &= value.len() as u64 == manifest.total;
            (complete && xxh3_128(&value) == manifest.checksum).then_some(value)
        };
        Ok(manifests.iter().map(whole).collect())
    }

    /// Removes parts that nothing refers to any more; whether all were there. What can't be removed expires, or is evicted.
    pub(super) async fn remove_chunks(&self, manifests: impl IntoIterator<Item = Manifest>) -> Vec<bool> {
        let manifests: Vec<Manifest> = manifests.into_iter().collect();
        if manifests.is_empty() {
            return Vec::new();
        }
        let keys = manifests.iter().flat_map(Manifest::keys);
        let replies = self.chunks(keys.map(|key| (key, Action::Delete))).await.unwrap_or_default();
        let mut replies = replies.into_iter();
        let there = |manifest: &Manifest| {
            // To the end: what follows belongs to others.
            replies.by_ref().take(manifest.count as usize).filter(|reply| *reply != Reply::Deleted).count()
                == 0
        };
        manifests.iter().map(there).collect()
    }

    /// Does something to each of several parts, all servers at once; the replies, in order.
    async fn chunks<'t>(&self, parts: impl Iterator<Item = (WireKey, Action<'t>)>) -> Result<Vec<Reply>> {
        let mut asks: Vec<Ask<'t>> =
            (0..self.servers.all.len()).map(|place| Ask { place, requests: Vec::new() }).collect();
        let mut places = Vec::new();
        for (key, action) in parts {
            let place = self.servers.place(key.as_str());
            places.push(place);
            asks[place].requests.push(Request { key: Cow::Owned(key), action });
        }
        asks.retain(|ask| !ask.requests.is_empty());
        let mut replies: Vec<std::vec::IntoIter<Reply>> =
            (0..self.servers.all.len()).map(|_| Vec::new().into_iter()).collect();
        for (ask, result) in asks.iter().zip(self.exchange(&asks).await) {
            replies[ask.place] = result?.into_iter();
        }
        // Each request has its reply.
        Ok(places.into_iter().filter_map(|place| replies[place].next()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_manifest_is_read_back_and_nonsense_is_refused(
            len in 1_000_001usize..3_000_000,
            at in 0..LEN,
            byte: u8,
            junk in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let manifest = Manifest::new(&vec![7; len], CHUNK);
            let mut bytes = manifest.bytes();
            prop_assert_eq!(Manifest::parse(&bytes, MOST), Some(manifest));
            prop_assert_eq!(Manifest::parse(&bytes, len - 1), None);
            bytes[at] = byte;
            for bytes in [&bytes, &junk] {
                if let Some(parsed) = Manifest::parse(bytes, MOST) {
                    prop_assert!(parsed.total <= MOST as u64 && parsed.count as usize <= MOST / 1024);
                }
            }
        }
    }
}
