//! The flights under a model checker: [shuttle] runs small programs over thousands of schedules, with its own
//! primitives in place of the real ones. The sources are those of `cachekit`, included file by file, for nothing of this
//! is public.
//!
//! Each program checks one promise: one computation per key, no caller hangs (shuttle reports a deadlock), and no value from
//! before a deletion in the store after it.

#![allow(dead_code, unreachable_pub, reason = "the included modules show more than is needed here")]

#[path = "../../cachekit/src/engine/flight/body.rs"]
mod body;
#[path = "../../cachekit/src/engine/flight/lead.rs"]
mod lead;
#[path = "../../cachekit/src/engine/flight/nesting.rs"]
mod nesting;
#[path = "../../cachekit/src/engine/flight/pulse.rs"]
mod pulse;
#[path = "../../cachekit/src/engine/flight/seat.rs"]
mod seat;
#[path = "../../cachekit/src/engine/flight/slots.rs"]
mod slots;
#[path = "../../cachekit/src/engine/flight/state.rs"]
mod state;
#[path = "../../cachekit/src/engine/flight/table.rs"]
mod table;

#[path = "round_shuttle/sync.rs"]
mod sync;

use std::collections::BTreeMap;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use shuttle::future;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread::{JoinHandle, spawn, yield_now};

use body::{Output, Work};
use lead::Lead;
use state::{Wait, Waited};
use sync::Mutex;
use table::{Flights, Role};

const ITERATIONS: usize = 1500;

/// Runs a program under random schedules and under schedules that preempt at few, badly chosen points.
fn check(program: impl Fn() + Send + Sync + 'static) {
    fn run(scheduler: impl Scheduler + 'static, program: Arc<impl Fn() + Send + Sync + 'static>) {
        let mut config = shuttle::Config::new();
        config.stack_size = 0x40000;
        let runs = shuttle::Runner::new(scheduler, config).run(move || program());
        assert_eq!(runs, ITERATIONS);
    }
    let program = Arc::new(program);
    run(RandomScheduler::new(ITERATIONS), program.clone());
    run(PctScheduler::new(3, ITERATIONS), program);
}

