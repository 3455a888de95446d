//! `cachekit/src/engine/flight` over shuttle's primitives.

#[path = "../../../../cachekit/src/engine/flight/body.rs"]
mod body;
#[path = "../../../../cachekit/src/engine/flight/claimed.rs"]
mod claimed;
#[path = "../../../../cachekit/src/engine/flight/group.rs"]
mod group;
#[path = "../../../../cachekit/src/engine/flight/lead.rs"]
mod lead;
#[path = "../../../../cachekit/src/engine/flight/nesting.rs"]
mod nesting;
#[path = "../../../../cachekit/src/engine/flight/pulse.rs"]
mod pulse;
#[path = "../../../../cachekit/src/engine/flight/seat.rs"]
mod seat;
#[path = "../../../../cachekit/src/engine/flight/slots.rs"]
mod slots;
#[path = "../../../../cachekit/src/engine/flight/state.rs"]
mod state;
#[path = "../sync.rs"]
mod sync;
#[path = "../../../../cachekit/src/engine/flight/table.rs"]
mod table;

use cachekit_backends::KeyBytes;

pub(crate) use body::{Leading, Output};
pub(crate) use claimed::Candidate;
pub(crate) use group::Together;
pub(crate) use lead::{Berth, Table, scope};
pub(crate) use nesting::Scope;
pub(crate) use state::{Shared, Wait, Waited};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) digest: u64,
    pub(crate) bytes: KeyBytes,
    /// The number of the function in whose tables the entry is; 0 for entries of a backend.
    pub(crate) function: u32,
}

impl Key {
    pub(crate) fn of_computation(&self) -> u64 {
        table::Digested::digest(self)
    }
}

impl table::Digested for Key {
    fn digest(&self) -> u64 {
        // Functions that are called with the same arguments have one digest.
        self.digest.wrapping_add(u64::from(self.function).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

pub(crate) type Flights<E> = table::Flights<Key, E>;
pub(crate) type Role<'a, E> = table::Role<'a, Key, E>;
pub(crate) type Lead<'a, E> = lead::Lead<'a, Key, E>;

/// How many computations are under way.
pub(crate) fn under_way<E: Clone>(flights: &Flights<E>) -> usize {
    flights.size().0
}
