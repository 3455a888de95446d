//! Programs of users: each compiles without a warning, with pedantic lints, and runs.
#![expect(unreachable_pub, reason = "a user's program is the root of a crate")]

// The renamed dependency of `hygiene`: only the root of a crate can declare one.
extern crate cachekit as renamed;

mod arguments;
mod asynchronous;
pub mod attributes;
mod derive;
mod generics;
mod hygiene;
mod instrument;
mod methods;
mod options;
mod primitives;
pub mod views;
