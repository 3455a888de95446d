//! How threads and tasks wait, give up, and are woken.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::thread;

use super::*;

#[test]
fn threads_that_miss_together_compute_once() {
    const THREADS: usize = 8;
    let met = Arc::new(Barrier::new(THREADS));
    let memo = Memo::new(|_, key| key + 1);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (memo, met) = (memo.clone(), met.clone());
            thread::spawn(move || {
                (0..200).for_each(|key| {
                    met.wait();
                    assert_eq!(memo.call(key), key + 1);
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let computed = memo.0.computed.lock();
    assert_eq!(computed.len(), 200);
    assert!(computed.values().all(|&times| times == 1), "{computed:?}");
}

#[test]
fn threads_and_tasks_wait_for_the_same_flight() {
    let flights = flights();
    let leader = lead(join(&flights, 1));
    let sleeper = thread::spawn({
        let flights = flights.clone();
        move || value(wait(join(&flights, 1)).wait())
    });
    let (mut task, bell) = (wait(join(&flights, 1)), Arc::new(Bell::default()));
    assert!(poll(&mut task, &bell).is_pending());
    until_waiting(&leader, 2);
    leader.finish(|| Some(shared(5)));
    assert_eq!(sleeper.join().unwrap(), 5);
    assert_eq!(bell.rung(), 1);
    assert!(matches!(poll(&mut task, &bell), Poll::Ready(Waited::Value(_))));
}

#[test]
fn a_panic_hands_over_to_one_of_those_who_wait() {
    let flights = flights();
    let leader = lead(join(&flights, 1)).holding(&flights);
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let flights = flights.clone();
            thread::spawn(move || {
                let mut role = join(&flights, 1);
                for handed_over in 0.. {
                    match role {
                        Role::Lead(lead) => {
                            // All other threads wait here, so none of them can have become a leader.
                            until_waiting(&lead, 3);
                            lead.finish(|| Some(shared(6)));
                            return handed_over + 100;
                        }
                        Role::Wait(wait) => match wait.wait() {
                            Waited::Value(_) => return handed_over,
                            waited => assert!(matches!(waited, Waited::Again)),
                        },
                        other => panic!("{}", name(&other)),
                    }
                    role = join(&flights, 1);
                }
                unreachable!()
            })
        })
        .collect();
    until_waiting(&leader, 4);
    let panicked = thread::spawn(move || {
        let _entered = leader.enter();
        resume_unwind(Box::new("the body panicked"));
    });
    assert!(panicked.join().is_err());
    let mut ends: Vec<u32> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
    ends.sort_unstable();
    assert_eq!(ends, [1, 1, 1, 101]);
}

#[test]
fn a_cancelled_leader_hands_over() {
    let flights = flights();
    let leader = lead(join(&flights, 1));
    let mut body = Box::pin({
        let scope = leader.scope(std::future::pending::<()>());
        async move {
            scope.await;
            leader.release();
        }
    });
    let (mut waiter, bell) = (wait(join(&flights, 1)), Arc::new(Bell::default()));
    assert!(poll(&mut body, &bell).is_pending());
    assert!(poll(&mut waiter, &bell).is_pending());
    drop(body);
    assert_eq!(bell.rung(), 1);
    assert!(matches!(poll(&mut waiter, &bell), Poll::Ready(Waited::Again)));
    lead(join(&flights, 1)).release();
}

/// A waker that panics.
struct Bomb;

impl std::task::Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("a waker panics");
    }
}

#[test]
fn the_panic_of_a_waker_does_not_keep_the_others_from_being_woken() {
    let flights = flights();
    let leader = lead(join(&flights, 1));
    let (mut first, mut second, bell) =
        (wait(join(&flights, 1)), wait(join(&flights, 1)), Arc::new(Bell::default()));
    let bomb = std::task::Waker::from(Arc::new(Bomb));
    let polled = std::pin::Pin::new(&mut first).poll(&mut std::task::Context::from_waker(&bomb));
    assert!(polled.is_pending() && poll(&mut second, &bell).is_pending());
    let landed = catch_unwind(AssertUnwindSafe(|| leader.finish(|| Some(shared(6)))));
    assert!(landed.is_err());
    assert_eq!(bell.rung(), 1);
}

