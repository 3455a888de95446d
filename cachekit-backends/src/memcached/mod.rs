//! Memcached servers.

use std::sync::Arc;

use crate::{Backend, Config, Error, ErrorKind, Result};

/// Opens the store that a configuration names.
pub(crate) fn open(_config: &Config) -> Result<Arc<dyn Backend>> {
    Err(Error::new(ErrorKind::Unsupported, "not yet"))
}
