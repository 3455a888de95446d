//! The side of a process that keeps values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cachekit_backends::simple::{Entry, Tables, ValueCall, Values};
use cachekit_backends::{Clock, Config, Ttl};

use super::now;
use crate::engine::OBJECT;
use crate::engine::flight::Key;

/// The values that this process keeps in front of its backend.
pub(crate) struct Near {
    tables: Arc<Tables>,
    values: Arc<Values>,
    pub(super) staleness: Duration,
    max_age: Duration,
    /// The tier serves before this moment, in nanoseconds of [`now`].
    serves_until: AtomicU64,
}

/// The state of a tier before a look at the backend, of which a value may be kept.
#[derive(Clone, Copy)]
pub(crate) struct Birth(u64);

impl Near {
    /// The tier of a cache that has one.
    pub(crate) fn new(config: &Config, clock: &Clock) -> Option<Self> {
        (config.near > 0).then(|| {
            let tables = Tables::new(config.near, config.memory(), clock.clone());
            Self {
                values: tables.values(OBJECT, false),
                tables,
                staleness: config.near_staleness,
                max_age: config.near_max_age,
                serves_until: AtomicU64::new(0),
            }
        })
    }

    /// Whether values may be taken now, by a call that began before.
    pub(crate) fn serves(&self) -> bool {
        let until = Duration::from_nanos(self.serves_until.load(Ordering::Acquire));
        // The clock after the limit: a process that is stopped in between finds the limit over.
        now() < until
    }

    /// Begins a look: none while the tier is out of step.
    pub(crate) fn birth(&self) -> Option<Birth> {
        // The birth first: a tier that is emptied in between refuses what is looked for now.
        let birth = Birth(self.tables.now());
        self.serves().then_some(birth)
    }

    /// The kept entry of a key.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.values.get(key.digest, key.bytes.as_slice())
    }

    /// Keeps an entry that a look found, unless the tier was emptied since the look began.
    pub(crate) fn keep(&self, key: &Key, entry: Arc<Entry>, life: Ttl, Birth(birth): Birth) {
        let life = life.map_or(self.max_age, |life| life.min(self.max_age));
        let call = ValueCall { digest: key.digest, bytes: key.bytes.clone(), instance: 0 };
        let admit = || self.tables.is_current(OBJECT, 0, birth);
        self.values.put(&call, entry, self.tables.expiry(Some(life)), admit);
    }

    /// When a kept entry leaves the tier at the latest, by the monotonic clock.
    pub(crate) fn expiry(&self, key: &Key) -> Option<u64> {
        self.values.expiry(&ValueCall { digest: key.digest, bytes: key.bytes.clone(), instance: 0 })
    }

    /// Removes all values, also those of looks under way.
    pub(crate) fn empty(&self) {
        self.tables.clear();
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.tables.len()
    }

    /// Lets the tier serve before a moment of [`now`].
    pub(super) fn serve_until(&self, moment: Duration) {
        let nanos = u64::try_from(moment.as_nanos()).unwrap_or(0);
        self.serves_until.store(nanos, Ordering::Release);
    }
}
