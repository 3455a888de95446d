//! The floor that `redis` and `memcached` share: addresses, connecting within a deadline, TLS handshakes, sockets with a
//! deadline, the pool of connections, and one tokio runtime.
//!
//! It knows no protocol. A backend's use of a connection is written once over [`Stream`], which a thread that blocks
//! ([`BlockingStream`]) and a task ([`TaskStream`]) implement.

mod address;
mod buffer;
mod connect;
mod digits;
#[cfg(any(feature = "redis-cluster", feature = "memcached"))]
mod join;
mod line;
mod park;
mod pool;
mod quiet;
mod ready;
mod runtime;
mod socket;
mod stream;
mod task;

pub(crate) use address::Address;
pub(crate) use buffer::Buffer;
#[cfg(feature = "redis")]
pub(crate) use digits::decimal_len;
pub(crate) use digits::put_decimal;
#[cfg(any(feature = "redis-cluster", feature = "memcached"))]
pub(crate) use join::all;
pub(crate) use line::{Exchange, Line, Lost, Packed};
#[cfg(feature = "redis-cluster")]
pub(crate) use park::block_until;
pub(crate) use park::{Callers, block_on};
#[cfg(feature = "redis")]
pub(crate) use pool::Permit;
pub(crate) use pool::Pool;
pub(crate) use ready::ready;
pub(crate) use runtime::on_runtime;
pub(crate) use socket::BlockingStream;
pub(crate) use stream::Stream;
pub(crate) use task::TaskStream;
