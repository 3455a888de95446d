//! The rows of the table, a file for each kind.

pub mod asynchronous;
pub mod compile;
pub mod files;
pub mod hits;
pub mod many;
pub mod memory;
pub mod method;
pub mod misses;
pub mod peers;
pub mod ratio;
pub mod remote;
pub mod stores;
pub mod template;
pub mod threads;
pub mod values;
pub mod views;

use std::time::Duration;

/// The bound of every bounded entrant: our default.
pub const CAPACITY: u64 = 10_000;
/// How long entries live, where an entrant knows time.
pub const LIFE: Duration = Duration::from_secs(3600);
/// How many keys a hit is measured with; a power of two.
pub const KEYS: u64 = 1024;

/// The settings that moka needs for the same promises.
pub fn moka<K, V>() -> ::moka::sync::Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    ::moka::sync::Cache::builder().max_capacity(CAPACITY).time_to_live(LIFE).build()
}

/// `quick_cache` knows no time.
pub fn quick<K, V>() -> quick_cache::sync::Cache<K, V>
where
    K: std::hash::Hash + Eq,
    V: Clone,
{
    quick_cache::sync::Cache::new(CAPACITY as usize)
}
