//! A process that was forked after the first use: it has the memory of its parent and none of its threads.

use std::sync::Barrier;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cachekit::{Backend, Cache, Config, ErrorKind, Result, Ttl, memoize, register_backend};
use cachekit_tests::{Calls, Child, Mem, World, block_on, forked, role, tasks};

/// Whether this is a process that plays the test, with no other test beside it. Has one play it, else.
fn is_alone(test: &str) -> bool {
    if role().is_none() {
        Child::start(&format!("fork::{test}"), "alone", &[]).finish();
        return false;
    }
    true
}

/// Waits until something is so.
fn until(mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed().as_secs() < 40, "it never came to be");
        std::thread::yield_now();
    }
}

/// Uses a cache until its clock ticks, which some reads wake.
fn warm(cache: &Cache) {
    cache.set("warm", &1, 600).unwrap();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(100) {
        assert_eq!(cache.get("warm").unwrap(), Some(1));
    }
}

#[test]
fn an_entry_expires_at_its_time() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = Duration::from_millis(500))]
    fn f(n: u64) -> u64 {
        n + CALLS.hit()
    }
    if !is_alone("an_entry_expires_at_its_time") {
        return;
    }
    let cache = cachekit::cache();
    warm(cache);
    let first = f(0);
    cache.set("k", &1, Duration::from_millis(500)).unwrap();
    let expires = |cache: &Cache| {
        cache.set("own", &1, 600).unwrap();
        until(|| cache.get::<i32>("k").unwrap().is_none());
        until(|| f(0) != first);
        assert_eq!(cache.get("own").unwrap(), Some(1));
    };
    let child = forked(|| {
        expires(cache);
        forked(|| {
            cache.set("k", &1, Duration::from_millis(500)).unwrap();
            warm(cache);
            until(|| cache.get::<i32>("k").unwrap().is_none());
        })
        .finish();
    });
    child.finish();
    expires(cache);
}

#[test]
fn expired_entries_are_reclaimed() {
    if !is_alone("expired_entries_are_reclaimed") {
        return;
    }
    let cache = Cache::open(Config::simple()).unwrap();
    warm(&cache);
    for n in 0..100 {
        cache.set(&format!("{n}"), &n, Duration::from_millis(50)).unwrap();
    }
    let child = forked(|| {
        assert_eq!(cache.get("warm").unwrap(), Some(1));
        until(|| cache.stats().entries == Some(1));
        let later = Cache::open(Config::simple()).unwrap();
        later.set("k", &1, Duration::from_millis(1)).unwrap();
        until(|| later.stats().entries == Some(0));
    });
    child.finish();
}

/// A backend that never answers. Its threads wait in the standard library's way: a process that was forked goes on with the
/// lists of waiting threads that other locks keep.
struct Hung;

fn hang<T>() -> Result<T> {
    loop {
        std::thread::park();
    }
}

impl Backend for Hung {
    fn get(&self, _: &str) -> Result<Option<Vec<u8>>> {
        hang()
    }

    fn set(&self, _: &str, _: &[u8], _: Ttl) -> Result<()> {
        hang()
    }

    fn delete(&self, _: &str) -> Result<bool> {
        hang()
    }

    fn clear(&self, _: &str) -> Result<()> {
        hang()
    }
}

/// A backend that blocks has threads of the cache's, and async callers a thread that ends their waits.
#[test]
fn a_backend_that_blocks_has_threads_and_time_limits() {
    if !is_alone("a_backend_that_blocks_has_threads_and_time_limits") {
        return;
    }
    let within = |millis| {
        move |config: Config| config.operation_timeout(Duration::from_millis(millis)).breaker_threshold(1000)
    };
    register_backend("hung", |_| Ok(Box::new(Hung) as Box<dyn Backend>)).unwrap();
    for make in [World::plain_over, World::full_over] {
        let world = make(&Mem::new(), within(5000));
        let hung = Cache::open(within(50)(Config::default().cache_type("hung"))).unwrap();
        let cache = world.cache();
        let exchange = |name: &str| {
            for n in 0..20 {
                cache.set(name, &n, 60).unwrap();
                assert_eq!(cache.get(name).unwrap(), Some(n));
                block_on(cache.aio().set(name, &-n, 60)).unwrap();
                assert_eq!(block_on(cache.aio().get(name)).unwrap(), Some(-n));
            }
        };
        let hangs = || {
            let error = hung.get::<i32>("k").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            let error = block_on(hung.aio().get::<i32>("k")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
        };
        exchange("parent");
        hangs();
        let child = forked(|| {
            exchange("child");
            hangs();
        });
        child.finish();
        exchange("parent");
        hangs();
    }
}

/// The thread that computes in the parent doesn't exist in the child.
#[test]
fn a_computation_of_the_parent_is_not_waited_for() {
    static CALLS: Calls = Calls::new();
    static OUTER: Calls = Calls::new();
    /// Computes once all have come.
    #[memoize(ignore(all))]
    fn f(n: u64, all: Option<&Barrier>) -> u64 {
        CALLS.hit();
        if let Some(all) = all {
            all.wait();
        }
        n + 1
    }
    #[memoize(ignore(all))]
    async fn g(n: u64, all: Option<std::sync::Arc<Barrier>>) -> u64 {
        OUTER.hit();
        f(n, all.as_deref())
    }
    if !is_alone("a_computation_of_the_parent_is_not_waited_for") {
        return;
    }
    cachekit::init(Config::simple().flight_timeout(Duration::from_secs(3600))).unwrap();
    assert_eq!(f(0, None), 1);
    let held = std::sync::Arc::new(Barrier::new(3));
    let (began, begins) = mpsc::channel();
    let parents: Vec<_> = [7, 8]
        .map(|n| {
            let (held, began) = (held.clone(), began.clone());
            std::thread::spawn(move || {
                began.send(()).unwrap();
                if n == 7 { f(n, Some(&held)) } else { block_on(g(n, Some(held))) }
            })
        })
        .into();
    (0..2).for_each(|_| begins.recv().unwrap());
    until(|| CALLS.get() == 3);
    let child = forked(|| {
        for n in [7, 8] {
            CALLS.take();
            OUTER.take();
            let start = Barrier::new(8);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        start.wait();
                        assert_eq!(f(n, None), n + 1);
                    });
                }
            });
            let values = tasks((0..8).map(|_| g(n, None)));
            assert_eq!(values, [n + 1; 8]);
            assert_eq!((CALLS.get(), OUTER.get()), (1, 1), "computed once for all");
        }
    });
    child.finish();
    held.wait();
    let values: Vec<_> = parents.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(values, [8, 9]);
}
