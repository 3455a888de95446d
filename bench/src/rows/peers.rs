//! Peers that are objects with an interface of their own, for functions of a number.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use amalgam::{BlockingCache, source};

use super::LIFE;
use super::hits::triple;

/// A map without a lock, without a bound and without time: no cache, but as fast as a shared one could be.
pub const PAPAYA: &str = "papaya, unbounded without time";
pub const CACHET: &str = "cachet, in memory";
/// Its keys are texts.
pub const AMALGAM: &str = "amalgam-cache, blocking, the number as text";

/// The output of a future that is ready at its first poll. Inlined, so that no entrant pays for a call of the harness.
#[inline(always)]
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a hit waited"),
    }
}

/// `papaya`.
pub struct Papaya(papaya::HashMap<u64, u64>);

impl Papaya {
    pub fn new() -> Self {
        Self(papaya::HashMap::new())
    }

    #[inline]
    pub fn get(&self, x: u64) -> u64 {
        *self.0.pin().get_or_insert_with(x, || triple(x))
    }
}

/// `cachet`, with our promises of bound and time. Its clock runs on a runtime.
pub struct Cachet {
    cache: cachet::Cache<u64, u64>,
    runtime: tokio::runtime::Runtime,
}

impl Cachet {
    pub fn new(capacity: u64) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let _entered = runtime.enter();
        let clock = tick::Clock::new_tokio();
        let cache = cachet::Cache::builder::<u64, u64>(clock)
            .memory_with(|memory| memory.max_capacity(capacity))
            .ttl(LIFE)
            .build();
        Self { cache, runtime }
    }

    #[inline]
    pub fn get(&self, x: u64) -> u64 {
        let mut found = pin!(self.cache.get_or_insert(&x, || async move { triple(x) }));
        let entry = match found.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(entry) => entry,
            // Two threads store at once.
            Poll::Pending => self.runtime.block_on(found),
        };
        *entry.expect("its memory").value()
    }
}

/// `amalgam-cache`.
pub struct Amalgam(BlockingCache<u64>);

impl Amalgam {
    pub fn new() -> Self {
        Self(BlockingCache::new().expect("a cache"))
    }

    #[inline]
    pub fn get(&self, x: u64) -> u64 {
        let source = source::factory(move |_| Ok::<_, Infallible>(triple(x)));
        self.0.get_or_set(x.to_string(), source).execute().expect("its memory")
    }
}