#[test]
fn those_who_get_nothing_compute_side_by_side() {
    const WAITERS: usize = 4;
    let flights = flights();
    let leader = lead(join(&flights, 1));
    let side_by_side = Arc::new(Barrier::new(WAITERS));
    let waiters: Vec<_> = (0..WAITERS)
        .map(|_| {
            let (flights, side_by_side) = (flights.clone(), side_by_side.clone());
            thread::spawn(move || {
                assert!(matches!(wait(join(&flights, 1)).wait(), Waited::Released));
                let lead = flights.register(&1, 0);
                side_by_side.wait();
                lead.release();
            })
        })
        .collect();
    until_waiting(&leader, WAITERS);
    leader.release();
    for waiter in waiters {
        waiter.join().unwrap();
    }
    assert_eq!(flights.size().0, 0);
}

#[test]
fn a_cancelled_waiter_leaves_nothing_behind() {
    let flights = flights();
    let leader = lead(join(&flights, 1));
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let mut waits = [wait(join(&flights, 1)), wait(join(&flights, 1))];
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        assert!(poll(wait, bell).is_pending());
    }
    let [cancelled, mut kept] = waits;
    drop(cancelled);
    assert_eq!(leader.flight().waiting(), 1);
    assert_eq!(Arc::strong_count(&bells[0]), 1);
    leader.finish(|| Some(shared(1)));
    assert_eq!(bells.each_ref().map(|bell| bell.rung()), [0, 1]);
    assert!(poll(&mut kept, &bells[1]).is_ready());
}

#[test]
fn a_task_that_moved_is_woken_where_it_is() {
    let flights = flights();
    let leader = lead(join(&flights, 1));
    let mut task = wait(join(&flights, 1));
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    assert!(poll(&mut task, &bells[0]).is_pending());
    assert!(poll(&mut task, &bells[1]).is_pending());
    assert_eq!(leader.flight().waiting(), 1);
    leader.release();
    assert_eq!(bells.each_ref().map(|bell| bell.rung()), [0, 1]);
}

#[test]
fn wakers_run_with_no_lock_held() {
    /// Polls the wait again and joins the same key in the middle of a wake-up, as an executor may.
    struct Busybody(Mutex<Option<Wait>>, Arc<Numbered>);
    impl Wake for Busybody {
        fn wake(self: Arc<Self>) {
            let mut wait = self.0.lock().take().unwrap();
            assert!(poll(&mut wait, &Arc::default()).is_ready());
            lead(join(&self.1, 1)).release();
            self.1.invalidate_all();
        }
    }
    let flights = flights();
    let leader = lead(join(&flights, 1));
    let mut waiter = wait(join(&flights, 1));
    let busybody = Arc::new(Busybody(Mutex::new(None), flights.clone()));
    let waker = Waker::from(busybody.clone());
    assert!(std::pin::Pin::new(&mut waiter).poll(&mut Context::from_waker(&waker)).is_pending());
    *busybody.0.lock() = Some(waiter);
    leader.release();
    assert!(busybody.0.lock().is_none());
}

#[test]
fn a_value_lives_as_long_as_somebody_wants_it() {
    let flights = flights();
    let leader = lead(join(&flights, 1));
    let (one, two) = (wait(join(&flights, 1)), wait(join(&flights, 1)));
    let result = shared(1);
    let weak = Arc::downgrade(&result);
    leader.finish(|| Some(result));
    drop(one);
    assert!(!ended(&weak));
    drop(two.wait());
    assert!(ended(&weak));
}

#[test]
fn leads_waits_and_scopes_travel_between_threads() {
    fn travels<T: Send>(_: &T) {}
    let flights = flights();
    let leader = lead(join(&flights, 1));
    travels(&leader);
    travels(&leader.scope(async {}));
    travels(&wait(join(&flights, 1)));
}
