use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::RwLock;

use super::generation::Generations;
use super::settings::Settings;
use super::wire::LoginKind;
use crate::Breaker;
use crate::net::Address;

/// The state of a server that both drivers share.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    /// The address as errors show it.
    pub(super) name: String,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    /// Its item of generations, as last read.
    pub(super) generations: RwLock<Option<Arc<Generations>>>,
    /// Whether it ever replied.
    pub(super) answered: AtomicBool,
    speaks: AtomicU8,
    /// Leaves the server alone while it is down. Only where there are others: their successes keep the cache's own breaker closed.
    pub(super) breaker: Option<Breaker>,
}

impl Server {
    pub(super) fn new(address: Address, settings: &Settings) -> Self {
        // Earlier than the cache's own, which would cut off the others too.
        let threshold = settings.breaker_threshold.div_ceil(2);
        Self {
            breaker: (settings.servers.len() > 1).then(|| Breaker::new(threshold, settings.probe_interval)),
            name: address.to_string(),
            address,
            tls: settings.tls.clone(),
            generations: RwLock::default(),
            answered: AtomicBool::new(false),
            speaks: AtomicU8::new(0),
        }
    }

    /// The login that worked the last time.
    pub(super) fn speaks(&self) -> Option<LoginKind> {
        match self.speaks.load(Ordering::Relaxed) {
            1 => Some(LoginKind::Sasl),
            2 => Some(LoginKind::Text),
            _ => None,
        }
    }

    pub(super) fn set_speaks(&self, kind: Option<LoginKind>) {
        let number = match kind {
            None => 0,
            Some(LoginKind::Sasl) => 1,
            Some(LoginKind::Text) => 2,
        };
        self.speaks.store(number, Ordering::Relaxed);
    }
}
