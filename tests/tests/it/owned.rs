//! Promise 4: an async computation whose arguments are owned goes on as long as a call waits for it, whichever began it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cachekit::{CacheKey, memoize, peek, stats};
use cachekit_tests::{Calls, World, block_on, each_keeping};
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;

/// Far beyond what a test takes, so that one that hangs fails.
const HANGS: Duration = Duration::from_secs(20);

fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(HANGS, future).await.expect("it hangs") })
}

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Polls a call by hand, whether it was woken or not.
fn poll<T>(call: &mut Boxed<T>) -> Option<T> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Polls a call until its body runs: a call of a backend that blocks asks it on another thread first.
fn begin<T>(call: &mut Boxed<T>, calls: &Calls) {
    let before = calls.get();
    let began = Instant::now();
    while calls.get() == before {
        assert!(poll(call).is_none() && began.elapsed() < HANGS, "its body does not run");
        std::thread::yield_now();
    }
}

/// Counts one more, and takes one permit.
async fn step(calls: &Calls, permits: &Semaphore) {
    calls.hit();
    permits.acquire().await.unwrap().forget();
}

#[test]
fn a_stream_whose_consumer_awaits_a_buffered_call_goes_on() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    async fn slow(n: u64) -> u64 {
        CALLS.hit();
        tokio::time::sleep(Duration::from_millis(2 * n)).await;
        n
    }
    let seen = on_one_thread(async {
        let mut numbers = pin!(futures_util::stream::iter([7, 8, 8]).map(slow).buffered(2));
        let mut seen = Vec::new();
        while let Some(n) = numbers.next().await {
            assert_eq!(slow(8).await, 8);
            seen.push(n);
        }
        seen
    });
    assert_eq!(seen, [7, 8, 8]);
    assert_eq!(CALLS.get(), 2);
    assert_eq!(stats!(slow).given_up, 0);
}

#[test]
fn a_task_goes_on_with_a_computation_that_it_holds_back() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    async fn slow(n: u64) -> u64 {
        CALLS.hit();
        tokio::time::sleep(Duration::from_millis(20)).await;
        n
    }
    on_one_thread(async {
        let mut first = pin!(slow(1));
        tokio::select! {
            biased;
            _ = &mut first => panic!("it takes longer than the other one"),
            () = tokio::time::sleep(Duration::from_millis(5)) => assert_eq!(slow(1).await, 1),
        }
        assert_eq!(first.await, 1);
    });
    assert_eq!(CALLS.get(), 1);
    assert_eq!(stats!(slow).coalesced, 1);
}

#[test]
fn a_blocking_call_on_the_thread_of_the_task_that_leads_goes_on() {
    static CALLS: Calls = Calls::new();
    static PERMITS: Semaphore = Semaphore::const_new(0);
    #[memoize]
    async fn slow(n: u64) -> u64 {
        step(&CALLS, &PERMITS).await;
        n
    }
    on_one_thread(async {
        let mut first: Boxed<u64> = Box::pin(slow(1));
        assert_eq!(poll(&mut first), None);
        let opener = std::thread::spawn(|| PERMITS.add_permits(1));
        assert_eq!(block_on(slow(1)), 1);
        opener.join().unwrap();
        assert_eq!(first.await, 1);
    });
    assert_eq!(CALLS.get(), 1);
}

#[test]
fn callers_that_give_up_before_the_end_get_it_begun_once() {
    static CALLS: Calls = Calls::new();
    static PERMITS: Semaphore = Semaphore::const_new(0);
    // Eight steps, and each caller stays for five.
    #[memoize]
    async fn slow(n: u64) -> u64 {
        CALLS.hit();
        PERMITS.acquire_many(8).await.unwrap().forget();
        n
    }
    let world = World::simple();
    let _entered = world.enter();
    let mut callers: VecDeque<Boxed<u64>> = VecDeque::new();
    let (mut answered, mut dropped) = (0, 0);
    for _ in 0..20 {
        if callers.len() == 5 {
            callers.pop_front();
            dropped += 1;
        }
        callers.push_back(Box::pin(world.wrap(slow(1))));
        PERMITS.add_permits(usize::from(answered == 0));
        callers.retain_mut(|caller| {
            let value = poll(caller);
            answered += usize::from(value == Some(1));
            value.is_none()
        });
    }
    assert_eq!(CALLS.take(), 1);
    assert_eq!((answered, dropped), (17, 3));
    let stats = stats!(slow);
    assert_eq!((stats.abandoned, stats.stores), (2, 1), "the first one led");
}

