//! The runtime under the attributes. A call goes `probe` → (hit) or → `lead` → (somebody else's value) or → the body →
//! `finish`; `docs/src/design.md` has the picture.

pub(crate) mod finish;
pub(crate) mod lead;
mod named;
#[cfg(feature = "tower")]
pub(crate) mod part;
pub(crate) mod parts;
pub(crate) mod policy;
pub(crate) mod probe;
pub(crate) mod site;
pub(crate) mod surface;
pub(crate) mod target;
pub(crate) mod view;

use std::sync::atomic::{AtomicBool, Ordering};

use cachekit_backends::Token;
use cachekit_backends::simple::SimpleStore;

use crate::flight;

pub use named::delete_memoized_named;

pub(crate) type Lead<'a> = flight::Lead<'a, Evidence>;
pub(crate) type Flights = flight::Flights<Evidence>;

/// What a computation's leader saw before it began. A later caller may wait for it only if nothing was deleted since.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Evidence {
    /// In process: the store's sequence.
    Birth { function: u32, instance: u64, at: u64 },
    /// On a backend: the versions and the state of the entry's key, as they came back; none if it did not answer.
    Seen(Option<Seen>),
}

/// What a backend's answer says about the validity of what is computed after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    // Bytes, for two numbers of 128 bits would align, and so widen, whatever holds the evidence of a call in process.
    generation: [u8; 16],
    token: [u8; 16],
}

impl Seen {
    pub(crate) fn new(generation: u128, token: Token) -> Self {
        Self { generation: generation.to_ne_bytes(), token: token.0.to_ne_bytes() }
    }

    pub(crate) fn generation(self) -> u128 {
        u128::from_ne_bytes(self.generation)
    }

    pub(crate) fn token(self) -> Token {
        Token(u128::from_ne_bytes(self.token))
    }
}

impl Evidence {
    /// Whether a caller who sees `ours` may take the value of a computation that saw `self`.
    pub(crate) fn serves(&self, ours: &Self, store: &SimpleStore) -> bool {
        match (self, ours) {
            (Self::Birth { function, instance, at }, Self::Birth { .. }) => {
                store.is_current(*function, *instance, *at)
            }
            // While the backend doesn't answer nobody knows what was deleted since: each call computes for itself.
            (Self::Seen(Some(theirs)), Self::Seen(Some(ours))) => theirs == ours,
            _ => false,
        }
    }
}

/// A function in a cache.
#[derive(Default)]
pub(crate) struct Used {
    pub(crate) counters: crate::stats::Counters,
    registered: AtomicBool,
}

impl Used {
    /// Runs `register` unless it has run. Two threads at once may both run it; none goes on before it has.
    pub(crate) fn registered_by(&self, register: impl FnOnce()) {
        if !self.registered.load(Ordering::Acquire) {
            register();
            self.registered.store(true, Ordering::Release);
        }
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The ordinary call.
    Call,
    /// Compute, store and return.
    Refresh,
    /// Run the body only.
    Uncached,
}

impl From<u8> for Op {
    /// The numbers that `refresh!` and `uncached!` write, so that they need no path to this crate.
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Refresh,
            2 => Self::Uncached,
            _ => Self::Call,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Used;
    use std::sync::mpsc::channel;

    #[test]
    fn nobody_goes_on_before_a_use_is_noted() {
        let used = Used::default();
        let ((entered, is_in), (go, goes)) = (channel(), channel());
        std::thread::scope(|scope| {
            let used = &used;
            scope.spawn(move || {
                used.registered_by(|| {
                    entered.send(()).unwrap();
                    goes.recv().unwrap();
                });
            });
            is_in.recv().unwrap();
            let mut noted = false;
            used.registered_by(|| noted = true);
            go.send(()).unwrap();
            assert!(noted, "another thread had begun to note it, and had not ended");
        });
        used.registered_by(|| panic!("it is noted"));
    }
}
