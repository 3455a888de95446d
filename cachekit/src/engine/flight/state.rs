//! One flight: its waiting callers, and its end.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::body::{Body, Driven, Output};
use super::nesting::Edge;
use super::pulse::{Pulse, STALL};
use super::sync::{AtomicBool, Mutex, Ordering, Thread, current_thread, park_timeout, process_number};

/// A value of any type on its way from the leader to the callers that wait.
pub(crate) type Shared = Arc<dyn Any + Send + Sync>;

/// A flight, as its leader, its waiters, the table and the computations inside it hold it.
pub(super) type Node = Arc<Flight>;

/// The end of a flight.
#[derive(Clone)]
pub(super) enum Landing {
    Value(Shared),
    Released,
    Again,
}

/// Calls wakers, which are foreign code: the panic of one doesn't keep the others from being called. It goes on after the last one, unless
/// the thread panics already.
pub(super) fn wake_all(wakers: impl Iterator<Item = Arc<Waker>>) {
    let mut panicked = None;
    for waker in wakers {
        // Dropped in there, too: the drop of the last one may be that of a task.
        panicked = catch_unwind(AssertUnwindSafe(move || waker.wake_by_ref())).err().or(panicked);
    }
    if let Some(panic) = panicked.filter(|_| !thread::panicking()) {
        resume_unwind(panic);
    }
}

/// The end of a wait.
#[derive(Debug)]
pub(crate) enum Waited {
    /// The leader's value.
    Value(Shared),
    /// The output of the body, which this wait has polled to its end after the leader was dropped.
    Output(Output),
    /// The leader had nothing to share: compute, without waiting for another caller ([`register`] the computation).
    ///
    /// [`register`]: super::table::Flights::register
    Released,
    /// The leader panicked or was cancelled: look and join again. One of the waiting callers leads then.
    Again,
}

/// The state of one computation.
pub(super) struct Flight {
    /// The process that began it.
    process: u32,
    invalidated: AtomicBool,
    /// The moment of the store's sequence at which it began, of an entry in process. Written before it is shared, so a model
    /// checker needs no access to it.
    birth: std::sync::atomic::AtomicU64,
    parent: Option<Node>,
    /// The last search of the wait graph that visited it. Read and written only under that graph's lock, so a model checker
    /// needs no access to it.
    visited: std::sync::atomic::AtomicU64,
    /// While a task runs the body: how it goes on. Not the model checker's, because it changes only where the leader begins.
    task: parking_lot::Mutex<Option<Task>>,
    state: Mutex<State>,
}

/// The body of a flight, if a task runs it.
enum Task {
    /// It is the leader's: whether it is polled.
    OfLeader(Arc<Pulse>),
    /// It is the flight's.
    OfFlight(Arc<Body>),
}

enum State {
    /// Most flights land before a caller waits. The wakers are in `Arc`s, because cloning one is foreign code.
    Running {
        wakers: Option<BTreeMap<u64, Arc<Waker>>>,
        next: u64,
    },
    Landed(Landing),
}

impl From<Landing> for Waited {
    fn from(landing: Landing) -> Self {
        match landing {
            Landing::Value(value) => Self::Value(value),
            Landing::Released => Self::Released,
            Landing::Again => Self::Again,
        }
    }
}

impl Flight {
    pub(super) fn new(parent: Option<Node>) -> Self {
        Self {
            process: process_number(),
            invalidated: AtomicBool::new(false),
            birth: std::sync::atomic::AtomicU64::new(0),
            parent,
            visited: std::sync::atomic::AtomicU64::new(0),
            task: parking_lot::Mutex::new(None),
            state: Mutex::new(State::Running { wakers: None, next: 0 }),
        }
    }

