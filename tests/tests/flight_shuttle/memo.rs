//! The memoized function of these programs.

use std::collections::BTreeMap;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use shuttle::future;

use crate::body::{Output, Work};
use crate::lead::Lead;
use crate::state::{Wait, Waited};
use crate::sync::{self, Mutex};
use crate::table::{Flights, Role};

/// The least memoized function over a store with a lock. A value is the state of the world when it was computed.
#[derive(Clone, Default)]
pub(super) struct Memo(Arc<Inner>);

struct Inner {
    flights: Arc<Flights<u64, ()>>,
    store: Mutex<BTreeMap<u64, usize>>,
    /// Not shuttle's: what the program observes must not add schedules.
    world: AtomicUsize,
    computed: AtomicUsize,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            flights: Arc::new(Flights::new()),
            store: Mutex::default(),
            world: AtomicUsize::new(0),
            computed: AtomicUsize::new(0),
        }
    }
}

/// The next step of a caller after a miss.
pub(super) enum Next<'a> {
    Compute(Lead<'a, u64, ()>),
    Wait(Wait),
    Look,
}

impl Memo {
    /// The value, or what to do.
    pub(super) fn look(&self, key: u64) -> Result<usize, Next<'_>> {
        let flights = &self.0.flights;
        let since = flights.completions(&key);
        if let Some(&value) = self.0.store.lock().get(&key) {
            return Ok(value);
        }
        Err(match flights.join(&key, (), |(), ()| true, Some(since), false) {
            Role::Lead(lead) | Role::Alone(lead) => Next::Compute(lead),
            Role::Wait(wait) => Next::Wait(wait),
            Role::Recheck => Next::Look,
        })
    }

    /// The value, if a wait ended with one.
    pub(super) fn waited(&self, key: u64, waited: Waited) -> Result<usize, Next<'_>> {
        match waited {
            Waited::Value(value) => Ok(*value.downcast().unwrap()),
            Waited::Released => Err(Next::Compute(self.0.flights.register(&key, ()))),
            Waited::Again => Err(Next::Look),
            Waited::Output(output) => Ok(*output.downcast().unwrap()),
        }
    }

    pub(super) fn call(&self, key: u64, body: &dyn Fn()) -> usize {
        self.go_on(key, Err(Next::Look), body)
    }

    pub(super) fn go_on<'a>(
        &'a self,
        key: u64,
        mut state: Result<usize, Next<'a>>,
        body: &dyn Fn(),
    ) -> usize {
        loop {
            state = match state {
                Ok(value) => return value,
                Err(Next::Look) => self.look(key),
                Err(Next::Wait(wait)) => self.waited(key, wait.wait()),
                Err(Next::Compute(lead)) => {
                    let value = {
                        let _entered = lead.enter();
                        let value = self.compute();
                        body();
                        value
                    };
                    Ok(self.store(key, value, lead))
                }
            };
        }
    }

    /// As a task whose body belongs to its flight.
    pub(super) async fn call_owned(&self, key: u64) -> usize {
        let mut state = Err(Next::Look);
        loop {
            state = match state {
                Ok(value) => return value,
                Err(Next::Look) => self.look(key),
                Err(Next::Wait(wait)) => self.waited(key, wait.await),
                Err(Next::Compute(lead)) => match lead.berth() {
                    Some(berth) => {
                        let output = berth.begin(self.work(key, lead.holding(&self.0.flights))).await;
                        return *output.downcast().unwrap();
                    }
                    None => Ok(self.store(key, self.compute(), lead)),
                },
            };
        }
    }

    /// A body of two steps.
    fn work(&self, key: u64, lead: Lead<'static, u64, ()>) -> Work {
        let memo = self.clone();
        Box::pin(async move {
            let value = memo.compute();
            future::yield_now().await;
            Box::new(memo.store(key, value, lead)) as Output
        })
    }

    /// As a task that computes by itself once the leader has lost its place.
    pub(super) async fn call_patiently(&self, key: u64) -> usize {
        let mut patience = 3;
        let mut state = Err(Next::Look);
        loop {
            state = match state {
                Ok(value) => return value,
                Err(Next::Look) => self.look(key),
                Err(Next::Wait(mut wait)) => {
                    let waited = poll_fn(|context| match Pin::new(&mut wait).poll(context) {
                        Poll::Ready(waited) => Poll::Ready(Some(waited)),
                        Poll::Pending if wait.is_lost() => Poll::Ready(None),
                        Poll::Pending => {
                            // In the place of a timer: after a few looks, the second is over.
                            context.waker().wake_by_ref();
                            patience -= 1;
                            if patience == 0 {
                                sync::advance(1000);
                            }
                            Poll::Pending
                        }
                    });
                    match waited.await {
                        Some(waited) => self.waited(key, waited),
                        None => Err(Next::Compute(self.0.flights.register(&key, ()))),
                    }
                }
                Err(Next::Compute(lead)) => {
                    let value = lead.scope(async { self.compute() }).await;
                    Ok(self.store(key, value, lead))
                }
            };
        }
    }

    pub(super) async fn call_async(&self, key: u64) -> usize {
        let mut state = Err(Next::Look);
        loop {
            state = match state {
                Ok(value) => return value,
                Err(Next::Look) => self.look(key),
                Err(Next::Wait(wait)) => self.waited(key, wait.await),
                Err(Next::Compute(lead)) => {
                    let body = async {
                        let value = self.compute();
                        future::yield_now().await;
                        value
                    };
                    let value = lead.scope(body).await;
                    Ok(self.store(key, value, lead))
                }
            };
        }
    }

    fn compute(&self) -> usize {
        let value = self.0.world.load(Ordering::SeqCst);
        self.0.computed.fetch_add(1, Ordering::SeqCst);
        value
    }

    pub(super) fn store(&self, key: u64, value: usize, lead: Lead<'_, u64, ()>) -> usize {
        {
            let mut store = self.0.store.lock();
            if !lead.invalidated() {
                store.insert(key, value);
            }
        }
        lead.finish(|| Some(Arc::new(value)));
        value
    }

    pub(super) fn delete(&self, key: u64) {
        self.0.flights.invalidate(&key);
        self.0.store.lock().remove(&key);
    }

    pub(super) fn clear(&self) {
        self.0.flights.invalidate_all();
        self.0.store.lock().clear();
    }

    /// From here on another value is computed.
    pub(super) fn change_world(&self) {
        self.0.world.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn stored(&self, key: u64) -> Option<usize> {
        self.0.store.lock().get(&key).copied()
    }

    pub(super) fn computed(&self) -> usize {
        self.0.computed.load(Ordering::SeqCst)
    }

    pub(super) fn assert_quiet(&self) {
        assert_eq!(self.0.flights.size().0, 0, "a flight is left in the table");
    }
}
