//! Programs under the schedules of the model checker.

use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread::{JoinHandle, spawn};

/// Runs a program so many times under random schedules, and under schedules that preempt at `points` badly chosen points. `stack` is
/// the bytes of each thread's stack.
pub(crate) fn check(
    iterations: usize,
    points: usize,
    stack: usize,
    program: impl Fn() + Send + Sync + 'static,
) {
    let run = |scheduler: Box<dyn Scheduler + Send>, program: Arc<dyn Fn() + Send + Sync>| {
        let mut config = shuttle::Config::new();
        config.stack_size = stack;
        let runs = shuttle::Runner::new(scheduler, config).run(move || program());
        assert_eq!(runs, iterations);
    };
    let program: Arc<dyn Fn() + Send + Sync> = Arc::new(program);
    run(Box::new(RandomScheduler::new(iterations)), program.clone());
    run(Box::new(PctScheduler::new(points, iterations)), program);
}

/// Runs each program in a thread of its own. Returns what they returned, in order.
pub(crate) fn in_threads<T: Send + 'static>(
    programs: impl IntoIterator<Item = Box<dyn FnOnce() -> T + Send>>,
) -> Vec<T> {
    let threads: Vec<JoinHandle<T>> = programs.into_iter().map(spawn).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// A program for [`in_threads`].
pub(crate) fn boxed<T>(program: impl FnOnce() -> T + Send + 'static) -> Box<dyn FnOnce() -> T + Send> {
    Box::new(program)
}
