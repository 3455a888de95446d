//! How long an entry is served.

use std::time::Duration;

use cachekit::{Timeout, memoize, peek, refresh};
use cachekit_tests::{Calls, World, block_on, everywhere};

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
