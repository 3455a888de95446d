//! State that belongs to one process.

use std::process;
use std::sync::OnceLock;

/// A value that each process makes for itself, also one that was forked: a connection, a lock that a thread holds or a
/// runtime whose threads are gone is of no use to the child.
///
/// The values form a chain, one link a generation of processes, because a lock around a single one could be held by a thread
/// that doesn't exist in the child. Values of other processes are neither used nor dropped: dropping could wait for such a
/// lock as well. Their sockets stay open in the child until it ends or calls `exec`. (A `fork` while another thread makes its
/// process's first value leaves that link unusable; it lasts a few microseconds, at the first operation.)
///
/// A look costs one system call, `getpid`.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    first: OnceLock<Box<Link<T>>>,
}

#[derive(Debug)]
struct Link<T> {
    process: u32,
    value: T,
    next: OnceLock<Box<Link<T>>>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self { first: OnceLock::new() }
    }

    /// Returns this process's value, made by `make` at the first call.
    pub(crate) fn get(&self, make: impl Fn() -> T) -> &T {
        self.get_for(process::id(), make)
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

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let process = process::id();
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
        let foreign = process::id().wrapping_add(1);
        assert!(Arc::ptr_eq(values.get_for(foreign, || Arc::clone(&parent)), &parent));
        for _ in 0..2 {
            assert!(Arc::ptr_eq(values.get(|| Arc::clone(&mine)), &mine));
        }
        assert!(Arc::ptr_eq(values.get_for(foreign, || Arc::clone(&mine)), &parent));
        drop(values);
        assert_eq!((Arc::strong_count(&parent), Arc::strong_count(&mine)), (2, 1));
    }
}
