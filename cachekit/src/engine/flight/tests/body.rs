//! Bodies that belong to their flights: which caller polls, and what is left of one that is dropped. Polled by hand.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::engine::flight::body::Leading;

/// A body that goes on at each [`step`](Steps::step), and ends after some.
#[derive(Default)]
struct Steps {
    left: AtomicUsize,
    polls: AtomicUsize,
    polled_by: Mutex<Option<Waker>>,
    dropped: AtomicBool,
    panics: AtomicBool,
}

impl Steps {
    fn new(left: usize) -> Arc<Self> {
        let steps = Self::default();
        steps.left.store(left, Ordering::SeqCst);
        Arc::new(steps)
    }

    fn step(&self) {
        self.left.fetch_sub(1, Ordering::SeqCst);
        let waker = self.polled_by.lock().take();
        waker.expect("it was polled").wake();
    }

    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }
}

/// Sets the flag when it is dropped.
struct Flag(Arc<Steps>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::SeqCst);
    }
}

/// Leads a flight of key 1 whose body takes some steps. Its value is 7; with `shares`, the waiting calls get it.
fn leading(flights: &Arc<Numbered>, steps: &Arc<Steps>, shares: bool) -> Leading {
    let lead = lead(join(flights, 1)).holding(flights);
    let berth = lead.berth().expect("others may join");
    let flag = Flag(steps.clone());
    berth.begin(Box::pin(async move {
        std::future::poll_fn(|context| {
            let steps = &flag.0;
            steps.polls.fetch_add(1, Ordering::SeqCst);
            *steps.polled_by.lock() = Some(context.waker().clone());
            if steps.panics.load(Ordering::SeqCst) {
                panic_any("on purpose");
            }
            if steps.left.load(Ordering::SeqCst) == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        lead.finish(|| shares.then(|| shared(7)));
        Box::new(7_u64) as _
    }))
}

fn output(polled: Poll<crate::engine::flight::Output>) -> u64 {
    match polled {
        Poll::Ready(output) => *output.downcast().unwrap(),
        Poll::Pending => panic!("it has not ended"),
    }
}

#[track_caller]
fn own(polled: Poll<Waited>) -> u64 {
    match polled {
        Poll::Ready(Waited::Output(output)) => *output.downcast().unwrap(),
        other => panic!("{other:?} instead of the output"),
    }
}

fn bells<const N: usize>() -> [Arc<Bell>; N] {
    std::array::from_fn(|_| Arc::default())
}

#[test]
fn the_leader_polls_and_is_woken_while_it_lives() {
    let (flights, steps) = (flights(), Steps::new(1));
    let mut leading = leading(&flights, &steps, true);
    let mut waiter = wait(join(&flights, 1));
    let [of_leader, of_waiter] = bells();
    assert!(poll(&mut leading, &of_leader).is_pending());
    assert!(poll(&mut waiter, &of_waiter).is_pending());
    assert_eq!(steps.polls(), 1, "it was not woken");
    steps.step();
    assert_eq!((of_leader.rung(), of_waiter.rung()), (1, 0));
    assert_eq!(output(poll(&mut leading, &of_leader)), 7);
    assert_eq!((steps.polls(), of_waiter.rung()), (2, 1));
    assert!(matches!(poll(&mut waiter, &of_waiter), Poll::Ready(Waited::Value(_))));
}

#[test]
fn a_waiter_that_is_polled_first_goes_on_with_the_body() {
    let (flights, steps) = (flights(), Steps::new(2));
    let mut leading = leading(&flights, &steps, true);
    let mut waiter = wait(join(&flights, 1));
    let [of_leader, of_waiter] = bells();
    assert!(poll(&mut leading, &of_leader).is_pending());
    steps.step();
    assert!(poll(&mut waiter, &of_waiter).is_pending());
    assert_eq!(steps.polls(), 2, "the waiter polled it");
    steps.step();
    assert_eq!((of_leader.rung(), of_waiter.rung()), (2, 1), "both are woken");
    assert_eq!(value(ready(poll(&mut waiter, &of_waiter))), 7);
    assert_eq!(of_leader.rung(), 3, "the leader is told of the end");
    assert_eq!(output(poll(&mut leading, &of_leader)), 7);
    assert_eq!(steps.polls(), 3);
}

#[track_caller]
fn ready<T>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it has not ended"),
    }
}

