//! The Redis backend on real servers.

mod counted;
mod faults;
mod large;
mod near;
mod races;
mod stored;
mod suite;
mod versions;