    /// The moment at which it began.
    pub(super) fn birth(&self) -> u64 {
        self.birth.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(super) fn set_birth(&self, birth: u64) {
        self.birth.store(birth, std::sync::atomic::Ordering::Relaxed);
    }

    /// The flight whose body started this one.
    pub(super) fn parent(&self) -> Option<&Node> {
        self.parent.as_ref()
    }

    /// Whether it began in this process, and not before a fork: then its leader may be a thread that doesn't exist here.
    #[inline]
    pub(super) fn is_of_this_process(&self) -> bool {
        self.process == process_number()
    }

    /// Whether it equals a new flight at top level, provided that only its leader holds it.
    #[inline]
    pub(super) fn is_as_new(&self) -> bool {
        self.parent.is_none() && !self.invalidated()
    }

    /// Marks the flight as visited by a search; false if it was already. Only under the wait graph's lock.
    pub(super) fn visit(&self, search: u64) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        let fresh = self.visited.load(Relaxed) != search;
        self.visited.store(search, Relaxed);
        fresh
    }

    // A leader that stores under a lock which the deletion takes too needs no ordering here: the lock gives it. A leader that
    // stores first and reads the flag afterwards, while the deletion raises the flag and then removes, has the two halves of
    // a store-load race, which only sequential consistency decides. Both are too rare for their cost to matter.
    pub(super) fn invalidate(&self) {
        self.invalidated.store(true, Ordering::SeqCst);
    }

    #[inline]
    pub(super) fn invalidated(&self) -> bool {
        self.invalidated.load(Ordering::SeqCst)
    }

    /// Sets the pulse of the task that runs the body, or ends it.
    pub(super) fn set_pulse(&self, pulse: Option<Arc<Pulse>>) {
        let _before = mem::replace(&mut *self.task.lock(), pulse.map(Task::OfLeader));
    }

    /// The pulse of the leader's task, while it runs the body.
    pub(super) fn pulse(&self) -> Option<Arc<Pulse>> {
        match &*self.task.lock() {
            Some(Task::OfLeader(pulse)) => Some(Arc::clone(pulse)),
            _ => None,
        }
    }

    /// Gives the flight its body.
    pub(super) fn set_body(&self, body: &Arc<Body>) {
        let _before = self.task.lock().replace(Task::OfFlight(Arc::clone(body)));
    }

    fn body(&self) -> Option<Arc<Body>> {
        match &*self.task.lock() {
            Some(Task::OfFlight(body)) => Some(Arc::clone(body)),
            _ => None,
        }
    }

    /// Whether the body is the leader's, whose task was woken and isn't polled any more.
    fn is_lost(&self) -> bool {
        self.pulse().is_some_and(|pulse| pulse.is_lost())
    }

    /// The waiter that came first, by its ticket.
    pub(super) fn first_waiter(&self) -> Option<(u64, Arc<Waker>)> {
        match &*self.state.lock() {
            State::Running { wakers: Some(wakers), .. } => {
                wakers.first_key_value().map(|(ticket, waker)| (*ticket, Arc::clone(waker)))
            }
            _ => None,
        }
    }

    /// Ends the flight and wakes the waiting callers, in the order of arrival, with no lock held.
    pub(super) fn land(&self, landing: Landing) {
        let state = mem::replace(&mut *self.state.lock(), State::Landed(landing));
        if let State::Running { wakers: Some(wakers), .. } = state {
            wake_all(wakers.into_values());
        }
    }

    /// Whether it has ended. May be false for an ended flight that no caller waited for.
    pub(super) fn has_landed(&self) -> bool {
        matches!(*self.state.lock(), State::Landed(_))
    }

    fn poll(&self, ticket: &mut Option<u64>, waker: &Waker) -> Poll<Landing> {
        // Wakers are foreign code: cloned before the lock is taken, and the one that is replaced dropped after it.
        let waker = Arc::new(waker.clone());
        let _replaced = match &mut *self.state.lock() {
            State::Landed(landing) => return Poll::Ready(landing.clone()),
            State::Running { wakers, next } => {
                let ticket = *ticket.get_or_insert_with(|| {
                    *next += 1;
                    *next
                });
                wakers.get_or_insert_default().insert(ticket, waker)
            }
        };
        Poll::Pending
    }

