//! The Redis backend on real servers.

mod counted;
mod faults;
mod near;
mod races;
mod stored;
mod suite;
mod versions;
