//! The cache object's operations that depend on the present value or keep it: `incr`, `update`, `touch`, `ttl`.
//!
//! In process they compare and replace under the lock of the entry's part of the store. On a backend they read the value and
//! the state of its key, and write if the state is the same ([`Backend::put_if`](cachekit_backends::Backend::put_if)); else they
//! begin again.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cachekit_backends::KeyBytes;
use cachekit_backends::simple::{Entry, Weight};
use cachekit_backends::{
    Error, ErrorKind, Header, Result, Timeout, Token, Ttl, Unsealed, seal, seal_integer, unseal, unseal_value,
};

use super::integer::Integer;
use super::value::Live;
use crate::call::Place;
use crate::call::shape::Storable;
use crate::engine::Engine;
use crate::engine::remote::{Budget, DeleteIf, Fetch, GetMany, Io, PutIf, Remote, TokenOf};
use crate::engine::stats::Event;

/// The operations that no backend has, in errors.
const INCR: &str = "incr";
const UPDATE: &str = "update";
const TOUCH: &str = "touch";
/// The fewest tries before a change is given up.
const TRIES: u32 = 100;
/// The longest pause before another try; the first ones are shorter.
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// A change of a key whose bytes were read.
enum Change {
    None,
    Put { value: Vec<u8>, life: Ttl },
    Delete,
}

/// The tries of one change. Callers that change one key at the same time wait for random times, so that they don't meet again.
struct Tries {
    began: Instant,
    limit: Duration,
    count: u32,
}

impl Tries {
    fn new(limit: Duration) -> Self {
        Self { began: Instant::now(), limit, count: 0 }
    }

    /// Returns how long to pause before the next try; none if there is none.
    fn next(&mut self) -> Option<Duration> {
        self.count += 1;
        if self.count >= TRIES && self.began.elapsed() >= self.limit {
            return None;
        }
        let most = LONGEST_PAUSE.min(Duration::from_micros(20) * 2u32.saturating_pow(self.count.min(10)));
        let parts = u32::try_from(RandomState::new().hash_one(self.count) % 1024).unwrap_or(0);
        Some(most * parts / 1024)
    }
}

impl Engine {
    /// Returns the bytes of an entry on the backend, and the state of its key from before they were read.
    async fn bytes_and_state<D: Io>(
        &self,
        io: D,
        remote: &Arc<Remote>,
        budget: &Budget,
        key: &str,
    ) -> Result<(Option<Vec<u8>>, Token)> {
        let fetched =
            io.call_within(remote, budget, Fetch { entry: key.to_owned(), versions: Vec::new() }).await?;
        if let Some(token) = fetched.token {
            return Ok((fetched.entry, token));
        }
        let token = io.call_within(remote, budget, TokenOf { key: key.to_owned() }).await?;
        let get = GetMany { keys: vec![key.to_owned()] };
        let bytes = io.call_within(remote, budget, get).await?.pop().flatten();
        Ok((bytes, token))
    }

    /// Changes an entry on the backend. `make` gets the key on the backend and the bytes that are there, and returns those to write
    /// and the result; it runs again whenever the key has changed meanwhile.
    async fn change<R, D: Io>(
        &self,
        io: D,
        remote: &Arc<Remote>,
        operation: &'static str,
        key: &str,
        mut make: impl FnMut(&str, Option<&[u8]>) -> Result<(Change, R)>,
    ) -> Result<R> {
        let full = self.full(key);
        let mut tries = Tries::new(self.flight_timeout);
        loop {
            // Of each try: another writer is no trouble of the backend.
            let budget = Budget::default();
            let (bytes, token) = self.answer(self.bytes_and_state(io, remote, &budget, &full).await)?;
            let changed = make(&full, bytes.as_deref());
            let (change, result) = changed.map_err(|error| self.named(operation, error))?;
            let done = match change {
                Change::None => return Ok(result),
                Change::Put { value, life } => {
                    let (key, versions) = (full.clone(), Vec::new());
                    let put = PutIf { key, value, life, token, replaces: true, versions };
                    io.call_within(remote, &budget, put).await
                }
                Change::Delete => {
                    io.call_within(remote, &budget, DeleteIf { key: full.clone(), token }).await
                }
            };
            if self.answer(done)? {
                return Ok(result);
            }
            let Some(pause) = tries.next() else {
                return Err(self.failed(self.named(operation, contended(key, &tries))));
            };
            io.pause(pause).await;
        }
    }

