//! `revalidate = "background"`, `soft_timeout` and `detached`: computations that go on without their callers.
#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "the signatures are what is tried"
)]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use cachekit::{How, delete_memoized, memoize, stats, traced};
use cachekit_tests::{Calls, World, everywhere};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// A gate that computations pass one by one, as they are let through. Open at first.
struct Gate {
    state: Mutex<(bool, VecDeque<bool>, u64)>,
    changed: Condvar,
}

impl Gate {
    const fn new() -> Self {
        Self { state: Mutex::new((false, VecDeque::new(), 0)), changed: Condvar::new() }
    }

    fn close(&self) {
        self.state.lock().unwrap().0 = true;
    }

    fn open(&self) {
        self.state.lock().unwrap().0 = false;
        self.changed.notify_all();
    }

    /// Waits until a computation stands before the gate.
    fn meet(&self) {
        let state = self.state.lock().unwrap();
        let (mut state, late) = self.changed.wait_timeout_while(state, LONG, |state| state.2 == 0).unwrap();
        assert!(!late.timed_out(), "no computation has come");
        state.2 -= 1;
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        if state.0 {
            state.2 += 1;
            self.changed.notify_all();
            let (_state, late) = self.changed.wait_timeout_while(state, LONG, |state| state.0).unwrap();
            assert!(!late.timed_out(), "the gate stays closed");
        }
    }
}

/// Calls until the value is another one; the computation is on its way.
fn until_new<R: PartialEq>(old: &R, call: impl Fn() -> R) -> R {
    let began = std::time::Instant::now();
    loop {
        let value = call();
        if value != *old {
            return value;
        }
        assert!(began.elapsed() < LONG, "no new value comes");
        std::thread::yield_now();
    }
}

#[test]
fn no_call_pays_for_a_refresh_in_the_background() {
    static CALLS: Calls = Calls::new();
    static GATE: Gate = Gate::new();
    fn body() -> u64 {
        GATE.pass();
        CALLS.hit()
    }
    #[memoize(timeout = 10, stale_while_revalidate = "1h", revalidate = "background")]
    fn number(n: u64) -> u64 {
        let _ = n;
        body()
    }
    #[memoize(
        timeout = 10,
        refresh_ahead = 0.5,
        stale_while_revalidate = "1h",
        revalidate = "background",
        local
    )]
    fn borrowed(text: &str, list: &[String], path: &Path, shared: &Arc<str>) -> Arc<(u64, String)> {
        Arc::new((body(), format!("{text}{list:?}{path:?}{shared}")))
    }
    #[memoize(timeout = |_| 10, stale_while_revalidate = "1h", revalidate = "background", cache_if = |_| text.len() == 1)]
    fn judged(text: String, (left, _): (u8, u8)) -> Result<u64, String> {
        let _ = left;
        Ok(body())
    }
    #[derive(cachekit::CacheKey, Clone)]
    struct Person(u64);
    impl Person {
        #[memoize(timeout = 10, stale_while_revalidate = "1h", revalidate = "background")]
        fn role(&self, n: &u64) -> Option<u64> {
            Some(body() + n.min(&self.0).min(&0))
        }
    }
    fn check<R: PartialEq + std::fmt::Debug>(world: &World, call: impl Fn() -> R) {
        let first = call();
        let before = CALLS.get();
        world.advance(10 * SECOND);
        GATE.close();
        assert_eq!(call(), first, "it is served at once, while its successor is computed");
        GATE.meet();
        assert_eq!(call(), first);
        GATE.open();
        let second = until_new(&first, &call);
        assert_eq!(call(), second);
        assert_eq!(CALLS.get(), before + 1, "one computes");
    }
    let list = ["a".to_owned()];
    everywhere(|world| {
        check(world, || number(1));
        check(world, || borrowed("a", &list, Path::new("b"), &Arc::from("c")));
        check(world, || judged("a".to_owned(), (1, 2)));
        check(world, || Person(7).role(&1));
        assert!(stats!(number).stale >= 2);
    });
}