#[test]
fn without_its_leader_the_body_goes_on_in_one_waiter_after_another() {
    let (flights, steps) = (flights(), Steps::new(3));
    let mut leading = leading(&flights, &steps, true);
    let mut waits = [wait(join(&flights, 1)), wait(join(&flights, 1)), wait(join(&flights, 1))];
    let bells: [Arc<Bell>; 4] = bells();
    assert!(poll(&mut leading, &bells[3]).is_pending());
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        assert!(poll(wait, bell).is_pending());
    }
    drop(leading);
    let rung = || bells.each_ref().map(|bell| bell.rung());
    assert_eq!(rung(), [0, 0, 0, 0], "the body waits for something");
    steps.step();
    assert_eq!(rung(), [1, 0, 0, 0]);
    let [first, mut second, mut third] = waits;
    drop(first);
    assert_eq!(rung(), [1, 1, 0, 0], "the first one was woken, and left without polling");
    assert!(poll(&mut second, &bells[1]).is_pending());
    steps.step();
    assert_eq!(rung(), [1, 2, 0, 0]);
    assert!(poll(&mut second, &bells[1]).is_pending());
    drop(second);
    assert_eq!(rung(), [1, 2, 0, 0]);
    steps.step();
    assert_eq!(rung(), [1, 2, 1, 0]);
    assert_eq!(own(poll(&mut third, &bells[2])), 7);
    assert_eq!(steps.polls(), 4);
    assert_eq!(flights.size().0, 0);
}

#[test]
fn the_end_of_a_body_without_leader_is_its_drivers_even_if_it_is_not_shared() {
    let (flights, steps) = (flights(), Steps::new(1));
    let mut leading = leading(&flights, &steps, false);
    let [mut first, mut second] = [wait(join(&flights, 1)), wait(join(&flights, 1))];
    let [one, two] = bells();
    assert!(poll(&mut leading, &Arc::default()).is_pending());
    assert!(poll(&mut first, &one).is_pending() && poll(&mut second, &two).is_pending());
    drop(leading);
    steps.step();
    assert_eq!(own(poll(&mut first, &one)), 7);
    assert_eq!(two.rung(), 1);
    assert!(matches!(poll(&mut second, &two), Poll::Ready(Waited::Released)));
}

#[test]
fn a_body_without_callers_is_kept_for_the_next_one() {
    let (flights, steps) = (flights(), Steps::new(1));
    let mut leading = leading(&flights, &steps, true);
    let bell = Arc::default();
    assert!(poll(&mut leading, &bell).is_pending());
    drop(leading);
    steps.step();
    let mut waiter = wait(join(&flights, 1));
    assert_eq!(own(poll(&mut waiter, &bell)), 7);
    assert_eq!((steps.polls(), flights.size().0), (2, 0));
}

#[test]
fn a_body_without_callers_is_dropped_after_a_while() {
    let (flights, steps) = (flights(), Steps::new(1));
    let mut leading = leading(&flights, &steps, true);
    assert!(poll(&mut leading, &Arc::default()).is_pending());
    drop(leading);
    let began = Instant::now();
    while !steps.dropped.load(Ordering::SeqCst) || flights.size().0 != 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "it is kept");
        yield_now();
    }
    assert!(began.elapsed() >= Duration::from_millis(900), "it was dropped at once");
    lead(join(&flights, 1)).release();
}

#[test]
fn a_body_that_panics_in_a_waiter_panics_in_its_leader() {
    let (flights, steps) = (flights(), Steps::new(2));
    let mut leading = leading(&flights, &steps, true);
    let mut waiter = wait(join(&flights, 1));
    let [of_leader, of_waiter] = bells();
    assert!(poll(&mut leading, &of_leader).is_pending());
    steps.panics.store(true, Ordering::SeqCst);
    steps.step();
    assert!(matches!(poll(&mut waiter, &of_waiter), Poll::Ready(Waited::Again)));
    assert!(steps.dropped.load(Ordering::SeqCst));
    match catch_unwind(AssertUnwindSafe(|| poll(&mut leading, &of_leader))) {
        Err(panic) => assert_eq!(panic.downcast_ref(), Some(&"on purpose")),
        Ok(_) => panic!("the panic is lost"),
    }
    drop(leading);
    lead(join(&flights, 1)).release();
}

