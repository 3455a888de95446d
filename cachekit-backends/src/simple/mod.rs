//! `simple`: typed values in this process, bounded, without serialization.
//!
//! Each function has tables of its own. A table is looked up by a keyed hash without a lock, compares exactly, and is changed
//! under one mutex. Where keys and values are a few words they stand in the table itself; else the table says whether there is
//! an entry and which, and threads hold the entries that they ask for often by reference count. A hit reads no clock of the
//! system, and allocates and, in steady use, writes nothing. No code of the user runs under a lock: values that were replaced,
//! evicted or expired are dropped after it is released, and keys and values are compared and cloned without one.
//!
//! - `buckets`: a table of words, with the bound's victims, growth and deletion
//! - `plain`, `shapes`: entries whose keys and values are words; `values`: entries of any type, in a `slab`, which threads pin
//!   (`pins`)
//! - `tables`: all tables of a cache under one bound (`budget`); `functions`, `tags`, `horizons`: what was deleted at one stroke;
//!   `sweep`: the thread that reclaims
//! - `seeds`: the secret of a table; `ghosts`: keys that were evicted lately; `sync`: primitives that a model checker replaces
//! - `backend`: the same tables over bytes

mod backend;
mod buckets;
mod budget;
pub(crate) mod builtin;
mod functions;
mod ghosts;
mod horizons;
mod pins;
mod plain;
mod seeds;
mod shapes;
mod slab;
mod sweep;
mod sync;
mod table;
mod tables;
mod tags;
#[cfg(test)]
mod tests;
mod values;

pub use backend::SimpleBackend;
pub use buckets::{ClaimId, Ended, Hook, Right};
pub use pins::Pinned;
pub use plain::{Claims, Look, Plain, PlainCall};
pub use shapes::{MOST_KEY_WORDS, MOST_VALUE_WORDS, PlainKey, PlainTable, Shape, ValueWords};
pub use table::SlotTable;
pub use tables::Tables;
pub use tags::Tagged;
pub use values::{AsStored, Entry, Form, Left, Straight, ValueCall, Values, Weight};
