//! The encoding, without input or output: requests become bytes, bytes become replies.
//!
//! Everything above is one code path for both formats, the meta text commands and the binary protocol. A reply is believed
//! only if it is the next one due and carries the opaque of its request; anything else is a [`Fault`], after which the
//! connection is closed.

mod batch;
mod binary;
mod expected;
mod expiry;
mod fault;
mod key;
mod login;
mod message;
mod meta;
#[cfg(test)]
mod tests;

pub(super) use batch::Batch;
pub(super) use expiry::exptime;
pub(super) use fault::Fault;
pub(super) use key::WireKey;
pub(super) use login::{Credentials, Greeting, Login, LoginKind};
pub(super) use message::{Action, Format, Found, Mode, Reply, Request};
