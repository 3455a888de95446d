//! The Redis backend on real servers.

mod counted;
mod faults;
mod stored;
mod suite;
