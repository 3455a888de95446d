//! The flights under a model checker: [shuttle] runs small programs over thousands of schedules, with its own
//! primitives in place of the real ones. The sources are those of `cachekit`, included file by file, for nothing of this
//! is public.
//!
//! Each program checks one promise: one computation per key, no caller hangs (shuttle reports a deadlock), and no value from
//! before a deletion in the store after it.

#![allow(dead_code, unreachable_pub, reason = "the included modules show more than is needed here")]

#[path = "../../../cachekit/src/engine/flight/body.rs"]
mod body;
#[path = "../../../cachekit/src/engine/flight/lead.rs"]
mod lead;
#[path = "../../../cachekit/src/engine/flight/nesting.rs"]
mod nesting;
#[path = "../../../cachekit/src/engine/flight/pulse.rs"]
mod pulse;
#[path = "../../../cachekit/src/engine/flight/seat.rs"]
mod seat;
#[path = "../../../cachekit/src/engine/flight/slots.rs"]
mod slots;
#[path = "../../../cachekit/src/engine/flight/state.rs"]
mod state;
#[path = "../../../cachekit/src/engine/flight/table.rs"]
mod table;

#[path = "../round_shuttle/sync.rs"]
mod sync;

mod bodies;
mod calls;
mod deletions;
mod memo;
#[path = "../round_shuttle/schedules.rs"]
mod schedules;

fn check(program: impl Fn() + Send + Sync + 'static) {
    schedules::check(1500, 3, 0x40000, program);
}
