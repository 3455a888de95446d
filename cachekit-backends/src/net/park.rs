//! Futures that a thread waits for.

use std::cell::OnceCell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Returns what wakes this thread.
fn waker() -> Waker {
    thread_local!(static WAKER: OnceCell<Waker> = const { OnceCell::new() });
    let make = || Waker::from(Arc::new(Unpark(std::thread::current())));
    // A thread that ends has it no more.
    WAKER.try_with(|waker| waker.get_or_init(make).clone()).unwrap_or_else(|_| make())
}

/// Polls a future on this thread until it is done. Returns none if that is not before `end`, which may be put off meanwhile.
pub(crate) fn block_until<T>(
    future: impl Future<Output = T>,
    end: impl Fn() -> Option<Instant>,
) -> Option<T> {
    let (mut future, waker) = (pin!(future), waker());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        match end().map(|end| end.saturating_duration_since(Instant::now())) {
            None => std::thread::park(),
            Some(left) if left.is_zero() => return None,
            Some(left) => std::thread::park_timeout(left),
        }
    }
}

/// Polls a future, which keeps its own deadline, on this thread until it is done.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let done = block_until(future, || None);
    done.unwrap_or_else(|| unreachable!("there is no end to wait for"))
}

/// The threads that are in an operation of a store.
#[derive(Debug)]
pub(crate) struct Callers {
    inside: AtomicUsize,
    most: usize,
}

impl Callers {
    /// At most so many at once have connections of their own.
    pub(crate) fn new(most: usize) -> Self {
        Self { inside: AtomicUsize::new(0), most }
    }

    /// Runs an operation `alone`, over a connection of its own, if few other threads are in one: that takes no change of threads.
    /// Else runs it `together`, over the connection that tasks share: one read and one write of the server serve several
    /// callers then.
    pub(crate) fn run<T>(&self, alone: impl FnOnce() -> T, together: impl FnOnce() -> T) -> T {
        struct Leave<'a>(&'a AtomicUsize);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let others = self.inside.fetch_add(1, Ordering::Relaxed);
        let _leave = Leave(&self.inside);
        if others < self.most { alone() } else { together() }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_future_is_polled_when_another_thread_wakes_it() {
        let mut polls = 0;
        let turns = poll_fn(|cx| {
            polls += 1;
            let waker = cx.waker().clone();
            std::thread::spawn(move || waker.wake());
            if polls < 3 { Poll::Pending } else { Poll::Ready(polls) }
        });
        assert_eq!(block_on(turns), 3);
        let end = Instant::now() + Duration::from_millis(1);
        assert_eq!(block_until(pending::<()>(), || Some(end)), None);
    }

    #[test]
    fn a_caller_is_alone_only_while_no_other_one_is_there() {
        let callers = Callers::new(1);
        let inner = || callers.run(|| "alone", || "together");
        assert_eq!(callers.run(inner, || "never"), "together");
        assert_eq!(inner(), "alone");
        let panics = || callers.run(|| panic!("an operation"), || ());
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert_eq!(inner(), "alone");
    }
}
