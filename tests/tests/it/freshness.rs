//! How long an entry is served.

use std::time::Duration;

use cachekit::{Timeout, delete_memoized, memoize, peek, refresh, stats};
use cachekit_tests::{Calls, Mem, World, block_on, everywhere, is_version};

/// Asserts that a call is a hit for some seconds, and computed afterwards.
fn assert_lives(world: &World, calls: &Calls, seconds: u64, call: impl Fn()) {
    calls.take();
    call();
    assert_eq!(calls.take(), 1);
    world.advance(Duration::from_millis(seconds * 1000 - 1));
    call();
    assert_eq!(calls.take(), 0, "it lives for {seconds} s");
    world.advance(Duration::from_secs(1));
    call();
    assert_eq!(calls.take(), 1, "it lives no longer than {seconds} s");
}

#[test]
fn the_value_decides_how_long_it_lives() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = |token| Duration::from_secs(token.1))]
    fn token(name: &str, expires_in: u64) -> (String, u64) {
        CALLS.hit();
        (name.to_string(), expires_in)
    }
    #[memoize(timeout = |seconds| *seconds + added)]
    async fn borrowed(seconds: &u64, added: u64) -> u64 {
        CALLS.hit();
        *seconds
    }
    #[memoize(timeout = |seconds| Duration::from_secs(*seconds + name.len() as u64))]
    async fn owned(seconds: u64, name: String) -> u64 {
        CALLS.hit();
        assert_eq!(name.len(), 2);
        seconds
    }
    #[memoize(timeout = |value| match value { Some(0) => Timeout::Never, _ => Timeout::Default })]
    fn never(n: u64) -> Option<u64> {
        CALLS.hit();
        Some(n)
    }
    everywhere(|world| {
        assert_lives(world, &CALLS, 20, || assert_eq!(token("a", 20).1, 20));
        assert_lives(world, &CALLS, 40, || assert_eq!(token("b", 40).1, 40));
        assert_lives(world, &CALLS, 25, || assert_eq!(block_on(world.wrap(borrowed(&20, 5))), 20));
        assert_lives(world, &CALLS, 22, || assert_eq!(block_on(world.wrap(owned(20, "ab".into()))), 20));
        assert_lives(world, &CALLS, 300, || assert_eq!(never(1), Some(1)));
        CALLS.take();
        never(0);
        world.advance(Duration::from_secs(100_000));
        never(0);
        assert_eq!(CALLS.take(), 1);
        assert_lives(world, &CALLS, 7, || assert_eq!(token("c", 7).1, 7));
        refresh!(token, "c", 7);
        world.advance(Duration::from_secs(6));
        assert_eq!(peek!(token, "c", 7).unwrap().unwrap().1, 7);
    });
}

#[test]
fn a_value_that_is_not_stored_is_not_asked() {
    static ASKED: Calls = Calls::new();
    fn asked(value: &Result<u64, String>) -> u64 {
        ASKED.hit();
        *value.as_ref().expect("an `Err` is not stored")
    }
    #[memoize(timeout = |value| asked(value), cache_if = |value| asked(value) > 1)]
    fn blocking(n: u64) -> Result<u64, String> {
        if n == 0 { Err("none".into()) } else { Ok(n) }
    }
    #[memoize(timeout = |value| asked(value), cache_if = |value| asked(value) > 1)]
    async fn borrowed(n: &u64) -> Result<u64, String> {
        blocking(*n)
    }
    #[memoize(timeout = |value| asked(value), cache_if = |value| asked(value) > 1)]
    async fn owned(n: u64) -> Result<u64, String> {
        if n == 0 { Err("none".into()) } else { Ok(n) }
    }
    #[memoize(timeout = |value| asked(value), cache_if = |value| asked(value) > 1)]
    async fn on_its_thread(n: u64) -> Result<u64, String> {
        let n = std::rc::Rc::new(n);
        std::future::ready(()).await;
        if *n == 0 { Err("none".into()) } else { Ok(*n) }
    }
    cachekit_tests::each_keeping(|world| {
        let calls: [&dyn Fn(u64) -> Result<u64, String>; 3] =
            [&blocking, &|n| block_on(world.wrap(owned(n))), &|n| block_on(world.wrap(on_its_thread(n)))];
        for call in calls {
            for (n, asked) in [(0, 0), (1, 1), (2, 2)] {
                ASKED.take();
                assert_eq!(call(n), if n == 0 { Err("none".into()) } else { Ok(n) });
                assert_eq!(ASKED.take(), asked, "with {n}");
            }
        }
        assert!(block_on(world.wrap(async { borrowed(&0).await })).is_err());
        assert_eq!(ASKED.take(), 0);
    });
}

