//! A body that belongs to its flight: a future that owns all it needs, so that any call that waits may poll it.
//!
//! The leader polls it while the leader lives. A waiter polls it when it is polled itself and finds that the body was woken and
//! is not being polled: a task that awaits a key before it polls its own computation of that key makes it go on so. Once the
//! leader is dropped, one waiter is the driver: the body's wakes go to it. A driver that is dropped is replaced by the next
//! waiter. A body without leader and waiters is kept for [`STALL`](super::STALL), for a call that comes meanwhile, and dropped then.
//!
//! Exactly one of them polls at a time. No lock is held over a poll, a wake, or the drop of a future or an output.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::iter;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use super::state::{Node, wake_all};
use super::sync::{Alarm, Expire, Mutex, after_a_stall, thread_local};

/// The value of a body, of the type that its leader expects.
pub(crate) type Output = Box<dyn Any + Send>;
/// A body. It ends its flight before it is ready.
pub(crate) type Work = Pin<Box<dyn Future<Output = Output> + Send>>;

/// The body of a flight, for its leader and its waiters.
pub(super) struct Body(Mutex<State>);

struct State {
    work: Progress,
    /// Whether it was woken since it was polled last. A new one is.
    woken: bool,
    /// Whether a caller wanted to poll it while another one did.
    missed: bool,
    leader: Leader,
    /// The waiter that is woken for it, by its ticket.
    driver: Option<(u64, Arc<Waker>)>,
    /// Ends it, once it has neither leader nor waiter.
    alarm: Option<Alarm>,
}

enum Progress {
    Idle(Work),
    Polled,
    /// With the output, or the payload of the panic, until it is taken.
    Ended(Option<thread::Result<Output>>),
}

enum Leader {
    Alive(Option<Arc<Waker>>),
    Dropped,
}

/// Who polls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Leader,
    Waiter(u64),
}

/// The state of a body after an attempt to poll it.
pub(super) enum Driven {
    Pending,
    /// With the output, if it is this caller's.
    Ended(Option<thread::Result<Output>>),
}

impl Body {
    fn new(work: Work) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            work: Progress::Idle(work),
            woken: true,
            missed: false,
            leader: Leader::Alive(None),
            driver: None,
            alarm: None,
        })))
    }

    /// Polls the body as its leader, unless a waiter does at the moment. A panic is the caller's. Little of the stack, for bodies
    /// that lead bodies.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a level of a recursive function takes less of the stack")]
    fn lead(self: &Arc<Self>, waker: &Waker) -> Driven {
        let mut taken = match self.take(By::Leader, waker) {
            Ok(taken) => taken,
            Err(driven) => return driven,
        };
        match taken.poll(&Waker::from(Arc::clone(self))) {
            Poll::Pending => Driven::Pending,
            Poll::Ready(output) => Driven::Ended(Some(Ok(output))),
        }
    }

    /// Polls the body as a waiter, if it was woken and no other caller does at the moment. A panic is the leader's.
    pub(super) fn go_on(self: &Arc<Self>, ticket: u64, waker: &Waker) -> Driven {
        let by = By::Waiter(ticket);
        let mut taken = match self.take(by, waker) {
            Ok(taken) => taken,
            Err(driven) => return driven,
        };
        let noted = Waker::from(Arc::clone(self));
        let ended = match catch_unwind(AssertUnwindSafe(|| taken.poll(&noted))) {
            Ok(Poll::Pending) => return Driven::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        let driven = self.end(by, ended);
        // Another panic must not go to this caller.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(taken)));
        driven
    }

    /// Notes a caller's waker, and takes the body for a poll.
    #[inline(never)]
    fn take(&self, by: By, waker: &Waker) -> Result<Taken<'_>, Driven> {
        // Wakers are foreign code: cloned before the lock is taken, and the one that is replaced dropped after it.
        let waker = Arc::new(waker.clone());
        let mut state = self.0.lock();
        let replaced = state.note(by, waker);
        let taken = state.take(by);
        drop(state);
        drop(replaced);
        taken.map(|work| Taken { body: self, work: Some(work) })
    }

    #[inline(never)]
    fn put_back(&self, work: Work) {
        let wakers = {
            let mut state = self.0.lock();
            state.work = Progress::Idle(work);
            if mem::take(&mut state.missed) { state.wakers() } else { [None, None] }
        };
        wake(wakers);
    }

    /// Leaves the result of a waiter's poll to the leader, if there is one.
    #[cold]
    fn end(&self, by: By, ended: thread::Result<Output>) -> Driven {
        let (driven, leader) = {
            let mut state = self.0.lock();
            state.work = Progress::Ended(Some(ended));
            (state.ended(by), state.leader.waker())
        };
        wake([leader, None]);
        driven
    }

    /// Goes on without the leader.
    fn leader_dropped(self: &Arc<Self>, flight: &Node) {
        let _untaken = {
            let mut state = self.0.lock();
            let leader = mem::replace(&mut state.leader, Leader::Dropped);
            let untaken = match &mut state.work {
                Progress::Ended(end) => end.take(),
                _ => None,
            };
            (leader, untaken)
        };
        self.appoint(flight);
    }

    /// Goes on without a waiter.
    pub(super) fn waiter_left(self: &Arc<Self>, flight: &Node, ticket: u64) {
        let _driver = self.0.lock().driver.take_if(|(driver, _)| *driver == ticket);
        self.appoint(flight);
    }

    /// Makes the first waiter the driver if there is neither a driver nor a leader; without a waiter, the body's time is
    /// limited.
    fn appoint(self: &Arc<Self>, flight: &Node) {
        let driver = {
            let mut state = self.0.lock();
            if !state.is_orphan() {
                return;
            }
            // A waiter that leaves does so before it asks for this lock, so that it can't become the driver afterwards.
            state.driver = flight.first_waiter();
            if state.driver.is_none() {
                state.alarm = Some(after_a_stall(Arc::downgrade(self) as Weak<dyn Expire>));
            }
            state.driver.clone().filter(|_| state.woken)
        };
        wake([driver.map(|(_, waker)| waker), None]);
    }
}

