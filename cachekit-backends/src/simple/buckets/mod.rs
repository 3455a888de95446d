//! A table of words that many threads read without writing and one at a time changes.
//!
//! A hit loads a dozen words of four cache lines and writes nothing, once its entry was found three times. It looks at the
//! first entry of its tag in the bucket of its hash; whatever is not that simple (another candidate, an entry in a later
//! bucket, a bucket with something deleted or expired in it) is decided in one cold function that takes no lock either.
//! All changes are made under one mutex, which lies on cache lines of its own.
//!
//! - `bucket`: eight entries under a sequence number; `pages`: where the buckets are
//! - `look`: the way of a hit, and the cold one
//! - `claims`: the computations under way; `store`: an entry comes in
//! - `writer`: what all changes are made of; `grow`, `eviction`
//! - `deletion`: of a call, a function, an instance; `visit`: all entries, in parts

mod bucket;
mod claims;
mod deletion;
mod eviction;
mod grow;
mod look;
mod pages;
mod store;
mod visit;
mod writer;

pub use self::claims::{ClaimId, Hook};
pub use self::store::{Ended, Right};

use std::sync::Arc;

use self::bucket::Bucket;
use self::claims::Claims;
pub(super) use self::claims::Subject;
use self::deletion::Deletions;
use self::eviction::Eviction;
use self::grow::Growth;
use self::pages::{Instances, Pages, Rest};
pub(super) use self::store::{Claimed, Draft};
use super::budget::Budget;
use super::sync::{AtomicU32, Mutex};
use crate::Clock;

/// The meaning of the words of a table.
pub(super) trait Contents<const K: usize, const V: usize>: Send + Sync {
    /// The values of entries that leave, to be dropped with no lock held.
    type Left: Default;
    /// The whole key, where the words are only a digest of it.
    type Exact: PartialEq + Send;

    /// The hash of a key.
    fn hash(&self, key: &[u64; K]) -> u64;

    /// The size of an entry, in bytes.
    fn weight(&self, value: &[u64; V]) -> u64;

    /// An entry leaves.
    fn leave(&self, value: [u64; V], left: &mut Self::Left);
}

/// Keeps what many threads only read away from the cache lines that writers write. Processors fetch lines by pairs.
#[repr(align(128))]
struct Apart<T>(T);

pub(super) struct Table<C: Contents<K, V>, const K: usize, const V: usize> {
    pub(super) contents: C,
    clock: Clock,
    /// How many buckets hashes are spread over.
    buckets: AtomicU32,
    /// Raised by deletions that concern more than one call. A bucket that carries an older stamp may hold what was deleted.
    generation: AtomicU32,
    pages: Pages<K, V>,
    deletions: Deletions,
    budget: Arc<Budget>,
    writer: Apart<Mutex<Writer<C::Exact, K>>>,
    /// Where an entry is while the table grows, packed; see [`Growth`].
    growth: Apart<super::sync::AtomicU64>,
}

/// The state that only one thread at a time works with.
struct Writer<E, const K: usize> {
    /// How many entries there are, those included that are over or deleted but not taken out yet.
    len: usize,
    growth: Growth,
    claims: Claims<E, K>,
    eviction: Eviction,
    /// Stores that the budget was not told of yet.
    stores: u64,
    /// No entry expires before this.
    next_expiry: u64,
    /// The generation as of which all that is deleted was taken out.
    swept: u32,
}

/// A bucket and what stands beside it.
#[derive(Clone, Copy)]
struct Place<'t, const K: usize, const V: usize> {
    index: u32,
    bucket: &'t Bucket<K, V>,
    rest: &'t Rest,
    /// Only in tables of methods.
    instances: Option<&'t Instances>,
}

/// Where an entry is.
#[derive(Clone, Copy)]
struct Spot<'t, const K: usize, const V: usize> {
    place: Place<'t, K, V>,
    way: usize,
}

/// The bucket where the search for a hash begins.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the way of every hit")]
fn home(hash: u64, buckets: u32) -> u32 {
    (((hash >> 32) * u64::from(buckets)) >> 32) as u32
}

impl<C: Contents<K, V>, const K: usize, const V: usize> Table<C, K, V> {
    /// An empty table. Entries of methods carry their `instances`.
    pub(super) fn new(contents: C, clock: Clock, budget: Arc<Budget>, instances: bool) -> Self {
        let most = budget.most_entries().map(grow::buckets_for);
        Self {
            contents,
            clock,
            buckets: AtomicU32::new(0),
            generation: AtomicU32::new(1),
            pages: Pages::new(most, instances),
            deletions: Deletions::default(),
            budget,
            writer: Apart(Mutex::new(Writer {
                len: 0,
                growth: Growth::default(),
                claims: Claims::default(),
                eviction: Eviction::default(),
                stores: 0,
                next_expiry: u64::MAX,
                swept: 1,
            })),
            growth: Apart(super::sync::AtomicU64::new(0)),
        }
    }

    /// How many entries there are, those included that are over or deleted but not taken out yet.
    pub(super) fn len(&self) -> usize {
        self.writer.0.lock().len
    }

    /// How many entries made room for others.
    pub(super) fn evictions(&self) -> u64 {
        self.writer.0.lock().eviction.evictions
    }

    /// How many entries were taken out after their time.
    pub(super) fn expirations(&self) -> u64 {
        self.writer.0.lock().eviction.expirations
    }

    /// The memory of the table itself, in bytes.
    pub(super) fn memory(&self) -> usize {
        let writer = self.writer.0.lock();
        size_of::<Self>() + self.pages.bytes(writer.growth.buckets())
    }
}
