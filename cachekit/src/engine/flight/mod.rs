//! Single flight: threads and tasks that miss one key together wait for one of them.
//!
//! A caller that missed [joins](Flights::join) and gets a role. The leader computes, stores, and [ends](Lead::end) the flight;
//! the others wait, as threads or as tasks, for the same flight.
//!
//! ```text
//! loop {
//!     let since = flights.completions(&key);
//!     if let Some(value) = look(&key) { return value }            // takes the snapshot too
//!     match flights.join(&key, snapshot, joinable, Some(since), patient) {
//!         Lead(lead) | Alone(lead) => { compute in lead.enter(); store unless lead.invalidated(); lead.finish(…) }
//!         Wait(wait) => match wait.wait_within(limit) {           // or `.await`
//!             Some(Value(value)) => return value,
//!             Some(Released) | None => compute under flights.register(&key, snapshot),
//!             Some(Again) => continue,
//!         },
//!         Recheck => continue,
//!     }
//! }
//! ```
//!
//! A leader that is a task and isn't polled, held back while its own task awaits the same key for instance, loses its place:
//! the others compute. Dropped, it hands over. A body that owns all it needs belongs to its flight: the others go on with it in
//! both cases. No wait is longer than its caller's limit.
//!
//! Entries in process need no table of flights: theirs knows the computations by [claims](claimed).
//!
//! - [`table`] finds the flight of a key on a backend, and lets a deletion invalidate it; [`claimed`] begins those in process.
//! - [`slots`] is a shard of that table.
//! - [`lead`] is the right to compute, [`seat`] a leader's hold on its flight, which the thread's next leader uses again.
//! - [`state`] is one flight and its waiting callers.
//! - [`nesting`] keeps computations inside computations from waiting in a circle.
//! - [`pulse`] notices a leader that is a task and isn't polled any more.
//! - [`body`] is a body that belongs to its flight.
//! - [`group`] is several flights with one body.

mod body;
mod claimed;
mod group;
mod lead;
mod nesting;
mod pulse;
mod seat;
mod slots;
mod state;
mod sync;
mod table;

#[cfg(test)]
mod tests;

use cachekit_backends::KeyBytes;

pub(crate) use body::{Leading, Output};
pub(crate) use claimed::Candidate;
pub(crate) use group::Together;
pub(crate) use lead::{Berth, Table, scope};
pub(crate) use nesting::Scope;
pub(crate) use pulse::STALL;
pub(crate) use state::{Shared, Wait, Waited};
use table::Digested;

/// The key of a computation: its bytes, and their digest under a secret of the process, by which it is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) digest: u64,
    pub(crate) bytes: KeyBytes,
    /// The number of the function in whose tables the entry is; 0 for entries of a backend.
    pub(crate) function: u32,
}

impl Key {
    /// The digest by which computations are told apart, of different functions too.
    pub(crate) fn of_computation(&self) -> u64 {
        self.digest()
    }
}

impl Digested for Key {
    fn digest(&self) -> u64 {
        // Functions that are called with the same arguments have one digest.
        self.digest.wrapping_add(u64::from(self.function).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// The flights of one cache.
pub(crate) type Flights<E> = table::Flights<Key, E>;
/// The role of a caller of that cache that missed.
pub(crate) type Role<'a, E> = table::Role<'a, Key, E>;
/// The right to compute for that cache.
pub(crate) type Lead<'a, E> = lead::Lead<'a, Key, E>;

/// The right to compute of a caller that has nothing but a claim.
pub(crate) type ClaimedLead<'a> = lead::Lead<'a, (), ()>;

/// Whether this thread runs the body of a computation.
#[cfg(test)]
#[allow(dead_code, reason = "for templates, which are a feature")]
pub(crate) fn is_inside() -> bool {
    nesting::current().is_some()
}
