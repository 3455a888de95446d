//! The age of an entry, and the time that it has left.

use std::time::Duration;

use cachekit_backends::unseal;

use super::freshness::Stamped;
use super::place::Place;
use super::sharing::untagged;
use super::trace::Tier;
use crate::engine::{Content, Engine};

/// The age of an entry and the time that it has left, where they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// None in process, where only entries that may be served stale have a date of their making.
    pub(crate) age: Option<Duration>,
    /// None also of an entry that never expires.
    pub(crate) left: Option<Duration>,
}

impl Place {
    /// The tier of the entry.
    pub(crate) fn tier(&self) -> Tier {
        match self {
            Self::Local { .. } => Tier::Process,
            Self::Remote { .. } => Tier::Backend,
        }
    }

    /// The times of the entry, whose bytes are these if it is on a backend.
    pub(crate) fn times(&self, engine: &Engine, bytes: Option<&[u8]>) -> Times {
        match self {
            Self::Local { key, instance, table, .. } => {
                let now = engine.clock.monotonic();
                let since = |from: u64, to: u64| Duration::from_millis(to.saturating_sub(from));
                if let Some(Content::Entry(entry)) = table.get(key)
                    && let Some(entry) = untagged(engine, &entry)
                    && let Some((created, fresh)) = entry.value::<Stamped>().map(Stamped::moments)
                {
                    return Times {
                        age: Some(since(created, now)),
                        left: fresh.map(|fresh| since(now, fresh)),
                    };
                }
                let expiry = table.expiry(key, *instance).filter(|expiry| *expiry != u64::MAX);
                Times { age: None, left: expiry.map(|expiry| since(now, expiry)) }
            }
            Self::Remote { entry, .. } => {
                let Some((header, _)) = bytes.and_then(|bytes| unseal(entry, bytes).ok()) else {
                    return Times::default();
                };
                let now = engine.clock.now();
                let age = Duration::from_millis(now.saturating_sub(header.created));
                Times { age: Some(age), left: header.life_left(now) }
            }
        }
    }
}
