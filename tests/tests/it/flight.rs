//! Promise 4: one computation per key, for threads and tasks, whatever becomes of it.

use std::sync::mpsc;
use std::sync::{Arc, Barrier};

use cachekit::{memoize, peek, stats};
use cachekit_tests::{Calls, World, block_on, each_keeping, tasks};
use parking_lot::Mutex;

/// Holds computations until the test lets them go.
#[derive(Default)]
struct Gate {
    inside: Calls,
    open: tokio::sync::Notify,
    opened: std::sync::atomic::AtomicBool,
}

impl Gate {
    fn pass(&self) {
        self.inside.hit();
        while !self.opened.load(std::sync::atomic::Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }

    async fn pass_async(&self) {
        self.inside.hit();
        loop {
            let open = self.open.notified();
            if self.opened.load(std::sync::atomic::Ordering::SeqCst) {
                return;
            }
            open.await;
        }
    }

    fn open(&self) {
        self.opened.store(true, std::sync::atomic::Ordering::SeqCst);
        self.open.notify_waiters();
    }
}

/// Waits until something is so.
fn until(mut so: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !so() {
        assert!(begin.elapsed().as_secs() < 20, "it never came to be");
        std::thread::yield_now();
    }
}

#[test]
fn threads_that_miss_together_compute_once() {
    static CALLS: Calls = Calls::new();
    #[memoize(ignore(gate))]
    fn f(n: u64, gate: &Gate) -> u64 {
        CALLS.hit();
        gate.pass();
        n * 2
    }
    each_keeping(|world| {
        CALLS.take();
        let gate = Gate::default();
        let ready = Barrier::new(9);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    world.spawn_in(scope, || {
                        ready.wait();
                        f(21, &gate)
                    })
                })
                .collect();
            ready.wait();
            until(|| gate.inside.get() == 1);
            gate.open();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 42));
        });
        assert_eq!(CALLS.take(), 1);
        let stats = stats!(f);
        assert_eq!((stats.hits + stats.misses, stats.stores), (8, 1));
        assert_eq!(stats.misses, stats.coalesced + 1);
    });
}

#[test]
fn tasks_and_threads_wait_for_one_another() {
    static CALLS: Calls = Calls::new();
    #[memoize(key = n)]
    async fn f(n: u64, gate: Arc<Gate>) -> u64 {
        CALLS.hit();
        gate.pass_async().await;
        n * 2
    }
    each_keeping(|world| {
        CALLS.take();
        let gate = Arc::new(Gate::default());
        let thread = {
            let (scoped, gate) = (Arc::clone(&world.scoped), Arc::clone(&gate));
            // Another executor: the smallest there is.
            std::thread::spawn(move || block_on(scoped.wrap(f(21, gate))))
        };
        until(|| gate.inside.get() == 1);
        let opener = {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || gate.open())
        };
        let results = tasks((0..50).map(|_| world.wrap(f(21, Arc::clone(&gate)))));
        assert!(results.into_iter().all(|value| value == 42));
        assert_eq!(thread.join().unwrap(), 42);
        opener.join().unwrap();
        assert_eq!(CALLS.take(), 1);
    });
}

#[test]
fn an_err_is_neither_stored_nor_shared() {
    static CALLS: Calls = Calls::new();
    #[memoize(key = ())]
    fn f(gate: &Gate, me: u64) -> Result<u64, u64> {
        if CALLS.hit() == 0 {
            gate.pass();
        }
        Err(me)
    }
    each_keeping(|world| {
        CALLS.take();
        let gate = Gate::default();
        std::thread::scope(|scope| {
            let gate = &gate;
            let first = world.spawn_in(scope, move || f(gate, 0));
            until(|| gate.inside.get() == 1);
            let others: Vec<_> = (1..4).map(|me| world.spawn_in(scope, move || f(gate, me))).collect();
            gate.open();
            assert_eq!(first.join().unwrap(), Err(0));
            for (me, other) in (1..).zip(others) {
                assert_eq!(other.join().unwrap(), Err(me), "each caller has an error of its own");
            }
        });
        assert_eq!(CALLS.take(), 4);
        assert_eq!(peek!(f, &gate, 0).unwrap(), None);
    });
}

#[test]
fn a_panic_hands_over() {
    static CALLS: Calls = Calls::new();
    #[memoize(ignore(gate))]
    fn f(n: u64, gate: &Gate) -> u64 {
        if CALLS.hit() == 0 {
            gate.pass();
            std::panic::panic_any("on purpose");
        }
        n
    }
    each_keeping(|world| {
        CALLS.take();
        let gate = Gate::default();
        std::thread::scope(|scope| {
            let first = world.spawn_in(scope, || f(7, &gate));
            until(|| gate.inside.get() == 1);
            let others: Vec<_> = (0..4).map(|_| world.spawn_in(scope, || f(7, &gate))).collect();
            gate.open();
            assert!(first.join().is_err(), "the panic goes to its own caller");
            assert!(others.into_iter().all(|other| other.join().unwrap() == 7));
        });
        assert_eq!(CALLS.take(), 2, "one of the waiting callers took over");
        assert_eq!(f(7, &gate), 7);
        assert_eq!(CALLS.take(), 0);
    });
}

