//! The Redis backend on real servers.

mod counted;
mod faults;
mod near;
mod stored;
mod suite;
mod versions;
