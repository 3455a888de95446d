//! Promise 4: no call waits for ever for the computation of another one.
//!
//! These waits end by real time, which is short where a test can choose it.

use std::time::Duration;

use cachekit::{Cache, Config, memoize, stats};
use cachekit_tests::Calls;

/// Far beyond each limit here, so that a test that hangs fails.
const HANGS: Duration = Duration::from_secs(20);

fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(HANGS, future).await.expect("it hangs") })
}

#[test]
fn a_task_that_holds_back_its_own_computation_of_borrowed_arguments_computes_again() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    async fn slow(n: &u64) -> u64 {
        CALLS.hit();
        tokio::time::sleep(Duration::from_millis(20)).await;
        *n
    }
    on_one_thread(async {
        let first = slow(&1);
        tokio::pin!(first);
        tokio::select! {
            biased;
            _ = &mut first => panic!("it takes longer than the other one"),
            () = tokio::time::sleep(Duration::from_millis(5)) => assert_eq!(slow(&1).await, 1),
        }
        assert_eq!(first.await, 1);
    });
    assert_eq!(CALLS.get(), 2);
    assert_eq!((stats!(slow).coalesced, stats!(slow).given_up), (0, 1));
}

#[test]
fn a_call_that_blocks_the_thread_of_the_task_that_computes_goes_on_at_the_limit() {
    let cache = Cache::open(Config::simple().flight_timeout(Duration::from_millis(50))).unwrap();
    let aio = cache.aio();
    on_one_thread(async {
        let task = aio.get_or_insert_with("key", 60, || async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            1
        });
        tokio::pin!(task);
        tokio::select! {
            biased;
            _ = &mut task => panic!("it takes longer than a poll"),
            () = std::future::ready(()) => assert_eq!(cache.get_or_insert_with("key", 60, || 2), 2),
        }
        assert_eq!(task.await, 1);
    });
}

#[test]
fn a_computation_that_waits_for_a_thread_that_waits_for_it_ends() {
    static CALLS: Calls = Calls::new();
    #[memoize(flight_timeout = "50ms")]
    fn stolen(n: u64) -> u64 {
        if CALLS.hit() == 0 {
            return std::thread::spawn(move || stolen(n)).join().unwrap() + 1;
        }
        n
    }
    assert_eq!(stolen(7), 8);
    assert_eq!(CALLS.get(), 2);
    assert_eq!(stats!(stolen).given_up, 1);
}

#[test]
fn a_body_that_works_on_the_pool_it_is_called_from_ends() {
    use rayon::prelude::*;

    #[memoize(flight_timeout = "50ms")]
    fn total(n: u64) -> u64 {
        (0..n).into_par_iter().map(|i| if i == 0 { part(n % 2) } else { i }).sum()
    }
    // A thread that waits for its part of `total` may steal a call that waits for that `total`.
    #[memoize(flight_timeout = "50ms")]
    fn part(n: u64) -> u64 {
        (0..64_u64).into_par_iter().map(|_| n).max().unwrap_or_default()
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let (send, ends) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let sum: u64 = pool.install(|| (0..256_u64).into_par_iter().map(|i| total(64 + i % 4)).sum());
        send.send(sum).unwrap();
    });
    let expected: u64 = (0..256).map(|i| (1..64 + i % 4).sum::<u64>() + (64 + i % 4) % 2).sum();
    assert_eq!(ends.recv_timeout(HANGS), Ok(expected));
}

#[test]
fn a_large_directory_is_cleared_by_a_task_however_short_an_operation_may_be() {
    const ENTRIES: u64 = 3_000;
    let dir = tempfile::tempdir().unwrap();
    let cache =
        Cache::open(Config::filesystem(dir.path()).operation_timeout(Duration::from_millis(10))).unwrap();
    (0..ENTRIES).for_each(|id| cache.set(&id.to_string(), &id, 60).unwrap());
    on_one_thread(cache.aio().clear()).unwrap();
    assert_eq!(cache.get::<u64>("7").unwrap(), None);
}
