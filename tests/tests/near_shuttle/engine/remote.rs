//! A store that two processes share, and a driver that calls it.

#[path = "../../../../cachekit/src/engine/remote/ops.rs"]
mod ops;
#[path = "../../../../cachekit/src/engine/remote/state.rs"]
mod state;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cachekit_backends::{Backend, Capabilities, Clock, Config, Fetched, Result, Token, Ttl, Version};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicU64, Ordering};

use super::near::{Known, Near, advance, now};
pub(crate) use ops::{Add, Fetch, GetMany, Operation, PutIf, Set, TokenOf};
pub(crate) use state::with_token;

/// A process at the store.
pub(crate) struct Remote {
    near: Option<Near>,
    known: Known,
    pub(crate) store: Arc<Store>,
}

impl Remote {
    pub(crate) fn new(store: &Arc<Store>, config: &Config, near: Option<Near>) -> Arc<Self> {
        let known = Known::new("p|", config, &Clock::system());
        Arc::new(Self { near, known, store: Arc::clone(store) })
    }

    pub(crate) fn near(&self) -> Option<&Near> {
        self.near.as_ref()
    }

    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    pub(crate) fn renew_mark(&self) -> Option<Result<()>> {
        self.capabilities().marks.then(|| self.store.renew_mark())
    }

    pub(crate) fn location(&self) -> Option<&str> {
        Some("here")
    }
}

struct Slot {
    bytes: Vec<u8>,
    end: Option<Duration>,
}

#[derive(Default)]
struct Contents {
    slots: BTreeMap<String, Slot>,
    stamps: BTreeMap<String, u128>,
}

/// The keys of the near tier's protocol, or the mark in their place.
#[derive(Default)]
pub(crate) struct Store {
    contents: Mutex<Contents>,
    mark: Option<AtomicU64>,
}

impl Contents {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let slot = self.slots.get(key)?;
        slot.end.is_none_or(|end| now() < end).then(|| slot.bytes.clone())
    }

    fn put(&mut self, key: &str, value: &[u8], life: Ttl) {
        let end = life.map(|life| now() + life);
        self.slots.insert(key.into(), Slot { bytes: value.into(), end });
        *self.stamps.entry(key.into()).or_default() += 1;
    }
}

impl Store {
    /// One that tells its mark.
    pub(crate) fn with_mark() -> Self {
        Self { mark: Some(AtomicU64::new(0)), ..Self::default() }
    }

    /// Loses keys.
    pub(crate) fn lose(&self, which: impl Fn(&str) -> bool) {
        self.contents.lock().unwrap().slots.retain(|key, _| !which(key));
    }
}

impl Backend for Store {
    fn capabilities(&self) -> Capabilities {
        let marks = self.mark.is_some();
        Capabilities::none().shared(true).atomic_add(true).conditional(true).marks(marks)
    }

    fn mark(&self) -> Result<Option<u64>> {
        Ok(self.mark.as_ref().map(|mark| mark.load(Ordering::SeqCst)))
    }

    fn renew_mark(&self) -> Result<()> {
        self.mark.as_ref().unwrap().fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.contents.lock().unwrap().get(key))
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.contents.lock().unwrap().put(key, value, life);
        Ok(())
    }

    fn delete(&self, _: &str) -> Result<bool> {
        unreachable!("no program deletes keys of the protocol")
    }

    fn clear(&self, _: &str) -> Result<()> {
        self.lose(|_| true);
        Ok(())
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        let mut contents = self.contents.lock().unwrap();
        let absent = contents.get(key).is_none();
        if absent {
            contents.put(key, value, life);
        }
        Ok(absent)
    }

    fn token(&self, key: &str) -> Result<Token> {
        Ok(Token(self.contents.lock().unwrap().stamps.get(key).copied().unwrap_or_default()))
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        let mut contents = self.contents.lock().unwrap();
        let same = contents.stamps.get(key).copied().unwrap_or_default() == token.0;
        if same {
            contents.put(key, value, life);
        }
        Ok(same)
    }

    /// Token, entry and versions, each at a moment of its own.
    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let token = self.token(entry)?;
        let bytes = self.get(entry)?;
        let version = |key: &&str| {
            self.add(key, &Version::fresh().to_bytes(), None)?;
            Ok(self.get(key)?.as_deref().and_then(Version::from_bytes).unwrap_or_else(Version::fresh))
        };
        Ok(Fetched::new(bytes, versions.iter().map(version).collect::<Result<_>>()?, Some(token)))
    }
}

/// The time of a call, which never ends here.
#[derive(Debug, Default)]
pub(crate) struct Budget;

pub(crate) trait Io: Copy + Send + Sync + 'static {
    fn carry_out<O: Operation>(
        self,
        remote: &Arc<Remote>,
        budget: &Budget,
        op: O,
    ) -> impl Future<Output = Result<O::Out>> + Send;
    fn pause(self, time: Duration) -> impl Future<Output = ()> + Send;
}

#[derive(Clone, Copy)]
pub(crate) struct BlockingIo;

impl Io for BlockingIo {
    async fn carry_out<O: Operation>(self, remote: &Arc<Remote>, _: &Budget, op: O) -> Result<O::Out> {
        op.run(&*remote.store)
    }

    /// In steps, between which the other processes go on, or don't.
    async fn pause(self, time: Duration) {
        for _ in 0..4 {
            // A nanosecond more, for what the division leaves.
            advance(time / 4 + Duration::from_nanos(1));
            shuttle::thread::yield_now();
        }
    }
}

pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a blocking driver is ready at once"),
    }
}