    fn leave(&self, ticket: u64) {
        let _waker = match &mut *self.state.lock() {
            State::Running { wakers, .. } => wakers.as_mut().and_then(|wakers| wakers.remove(&ticket)),
            State::Landed(_) => None,
        };
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        match &*self.state.lock() {
            State::Running { wakers, .. } => wakers.as_ref().map_or(0, BTreeMap::len),
            State::Landed(_) => 0,
        }
    }
}

impl Drop for Flight {
    /// Takes a chain of parents apart one by one: a deep recursion would overflow the stack otherwise.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut flight) = next {
            next = Arc::get_mut(&mut flight).and_then(|last| last.parent.take());
        }
    }
}

/// A caller's wait for a flight. A task awaits it, a thread calls [`wait_within`](Self::wait_within). Dropping it ends the wait.
#[must_use]
pub(crate) struct Wait {
    flight: Node,
    ticket: Option<u64>,
    /// The entry in the wait graph, if this is a wait inside another computation.
    edge: Option<Edge>,
}

impl Wait {
    fn new(flight: Node, edge: Option<Edge>) -> Self {
        Self { flight, ticket: None, edge }
    }

    /// A wait of a caller inside `parent`, or at top level; none if it would never end.
    pub(super) fn inside(parent: Option<Node>, flight: Node) -> Option<Self> {
        match parent {
            None => Some(Self::new(flight, None)),
            Some(parent) => Edge::record(parent, &flight).map(|edge| Self::new(flight, Some(edge))),
        }
    }

    /// Whether the leader has lost its place, so that waiting for it makes no sense.
    pub(crate) fn is_lost(&self) -> bool {
        self.flight.is_lost()
    }

    /// Blocks the thread until the flight ends. Returns none if that takes longer than `limit`, or if the leader has lost its
    /// place.
    pub(crate) fn wait_within(mut self, limit: Duration) -> Option<Waited> {
        let began = Instant::now();
        let waker = Waker::from(Arc::new(Unpark(current_thread())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(waited) = Pin::new(&mut self).poll(&mut context) {
                return Some(waited);
            }
            let left = limit.saturating_sub(began.elapsed());
            if left.is_zero() || self.is_lost() {
                return None;
            }
            park_timeout(left.min(STALL));
        }
    }

    /// Blocks the thread until the flight ends.
    #[cfg(test)]
    #[allow(dead_code, reason = "for the tests that have no clock")]
    pub(crate) fn wait(self) -> Waited {
        self.wait_within(Duration::MAX).expect("the leader is polled")
    }
}

impl Future for Wait {
    type Output = Waited;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Waited> {
        let this = &mut *self;
        let mut waited = this.flight.poll(&mut this.ticket, context.waker()).map(Waited::from);
        if let (Poll::Pending, Some(ticket), Some(body)) = (&waited, this.ticket, this.flight.body()) {
            match body.go_on(ticket, context.waker()) {
                Driven::Pending => {}
                Driven::Ended(Some(Ok(output))) => waited = Poll::Ready(Waited::Output(output)),
                // It has ended its flight, or is about to.
                Driven::Ended(_) => {
                    waited = this.flight.poll(&mut this.ticket, context.waker()).map(Waited::from);
                }
            }
        }
        if waited.is_ready() {
            this.edge = None;
            if let Some(ticket) = this.ticket.take() {
                this.flight.leave(ticket);
            }
        }
        waited
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // An edge names its target by address, so it goes while the flight is held.
        self.edge = None;
        if let Some(ticket) = self.ticket.take() {
            self.flight.leave(ticket);
            if let Some(body) = self.flight.body() {
                body.waiter_left(&self.flight, ticket);
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