#[test]
fn a_refresh_in_the_background_is_a_task_of_the_callers_runtime() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = 10, stale_while_revalidate = "1h", revalidate = "background")]
    async fn f(text: &str, n: u64) -> Result<u64, String> {
        let _ = (text, n);
        let calls = CALLS.hit();
        if calls > 0 {
            // Only within a runtime.
            tokio::task::yield_now().await;
            tokio::spawn(async {}).await.unwrap();
        }
        Ok(calls)
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    everywhere(|world| {
        CALLS.take();
        runtime.block_on(world.wrap(async {
            assert_eq!(f("a", 1).await, Ok(0));
            world.advance(10 * SECOND);
            assert_eq!(f("a", 1).await, Ok(0));
            while f("a", 1).await == Ok(0) {
                tokio::task::yield_now().await;
            }
            assert_eq!(f("a", 1).await, Ok(1));
            assert_eq!(CALLS.get(), 2);
        }));
        // Without a runtime, on a thread.
        #[memoize(timeout = 10, stale_while_revalidate = "1h", revalidate = "background")]
        async fn plain(n: &u64) -> u64 {
            n + CALLS.hit()
        }
        let call = || cachekit_tests::block_on(world.wrap(plain(&0)));
        let first = call();
        world.advance(10 * SECOND);
        assert_eq!(call(), first);
        until_new(&first, call);
    });
}

#[test]
fn a_value_that_is_computed_in_the_background_of_a_deletion_is_not_stored() {
    static CALLS: Calls = Calls::new();
    static GATE: Gate = Gate::new();
    #[memoize(timeout = 10, stale_while_revalidate = "1h", revalidate = "background", tags("all"))]
    fn f(n: &u64) -> u64 {
        GATE.pass();
        n + CALLS.hit()
    }
    everywhere(|world| {
        let deletions: [&dyn Fn() -> cachekit::Result<()>; 4] = [
            &|| delete_memoized!(f, &0),
            &|| delete_memoized!(f),
            &|| world.cache().delete_tag("all"),
            &|| world.cache().clear(),
        ];
        for delete in deletions {
            let first = f(&0);
            world.advance(10 * SECOND);
            GATE.close();
            assert_eq!(f(&0), first);
            GATE.meet();
            delete().unwrap();
            GATE.open();
            let second = f(&0);
            assert!(second > first, "a deleted value is served no more");
            assert!(f(&0) >= second);
            world.advance(10_000 * SECOND);
        }
    });
}

#[test]
fn a_refresh_that_fails_in_the_background_leaves_the_value() {
    static CALLS: Calls = Calls::new();
    static FAILS: AtomicBool = AtomicBool::new(false);
    #[memoize(timeout = 10, stale_while_revalidate = "1h", stale_if_error = "1h", revalidate = "background")]
    fn f(n: u64) -> Result<u64, String> {
        let _ = n;
        let calls = CALLS.hit();
        assert!(!FAILS.load(Ordering::SeqCst) || calls.is_multiple_of(2), "a panic in the background");
        if FAILS.load(Ordering::SeqCst) { Err("failure".into()) } else { Ok(calls) }
    }
    everywhere(|world| {
        FAILS.store(false, Ordering::SeqCst);
        let first = f(1);
        world.advance(10 * SECOND);
        FAILS.store(true, Ordering::SeqCst);
        for _ in 0..4 {
            let before = CALLS.get();
            while CALLS.get() == before {
                assert_eq!(f(1), first, "no call has the failure");
                // Past the pause, which begins when the failure is noted.
                world.advance(10 * MILLI);
            }
        }
        FAILS.store(false, Ordering::SeqCst);
        until_new(&first, || {
            world.advance(10 * MILLI);
            f(1)
        })
        .unwrap();
    });
}

