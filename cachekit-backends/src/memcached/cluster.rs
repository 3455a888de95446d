use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::key::WireKey;
use super::net::Server;
use super::ring::Ring;
use super::settings::Settings;

/// The servers, and what all operations on them need.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) servers: Vec<Server>,
    pub(super) settings: Settings,
    pub(super) generation_key: WireKey,
    ring: Ring,
    /// The operation timeout in nanoseconds.
    limit: AtomicU64,
}

impl Cluster {
    pub(super) fn new(settings: Settings) -> Self {
        let server = |address| Server::new(address, &settings);
        let this = Self {
            servers: settings.servers.iter().cloned().map(server).collect(),
            ring: Ring::new(settings.servers.iter().map(|server| server.name.as_str())),
            generation_key: WireKey::of_generation(&settings.key_prefix),
            limit: AtomicU64::new(0),
            settings,
        };
        this.set_limit(this.settings.operation_timeout);
        this
    }

    /// The place of a key's server.
    pub(super) fn place(&self, key: &str) -> usize {
        self.ring.place(key)
    }

    pub(super) fn set_limit(&self, limit: Duration) {
        self.limit.store(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When an operation that begins now is over at the latest.
    pub(super) fn deadline(&self) -> Instant {
        let (now, limit) = (Instant::now(), Duration::from_nanos(self.limit.load(Ordering::Relaxed)));
        // Some moments are too late to be told.
        now.checked_add(limit).unwrap_or(now + Duration::from_secs(3600))
    }
}
