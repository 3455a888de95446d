//! A backend of cells, each with an entry or a version, and drivers that call it.

#[path = "../../../../cachekit/src/engine/remote/ops.rs"]
mod ops;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cachekit_backends::{Backend, Error, ErrorKind, Fetched, Result, Token, Ttl, Version};
use shuttle::sync::Mutex;

use super::flight::{Wait, Waited};
pub(crate) use ops::{
    Clear, Delete, DeleteMany, Fetch, FetchMany, GetMany, Operation, PutIf, PutIfMany, Set, TokenOf,
};

/// A bound backend.
pub(crate) struct Remote {
    backend: OneCell,
}

impl Remote {
    /// A backend that works, or one that always fails.
    pub(crate) fn new(fails: bool) -> Arc<Self> {
        let backend = OneCell { state: Mutex::default(), fails, asked: AtomicUsize::new(0) };
        Arc::new(Self { backend })
    }

    pub(crate) fn near(&self) -> Option<&super::near::Near> {
        None
    }

    /// It has no circuit breaker.
    pub(crate) fn refusal(&self) -> Option<Error> {
        None
    }

    pub(crate) fn report(&self, _: &str, _: &Error) {}

    /// How many operations there were.
    pub(crate) fn asked(&self) -> usize {
        self.backend.asked.load(Ordering::SeqCst)
    }
}

pub(crate) fn say_given_up() {}

#[derive(Default)]
struct Slot {
    bytes: Option<Vec<u8>>,
    stamp: u128,
}

struct OneCell {
    state: Mutex<BTreeMap<String, Slot>>,
    fails: bool,
    asked: AtomicUsize,
}

impl OneCell {
    fn at<R>(&self, key: &str, work: impl FnOnce(&mut Slot) -> R) -> Result<R> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.fails {
            shuttle::thread::yield_now();
            return Err(Error::new(ErrorKind::Unavailable, "broken on command"));
        }
        let mut state = self.state.lock().unwrap();
        if !state.contains_key(key) {
            state.insert(key.to_string(), Slot::default());
        }
        Ok(work(state.get_mut(key).expect("it was inserted")))
    }

    fn write(&self, key: &str, bytes: Option<&[u8]>) -> Result<bool> {
        self.at(key, |slot| {
            slot.stamp += 1;
            std::mem::replace(&mut slot.bytes, bytes.map(<[u8]>::to_vec)).is_some()
        })
    }
}

impl Backend for OneCell {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.at(key, |slot| slot.bytes.clone())
    }

    fn set(&self, key: &str, value: &[u8], _: Ttl) -> Result<()> {
        self.write(key, Some(value)).map(drop)
    }

    fn delete(&self, key: &str) -> Result<bool> {
        self.write(key, None)
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        let keys: Vec<String> =
            self.state.lock().unwrap().keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        keys.iter().try_for_each(|key| self.write(key, None).map(drop))
    }

    fn token(&self, key: &str) -> Result<Token> {
        self.at(key, |slot| Token(slot.stamp))
    }

    fn put_if(&self, key: &str, value: &[u8], _: Ttl, token: Token) -> Result<bool> {
        self.at(key, |slot| {
            let same = slot.stamp == token.0;
            if same {
                (slot.stamp, slot.bytes) = (slot.stamp + 1, Some(value.to_vec()));
            }
            same
        })
    }

    /// Token, versions and entry, each at a moment of its own, in the order that keeps the promise.
    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let token = self.token(entry)?;
        let versions = versions
            .iter()
            .map(|key| {
                self.at(key, |slot| {
                    let bytes = slot.bytes.get_or_insert_with(|| Version::fresh().to_bytes().to_vec());
                    Version::from_bytes(bytes).expect("only versions are stored there")
                })
            })
            .collect::<Result<_>>()?;
        Ok(Fetched::new(self.get(entry)?, versions, Some(token)))
    }
}

/// The time of a call, which never ends here.
#[derive(Debug, Default)]
pub(crate) struct Budget;

impl Budget {
    pub(crate) fn is_left(&self, _: &Remote) -> bool {
        true
    }
}

pub(crate) trait Io: Copy + Send + Sync + 'static {
    fn call_within<O: Operation>(
        self,
        remote: &Arc<Remote>,
        budget: &Budget,
        op: O,
    ) -> impl Future<Output = Result<O::Out>> + Send;
    fn call<O: Operation>(self, remote: &Arc<Remote>, op: O) -> impl Future<Output = Result<O::Out>> + Send {
        async move { self.call_within(remote, &Budget, op).await }
    }
    fn wait(self, wait: Wait, limit: Duration) -> impl Future<Output = Option<Waited>> + Send;
}

#[derive(Clone, Copy)]
pub(crate) struct BlockingIo;

#[derive(Clone, Copy)]
pub(crate) struct AsyncIo;

impl Io for BlockingIo {
    async fn call_within<O: Operation>(self, remote: &Arc<Remote>, _: &Budget, op: O) -> Result<O::Out> {
        op.run(&remote.backend)
    }

    async fn wait(self, wait: Wait, limit: Duration) -> Option<Waited> {
        wait.wait_within(limit)
    }
}

impl Io for AsyncIo {
    async fn call_within<O: Operation>(self, remote: &Arc<Remote>, _: &Budget, op: O) -> Result<O::Out> {
        shuttle::future::yield_now().await;
        op.run(&remote.backend)
    }

    async fn wait(self, wait: Wait, _: Duration) -> Option<Waited> {
        Some(wait.await)
    }
}

pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a blocking driver is ready at once"),
    }
}
