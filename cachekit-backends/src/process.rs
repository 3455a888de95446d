//! Which process this is, and state that belongs to one.
//!
//! A process that was forked has a copy of its parent's memory and none of its threads. It must notice that: threads are
//! started anew, connections are not shared, and a lock that another thread held at that moment stays locked.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// This process's number; 0 until it is asked for.
static NUMBER: AtomicU32 = AtomicU32::new(0);
/// Run by each forked process at its first look at its number.
static RESUME: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Returns a number that no process has from which this one was forked. Costs a load.
///
/// It is 0 while the system has no memory to notice forks with; then they go unnoticed.
#[inline]
pub fn process_number() -> u32 {
    match NUMBER.load(Ordering::Relaxed) {
        0 => enter(),
        number => number,
    }
}

#[cold]
fn enter() -> u32 {
    static LISTENING: AtomicBool = AtomicBool::new(false);
    static LAST: AtomicU32 = AtomicU32::new(0);
    // No lock, which a fork could leave locked. Two threads may both add the handler; once more does no harm.
    if !LISTENING.load(Ordering::Acquire) {
        if crate::fork::in_each_child(forget_number).is_err() {
            return 0;
        }
        LISTENING.store(true, Ordering::Release);
    }
    let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match NUMBER.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => {
            let resume = RESUME.try_lock_for(PATIENCE).map(|all| all.clone()).unwrap_or_default();
            for resume in resume {
                resume();
            }
            fresh
        }
        Err(number) => number,
    }
}

extern "C" fn forget_number() {
    NUMBER.store(0, Ordering::Relaxed);
}

/// How long to wait for a lock that a fork may have left locked, and that is else held for less than a microsecond.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// Has each process forked from now on run a function when it first uses a cache: to start a thread.
pub(crate) fn in_forked_processes(resume: fn()) {
    if let Some(mut all) = RESUME.try_lock_for(PATIENCE) {
        all.push(resume);
    }
}

/// A value that each process makes for itself, also one that was forked: a connection, a lock that a thread holds or a
/// runtime whose threads are gone is of no use to the child.
///
/// The values form a chain, one link a generation of processes, because a lock around a single one could be held by a thread
/// that doesn't exist in the child. Values of other processes are neither used nor dropped: dropping could wait for such a
/// lock as well. Their sockets stay open in the child until it ends or calls `exec`. (A `fork` while another thread makes its
/// process's first value leaves that link unusable; it lasts a few microseconds, at the first operation.)
#[derive(Debug)]
pub struct PerProcess<T> {
    first: OnceLock<Box<Link<T>>>,
}

#[derive(Debug)]
struct Link<T> {
    process: u32,
    value: T,
    next: OnceLock<Box<Link<T>>>,
}

impl<T> PerProcess<T> {
    /// No value yet.
    pub const fn new() -> Self {
        Self { first: OnceLock::new() }
    }

    /// Returns this process's value, made by `make` at the first call.
    pub fn get(&self, make: impl Fn() -> T) -> &T {
        self.get_for(process_number(), make)
    }

    fn get_for(&self, process: u32, make: impl Fn() -> T) -> &T {
        let mut place = &self.first;
        loop {
            let new = || Box::new(Link { process, value: make(), next: OnceLock::new() });
            let link = place.get_or_init(new);
            if link.process == process {
                return &link.value;
            }
            place = &link.next;
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let process = process_number();
        let mut next = self.first.take();
        while let Some(link) = next {
            let Link { process: owner, value, next: mut rest } = *link;
            if owner != process {
                std::mem::forget(value);
            }
            next = rest.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn each_process_has_its_own_value_and_drops_no_other() {
        let (parent, mine) = (Arc::new(()), Arc::new(()));
        let values = PerProcess::new();
        let foreign = process_number().wrapping_add(1);
        assert!(Arc::ptr_eq(values.get_for(foreign, || Arc::clone(&parent)), &parent));
        for _ in 0..2 {
            assert!(Arc::ptr_eq(values.get(|| Arc::clone(&mine)), &mine));
        }
        assert!(Arc::ptr_eq(values.get_for(foreign, || Arc::clone(&mine)), &parent));
        drop(values);
        assert_eq!((Arc::strong_count(&parent), Arc::strong_count(&mine)), (2, 1));
    }
}
