//! The backend that the book adds: values in a map, without a bound.

pub(crate) mod builtin;

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::{Backend, Capabilities, Clock, Error, ErrorKind, Result, Ttl, ttl_millis};

/// A map of values with the moment of their expiry.
pub(crate) struct Example {
    entries: Mutex<BTreeMap<String, (Vec<u8>, u64)>>,
    clock: Clock,
    most: usize,
}

impl Example {
    pub(crate) fn new(clock: Clock, most: usize) -> Self {
        Self { entries: Mutex::default(), clock, most }
    }
}

impl Backend for Example {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none().clear_by_prefix(true).bounded(true).max_value_len(self.most)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let now = self.clock.now();
        Ok(self.entries.lock().get(key).filter(|(_, expiry)| now < *expiry).map(|(value, _)| value.clone()))
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        if value.len() > self.most {
            return Err(Error::new(ErrorKind::Full, format!("the value is longer than {} bytes", self.most)));
        }
        let expiry = life.map_or(u64::MAX, |life| self.clock.now().saturating_add(ttl_millis(life)));
        self.entries.lock().insert(key.to_owned(), (value.to_vec(), expiry));
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<bool> {
        let now = self.clock.now();
        Ok(self.entries.lock().remove(key).is_some_and(|(_, expiry)| now < expiry))
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        self.entries.lock().retain(|key, _| !key.starts_with(prefix));
        Ok(())
    }
}
