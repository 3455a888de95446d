//! The question of a call that asks for the lock of a value, and the answer.

use std::sync::Arc;
use std::time::Duration;

use super::Held;
use crate::engine::RemoteState;
use crate::engine::remote::{Budget, Remote};

/// How it is known that an entry is as a look saw it.
#[derive(Clone, Copy)]
pub(crate) enum Check<'a> {
    /// It has the token that the look brought.
    Token,
    /// It has these bytes, or none: the token was asked for after the look.
    Bytes(Option<&'a [u8]>),
}

/// A call that asks for a lock.
pub(crate) struct Contender<'a> {
    pub(crate) remote: &'a Arc<Remote>,
    /// The time that the call has for the backend.
    pub(crate) budget: &'a Budget,
    /// The key of the value.
    pub(crate) entry: &'a str,
    /// The state that the call's look saw.
    pub(crate) state: RemoteState,
    pub(crate) check: Check<'a>,
    /// How long a lock may go without a renewal.
    pub(crate) wait: Duration,
    /// How long the call may wait for the owner; zero: not at all.
    pub(crate) limit: Duration,
    /// Whether the call has looked again since it saw a lock of another state.
    pub(crate) looked_again: bool,
}

/// The next thing that a call does.
pub(crate) enum Turn {
    /// It computes, with the lock, or without one where there can be none or the owner had nothing to share.
    Compute(Option<Held>),
    /// The value may be there, or was deleted: it looks again.
    Look,
    /// The same, because the lock is of another state.
    LookAnew,
    /// It has waited as long as it may.
    GiveUp,
}