#[test]
fn none_and_err_live_as_long_as_their_own_timeouts_say() {
    static CALLS: Calls = Calls::new();
    type Aliased<T> = Result<T, String>;
    fn body(n: u64) -> Aliased<Option<u64>> {
        CALLS.hit();
        match n {
            0 => Err("none".into()),
            1 => Ok(None),
            n => Ok(Some(n)),
        }
    }
    #[memoize(timeout = 60, none_timeout = "20s", err_timeout = 10)]
    fn blocking(n: u64) -> Aliased<Option<u64>> {
        body(n)
    }
    #[memoize(timeout = |value| value.as_ref().unwrap().unwrap() * 30, none_timeout = Duration::from_secs(n * 20), err_timeout = 10)]
    fn of_arguments(n: u64) -> Aliased<Option<u64>> {
        body(n)
    }
    #[memoize(timeout = 60, none_timeout = "20s", err_timeout = 10)]
    async fn borrowed(n: &u64) -> Aliased<Option<u64>> {
        body(*n)
    }
    #[memoize(timeout = 60, none_timeout = "20s", err_timeout = 10)]
    async fn owned(n: u64) -> Aliased<Option<u64>> {
        std::future::ready(()).await;
        body(n)
    }
    #[memoize(timeout = 60, none_timeout = "20s", err_timeout = 10, local)]
    fn local(n: u64) -> Aliased<Option<u64>> {
        body(n)
    }
    everywhere(|world| {
        let calls: [&dyn Fn(u64) -> Aliased<Option<u64>>; 5] = [
            &blocking,
            &of_arguments,
            &|n| block_on(world.wrap(async { borrowed(&n).await })),
            &|n| block_on(world.wrap(owned(n))),
            &local,
        ];
        for call in calls {
            assert_lives(world, &CALLS, 10, || assert_eq!(call(0), Err("none".into())));
            assert_lives(world, &CALLS, 20, || assert_eq!(call(1), Ok(None)));
            assert_lives(world, &CALLS, 60, || assert_eq!(call(2), Ok(Some(2))));
        }
        assert_eq!(peek!(blocking, 0).unwrap(), None);
        blocking(0).unwrap_err();
        assert_eq!(peek!(blocking, 0).unwrap(), Some(Err("none".into())));
        assert_eq!(stats!(blocking).errors, 0);
    });
}

#[test]
fn a_none_alone_lives_as_long_as_its_own_timeout_says() {
    static CALLS: Calls = Calls::new();
    #[memoize(timeout = 60, none_timeout = "20s", cache_if = |value| *value != Some(9))]
    fn find(n: u64) -> Option<u64> {
        CALLS.hit();
        (n > 0).then_some(n)
    }
    everywhere(|world| {
        assert_lives(world, &CALLS, 20, || assert_eq!(find(0), None));
        assert_lives(world, &CALLS, 60, || assert_eq!(find(1), Some(1)));
        find(9);
        find(9);
        assert_eq!(CALLS.take(), 2, "`cache_if` is asked first");
        refresh!(find, 0);
        assert_eq!(peek!(find, 0).unwrap(), Some(None));
        delete_memoized!(find, 0).unwrap();
        assert_eq!(peek!(find, 0).unwrap(), None, "a deleted `None` is no stored one");
    });
}