    pub(super) async fn incr<D: Io>(&self, io: D, key: &str, by: i64) -> Result<i64> {
        if self.discards {
            return sum(key, 0, by).map_err(|error| self.named(INCR, error));
        }
        let Some(remote) = &self.remote else {
            let local = Place::object_key(self, key);
            let expiry = self.local.expiry(self.life(Timeout::Default));
            let mut result = Ok(0);
            self.objects().update(&local.to_call(0), |old| {
                let old = old.and_then(|old| self.as_fresh(old));
                match raised(key, old, by, expiry) {
                    Ok((value, expiry)) => {
                        result = Ok(value);
                        Some((Integer(value.into()).entry(local.bytes.clone()), expiry))
                    }
                    Err(error) => {
                        result = Err(error);
                        None
                    }
                }
            });
            return result.map_err(|error| self.named(INCR, error));
        };
        let raise = |full: &str, bytes: Option<&[u8]>| {
            let (value, life, before) = self.raised_bytes((key, full), bytes, by)?;
            let sealed = match before {
                Some(header) => seal_integer(full, &header, value)?,
                None => self.seal(INCR, full, &value, life)?,
            };
            Ok((Change::Put { value: sealed, life }, value))
        };
        self.change(io, remote, INCR, key, raise).await
    }

    /// Returns the sum, the time that it has left, and the header of the entry that it replaces, if there is one. `key` is the
    /// caller's, for errors; `full` that of the backend.
    fn raised_bytes(
        &self,
        (key, full): (&str, &str),
        old: Option<&[u8]>,
        by: i64,
    ) -> Result<(i64, Ttl, Option<Header>)> {
        let now = self.clock.now();
        let fresh = || Ok((sum(key, 0, by)?, self.life(Timeout::Default), None));
        let Some(bytes) = old else { return fresh() };
        let Ok((header, _)) = unseal(full, bytes) else { return fresh() };
        match unseal_value::<i64>(full, bytes, now, 0) {
            Unsealed::Value(from) => {
                Ok((sum(key, i128::from(from), by)?, header.life_left(now), Some(header)))
            }
            Unsealed::Expired => fresh(),
            _ => Err(not_an_integer(key)),
        }
    }

    pub(super) async fn update<T: Storable, D: Io>(
        &self,
        io: D,
        key: &str,
        timeout: Timeout,
        mut change: impl FnMut(Option<T>) -> Option<T>,
    ) -> Result<Option<T>> {
        if self.discards {
            return Ok(change(None));
        }
        let life = self.life(timeout);
        let Some(remote) = &self.remote else { return Ok(self.update_here(key, life, change)) };
        let replace = |full: &str, bytes: Option<&[u8]>| {
            let old = bytes.and_then(|bytes| self.unseal(full, bytes));
            let was = old.is_some();
            let new = change(old);
            let done = match &new {
                Some(value) => Change::Put { value: self.seal(UPDATE, full, value, life)?, life },
                None if was => Change::Delete,
                None => Change::None,
            };
            Ok((done, (was, new)))
        };
        let (was, new) = self.change(io, remote, UPDATE, key, replace).await?;
        self.count_update(was, new.is_some());
        Ok(new)
    }

    fn count_update(&self, was: bool, is: bool) {
        match (was, is) {
            (_, true) => self.count(Event::Store),
            (true, false) => self.count_deletion("key"),
            (false, false) => {}
        }
    }