/// A body that is being polled.
struct Taken<'a> {
    body: &'a Body,
    work: Option<Work>,
}

impl Taken<'_> {
    #[inline]
    fn poll(&mut self, noted: &Waker) -> Poll<Output> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let polled = work.as_mut().poll(&mut Context::from_waker(noted));
        if polled.is_pending()
            && let Some(work) = self.work.take()
        {
            self.body.put_back(work);
        }
        polled
    }
}

impl Drop for Taken<'_> {
    /// Drops a body that is ready or has panicked. In the second case, that ends its flight.
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        {
            let mut state = self.body.0.lock();
            if matches!(state.work, Progress::Polled) {
                state.work = Progress::Ended(None);
            }
        }
        drop(work);
    }
}

impl State {
    /// Notes a caller's waker. Returns what is replaced.
    fn note(&mut self, by: By, waker: Arc<Waker>) -> (Option<Arc<Waker>>, Option<Alarm>) {
        match (by, &mut self.leader) {
            (By::Leader, Leader::Alive(known)) => (known.replace(waker), None),
            (By::Leader, Leader::Dropped) => (Some(waker), None),
            (By::Waiter(ticket), leader) => {
                let free = match (&self.driver, leader) {
                    (Some((driver, _)), _) => *driver == ticket,
                    (None, leader) => matches!(leader, Leader::Dropped),
                };
                if free || (self.woken && matches!(self.work, Progress::Idle(_))) {
                    let before = self.driver.replace((ticket, waker));
                    (before.map(|(_, waker)| waker), self.alarm.take())
                } else {
                    (Some(waker), None)
                }
            }
        }
    }

    /// Takes the work out for a poll.
    fn take(&mut self, by: By) -> Result<Work, Driven> {
        match &self.work {
            Progress::Idle(_) if by == By::Leader || self.woken => {
                self.woken = false;
                match mem::replace(&mut self.work, Progress::Polled) {
                    Progress::Idle(work) => Ok(work),
                    other => {
                        self.work = other;
                        Err(Driven::Pending)
                    }
                }
            }
            Progress::Idle(_) => Err(Driven::Pending),
            Progress::Polled => {
                self.missed = true;
                Err(Driven::Pending)
            }
            Progress::Ended(_) => Err(self.ended(by)),
        }
    }

