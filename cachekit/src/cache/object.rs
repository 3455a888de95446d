//! The cache object's operations, written once over [`Io`].

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::simple::{Draft, Entry, SimpleStore};
use cachekit_backends::{
    CacheType, Error, ErrorKind, Header, Matcher, Result, Timeout, Ttl, Unsealed, seal_integer, seal_value,
    unseal, unseal_value,
};

use super::integer::{Integer, from_integer, to_integer};
use crate::call::policy::{Policy, Storable, whole};
use crate::call::{Call, Outcome, Place, Round};
use crate::engine::flight::{Key, Shared};
use crate::engine::remote::{Add, Clear, DeleteMany, GetMany, Io, PutIf, Remote, Set, SetMany, TokenOf};
use crate::engine::stats::Event;
use crate::engine::{Engine, Hold, OBJECT};

/// How often `incr` tries again when the key is changed at the same time.
const TRIES: usize = 100;
/// An operation of the cache object that no backend has.
const INCR: &str = "incr";

/// The policy of the cache object's values: every value is stored, integers of each width as one type.
pub(crate) fn policy<'p, T: Storable>() -> &'p Policy<T> {
    &Object::<T>::POLICY
}

/// Holds the constant.
struct Object<T>(PhantomData<T>);

impl<T: Storable> Object<T> {
    const POLICY: Policy<T> = Policy {
        keep: |draft, value| Some(kept(draft, value)),
        share: |value| match to_integer(value) {
            Some(integer) => Some(Arc::new(integer) as Shared),
            None => Some(Arc::new(value.clone()) as Shared),
        },
        take: |value, slot| {
            *slot = match value.downcast_ref::<Integer>() {
                Some(integer) => from_integer(*integer),
                None => value.downcast_ref::<T>().cloned(),
            };
            slot.is_some()
        },
        // Neither are its in-process values encoded, nor are they watched.
        clone_may_share: || false,
        ..whole()
    };
}

fn kept<T: Storable>(draft: Draft, value: &T) -> Arc<Entry> {
    match to_integer(value) {
        Some(integer) => SimpleStore::entry(draft, integer),
        None => SimpleStore::entry(draft, value.clone()),
    }
}

impl Engine {
    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn life(&self, timeout: impl Into<Timeout>) -> Ttl {
        timeout.into().resolve(self.default_timeout)
    }

    /// Returns an entry whose value was made just now. Not under a lock: the clone of a value may run user code.
    fn entry<T: Storable>(&self, Key { digest, bytes }: Key, value: &T, life: Ttl) -> Arc<Entry> {
        let (birth, expiry) = (self.local.now(), self.local.expiry(life));
        kept(Draft { digest, bytes, expiry, birth, instance: 0, function: OBJECT }, value)
    }

    fn seal<T: Storable>(&self, operation: &'static str, key: &str, value: &T, life: Ttl) -> Result<Vec<u8>> {
        seal_value(key, self.clock.now(), life, 0, value).map_err(|error| self.named(operation, error))
    }

