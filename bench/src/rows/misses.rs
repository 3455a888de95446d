//! Misses: a trivial function with an argument that is always new, so that each call stores, and evicts once the table is
//! full.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use super::hits::{self, BOUNDED, triple};
use super::peers::{CACHET, Cachet};
use super::{CAPACITY, moka, quick};
use crate::measure::Contest;
use crate::report::Row;

/// No other row has keys of this size, and each contest goes on where the last one stopped.
static NEXT: AtomicU64 = AtomicU64::new(1 << 40);

pub fn rows() -> Vec<Row> {
    let (moka, quick, cachet) = (moka(), quick(), Cachet::new(CAPACITY));
    let base = NEXT.fetch_add(1 << 40, Ordering::Relaxed);
    let key = |i: u64| base + i;
    let rounds = Contest::new()
        .enter("ours", |i| hits::ours(key(i)))
        .enter("cached, max_size", |i| hits::cached_sized(key(i)))
        .enter(BOUNDED, |i| hits::cached_bounded(key(i)))
        .enter("concurrent_cached, max_size + ttl_secs", |i| hits::concurrent_bounded(key(i)))
        .enter("memoize, shared, capacity + time", |i| hits::memoize_shared_bounded(key(i)))
        .enter("moka get_with", |i| moka.get_with(key(i), || triple(key(i))))
        .enter(CACHET, |i| cachet.get(key(i)))
        .enter("quick_cache", |i| quick.get_or_insert_with(&key(i), || Ok::<_, Infallible>(triple(key(i)))))
        .run();
    vec![
        Row::nanos("miss and store, `fn(u64) -> u64`, full table", &rounds, &[])
            .faster(&rounds, BOUNDED, 1.0),
    ]
}
