//! `simple`: typed values in this process, bounded, without serialization.
//!
//! Entries are spread over shards, each a read-write lock around a table, looked up by a keyed digest and compared exactly.
//! Small values that a thread asks for often it finds in a table of its own, without a lock; another hit takes a read
//! lock. Neither reads the system's clock, and none allocates. No code of the user runs under a lock: values that were
//! replaced, evicted or expired are dropped after it is released, and keys and values whose comparison or clone is the
//! user's code are taken out by reference count first.
//!
//! - `entry`: a value with its key and dates
//! - `entries`: the table of a shard; `eviction`, `ghosts`: which entry goes when it is full
//! - `near`: a thread's own hot keys
//! - `functions`: what was deleted at one stroke
//! - `store`: all of it together; `backend`: the same store over bytes

mod backend;
pub(crate) mod builtin;
mod entries;
mod entry;
mod eviction;
mod functions;
mod ghosts;
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
