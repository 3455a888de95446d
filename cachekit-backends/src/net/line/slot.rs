//! The place for the replies of one exchange, shared by its caller and the driver.

use std::mem;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::{Exchange, Lost};

enum State<X: Exchange> {
    Waiting(Option<Waker>),
    Done(Result<X, Lost<X::Fault>>),
    Taken,
}

pub(super) struct Slot<X: Exchange>(Mutex<State<X>>);

impl<X: Exchange> Slot<X> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::Waiting(None)))
    }

    /// Leaves the result, and wakes the caller.
    pub(super) fn complete(&self, result: Result<X, Lost<X::Fault>>) {
        let before = mem::replace(&mut *self.0.lock(), State::Done(result));
        // Wakers are foreign code: not under the lock.
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }

    /// Takes the result.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<X, Lost<X::Fault>>> {
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        match &mut *state {
            State::Waiting(before) => {
                let before = before.replace(waker);
                drop(state);
                drop(before);
                Poll::Pending
            }
            State::Done(_) | State::Taken => match mem::replace(&mut *state, State::Taken) {
                State::Done(result) => Poll::Ready(result),
                _ => Poll::Ready(Err(Lost::closed(true))),
            },
        }
    }
}
