//! What the macros `delete_memoized!`, `peek!` and `stats!` call.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use cachekit_backends::{Result, Version, combine};

use super::parts::KeyPart;
use super::policy::{Opened, Place, Policy};
use super::probe::look_again;
use super::site::{Async, Function, Handle, Sync};
use super::target::{Instance, LocalKey, SharedKey};
use crate::cache::{Cache, Inner};
use crate::link::{AsyncIo, Delete, Fetch, Io, Set, SyncIo, ready};
use crate::stats::{Event, FunctionStats};

/// One call of a function: its key, with what can be done about it.
pub struct Key<R, M> {
    cache: Cache,
    spot: Spot,
    policy: Policy<R>,
    mode: PhantomData<M>,
}

/// Where an entry is.
enum Spot {
    Local(LocalKey),
    Shared(SharedKey),
}

impl<R, M> Key<R, M> {
    /// The key of a call.
    #[allow(clippy::needless_pass_by_value)]
    pub fn new(handle: Handle<M>, policy: &Policy<R>, parts: &impl KeyPart, instance: &impl KeyPart) -> Self {
        let inner = handle.cache.inner();
        let spot = if inner.link.is_none() || handle.function.local {
            let digest = handle.function.digest(&inner.local, parts);
            Spot::Local(handle.function.local_key(inner, digest, parts, instance))
        } else {
            Spot::Shared(handle.function.shared_key(inner, parts, instance))
        };
        Self { cache: handle.cache.clone(), spot, policy: *policy, mode: PhantomData }
    }

    async fn delete_over<D: Io>(self, io: D) -> Result<()> {
        let inner = self.cache.inner();
        inner.count(Event::Deletion);
        match self.spot {
            Spot::Local(key) => {
                // First what is under way is marked, then what is stored removed: see `SimpleStore::insert`.
                inner.flights.doom(&key.key);
                inner.local.remove(key.key.digest, key.key.bytes.as_slice());
                Ok(())
            }
            Spot::Shared(key) => {
                inner.flights.doom(&inner.flight_key(&key.entry));
                match &inner.link {
                    Some(link) => io.call(link, Delete { key: key.entry }).await.map(drop),
                    None => Ok(()),
                }
            }
        }
    }

    async fn peek_over<D: Io>(self, io: D) -> Result<Option<R>> {
        let inner = self.cache.inner();
        let (Spot::Shared(key), Some(link)) = (&self.spot, &inner.link) else {
            return Ok(open(&self.policy, inner, &self.spot, None));
        };
        let op = Fetch { entry: key.entry.clone(), versions: key.versions.clone() };
        let fetched = io.call(link, op).await?;
        let generation = combine(&fetched.versions);
        Ok(fetched.entry.and_then(|bytes| open(&self.policy, inner, &self.spot, Some((&bytes, generation)))))
    }
}

fn open<R>(policy: &Policy<R>, inner: &Inner, spot: &Spot, bytes: Option<(&[u8], u128)>) -> Option<R> {
    match (spot, bytes) {
        (Spot::Local(key), _) => look_again(&inner.local, policy, &key.key),
        (Spot::Shared(key), Some((bytes, generation))) => {
            let at = Place { key: &key.entry, now: inner.clock.now(), life: None, generation };
            match policy.open(&at, bytes) {
                Opened::Value(output) => Some(output),
                Opened::Gone | Opened::Unreadable => None,
            }
        }
        (Spot::Shared(_), None) => None,
    }
}

impl<R> Key<R, Sync> {
    /// Deletes the entry of this call.
    pub fn delete(self) -> Result<()> {
        ready(self.delete_over(SyncIo))
    }

    /// What is stored for this call.
    pub fn peek(self) -> Result<Option<R>> {
        ready(self.peek_over(SyncIo))
    }
}

impl<R> Key<R, Async> {
    /// Deletes the entry of this call.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.delete_over(AsyncIo)
    }

    /// What is stored for this call.
    pub fn peek(self) -> impl Future<Output = Result<Option<R>>> + Send {
        self.peek_over(AsyncIo)
    }
}

/// A method, narrowed to one instance.
pub struct Narrowed<M> {
    handle: Handle<M>,
    instance: Instance,
}

impl<M> Handle<M> {
    /// The same function, narrowed to one instance.
    #[must_use]
    pub fn instance(self, instance: &impl KeyPart) -> Narrowed<M> {
        let instance = self.function.instance(self.cache.inner(), instance);
        Narrowed { handle: self, instance }
    }

    /// How often the function did what in its cache.
    #[must_use]
    pub fn stats(&self) -> FunctionStats {
        self.cache.inner().functions.get(self.function.number).counters.function()
    }

    async fn delete_over<D: Io>(self, io: D, instance: Option<Instance>, drop_version: bool) -> Result<()> {
        delete_scope(io, self.function, self.cache.inner().clone(), instance, drop_version).await
    }
}

impl Handle<Sync> {
    /// Deletes every entry of the function.
    pub fn delete(self) -> Result<()> {
        ready(self.delete_over(SyncIo, None, false))
    }

    /// Drops the version itself; the next call makes a new one.
    pub fn delete_version(self) -> Result<()> {
        ready(self.delete_over(SyncIo, None, true))
    }
}

impl Handle<Async> {
    /// Deletes every entry of the function.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.delete_over(AsyncIo, None, false)
    }

    /// Drops the version itself; the next call makes a new one.
    pub fn delete_version(self) -> impl Future<Output = Result<()>> + Send {
        self.delete_over(AsyncIo, None, true)
    }
}

impl Narrowed<Sync> {
    /// Deletes every entry of the instance.
    pub fn delete(self) -> Result<()> {
        ready(self.handle.delete_over(SyncIo, Some(self.instance), false))
    }

    /// Drops the version of the instance itself; the next call makes a new one.
    pub fn delete_version(self) -> Result<()> {
        ready(self.handle.delete_over(SyncIo, Some(self.instance), true))
    }
}

impl Narrowed<Async> {
    /// Deletes every entry of the instance.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.handle.delete_over(AsyncIo, Some(self.instance), false)
    }

    /// Drops the version of the instance itself; the next call makes a new one.
    pub fn delete_version(self) -> impl Future<Output = Result<()>> + Send {
        self.handle.delete_over(AsyncIo, Some(self.instance), true)
    }
}

/// Deletes a function or an instance of it: one write, however many entries there are.
pub(super) async fn delete_scope<D: Io>(
    io: D,
    function: &'static Function,
    inner: Arc<Inner>,
    instance: Option<Instance>,
    drop_version: bool,
) -> Result<()> {
    inner.count(Event::Deletion);
    // The in-process store first, whatever the backend is: it costs nothing and can't fail.
    match &instance {
        Some(instance) => inner.local.delete_instance(function.number, instance.digest),
        None => inner.local.delete_function(function.number),
    }
    let Some(link) = inner.link.as_ref().filter(|_| !function.local) else { return Ok(()) };
    let key = match &instance {
        Some(instance) => function.instance_version_key(&inner, &instance.text),
        None => function.version_key(&inner),
    };
    if drop_version {
        return io.call(link, Delete { key }).await.map(drop);
    }
    io.call(link, Set { key, value: Version::fresh().to_bytes().to_vec(), life: None }).await
}
