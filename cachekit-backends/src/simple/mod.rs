//! `simple`: typed values in this process, bounded, without serialization.
//!
//! Entries are spread over shards, each a read-write lock around a `quick_cache` table (a Clock-PRO variant with S3-FIFO's
//! ghost queue), looked up by a keyed digest and compared exactly. Small values that a
//! thread asks for often it finds in a table of its own, without a lock; another hit takes a read lock. Neither reads the
//! system's clock, and none allocates. No code of the user runs under a lock: values that were replaced, evicted or expired are dropped after
//! it is released, and keys and values whose comparison or clone is the user's code are taken out by reference count first.

mod backend;
mod entry;
mod functions;
mod near;
mod shard;
mod store;
mod sweep;
mod table;
#[cfg(test)]
mod tests;

pub use backend::SimpleBackend;
pub use entry::{Draft, Entry};
pub use functions::FunctionState;
pub use store::SimpleStore;
pub use table::SlotTable;
