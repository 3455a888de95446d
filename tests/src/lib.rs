//! The parts that the cross-crate tests share: a matrix of caches, backends whose faults are made on command, an executor, and
//! child processes.

#[cfg(any(doctest, test))]
mod book;
mod child;
#[cfg(test)]
mod floors;
mod gate;
pub mod history;
pub mod levels;
mod log;
mod mem;
pub mod memcached;
pub mod near;
pub mod proxy;
pub mod redis;
mod rt;
mod scratch;
pub mod server;
mod slots;
mod world;

pub use child::{Child, Forked, forked, role, say};
pub use gate::Gate;
pub use log::{events, logged, spans, waits};
pub use mem::{Fault, Full, Mem, Op, Plain, is_version};
pub use rt::{block_on, tasks};
pub use scratch::Scratch;
pub use world::{World, each, each_keeping, everywhere, files};

use std::sync::atomic::{AtomicU64, Ordering};

/// How often a function's body ran.
#[derive(Debug, Default)]
pub struct Calls(AtomicU64);

impl Calls {
    /// None yet.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more; how many there were before.
    pub fn hit(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// How many there were since the last time; starts again from 0.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::SeqCst)
    }
}