    /// `change` is foreign code, so it runs without a lock, and again if the entry was replaced meanwhile.
    fn update_here<T: Storable>(
        &self,
        key: &str,
        life: Ttl,
        mut change: impl FnMut(Option<T>) -> Option<T>,
    ) -> Option<T> {
        let local = Place::object_key(self, key);
        loop {
            let before = self.live(key);
            let old: Option<T> = before.as_ref().and_then(Live::taken);
            let was = old.is_some();
            let new = change(old);
            let (entry, expiry) = match &new {
                Some(value) => self.entry(&local, value, life),
                None if was => over(local.bytes.clone()),
                None => return None,
            };
            let mut replaced = false;
            self.objects().update(&local.to_call(0), |now| {
                let now = now.and_then(|now| self.as_fresh(now));
                replaced = match (now.and_then(|(entry, _)| Live::of(entry)), &before) {
                    (None, None) => true,
                    (Some(now), Some(before)) => now.is(before),
                    _ => false,
                };
                // A refused entry is dropped after the lock, as in `add`.
                replaced.then(|| (Arc::clone(&entry), expiry))
            });
            if replaced {
                self.count_update(was, new.is_some());
                return new;
            }
        }
    }

    /// Returns the value of a live entry in process.
    fn live(&self, key: &str) -> Option<Live> {
        Live::of(&*self.local_entry(key)?)
    }

    pub(super) async fn touch<D: Io>(&self, io: D, key: &str, timeout: Timeout) -> Result<bool> {
        let life = self.life(timeout);
        let Some(remote) = &self.remote else {
            let local = Place::object_key(self, key);
            let (expiry, mut was) = (self.local.expiry(life), false);
            self.objects().update(&local.to_call(0), |old| {
                let value = old.and_then(|old| self.as_fresh(old)).and_then(|(entry, _)| Live::of(entry));
                was = value.is_some();
                value.map(|value| (value.entry(local.bytes.clone()), expiry))
            });
            return Ok(was);
        };
        let extend = |full: &str, bytes: Option<&[u8]>| {
            let Some((before, payload)) = bytes.and_then(|bytes| self.alive(full, bytes)) else {
                return Ok((Change::None, false));
            };
            let expiry = Header::new(self.clock.now(), life, 0, before.content).expiry;
            let append = |out: &mut Vec<u8>| {
                out.extend_from_slice(payload);
                Ok(())
            };
            let value = seal(full, &Header { expiry, fresh: None, ..before }, append)?;
            Ok((Change::Put { value, life }, true))
        };
        self.change(io, remote, TOUCH, key, extend).await
    }

    pub(super) async fn ttl<D: Io>(&self, io: D, key: &str) -> Result<Option<Timeout>> {
        let Some(remote) = &self.remote else {
            let Some(expiry) = self.local_expiry(key) else { return Ok(None) };
            let left = || Duration::from_millis(expiry.saturating_sub(self.clock.monotonic()).max(1));
            return Ok(Some(if expiry == u64::MAX { Timeout::Never } else { Timeout::After(left()) }));
        };
        let key = self.full(key);
        let bytes = self.answer(io.call(remote, GetMany { keys: vec![key.clone()] }).await)?.pop().flatten();
        let header = bytes.as_deref().and_then(|bytes| self.alive(&key, bytes)).map(|(header, _)| header);
        Ok(header.map(|header| match header.life_left(self.clock.now()) {
            Some(left) => Timeout::After(left),
            None => Timeout::Never,
        }))
    }
}

/// Returns an entry that is over, and its expiry.
fn over(key: KeyBytes) -> (Arc<Entry>, u64) {
    (Entry::new(key, Weight { bytes: 0, exact: true }, ()), 0)
}

/// Returns the sum and its expiry: that of the entry that it replaces, if there is one.
fn raised(key: &str, old: Option<(&Entry, u64)>, by: i64, expiry: u64) -> Result<(i64, u64)> {
    let (from, expiry) = match old {
        None => (0, expiry),
        Some((old, expiry)) => match old.value::<Integer>() {
            Some(Integer(n)) => (*n, expiry),
            None => return Err(not_an_integer(key)),
        },
    };
    Ok((sum(key, from, by)?, expiry))
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

#[cold]
fn contended(key: &str, tries: &Tries) -> Error {
    let Tries { began, count, .. } = tries;
    Error::new(
        ErrorKind::Timeout,
        format!(
            "`{key}` was not changed: at each of {count} tries in {:?} others had changed it, or the store has no room; try \
             again",
            began.elapsed()
        ),
    )
}
