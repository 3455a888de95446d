//! What the backends on a network share: connections within a deadline, and tokio runtimes.

mod dial;
mod runtime;

pub(crate) use dial::{bounded, connect, connect_blocking};
pub(crate) use runtime::{own, suits};