#[test]
fn a_soft_timeout_waits_so_long_for_the_new_value() {
    static CALLS: Calls = Calls::new();
    static GATE: Gate = Gate::new();
    #[memoize(timeout = 10, stale_while_revalidate = "1h", revalidate = "background", soft_timeout = "50s")]
    fn patient(n: u64) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    #[memoize(timeout = 10, stale_while_revalidate = "1h", revalidate = "background", soft_timeout = "1ms")]
    fn hasty(n: u64) -> u64 {
        let _ = n;
        GATE.pass();
        CALLS.hit()
    }
    #[memoize(timeout = 10, stale_if_error = "1h", revalidate = "background", soft_timeout = Duration::from_millis(1))]
    fn failing(n: u64) -> Result<u64, String> {
        let _ = n;
        GATE.pass();
        Ok(CALLS.hit())
    }
    #[memoize(timeout = 10, stale_while_revalidate = "1h", revalidate = "background", soft_timeout = "50s")]
    async fn task(n: &u64) -> u64 {
        n + CALLS.hit()
    }
    fn check_hasty<R: PartialEq + std::fmt::Debug>(world: &World, call: impl Fn() -> R) {
        let first = call();
        world.advance(10 * SECOND);
        GATE.close();
        assert_eq!(call(), first, "it takes longer");
        GATE.meet();
        assert_eq!(call(), first);
        GATE.open();
        until_new(&first, call);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    everywhere(|world| {
        let first = patient(1);
        world.advance(10 * SECOND);
        let second = traced!(patient, 1);
        assert!(second.value > first, "it is there in time");
        assert_eq!(second.how, How::Waited);
        check_hasty(world, || hasty(1));
        check_hasty(world, || failing(1));
        runtime.block_on(world.wrap(async {
            let first = task(&0).await;
            world.advance(10 * SECOND);
            assert!(task(&0).await > first);
        }));
    });
}

#[test]
fn a_detached_computation_goes_on_when_its_caller_is_dropped() {
    static CALLS: Calls = Calls::new();
    static INSIDE: tokio::sync::Notify = tokio::sync::Notify::const_new();
    static GO: tokio::sync::Notify = tokio::sync::Notify::const_new();
    #[memoize(detached)]
    async fn f(text: &str) -> Result<u64, String> {
        INSIDE.notify_one();
        GO.notified().await;
        assert_eq!(text, "a");
        Ok(CALLS.hit())
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    everywhere(|world| {
        CALLS.take();
        runtime.block_on(world.wrap(async {
            tokio::select! {
                biased;
                _ = f("a") => panic!("its body is stopped"),
                () = INSIDE.notified() => {}
            }
            GO.notify_one();
            while stats!(f).stores == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(f("a").await, Ok(0), "a hit");
            assert_eq!(CALLS.get(), 1);
        }));
    });
}

#[test]
fn a_detached_computation_goes_on_in_its_runtime_wherever_it_is_dropped() {
    static INSIDE: tokio::sync::Notify = tokio::sync::Notify::const_new();
    #[memoize(detached)]
    async fn f(id: u64) -> u64 {
        INSIDE.notify_one();
        tokio::task::yield_now().await;
        // It needs the runtime's context.
        tokio::time::sleep(Duration::from_millis(1)).await;
        id
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    everywhere(|world| {
        let _entered = world.enter();
        let mut call = Box::pin(f(1));
        runtime.block_on(world.wrap(async {
            tokio::select! {
                biased;
                () = INSIDE.notified() => {}
                _ = call.as_mut() => panic!("it is not looked at after its body began"),
            }
        }));
        drop(call);
        runtime.block_on(world.wrap(async {
            tokio::time::timeout(Duration::from_secs(60), async {
                while stats!(f).stores == 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .expect("it is stored");
        }));
    });
}

#[test]
fn a_detached_call_that_leaves_the_cache_alone_ends_with_its_caller() {
    static ENDED: Calls = Calls::new();
    static INSIDE: tokio::sync::Notify = tokio::sync::Notify::const_new();
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            ENDED.hit();
        }
    }
    #[memoize(detached, unless = true)]
    async fn f(text: String) -> u64 {
        let _end = End;
        INSIDE.notify_one();
        std::future::pending::<()>().await;
        text.len() as u64
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    everywhere(|world| {
        runtime.block_on(world.wrap(async {
            tokio::select! {
                biased;
                _ = f("a".into()) => panic!("its body is stopped"),
                () = INSIDE.notified() => {}
            }
            assert_eq!(ENDED.take(), 1);
        }));
    });
}