    /// The output is the leader's; without a leader, that of the first waiter that asks.
    fn ended(&mut self, by: By) -> Driven {
        let mine = by == By::Leader || matches!(self.leader, Leader::Dropped);
        match &mut self.work {
            Progress::Ended(end) if mine => Driven::Ended(end.take()),
            _ => Driven::Ended(None),
        }
    }

    fn is_orphan(&self) -> bool {
        let goes_on = !matches!(self.work, Progress::Ended(_));
        goes_on && self.driver.is_none() && matches!(self.leader, Leader::Dropped)
    }

    /// The wakers of those that poll it.
    fn wakers(&self) -> Wakers {
        [self.leader.waker(), self.driver.as_ref().map(|(_, waker)| Arc::clone(waker))]
    }
}

impl Leader {
    fn waker(&self) -> Option<Arc<Waker>> {
        match self {
            Self::Alive(waker) => waker.clone(),
            Self::Dropped => None,
        }
    }
}

type Wakers = [Option<Arc<Waker>>; 2];

thread_local! {
    /// The wakers that are still to be called by the wake that is under way on this thread.
    static WAKES: RefCell<Option<Vec<Wakers>>> = const { RefCell::new(None) };
}

/// Calls wakers. One that is a body's calls further ones: they are called one after another, not inside of each other, because a
/// chain of bodies is as long as a recursion is deep, and the thread that wakes the innermost one has a stack of its own size.
fn wake(wakers: Wakers) {
    if wakers.iter().all(Option::is_none) {
        return;
    }
    let mut first = begin_wakes(wakers);
    if first.is_some() {
        wake_all(iter::from_fn(|| first.take().or_else(next_wakes)).flatten().flatten());
    }
}

/// Returns the wakers if no wake is under way on this thread; leaves them to that one otherwise. A thread that ends, and has no list any
/// more, calls them inside of each other.
fn begin_wakes(wakers: Wakers) -> Option<Wakers> {
    let mut wakers = Some(wakers);
    let _ended = WAKES.try_with(|list| match &mut *list.borrow_mut() {
        Some(later) => later.extend(wakers.take()),
        none => *none = Some(Vec::new()),
    });
    wakers
}

/// Returns the wakers that were left to the wake that is under way; none at its end.
fn next_wakes() -> Option<Wakers> {
    let next = WAKES.try_with(|wakes| {
        let mut wakes = wakes.borrow_mut();
        let next = wakes.as_mut().and_then(Vec::pop);
        if next.is_none() {
            *wakes = None;
        }
        next
    });
    next.ok().flatten()
}

impl Wake for Body {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = {
            let mut state = self.0.lock();
            state.woken = true;
            state.wakers()
        };
        wake(wakers);
    }
}

impl Expire for Body {
    fn expire(&self) {
        let work = {
            let mut state = self.0.lock();
            if !state.is_orphan() || matches!(state.work, Progress::Polled) {
                return;
            }
            mem::replace(&mut state.work, Progress::Ended(None))
        };
        // A destructor that panics must not end the thread of the alarms.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(work)));
    }
}

/// The leader of a flight that has its body.
#[must_use]
pub(crate) struct Leading {
    flight: Node,
    body: Arc<Body>,
    /// The output was taken.
    ended: bool,
}

impl Leading {
    pub(super) fn new(flight: Node, work: Work) -> Self {
        let body = Body::new(work);
        flight.set_body(&body);
        Self { flight, body, ended: false }
    }
}

impl Future for Leading {
    type Output = Output;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a level of a recursive function takes less of the stack")]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Output> {
        match self.body.lead(context.waker()) {
            Driven::Pending => Poll::Pending,
            Driven::Ended(end) => {
                self.ended = true;
                match end {
                    Some(Ok(output)) => Poll::Ready(output),
                    Some(Err(panic)) => resume_unwind(panic),
                    None => unreachable!("an output is the leader's while the leader lives, and taken once"),
                }
            }
        }
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        if !self.ended {
            self.body.leader_dropped(&self.flight);
        }
    }
}
