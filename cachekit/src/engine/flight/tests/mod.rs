//! The promises of single flight, one test each. Threads meet at barriers and channels, tasks are polled by hand.

mod body;
mod claimed;
mod nesting;
mod pulse;
mod reuse;
mod roles;
mod waiting;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::yield_now;

use parking_lot::Mutex;

use super::lead::Lead;
use super::state::{Shared, Wait, Waited};
use super::table::{Flights, Role};

/// The snapshot is a version here.
type Numbered = Flights<u64, u32>;

fn flights() -> Arc<Numbered> {
    Arc::new(Flights::new())
}

/// Joins with version 0, which every flight of these tests has unless it says otherwise.
fn join(flights: &Numbered, key: u64) -> Role<'_, u64, u32> {
    flights.join(&key, 0, |theirs, ours| theirs == ours, None, false)
}

#[track_caller]
fn lead(role: Role<'_, u64, u32>) -> Lead<'_, u64, u32> {
    match role {
        Role::Lead(lead) => lead,
        other => panic!("{} instead of a lead", name(&other)),
    }
}

#[track_caller]
fn wait(role: Role<'_, u64, u32>) -> Wait {
    match role {
        Role::Wait(wait) => wait,
        other => panic!("{} instead of a wait", name(&other)),
    }
}

fn name(role: &Role<'_, u64, u32>) -> &'static str {
    match role {
        Role::Lead(_) => "a lead",
        Role::Wait(_) => "a wait",
        Role::Alone(_) => "a lead of its own",
        Role::Recheck => "a recheck",
    }
}

fn shared(value: u64) -> Shared {
    Arc::new(value)
}

#[track_caller]
fn value(waited: Waited) -> u64 {
    match waited {
        Waited::Value(value) => *value.downcast().unwrap(),
        other => panic!("{other:?} instead of a value"),
    }
}

/// Counts its wakes.
#[derive(Default)]
struct Bell(Mutex<usize>);

impl Bell {
    fn rung(&self) -> usize {
        *self.0.lock()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.0.lock() += 1;
    }
}

fn poll<F: Future + Unpin>(future: &mut F, bell: &Arc<Bell>) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(&Waker::from(bell.clone())))
}

/// Returns when that many wait for a flight.
fn until_waiting(lead: &Lead<'_, u64, u32>, count: usize) {
    while lead.flight().waiting() != count {
        yield_now();
    }
}

type Body = dyn Fn(&Memo, u64) -> u64 + Send + Sync;

/// The least memoized function: what callers of this module are expected to do.
#[derive(Clone)]
struct Memo(Arc<Inner>);

struct Inner {
    flights: Arc<Numbered>,
    store: Mutex<HashMap<u64, u64>>,
    computed: Mutex<HashMap<u64, usize>>,
    body: Box<Body>,
}

impl Memo {
    fn new(body: impl Fn(&Memo, u64) -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            flights: flights(),
            store: Mutex::default(),
            computed: Mutex::default(),
            body: Box::new(body),
        }))
    }

    fn call(&self, key: u64) -> u64 {
        loop {
            let since = self.0.flights.completions(&key);
            if let Some(&value) = self.0.store.lock().get(&key) {
                return value;
            }
            match self.0.flights.join(&key, 0, |theirs, ours| theirs == ours, Some(since), false) {
                Role::Lead(lead) | Role::Alone(lead) => return self.compute(key, lead),
                Role::Wait(wait) => match wait.wait() {
                    Waited::Value(value) => return *value.downcast().unwrap(),
                    Waited::Released => return self.compute(key, self.0.flights.register(&key, 0)),
                    Waited::Again => {}
                    Waited::Output(_) => unreachable!("no body here belongs to its flight"),
                },
                Role::Recheck => {}
            }
        }
    }

    fn compute(&self, key: u64, lead: Lead<'_, u64, u32>) -> u64 {
        let value = {
            let _entered = lead.enter();
            (self.0.body)(self, key)
        };
        *self.0.computed.lock().entry(key).or_default() += 1;
        {
            let mut store = self.0.store.lock();
            if !lead.invalidated() {
                store.insert(key, value);
            }
        }
        lead.finish(|| Some(shared(value)));
        value
    }
}

fn ended<T: ?Sized>(weak: &Weak<T>) -> bool {
    weak.strong_count() == 0
}