#[test]
fn callers_that_wait_share_a_stored_err() {
    static CALLS: Calls = Calls::new();
    #[memoize(err_timeout = 10)]
    async fn fails(n: &u64) -> Result<u64, String> {
        CALLS.hit();
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        Err(format!("{n}"))
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    everywhere(|world| {
        CALLS.take();
        let both = runtime.block_on(world.wrap(async { tokio::join!(fails(&1), fails(&1)) }));
        assert_eq!(both, (Err("1".into()), Err("1".into())));
        assert_eq!(CALLS.take(), 1);
        assert_eq!(stats!(fails).stores, 1);
    });
}

#[test]
fn jitter_shortens_and_never_lengthens() {
    #[memoize(timeout = 100, jitter = 0.5)]
    fn blocking(n: u64) -> u64 {
        n
    }
    #[memoize(timeout = |_| 100, jitter = 0.5)]
    async fn owned(n: u64) -> u64 {
        n
    }
    #[memoize(timeout = 0, jitter = 0.9)]
    fn never(n: u64) -> u64 {
        n
    }
    #[memoize(timeout = 100)]
    fn of_cache(n: u64) -> u64 {
        n
    }
    #[memoize(timeout = 100, jitter = 0.0 * f64::from(u8::MAX))]
    fn none(n: u64) -> u64 {
        n
    }
    let worlds = World::keeping_with(|config| config.jitter(0.5));
    for world in worlds {
        let _entered = world.enter();
        let all = || 0..60u64;
        let alive = |peeked: &dyn Fn(u64) -> bool| all().filter(|n| peeked(*n)).count();
        for n in all() {
            blocking(n);
            block_on(world.wrap(owned(n)));
            never(n);
            of_cache(n);
            none(n);
        }
        let cases: [(&str, &dyn Fn(u64) -> bool); 3] = [
            ("blocking", &|n| peek!(blocking, n).unwrap().is_some()),
            ("owned", &|n| block_on(world.wrap(peek!(owned, n))).unwrap().is_some()),
            ("the cache's", &|n| peek!(of_cache, n).unwrap().is_some()),
        ];
        world.advance(Duration::from_millis(49_999));
        for (name, peeked) in cases {
            assert_eq!(alive(peeked), 60, "{name}, on {}", world.name);
        }
        world.advance(Duration::from_secs(25));
        for (name, peeked) in cases {
            // Each is alive with a probability of one half.
            assert!((1..60).contains(&alive(peeked)), "{name}, on {}", world.name);
        }
        world.advance(Duration::from_secs(25));
        assert_eq!(alive(&|n| peek!(none, n).unwrap().is_some()), 60, "on {}", world.name);
        world.advance(Duration::from_millis(1));
        for (name, peeked) in cases {
            assert_eq!(alive(peeked), 0, "{name}, on {}", world.name);
        }
        world.advance(Duration::from_secs(1_000_000));
        assert_eq!(alive(&|n| peek!(never, n).unwrap().is_some()), 60, "on {}", world.name);
    }
}

#[test]
fn jitter_of_the_cache_holds_for_values_that_the_object_computes() {
    let world = World::simple_with(|config| config.jitter(0.5));
    let _entered = world.enter();
    let cache = cachekit::cache();
    for n in 0..60u64 {
        cache.get_or_insert_with(&format!("computed{n}"), 100, || n);
        cache.set(&format!("set{n}"), &n, 100).unwrap();
    }
    world.advance(Duration::from_secs(75));
    let alive = |stem: &str| (0..60).filter(|n| cache.contains(&format!("{stem}{n}")).unwrap()).count();
    assert!((1..60).contains(&alive("computed")));
    world.advance(Duration::from_millis(24_999));
    assert_eq!(alive("set"), 60, "a timeout that the caller states is kept");
}

#[test]
fn a_stored_err_is_marked_in_its_bytes() {
    #[memoize(err_timeout = 10)]
    fn marked(n: u64) -> Result<u64, String> {
        if n == 0 { Err("none".into()) } else { Ok(n) }
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    for (n, flags) in [(0, 2), (1, 0)] {
        mem.evict(|key| !is_version(key));
        marked(n).ok();
        let keys: Vec<_> = mem.keys().into_iter().filter(|key| !is_version(key)).collect();
        assert_eq!(keys.len(), 1);
        assert_eq!(mem.bytes(&keys[0]).unwrap()[3], flags, "of {n}");
    }
}