#[test]
fn an_err_is_that_of_the_call_that_went_on_with_it() {
    static CALLS: Calls = Calls::new();
    static PERMITS: Semaphore = Semaphore::const_new(0);
    #[memoize]
    async fn fails(n: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        step(&CALLS, &PERMITS).await;
        Err(n.to_string().into())
    }
    each_keeping(|world| {
        CALLS.take();
        let [mut first, mut second] = [(); 2].map(|()| -> Boxed<_> { Box::pin(world.wrap(fails(1))) });
        begin(&mut first, &CALLS);
        assert!(poll(&mut second).is_none());
        drop(first);
        PERMITS.add_permits(1);
        assert_eq!(block_on(second).unwrap_err().to_string(), "1");
        assert_eq!(CALLS.take(), 1);
        assert!(block_on(peek!(fails, 1)).unwrap().is_none());
    });
}

#[test]
fn a_computation_that_no_call_waits_for_is_ended() {
    struct Flag(&'static AtomicBool);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    static CALLS: Calls = Calls::new();
    static DROPPED: AtomicBool = AtomicBool::new(false);
    #[memoize]
    async fn endless(n: u64) -> u64 {
        let _flag = Flag(&DROPPED);
        if CALLS.hit() == 0 {
            std::future::pending::<()>().await;
        }
        n
    }
    let mut call: Boxed<u64> = Box::pin(endless(1));
    assert_eq!(poll(&mut call), None);
    drop(call);
    let began = Instant::now();
    while !DROPPED.load(Ordering::SeqCst) {
        assert!(began.elapsed() < HANGS, "it is kept");
        std::thread::yield_now();
    }
    assert_eq!(block_on(endless(1)), 1);
    assert_eq!(CALLS.get(), 2);
}

#[test]
fn a_call_that_is_cancelled_by_its_runtime_leaves_its_work_to_others() {
    static CALLS: Calls = Calls::new();
    static PERMITS: Semaphore = Semaphore::const_new(0);
    #[memoize]
    async fn slow(n: u64) -> u64 {
        step(&CALLS, &PERMITS).await;
        n
    }
    each_keeping(|world: &World| {
        CALLS.take();
        let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let (leaves, stays) = (runtime(), runtime());
        let first = leaves.spawn(world.wrap(slow(7)));
        while CALLS.get() == 0 {
            std::thread::yield_now();
        }
        let others: Vec<_> = (0..4).map(|_| stays.spawn(world.wrap(slow(7)))).collect();
        leaves.shutdown_background();
        PERMITS.add_permits(1);
        for other in others {
            assert_eq!(stays.block_on(other).unwrap(), 7);
        }
        drop(first);
        assert_eq!(CALLS.take(), 1);
    });
}

#[test]
fn a_panic_is_that_of_the_call_that_began() {
    static CALLS: Calls = Calls::new();
    static PERMITS: Semaphore = Semaphore::const_new(0);
    #[memoize]
    async fn panics(n: u64) -> u64 {
        if CALLS.hit() == 0 {
            PERMITS.acquire().await.unwrap().forget();
            std::panic::panic_any("on purpose");
        }
        n
    }
    each_keeping(|world| {
        CALLS.take();
        let mut first: Boxed<u64> = Box::pin(world.wrap(panics(1)));
        begin(&mut first, &CALLS);
        PERMITS.add_permits(1);
        assert_eq!(block_on(world.wrap(panics(1))), 1, "it went on with the first one's, and then computed");
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut first)));
        assert!(polled.is_err(), "the panic goes to its own caller");
        assert_eq!(CALLS.take(), 2);
    });
}

