//! One computation in all processes that share a backend, for `single_flight = "fleet"`.
//!
//! The call that leads the flight of its process takes a *lock* before it computes: an entry beside that of the value, made by
//! `add`. It names its owner and the state of the value's key that the owner saw, and carries a count that the owner's process
//! raises four times in `fleet_wait`, on a thread of the cache. Calls in other processes poll the lock:
//!
//! | the lock | a call that waits |
//! |---|---|
//! | its count goes up | waits, until its `flight_timeout` is over, and computes then |
//! | its count has stood still for `fleet_wait` | takes it over by compare-and-set: one call can |
//! | is gone | looks for the value again |
//! | is *open*: the computation ended with nothing to share | computes |
//! | is of an older state: the value was deleted since | looks again, and takes it over if that is so |
//!
//! The lock decides who computes, never what is stored: a value is stored as ever, by the token that its call saw before it
//! computed. So a lock that is lost, evicted or taken over too early costs a computation, and no deletion depends on it.
//!
//! It is used over `Backend`'s own operations, the same for all backends that have `conditional` and `atomic_add`.

mod claim;
mod contender;
mod keeper;
mod turn;

pub(crate) use contender::{Check, Contender, Turn};
pub(crate) use keeper::{Held, Keeper};
pub(crate) use turn::turn;
