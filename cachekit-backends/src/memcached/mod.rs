//! Memcached servers.

mod backend;
mod cluster;
mod expiry;
mod generation;
mod key;
mod net;
mod ops;
mod ring;
mod settings;
mod wire;

use std::sync::Arc;

use crate::{Backend, Config, Result};

pub use backend::Memcached;

/// Opens the store that a configuration names.
pub(crate) fn open(config: &Config) -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(Memcached::open(config)?))
}
