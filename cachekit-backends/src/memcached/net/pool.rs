use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::connection::Connection;
use super::{Fault, Stream};

/// The connections to one server, for callers who block.
#[derive(Debug)]
pub(super) struct Pool<S> {
    state: Mutex<State<S>>,
    freed: Condvar,
    most: usize,
}

#[derive(Debug)]
struct State<S> {
    /// The one used last is at the end.
    idle: Vec<Connection<S>>,
    out: usize,
}

/// The right to one connection.
pub(in crate::memcached) struct Permit<'a, S>(&'a Pool<S>);

impl<S: Stream> Pool<S> {
    pub(super) fn new(most: usize) -> Self {
        let state = State { idle: Vec::new(), out: 0 };
        Self { state: Mutex::new(state), freed: Condvar::new(), most }
    }

    pub(super) fn permit(&self, deadline: Instant) -> Result<Permit<'_, S>, Fault> {
        let mut state = self.state.lock();
        while state.out >= self.most {
            if self.freed.wait_until(&mut state, deadline).timed_out() && state.out >= self.most {
                return Err(Fault::Busy);
            }
        }
        state.out += 1;
        Ok(Permit(self))
    }

    pub(super) fn idle(&self) -> Option<Connection<S>> {
        loop {
            let mut connection = self.state.lock().idle.pop()?;
            if connection.is_fresh() {
                return Some(connection);
            }
        }
    }

    pub(super) fn keep(&self, connection: Connection<S>) {
        self.state.lock().idle.push(connection);
    }

    pub(super) fn forget(&self) {
        let idle = std::mem::take(&mut self.state.lock().idle);
        drop(idle);
    }
}

impl<S> Drop for Permit<'_, S> {
    fn drop(&mut self) {
        self.0.state.lock().out -= 1;
        self.0.freed.notify_one();
    }
}