    /// Returns the value of stored bytes. Unreadable bytes are a counted miss.
    fn unseal<T: Storable>(&self, key: &str, bytes: &[u8]) -> Option<T> {
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

    fn failed(&self, error: Error) -> Error {
        self.count(Event::Error);
        error
    }

    /// Adds the operation and the backend to an error that no backend made.
    #[cold]
    fn named(&self, operation: &'static str, error: Error) -> Error {
        let in_process = || CacheType::Simple.as_str().to_owned().into();
        let backend = self.remote.as_ref().map_or_else(in_process, |remote| remote.name().clone());
        error.with_operation(operation).with_backend(backend)
    }

    fn look<T: Storable>(&self, key: &str) -> Option<T> {
        let digest = self.local.digest(|w| Place::feed_object(key, w));
        let feed = |m: &mut Matcher<'_>| Place::feed_object(key, m);
        policy().take(self.local.read(digest, feed, Arc::clone)?.any())
    }

    fn put<T: Storable>(&self, key: &str, value: &T, life: Ttl) {
        let key = Place::object_key(self, key);
        let entry = self.entry(key.clone(), value, life);
        // A computation of `get_or_insert_with` that began before must not overwrite this value.
        self.flights.invalidate(&key);
        self.local.update(key.digest, key.bytes.as_slice(), |_| (Some(entry), ()));
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

    pub(super) async fn set<T: Storable, D: Io>(
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

    pub(super) async fn set_many<T: Storable, D: Io>(
        &self,
        io: D,
        items: &[(&str, T)],
        timeout: Timeout,
    ) -> Result<()> {
        let life = self.life(timeout);
        match &self.remote {
            None => items.iter().for_each(|(key, value)| self.put(key, value, life)),
            Some(remote) => {
                let sealed = |(key, value): &(&str, T)| {
                    let key = self.full(key);
                    self.seal("set_many", &key, value, life).map(|value| (key, value))
                };
                // All are encoded before any is stored.
                let items = items.iter().map(sealed).collect::<Result<_>>()?;
                self.answer(io.call(remote, SetMany { items, life }).await)?;
            }
        }
        self.own.add(Event::Store, items.len() as u64);
        Ok(())
    }

    pub(super) async fn add<T: Storable, D: Io>(
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
                let entry = self.entry(key.clone(), value, life);
                // As in `put`: a computation that is not stored costs less than one that overwrites.
                self.flights.invalidate(&key);
                // A refused entry is dropped after the lock: its destructor may run user code.
                let refused = self.local.update(key.digest, key.bytes.as_slice(), |old| match old {
                    Some(_) => (None, Some(entry)),
                    None => (Some(entry), None),
                });
                refused.is_none()
            }
            Some(remote) => {
                let key = self.full(key);
                let sealed = self.seal("add", &key, value, life)?;
                let add = Add { key: key.clone(), value: sealed.clone(), life };
                self.answer(io.call(remote, add).await)?
                    || self.replace_dead(io, remote, key, sealed, life).await?
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
        remote: &Arc<Remote>,
        key: String,
        sealed: Vec<u8>,
        life: Ttl,
    ) -> Result<bool> {
        let token = self.answer(io.call(remote, TokenOf { key: key.clone() }).await)?;
        let old = self.answer(io.call(remote, GetMany { keys: vec![key.clone()] }).await)?.pop().flatten();
        let now = self.clock.now();
        let lives = |bytes: Vec<u8>| unseal(&key, &bytes).is_ok_and(|(header, _)| !header.is_expired(now));
        if old.is_some_and(lives) {
            return Ok(false);
        }
        self.answer(io.call(remote, PutIf { key, value: sealed, life, token }).await)
    }

    pub(super) async fn delete<D: Io>(&self, io: D, key: &str) -> Result<bool> {
        self.count(Event::Deletion);
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
            let digest = self.local.digest(|w| Place::feed_object(key, w));
            let feed = |m: &mut Matcher<'_>| Place::feed_object(key, m);
            return Ok(self.local.read(digest, feed, |_| ()).is_some());
        };
        let key = self.full(key);
        let bytes = self.answer(io.call(remote, GetMany { keys: vec![key.clone()] }).await)?.pop().flatten();
        let now = self.clock.now();
        Ok(bytes.is_some_and(|bytes| unseal(&key, &bytes).is_ok_and(|(header, _)| !header.is_expired(now))))
    }

    pub(super) async fn incr<D: Io>(&self, io: D, key: &str, by: i64) -> Result<i64> {
        let Some(remote) = &self.remote else {
            let local = Place::object_key(self, key);
            self.flights.invalidate(&local);
            return self
                .local
                .update(local.digest, local.bytes.as_slice(), |old| self.raised(&local, key, old, by))
                .map_err(|error| self.named(INCR, error));
        };
        let key = self.full(key);
        for _ in 0..TRIES {
            let token = self.answer(io.call(remote, TokenOf { key: key.clone() }).await)?;
            let old =
                self.answer(io.call(remote, GetMany { keys: vec![key.clone()] }).await)?.pop().flatten();
            let (value, life, before) =
                self.raised_bytes(&key, old.as_deref(), by).map_err(|error| self.named(INCR, error))?;
            let sealed = match before {
                Some(header) => {
                    let sealed = seal_integer(&key, &header, value);
                    self.answer(sealed.map_err(|error| self.named(INCR, error)))?
                }
                None => self.seal(INCR, &key, &value, life)?,
            };
            if self.answer(io.call(remote, PutIf { key: key.clone(), value: sealed, life, token }).await)? {
                return Ok(value);
            }
        }
        let error = Error::new(
            ErrorKind::Timeout,
            format!("`{key}` was changed by others at each of {TRIES} tries to raise it: try again"),
        );
        Err(self.failed(self.named(INCR, error)))
    }

    fn raised(
        &self,
        local: &Key,
        key: &str,
        old: Option<&Entry>,
        by: i64,
    ) -> (Option<Arc<Entry>>, Result<i64>) {
        let expiry = || self.local.expiry(self.life(Timeout::Default));
        let (from, expiry) = match old {
            None => (0, expiry()),
            Some(old) => match old.value::<Integer>() {
                Some(Integer(n)) => (*n, old.expiry()),
                None => return (None, Err(not_an_integer(key))),
            },
        };
        match sum(key, from, by) {
            Ok(value) => {
                let Key { digest, bytes } = local.clone();
                let draft =
                    Draft { digest, bytes, expiry, birth: self.local.now(), instance: 0, function: OBJECT };
                (Some(SimpleStore::entry(draft, Integer(value.into()))), Ok(value))
            }
            Err(error) => (None, Err(error)),
        }
    }

    /// Returns the sum, the time that it has left, and the header of the entry that it replaces, if there is one.
    fn raised_bytes(&self, key: &str, old: Option<&[u8]>, by: i64) -> Result<(i64, Ttl, Option<Header>)> {
        let now = self.clock.now();
        let fresh = || Ok((sum(key, 0, by)?, self.life(Timeout::Default), None));
        let Some(bytes) = old else { return fresh() };
        let Ok((header, _)) = unseal(key, bytes) else { return fresh() };
        match unseal_value::<i64>(key, bytes, now, 0) {
            Unsealed::Value(from) => {
                let left =
                    header.expiry.map(|expiry| Duration::from_millis(expiry.saturating_sub(now).max(1)));
                Ok((sum(key, i128::from(from), by)?, left, Some(header)))
            }
            Unsealed::Expired => fresh(),
            _ => Err(not_an_integer(key)),
        }
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
        self.count(Event::Deletion);
        self.flights.invalidate_all();
        self.local.clear();
        match &self.remote {
            Some(remote) => self.answer(io.call(remote, Clear { prefix: self.prefix.clone() }).await),
            None => Ok(()),
        }
    }

    fn answer<R>(&self, result: Result<R>) -> Result<R> {
        result.map_err(|error| self.failed(error))
    }

    pub(super) async fn get_or_insert_over<T, D, F>(
        &self,
        io: D,
        key: &str,
        timeout: Timeout,
        compute: impl FnOnce() -> F,
    ) -> T
    where
        T: Storable,
        D: Io,
        F: Future<Output = T>,
    {
        let call = Call {
            engine: Hold::Borrowed(self),
            function: OBJECT,
            life: self.life(timeout),
            refresh: false,
            single_flight: true,
        };
        let round = Round::new(call, Place::of_object(self, key), self.flight_timeout);
        match round.run(io, policy(), |_, _| true).await {
            Outcome::Value(value) => value,
            Outcome::Compute(duty) => {
                let value = duty.run_async(compute()).await;
                duty.settle(io, policy(), value, |_| true).await
            }
        }
    }
}

fn sum(key: &str, from: i128, by: i64) -> Result<i64> {
    i64::try_from(from + i128::from(by)).map_err(|_| {
        Error::new(
            ErrorKind::Type,
            format!("`{key}` raised by {by} does not fit into an i64; it was left as it is"),
        )
    })
}

fn not_an_integer(key: &str) -> Error {
    Error::new(ErrorKind::Type, format!("`{key}` holds no integer; it was left as it is"))
}
