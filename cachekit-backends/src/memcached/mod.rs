//! Memcached servers.
//!
//! `ops` has the operations, written once over a `transport::Transport`; `wire` is the encoding. The transports: `blocking` (a
//! pool of connections that block) and `tasks`.

mod backend;
mod blocking;
pub(crate) mod builtin;
mod connect;
mod connection;
mod error;
mod exchange;
mod generation;
mod ops;
mod ring;
mod server;
mod servers;
mod settings;
mod tasks;
mod transport;
mod wire;

pub use backend::Memcached;