/// Polls a call of each, drops the first one, and returns how often the body began until the second one has its value.
fn begun<T>(calls: &Calls, permits: &Semaphore, call: impl Fn() -> Boxed<T>) -> u64 {
    calls.take();
    let [mut first, mut second] = [call(), call()];
    assert!(poll(&mut first).is_none() && poll(&mut second).is_none());
    drop(first);
    permits.add_permits(2);
    block_on(second);
    permits.forget_permits(2);
    calls.take()
}

#[test]
fn which_computations_go_on_is_decided_by_syntax_and_send() {
    static CALLS: Calls = Calls::new();
    static PERMITS: Semaphore = Semaphore::const_new(0);

    #[memoize]
    async fn owned(name: String, tags: Vec<u8>) -> usize {
        step(&CALLS, &PERMITS).await;
        name.len() + tags.len()
    }
    #[memoize]
    async fn of_static<T: CacheKey + Send + 'static>(_value: T) -> u8 {
        step(&CALLS, &PERMITS).await;
        0
    }
    #[memoize(cache_if = |value| *value == name.len())]
    async fn judged(name: String, more: u8) -> usize {
        step(&CALLS, &PERMITS).await;
        name.len() + usize::from(more)
    }
    #[memoize]
    async fn borrowed(name: &str) -> usize {
        step(&CALLS, &PERMITS).await;
        name.len()
    }
    #[memoize]
    async fn generic<T: CacheKey>(_value: T) -> u8 {
        step(&CALLS, &PERMITS).await;
        0
    }
    #[memoize]
    async fn on_its_thread(n: u8) -> u8 {
        let shared = Rc::new(n);
        step(&CALLS, &PERMITS).await;
        *shared
    }
    #[derive(Clone, CacheKey)]
    struct Plain(u8);
    impl Plain {
        #[memoize]
        async fn by_value(self) -> u8 {
            step(&CALLS, &PERMITS).await;
            self.0
        }
        #[memoize]
        async fn by_reference(&self) -> u8 {
            step(&CALLS, &PERMITS).await;
            self.0
        }
    }
    #[derive(CacheKey)]
    struct Of<T>(T);
    impl<T: CacheKey> Of<T> {
        #[memoize]
        async fn by_value(self) -> u8 {
            step(&CALLS, &PERMITS).await;
            0
        }
    }

    let begun = |call: &dyn Fn() -> Boxed<()>| begun(&CALLS, &PERMITS, call);
    assert_eq!(begun(&|| Box::pin(async { _ = owned("a".into(), vec![1]).await })), 1);
    assert_eq!(begun(&|| Box::pin(async { _ = of_static(1_u8).await })), 1);
    assert_eq!(begun(&|| Box::pin(async { _ = judged("a".into(), 0).await })), 1);
    assert_eq!(begun(&|| Box::pin(async { _ = judged("a".into(), 1).await })), 1);
    assert_eq!(begun(&|| Box::pin(async { _ = Plain(1).by_value().await })), 1);
    assert_eq!(begun(&|| Box::pin(async { _ = borrowed("a").await })), 2);
    assert_eq!(begun(&|| Box::pin(async { _ = generic(1_u8).await })), 2);
    assert_eq!(begun(&|| Box::pin(async { _ = on_its_thread(1).await })), 2);
    assert_eq!(begun(&|| Box::pin(async { _ = Plain(1).by_reference().await })), 2);
    assert_eq!(begun(&|| Box::pin(async { _ = Of(1_u8).by_value().await })), 2);
    let stored = |more| block_on(peek!(judged, "a".to_string(), more)).unwrap();
    assert_eq!((stored(0), stored(1)), (Some(1), None), "`cache_if` looked at the arguments");
}
