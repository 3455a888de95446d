//! Memcached servers.

mod backend;
pub(crate) mod builtin;
mod cluster;
mod expiry;
mod generation;
mod key;
mod net;
mod ops;
mod ring;
mod settings;
mod wire;

pub use backend::Memcached;
