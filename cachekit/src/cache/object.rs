//! The cache object's operations on whole values, written once over [`Io`].

use std::sync::Arc;

use cachekit_backends::simple::Entry;
use cachekit_backends::{
    CacheType, Error, ErrorKind, Header, Result, Timeout, Ttl, Unsealed, seal_value, unseal, unseal_value,
};

use super::stored::{Stored, ToStored};
use super::value::{kept, policy};
use crate::call::freshness::Stamped;
use crate::call::shape::Storable;
use crate::call::{Place, object_entry};
use crate::engine::Engine;
use crate::engine::flight::Key;
use crate::engine::remote::{
    Add, Budget, Clear, DeleteMany, GetMany, Io, PutIf, Remote, Set, SetMany, TokenOf,
};
use crate::engine::stats::Event;

impl Engine {
    pub(super) fn full(&self, key: &str) -> String {
        object_entry(self, key)
    }

    pub(super) fn life(&self, timeout: impl Into<Timeout>) -> Ttl {
        timeout.into().resolve(self.default_timeout)
    }

    /// Returns an entry of a value, and its expiry. Not under a lock: the clone of a value may run user code.
    pub(super) fn entry<T: Stored>(&self, key: &Key, value: &T, life: Ttl) -> (Arc<Entry>, u64) {
        (kept(key.bytes.clone(), value.clone()), self.local.expiry(life))
    }

    /// Returns the fresh entry of a key in process.
    pub(super) fn local_entry(&self, key: &str) -> Option<Arc<Entry>> {
        let Key { digest, bytes, .. } = Place::object_key(self, key);
        let entry = self.objects().get(digest, bytes.as_slice())?;
        match entry.value::<Stamped>() {
            Some(stamped) => self.fresh(stamped).map(|(entry, _)| Arc::clone(entry)),
            None => Some(entry),
        }
    }

    /// Returns the moment at which a key's entry in process is fresh no more; none if there is no fresh one.
    pub(super) fn local_expiry(&self, key: &str) -> Option<u64> {
        let key = Place::object_key(self, key);
        let entry = self.objects().get(key.digest, key.bytes.as_slice())?;
        match entry.value::<Stamped>() {
            Some(stamped) => self.fresh(stamped).map(|(_, end)| end),
            None => self.objects().expiry(&key.to_call(0)),
        }
    }