#[test]
fn a_cancelled_task_with_borrowed_arguments_hands_over() {
    static CALLS: Calls = Calls::new();
    #[memoize(key = n)]
    async fn f(n: u64, gate: &Gate) -> u64 {
        if CALLS.hit() == 0 {
            gate.pass_async().await;
        }
        n
    }
    each_keeping(|world| {
        CALLS.take();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let gate = Arc::new(Gate::default());
        let call = || {
            let gate = Arc::clone(&gate);
            runtime.spawn(world.wrap(async move { f(7, &gate).await }))
        };
        let first = call();
        until(|| gate.inside.get() == 1);
        let others: Vec<_> = (0..4).map(|_| call()).collect();
        first.abort();
        for other in others {
            assert_eq!(runtime.block_on(other).unwrap(), 7);
        }
        assert!(runtime.block_on(first).unwrap_err().is_cancelled());
        assert_eq!(CALLS.take(), 2);
    });
}

#[test]
fn a_waiter_that_is_cancelled_leaves_the_others_waiting() {
    static CALLS: Calls = Calls::new();
    #[memoize(key = n)]
    async fn f(n: u64, gate: Arc<Gate>) -> u64 {
        CALLS.hit();
        gate.pass_async().await;
        n
    }
    each_keeping(|world| {
        CALLS.take();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let gate = Arc::new(Gate::default());
        let first = runtime.spawn(world.wrap(f(7, Arc::clone(&gate))));
        until(|| gate.inside.get() == 1);
        let waiters: Vec<_> = (0..4).map(|_| runtime.spawn(world.wrap(f(7, Arc::clone(&gate))))).collect();
        waiters[0].abort();
        waiters[2].abort();
        gate.open();
        assert_eq!(runtime.block_on(first).unwrap(), 7);
        for (n, waiter) in waiters.into_iter().enumerate() {
            match runtime.block_on(waiter) {
                Ok(value) => assert_eq!(value, 7),
                Err(error) => assert!(error.is_cancelled() && n % 2 == 0),
            }
        }
        assert_eq!(CALLS.take(), 1);
    });
}

#[test]
fn recursion_on_other_keys_works_from_many_threads() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn fib(n: u64) -> u64 {
        CALLS.hit();
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    each_keeping(|world| {
        CALLS.take();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|i| world.spawn_in(scope, move || fib(40 + i % 2))).collect();
            for (i, thread) in threads.into_iter().enumerate() {
                assert_eq!(thread.join().unwrap(), [102_334_155, 165_580_141][i % 2]);
            }
        });
        // Threads that would wait in a ring compute by themselves, seldom.
        assert!(CALLS.take() < 42 * 8);
        assert_eq!(fib(41), 165_580_141);
        assert_eq!(CALLS.take(), 0);
    });
}

#[test]
fn mutual_recursion_does_not_deadlock() {
    #[memoize]
    fn even(n: u64) -> bool {
        n == 0 || odd(n - 1)
    }
    #[memoize]
    fn odd(n: u64) -> bool {
        n != 0 && even(n - 1)
    }
    // Two threads enter a ring from both of its ends.
    #[memoize(ignore(depth))]
    fn ring(n: u64, depth: u64) -> u64 {
        if depth == 0 { n } else { ring(1 - n, depth - 1) }
    }
    each_keeping(|world| {
        std::thread::scope(|scope| {
            for i in 0..8 {
                world.spawn_in(scope, move || if i % 2 == 0 { assert!(even(30)) } else { assert!(!odd(30)) });
            }
        });
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            for i in 0..2 {
                let both = &both;
                world.spawn_in(scope, move || {
                    both.wait();
                    ring(i, 9)
                });
            }
        });
    });
}

#[test]
fn a_function_may_call_itself_with_the_same_arguments() {
    static DEPTH: Calls = Calls::new();
    #[memoize]
    fn f(n: u64) -> u64 {
        if DEPTH.hit() < 3 { f(n) + 1 } else { 0 }
    }
    each_keeping(|_| {
        DEPTH.take();
        assert_eq!(f(1), 3);
    });
}

#[test]
fn async_recursion() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    async fn fib(n: u64) -> u64 {
        CALLS.hit();
        if n < 2 { n } else { Box::pin(fib(n - 1)).await + Box::pin(fib(n - 2)).await }
    }
    each_keeping(|world| {
        CALLS.take();
        let results = tasks((0..8).map(|_| world.wrap(fib(30))));
        assert!(results.into_iter().all(|n| n == 832_040));
        assert_eq!(block_on(world.wrap(fib(30))), 832_040);
    });
}

#[test]
fn other_keys_and_functions_do_not_wait() {
    #[memoize]
    fn f(n: u64) -> u64 {
        if n == 0 {
            let ends = CHANNEL.lock().take();
            let (started, go) = ends.unwrap();
            started.send(()).unwrap();
            go.recv().unwrap();
        }
        n
    }
    type Ends = (mpsc::Sender<()>, mpsc::Receiver<()>);
    static CHANNEL: Mutex<Option<Ends>> = Mutex::new(None);
    each_keeping(|world: &World| {
        let ((started, has_started), (go, may_go)) = (mpsc::channel(), mpsc::channel());
        *CHANNEL.lock() = Some((started, may_go));
        let slow = world.spawn(|| f(0));
        has_started.recv().unwrap();
        assert!((1..500).all(|n| f(n) == n), "while another key is computed");
        go.send(()).unwrap();
        assert_eq!(slow.join().unwrap(), 0);
    });
}