#[test]
fn a_body_that_panics_in_its_leader_is_begun_again_by_a_waiter() {
    let (flights, steps) = (flights(), Steps::new(2));
    let mut leading = leading(&flights, &steps, true);
    let mut waiter = wait(join(&flights, 1));
    let [of_leader, of_waiter] = bells();
    assert!(poll(&mut leading, &of_leader).is_pending() && poll(&mut waiter, &of_waiter).is_pending());
    steps.panics.store(true, Ordering::SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut leading, &of_leader))).is_err());
    drop(leading);
    assert!(matches!(poll(&mut waiter, &of_waiter), Poll::Ready(Waited::Again)));
    lead(join(&flights, 1)).release();
}

#[test]
fn a_caller_that_comes_while_another_one_polls_is_woken_after_it() {
    /// A body that polls a waiter of its own flight, as a body on another thread may at the same time.
    struct Reentrant(Mutex<Option<(Wait, Arc<Bell>)>>, AtomicBool);
    let (flights, [bell]) = (flights(), bells());
    let lead = lead(join(&flights, 1)).holding(&flights);
    let waiter = wait(join(&flights, 1));
    let state = Arc::new(Reentrant(Mutex::new(Some((waiter, bell.clone()))), AtomicBool::new(false)));
    let berth = lead.berth().expect("others may join");
    let mut leading = berth.begin(Box::pin({
        let state = state.clone();
        async move {
            std::future::poll_fn(|context| {
                if state.1.swap(true, Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                // Woken in the middle of its poll, so the waiter would poll it if no one did.
                context.waker().wake_by_ref();
                let (mut waiter, bell) = state.0.lock().take().expect("once");
                assert!(poll(&mut waiter, &bell).is_pending());
                *state.0.lock() = Some((waiter, bell));
                Poll::Pending
            })
            .await;
            lead.finish(|| Some(shared(7)));
            Box::new(7_u64) as _
        }
    }));
    let of_leader = Arc::new(Bell::default());
    assert!(poll(&mut leading, &of_leader).is_pending());
    assert_eq!(of_leader.rung(), 2, "once by the body, once because a caller came meanwhile");
    assert_eq!(output(poll(&mut leading, &of_leader)), 7);
    assert_eq!(bell.rung(), 1);
}

#[test]
fn a_lead_that_no_call_joins_has_no_berth() {
    let flights = flights();
    assert!(flights.register(&1, 0).berth().is_none());
    assert!(lead(join(&flights, 1)).berth().is_some());
}

/// Leads a flight whose body is the leader of another one.
fn around(flights: &Arc<Numbered>, key: u64, inner: Leading) -> Leading {
    let lead = lead(join(flights, key)).holding(flights);
    let berth = lead.berth().expect("others may join");
    berth.begin(Box::pin(async move {
        let output = inner.await;
        lead.finish(|| None);
        output
    }))
}

/// Runs on a thread with so many bytes of stack.
fn on_a_stack_of<T: Send>(bytes: usize, run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(bytes).spawn_scoped(scope, run).unwrap();
        thread.join().unwrap()
    })
}

#[test]
fn a_thread_with_a_small_stack_wakes_a_deep_recursion() {
    const LEVELS: u64 = 5_000;
    let (flights, steps) = (flights(), Steps::new(1));
    let bell = Arc::<Bell>::default();
    // Polls and drops are as deep as the recursion; they are of threads that have called that deep.
    let mut outermost = on_a_stack_of(1 << 28, || {
        let innermost = leading(&flights, &steps, false);
        let mut all = (2..LEVELS).fold(innermost, |inner, key| around(&flights, key, inner));
        assert!(poll(&mut all, &bell).is_pending());
        all
    });
    on_a_stack_of(1 << 17, || steps.step());
    assert_eq!(bell.rung(), 1);
    assert_eq!(on_a_stack_of(1 << 28, move || output(poll(&mut outermost, &bell))), 7);
    assert_eq!(flights.size().0, 0);
}

/// A waker that panics.
struct Panics;

impl std::task::Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic_any("on purpose");
    }
}

#[test]
fn a_waker_that_panics_leaves_the_later_wakes_of_its_thread_as_they_are() {
    let (flights, steps) = (flights(), Steps::new(2));
    let mut leading = leading(&flights, &steps, true);
    assert!(
        std::pin::Pin::new(&mut leading)
            .poll(&mut Context::from_waker(&Waker::from(Arc::new(Panics))))
            .is_pending()
    );
    assert!(catch_unwind(AssertUnwindSafe(|| steps.step())).is_err(), "the panic is of the one that wakes");
    let bell = Arc::<Bell>::default();
    assert!(poll(&mut leading, &bell).is_pending());
    steps.step();
    assert_eq!(bell.rung(), 1);
    assert_eq!(output(poll(&mut leading, &bell)), 7);
}
