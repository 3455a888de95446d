use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::ring::Ring;
use super::server::Server;
use super::settings::Settings;
use super::wire::WireKey;
use crate::deadline;

/// The list of servers, and what all operations on them need.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) all: Vec<Server>,
    pub(super) settings: Settings,
    pub(super) generation_key: WireKey,
    ring: Ring,
    /// The operation timeout in nanoseconds.
    limit: AtomicU64,
}

impl Servers {
    pub(super) fn new(settings: Settings) -> Self {
        let server = |address| Server::new(address, &settings);
        let this = Self {
            all: settings.servers.iter().cloned().map(server).collect(),
            ring: Ring::new(settings.servers.iter().map(ToString::to_string)),
            generation_key: WireKey::of_generation(&settings.key_prefix),
            limit: AtomicU64::new(0),
            settings,
        };
        this.set_limit(this.settings.operation_timeout);
        this
    }

    /// Returns the place of a key's server in the list.
    pub(super) fn place(&self, key: &str) -> usize {
        self.ring.place(key)
    }

    pub(super) fn set_limit(&self, limit: Duration) {
        self.limit.store(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns when an operation that begins now must be over.
    pub(super) fn deadline(&self) -> Instant {
        deadline::from_now(Duration::from_nanos(self.limit.load(Ordering::Relaxed)))
    }
}
