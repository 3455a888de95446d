//! The decision about a value that was computed: whether it is stored, and for how long.

use cachekit_backends::{Timeout, Ttl};

use super::policy::Policy;

/// The decision about a value that was computed.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Whether it is to be stored.
    pub(super) keep: bool,
    /// The time to live of its entry, where the value decides it.
    pub(super) timeout: Option<Timeout>,
    /// Whether that is the answer of `timeout = |value| ..`.
    pub(super) of_value: bool,
    /// Whether it is an `Err`.
    pub(super) is_err: bool,
    /// The bytes that its entry counts in process, where the value decides it.
    pub(super) weight: Option<u64>,
}

impl From<bool> for Verdict {
    fn from(keep: bool) -> Self {
        Self { keep, timeout: None, of_value: false, is_err: false, weight: None }
    }
}

impl From<Timeout> for Verdict {
    fn from(timeout: Timeout) -> Self {
        Self { keep: true, timeout: Some(timeout), of_value: false, is_err: false, weight: None }
    }
}

impl Verdict {
    /// The decision about an `Err` that is to be stored.
    pub(super) fn of_err(timeout: Timeout) -> Self {
        Self { is_err: true, ..Self::from(timeout) }
    }

    /// The decision about a failure, which isn't stored and takes no value's place.
    pub(crate) fn failed() -> Self {
        Self { is_err: true, ..Self::from(false) }
    }

    /// The answer of `timeout = |value| ..`.
    pub(super) fn of_value(timeout: Timeout) -> Self {
        Self { of_value: true, ..Self::from(timeout) }
    }

    /// Whether the value is to be stored.
    pub(crate) fn keeps(&self) -> bool {
        self.keep
    }

    /// How long its entry lives, if the value doesn't decide it.
    pub(crate) fn life(&self, life: Ttl, default: Timeout) -> Ttl {
        self.timeout.map_or(life, |timeout| timeout.resolve(default))
    }

    /// The bytes that its entry counts in process, where the value decides it.
    pub(crate) fn weight(&self) -> Option<u64> {
        self.weight
    }

    /// Adds what an entry counts, which is not asked for a value that isn't stored.
    pub(crate) fn weighing(self, weight: impl FnOnce() -> u64) -> Self {
        Self { weight: self.keep.then(weight), ..self }
    }

    /// Judges a value. One that has no part to be stored isn't asked.
    pub(crate) fn of<R, V: Into<Self>>(policy: &Policy<R>, output: &R, judge: impl FnOnce(&R) -> V) -> Self {
        if (policy.stores)(output) { judge(output).into() } else { Self::from(false) }
    }
}