    /// Returns an entry that carries its times without them, and the end of its freshness; none past that.
    fn fresh<'s>(&self, stamped: &'s Stamped) -> Option<(&'s Arc<Entry>, u64)> {
        stamped.fresh_at(self.clock.monotonic())
    }

    /// Returns an entry of the in-process store and its expiry, as one that is served fresh only.
    pub(super) fn as_fresh<'e>(&self, (entry, expiry): (&'e Entry, u64)) -> Option<(&'e Entry, u64)> {
        match entry.value::<Stamped>() {
            Some(stamped) => self.fresh(stamped).map(|(entry, end)| (&**entry, end)),
            None => Some((entry, expiry)),
        }
    }

    /// Returns the header of the live entry in these bytes.
    pub(super) fn alive<'b>(&self, key: &str, bytes: &'b [u8]) -> Option<(Header, &'b [u8])> {
        unseal(key, bytes).ok().filter(|(header, _)| !header.is_expired(self.clock.now()))
    }

    pub(super) fn seal<T: Stored>(
        &self,
        operation: &'static str,
        key: &str,
        value: &T,
        life: Ttl,
    ) -> Result<Vec<u8>> {
        seal_value(key, self.clock.now(), life, 0, value).map_err(|error| self.named(operation, error))
    }

    /// Returns the value of stored bytes. Unreadable bytes are a counted miss.
    pub(super) fn unseal<T: Storable>(&self, key: &str, bytes: &[u8]) -> Option<T> {
        match unseal_value(key, bytes, self.clock.now(), 0) {
            Unsealed::Value(value) => Some(value),
            Unsealed::Expired => None,
            _ => {
                self.count(Event::Error);
                None
            }
        }
    }

    fn found<T>(&self, value: Option<T>) -> Option<T> {
        self.count(if value.is_some() { Event::Hit } else { Event::Miss });
        value
    }

    pub(super) fn failed(&self, error: Error) -> Error {
        self.count(Event::Error);
        error
    }

    /// Adds the operation and the backend to an error that no backend made.
    #[cold]
    pub(super) fn named(&self, operation: &'static str, error: Error) -> Error {
        let in_process = || CacheType::Simple.as_str().to_owned().into();
        let backend = self.remote.as_ref().map_or_else(in_process, |remote| remote.name().clone());
        error.with_operation(operation).with_backend(backend)
    }

    fn look<T: Storable>(&self, key: &str) -> Option<T> {
        let Key { digest, bytes, .. } = Place::object_key(self, key);
        let entry = self.objects().get(digest, bytes.as_slice())?;
        policy().take(entry.any()).or_else(|| self.stamped(&entry))
    }

    /// Returns the value of an entry that carries its times, if it is fresh.
    #[cold]
    fn stamped<T: Storable>(&self, entry: &Entry) -> Option<T> {
        let (entry, _) = self.fresh(entry.value()?)?;
        policy().take(entry.any())
    }

    fn put<T: Stored>(&self, key: &str, value: &T, life: Ttl) {
        let key = Place::object_key(self, key);
        let (entry, expiry) = self.entry(&key, value, life);
        // Which voids the claims of `get_or_insert_with`: a computation that began before must not overwrite this value.
        self.objects().put(&key.to_call(0), entry, expiry, || true);
    }

    pub(super) async fn get<T: Storable, D: Io>(&self, io: D, key: &str) -> Result<Option<T>> {
        let Some(remote) = &self.remote else { return Ok(self.found(self.look(key))) };
        let key = self.full(key);
        let mut found = self.answer(io.call(remote, GetMany { keys: vec![key.clone()] }).await)?;
        let bytes = found.pop().flatten();
        Ok(self.found(bytes.and_then(|bytes| self.unseal(&key, &bytes))))
    }

    pub(super) async fn get_many<T: Storable, D: Io>(&self, io: D, keys: &[&str]) -> Result<Vec<Option<T>>> {
        let Some(remote) = &self.remote else {
            return Ok(keys.iter().map(|key| self.found(self.look(key))).collect());
        };
        let keys: Vec<String> = keys.iter().map(|key| self.full(key)).collect();
        let found = self.answer(io.call(remote, GetMany { keys: keys.clone() }).await)?;
        let value = |(key, bytes): (&String, Option<Vec<u8>>)| {
            self.found(bytes.and_then(|bytes| self.unseal(key, &bytes)))
        };
        Ok(keys.iter().zip(found).map(value).collect())
    }

    pub(super) async fn set<T: Stored, D: Io>(
        &self,
        io: D,
        key: &str,
        value: &T,
        timeout: Timeout,
    ) -> Result<()> {
        let life = self.life(timeout);
        match &self.remote {
            None => self.put(key, value, life),
            Some(remote) => {
                let key = self.full(key);
                let value = self.seal("set", &key, value, life)?;
                self.answer(io.call(remote, Set { key, value, life }).await)?;
            }
        }
        self.count(Event::Store);
        Ok(())
    }

    pub(super) async fn set_many<T: ToStored, D: Io>(
        &self,
        io: D,
        items: &[(&str, T)],
        timeout: Timeout,
    ) -> Result<()> {
        let life = self.life(timeout);
        match &self.remote {
            None => items.iter().for_each(|(key, value)| self.put(key, &*value.to_stored(), life)),
            Some(remote) => {
                let sealed = |(key, value): &(&str, T)| {
                    let key = self.full(key);
                    self.seal("set_many", &key, &*value.to_stored(), life).map(|value| (key, value))
                };
                // All are encoded before any is stored.
                let items = items.iter().map(sealed).collect::<Result<_>>()?;
                self.answer(io.call(remote, SetMany { items, life }).await)?;
            }
        }
        self.own.add(Event::Store, items.len() as u64);
        Ok(())
    }

    pub(super) async fn add<T: Stored, D: Io>(
        &self,
        io: D,
        key: &str,
        value: &T,
        timeout: Timeout,
    ) -> Result<bool> {
        let life = self.life(timeout);
        let added = match &self.remote {
            None => {
                let key = Place::object_key(self, key);
                let (entry, expiry) = self.entry(&key, value, life);
                let mut added = false;
                self.objects().update(&key.to_call(0), |old| {
                    added = old.and_then(|old| self.as_fresh(old)).is_none();
                    // A refused entry is dropped after the lock: its destructor may run user code.
                    added.then(|| (Arc::clone(&entry), expiry))
                });
                added
            }
            Some(remote) => {
                let key = self.full(key);
                let sealed = self.seal("add", &key, value, life)?;
                let add = Add { key: key.clone(), value: sealed.clone(), life };
                let budget = Budget::default();
                self.answer(io.call_within(remote, &budget, add).await)?
                    || self.replace_dead(io, (remote, &budget), key, sealed, life).await?
            }
        };
        if added {
            self.count(Event::Store);
        }
        Ok(added)
    }

    /// Overwrites an entry that is expired or unreadable, for `add`.
    async fn replace_dead<D: Io>(
        &self,
        io: D,
        (remote, budget): (&Arc<Remote>, &Budget),
        key: String,
        sealed: Vec<u8>,
        life: Ttl,
    ) -> Result<bool> {
        let token = self.answer(io.call_within(remote, budget, TokenOf { key: key.clone() }).await)?;
        let get = GetMany { keys: vec![key.clone()] };
        let old = self.answer(io.call_within(remote, budget, get).await)?.pop().flatten();
        if old.is_some_and(|bytes| self.alive(&key, &bytes).is_some()) {
            return Ok(false);
        }
        self.answer(
            io.call_within(
                remote,
                budget,
                PutIf { key, value: sealed, life, token, replaces: false, versions: Vec::new() },
            )
            .await,
        )
    }

    pub(super) async fn delete<D: Io>(&self, io: D, key: &str) -> Result<bool> {
        self.count_deletion("key");
        self.answer(Place::of_object(self, key).delete(io, self).await)
    }

    pub(super) async fn delete_many<D: Io>(&self, io: D, keys: &[&str]) -> Result<u64> {
        let Some(remote) = &self.remote else {
            let mut removed = 0;
            for key in keys {
                removed += u64::from(self.delete(io, key).await?);
            }
            return Ok(removed);
        };
        self.own.add(Event::Deletion, keys.len() as u64);
        let keys: Vec<String> = keys.iter().map(|key| self.full(key)).collect();
        for key in &keys {
            self.flights.invalidate(&self.flight_key(key));
        }
        self.answer(io.call(remote, DeleteMany { keys }).await)
    }

    pub(super) async fn contains<D: Io>(&self, io: D, key: &str) -> Result<bool> {
        let Some(remote) = &self.remote else {
            return Ok(self.local_entry(key).is_some());
        };
        let key = self.full(key);
        let bytes = self.answer(io.call(remote, GetMany { keys: vec![key.clone()] }).await)?.pop().flatten();
        Ok(bytes.is_some_and(|bytes| self.alive(&key, &bytes).is_some()))
    }

    pub(super) async fn clear<D: Io>(&self, io: D) -> Result<()> {
        let shared = self.remote.as_ref().is_some_and(|remote| remote.capabilities().shared);
        if shared && self.prefix.is_empty() && !self.allow_flush {
            let error = Error::new(
                ErrorKind::Config,
                "`clear` was refused: this cache has an empty `key_prefix`, so that it would remove the entries of every \
                 other cache in the same store; set `key_prefix`, or `allow_flush` if that is intended",
            );
            return Err(self.failed(self.named("clear", error)));
        }
        self.count_deletion("everything");
        self.flights.invalidate_all();
        self.local.clear();
        match &self.remote {
            Some(remote) => self.answer(io.call(remote, Clear { prefix: self.prefix.clone() }).await),
            None => Ok(()),
        }
    }

    pub(super) fn answer<R>(&self, result: Result<R>) -> Result<R> {
        result.map_err(|error| self.failed(error))
    }
}