fn in_threads<T: Send + 'static>(
    programs: impl IntoIterator<Item = Box<dyn FnOnce() -> T + Send>>,
) -> Vec<T> {
    let threads: Vec<JoinHandle<T>> = programs.into_iter().map(spawn).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn boxed<T>(program: impl FnOnce() -> T + Send + 'static) -> Box<dyn FnOnce() -> T + Send> {
    Box::new(program)
}

/// The least memoized function over a store with a lock. A value is the state of the world when it was computed.
#[derive(Clone, Default)]
struct Memo(Arc<Inner>);

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
enum Next<'a> {
    Compute(Lead<'a, u64, ()>),
    Wait(Wait),
    Look,
}

impl Memo {
    /// The value, or what to do.
    fn look(&self, key: u64) -> Result<usize, Next<'_>> {
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
    fn waited(&self, key: u64, waited: Waited) -> Result<usize, Next<'_>> {
        match waited {
            Waited::Value(value) => Ok(*value.downcast().unwrap()),
            Waited::Released => Err(Next::Compute(self.0.flights.register(&key, ()))),
            Waited::Again => Err(Next::Look),
            Waited::Output(output) => Ok(*output.downcast().unwrap()),
        }
    }

    fn call(&self, key: u64, body: &dyn Fn()) -> usize {
        self.go_on(key, Err(Next::Look), body)
    }

    fn go_on<'a>(&'a self, key: u64, mut state: Result<usize, Next<'a>>, body: &dyn Fn()) -> usize {
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
    async fn call_owned(&self, key: u64) -> usize {
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
    async fn call_patiently(&self, key: u64) -> usize {
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

    async fn call_async(&self, key: u64) -> usize {
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

    fn store(&self, key: u64, value: usize, lead: Lead<'_, u64, ()>) -> usize {
        {
            let mut store = self.0.store.lock();
            if !lead.invalidated() {
                store.insert(key, value);
            }
        }
        lead.finish(|| Some(Arc::new(value)));
        value
    }

    fn delete(&self, key: u64) {
        self.0.flights.invalidate(&key);
        self.0.store.lock().remove(&key);
    }

    fn computed(&self) -> usize {
        self.0.computed.load(Ordering::SeqCst)
    }

    fn assert_quiet(&self) {
        assert_eq!(self.0.flights.size().0, 0, "a flight is left in the table");
    }
}

#[test]
fn three_threads_compute_a_key_once() {
    check(|| {
        let memo = Memo::default();
        let call = || {
            let memo = memo.clone();
            boxed(move || memo.call(1, &yield_now))
        };
        in_threads([call(), call(), call()]);
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn threads_and_tasks_compute_a_key_once() {
    check(|| {
        let memo = Memo::default();
        let tasks =
            [memo.clone(), memo.clone()].map(|memo| future::spawn(async move { memo.call_async(1).await }));
        let thread = spawn({
            let memo = memo.clone();
            move || memo.call(1, &yield_now)
        });
        for task in tasks {
            future::block_on(task).unwrap();
        }
        thread.join().unwrap();
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn a_leader_that_gives_up_hands_over() {
    check(|| {
        let memo = Memo::default();
        let first = Arc::new(AtomicUsize::new(0));
        let call = || {
            let (memo, first) = (memo.clone(), first.clone());
            boxed(move || {
                let mut state = Err(Next::Look);
                // Shuttle's locks can't be taken while a panic unwinds, so the lead is dropped without one.
                while first.load(Ordering::SeqCst) == 0 {
                    match state {
                        Ok(_) => return,
                        Err(Next::Look) => state = memo.look(1),
                        Err(Next::Wait(wait)) => state = memo.waited(1, wait.wait()),
                        Err(Next::Compute(lead)) => {
                            yield_now();
                            first.store(1, Ordering::SeqCst);
                            return drop(lead);
                        }
                    }
                }
                memo.go_on(1, state, &yield_now);
            })
        };
        in_threads([call(), call(), call()]);
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn a_cancelled_task_leaves_the_others_a_value() {
    check(|| {
        let memo = Memo::default();
        let cancelled = spawn({
            let memo = memo.clone();
            move || {
                // Polled once and dropped: a leader in the middle of its body, or a waiter, or done.
                let mut call = Box::pin(memo.call_async(1));
                let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                yield_now();
            }
        });
        let task = future::spawn({
            let memo = memo.clone();
            async move { memo.call_async(1).await }
        });
        memo.call(1, &yield_now);
        future::block_on(task).unwrap();
        cancelled.join().unwrap();
        assert!(memo.computed() <= 2);
        memo.assert_quiet();
    });
}

#[test]
fn no_value_from_before_a_deletion_is_stored_after_it() {
    check(|| {
        let memo = Memo::default();
        let call = || {
            let memo = memo.clone();
            boxed(move || _ = memo.call(1, &yield_now))
        };
        let delete = || {
            let memo = memo.clone();
            boxed(move || {
                memo.0.world.fetch_add(1, Ordering::SeqCst);
                memo.delete(1);
                assert_eq!(
                    memo.call(1, &yield_now),
                    1,
                    "a call after the deletion joined a flight from before it"
                );
            })
        };
        in_threads([call(), delete(), call()]);
        assert_ne!(memo.0.store.lock().get(&1), Some(&0));
        memo.assert_quiet();
    });
}

#[test]
fn no_value_from_before_a_clear_is_stored_after_it() {
    check(|| {
        let memo = Memo::default();
        let call = |key| {
            let memo = memo.clone();
            boxed(move || _ = memo.call(key, &yield_now))
        };
        let clear = {
            let memo = memo.clone();
            boxed(move || {
                memo.0.world.fetch_add(1, Ordering::SeqCst);
                memo.0.flights.invalidate_all();
                memo.0.store.lock().clear();
            })
        };
        in_threads([call(1), call(2), clear]);
        assert!([1, 2].map(|key| memo.call(key, &|| {})).iter().all(|&seen| seen == 1));
        memo.assert_quiet();
    });
}

#[test]
fn a_flight_that_is_used_again_is_none_of_the_ones_before() {
    check(|| {
        let memo = Memo::default();
        // Each thread's later misses are on the flight of its first one, unless that one still has references.
        let calls = |keys: [u64; 3]| {
            let memo = memo.clone();
            boxed(move || keys.iter().for_each(|&key| _ = memo.call(key, &yield_now)))
        };
        let delete = {
            let memo = memo.clone();
            boxed(move || {
                memo.0.world.fetch_add(1, Ordering::SeqCst);
                memo.delete(2);
            })
        };
        in_threads([calls([1, 2, 3]), calls([3, 2, 1]), delete]);
        assert_eq!(memo.call(2, &|| {}), 1, "a value from before the deletion");
        assert!(
            memo.computed() <= 5,
            "keys 1 and 3 once, key 2 before the deletion, after it, and at the end"
        );
        memo.assert_quiet();
    });
}

#[test]
fn mutual_recursion_ends() {
    /// Each key's body calls the next one, in a circle, `depth` deep.
    fn circle(memo: &Memo, key: u64, keys: u64, depth: usize) {
        memo.call(key, &|| {
            if depth > 0 {
                circle(memo, (key + 1) % keys, keys, depth - 1);
            }
        });
    }
    for keys in [2, 3] {
        check(move || {
            let memo = Memo::default();
            let call = |key| {
                let memo = memo.clone();
                boxed(move || circle(&memo, key, keys, 3))
            };
            in_threads((0..keys).map(call));
            memo.assert_quiet();
        });
    }
}

#[test]
fn tasks_inside_one_computation_that_wait_for_each_other_end() {
    check(|| {
        let memo = Memo::default();
        let both = |one: u64, two: u64| {
            let memo = memo.clone();
            future::spawn(async move {
                let lead = loop {
                    match memo.look(one) {
                        Err(Next::Compute(lead)) => break lead,
                        // Another key that has the same counter landed.
                        Err(Next::Look) => {}
                        _ => unreachable!("no other thread calls this key"),
                    }
                };
                lead.scope(memo.call_async(two)).await;
                memo.store(one, 0, lead);
            })
        };
        let tasks = [both(10, 1), both(20, 1)];
        for task in tasks {
            future::block_on(task).unwrap();
        }
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn those_who_get_nothing_all_end() {
    check(|| {
        let flights = Arc::new(Flights::<u64, ()>::new());
        let call = || {
            let flights = flights.clone();
            boxed(move || {
                let lead = match flights.join(&1, (), |(), ()| true, None, false) {
                    Role::Lead(lead) => lead,
                    Role::Wait(wait) => {
                        assert!(matches!(wait.wait(), Waited::Released));
                        flights.register(&1, ())
                    }
                    Role::Alone(_) | Role::Recheck => unreachable!(),
                };
                lead.release();
            })
        };
        in_threads([call(), call(), call()]);
        assert_eq!(flights.size().0, 0);
    });
}

/// Polls a call a few times, and drops it.
fn cancelled<T>(call: impl Future<Output = T>, polls: usize) {
    let mut call = pin!(call);
    for _ in 0..polls {
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        yield_now();
    }
}

#[test]
fn a_body_of_a_flight_is_polled_by_one_caller_at_a_time_and_runs_once() {
    check(|| {
        let memo = Memo::default();
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let memo = memo.clone();
                future::spawn(async move { memo.call_owned(1).await })
            })
            .collect();
        for task in tasks {
            future::block_on(task).unwrap();
        }
        assert_eq!(memo.computed(), 1);
        memo.assert_quiet();
    });
}

#[test]
fn a_body_of_a_flight_goes_on_with_those_that_are_left() {
    for polls in 1..4 {
        check(move || {
            let memo = Memo::default();
            let leaves = spawn({
                let memo = memo.clone();
                move || cancelled(memo.call_owned(1), polls)
            });
            let stay = [(); 2].map(|()| {
                let memo = memo.clone();
                future::spawn(async move { memo.call_owned(1).await })
            });
            for task in stay {
                future::block_on(task).unwrap();
            }
            leaves.join().unwrap();
            // A second may be over before the next caller comes.
            assert!(memo.computed() <= 2);
            memo.assert_quiet();
        });
    }
}

#[test]
fn a_body_of_a_flight_that_all_callers_leave_is_ended() {
    check(|| {
        let memo = Memo::default();
        let leave = [1, 2].map(|polls| {
            let memo = memo.clone();
            boxed(move || cancelled(memo.call_owned(1), polls))
        });
        in_threads(leave);
        // As long as the alarm has not gone off, a call goes on with it.
        future::block_on(memo.call_owned(1));
        memo.assert_quiet();
    });
}

#[test]
fn no_value_from_before_a_deletion_is_stored_by_a_body_that_changes_hands() {
    check(|| {
        let memo = Memo::default();
        let leaves = {
            let memo = memo.clone();
            boxed(move || cancelled(memo.call_owned(1), 1))
        };
        let stays = {
            let memo = memo.clone();
            boxed(move || _ = future::block_on(memo.call_owned(1)))
        };
        let deletes = {
            let memo = memo.clone();
            boxed(move || {
                memo.0.world.fetch_add(1, Ordering::SeqCst);
                memo.delete(1);
                assert_eq!(
                    future::block_on(memo.call_owned(1)),
                    1,
                    "it joined a flight from before the deletion"
                );
            })
        };
        in_threads([leaves, stays, deletes]);
        assert_ne!(memo.0.store.lock().get(&1), Some(&0));
        memo.assert_quiet();
    });
}

#[test]
fn a_leader_that_is_not_polled_loses_its_place_after_a_second() {
    check(|| {
        let memo = Memo::default();
        // The body is woken and never polled again.
        let mut held = Box::pin(memo.call_async(1));
        let first = held.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(first.is_pending());
        let others = [(); 2].map(|()| {
            let memo = memo.clone();
            future::spawn(async move { memo.call_patiently(1).await })
        });
        for other in others {
            future::block_on(other).unwrap();
        }
        assert!((2..=3).contains(&memo.computed()), "the leader, and those that gave up");
        drop(held);
        memo.assert_quiet();
    });
}
