//! The cache object's operations, written once over [`Io`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::simple::{Draft, Entry, SimpleStore};
use cachekit_backends::{
    CacheKey, Error, ErrorKind, KeyWriter, Lifetime, Matcher, Result, Timeout, Token, Unsealed, seal_value,
    unseal, unseal_value,
};

use super::Inner;
use super::integer::{Integer, from_integer, to_integer};
use crate::flight::{Key, Role, Waited};
use crate::link::{Add, Clear, Delete, DeleteMany, Fetch, GetMany, Io, Link, PutIf, Set, SetMany, TokenOf};
use crate::memo::policy::Storable;
use crate::memo::target::recorded;
use crate::memo::{Evidence, Lead, Seen};
use crate::stats::Event;

/// How often `incr` and `add` try again when others change the same key at the same time.
const TRIES: usize = 100;

/// The cache object's keys in the in-process store: "function" 0, then the text.
fn feed<W: KeyWriter>(key: &str, writer: &mut W) {
    writer.write_u32(0);
    key.cache_key(writer);
}

impl Inner {
    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn local_key(&self, key: &str) -> Key {
        Key { digest: self.local.digest(|w| feed(key, w)), bytes: recorded(|recorder| feed(key, recorder)) }
    }

    fn life(&self, timeout: impl Into<Timeout>) -> Lifetime {
        timeout.into().resolve(self.default_timeout)
    }

    /// An entry of the cache object, born now. Made outside of locks: cloning the value may run any code.
    fn entry<T: Storable>(&self, key: &Key, value: &T, life: Lifetime) -> Arc<Entry> {
        self.entry_born(self.local.now(), key, value, life)
    }

    fn entry_born<T: Storable>(&self, birth: u64, key: &Key, value: &T, life: Lifetime) -> Arc<Entry> {
        let Key { digest, bytes } = key.clone();
        let expiry = self.local.expiry(life);
        let draft = Draft { digest, bytes, expiry, birth, instance: 0, function: 0 };
        match to_integer(value) {
            Some(integer) => SimpleStore::entry(draft, integer),
            None => SimpleStore::entry(draft, value.clone()),
        }
    }

    fn seal<T: Storable>(&self, key: &str, value: &T, life: Lifetime) -> Result<Vec<u8>> {
        seal_value(key, self.clock.now(), life, 0, value)
    }

    /// The value of stored bytes; what can't be read is a counted miss.
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

    fn look<T: Storable>(&self, key: &str) -> Option<T> {
        let digest = self.local.digest(|w| feed(key, w));
        let entry = self.local.read(digest, |m: &mut Matcher<'_>| feed(key, m), Arc::clone)?;
        match entry.value::<Integer>() {
            Some(integer) => from_integer(*integer),
            None => entry.value::<T>().cloned(),
        }
    }

    fn put<T: Storable>(&self, key: &str, value: &T, life: Lifetime) {
        let key = self.local_key(key);
        let entry = self.entry(&key, value, life);
        // A value computed by `get_or_insert_with` since before doesn't overwrite this one.
        self.flights.doom(&key);
        self.local.update(key.digest, key.bytes.as_slice(), |_| (Some(entry), ()));
    }

    pub(super) async fn get<T: Storable, D: Io>(&self, io: D, key: &str) -> Result<Option<T>> {
        let Some(link) = &self.link else { return Ok(self.found(self.look(key))) };
        let key = self.full(key);
        let mut found = self.answer(io.call(link, GetMany { keys: vec![key.clone()] }).await)?;
        let bytes = found.pop().flatten();
        Ok(self.found(bytes.and_then(|bytes| self.unseal(&key, &bytes))))
    }

    pub(super) async fn get_many<T: Storable, D: Io>(&self, io: D, keys: &[&str]) -> Result<Vec<Option<T>>> {
        let Some(link) = &self.link else {
            return Ok(keys.iter().map(|key| self.found(self.look(key))).collect());
        };
        let keys: Vec<String> = keys.iter().map(|key| self.full(key)).collect();
        let found = self.answer(io.call(link, GetMany { keys: keys.clone() }).await)?;
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
        match &self.link {
            None => self.put(key, value, life),
            Some(link) => {
                let key = self.full(key);
                let value = self.seal(&key, value, life)?;
                self.answer(io.call(link, Set { key, value, life }).await)?;
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
        match &self.link {
            None => items.iter().for_each(|(key, value)| self.put(key, value, life)),
            Some(link) => {
                let sealed = |(key, value): &(&str, T)| {
                    let key = self.full(key);
                    self.seal(&key, value, life).map(|value| (key, value))
                };
                // All are encoded before any is stored.
                let items = items.iter().map(sealed).collect::<Result<_>>()?;
                self.answer(io.call(link, SetMany { items, life }).await)?;
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
        let added = match &self.link {
            None => {
                let key = self.local_key(key);
                let entry = self.entry(&key, value, life);
                // As in `put`; that a computation isn't stored costs less than that it overwrites.
                self.flights.doom(&key);
                // The one that isn't stored is handed out: dropping it may run any code, which must not be under the lock.
                let refused = self.local.update(key.digest, key.bytes.as_slice(), |old| match old {
                    Some(_) => (None, Some(entry)),
                    None => (Some(entry), None),
                });
                refused.is_none()
            }
            Some(link) => {
                let key = self.full(key);
                let sealed = self.seal(&key, value, life)?;
                let add = Add { key: key.clone(), value: sealed.clone(), life };
                self.answer(io.call(link, add).await)?
                    || self.replace_dead(io, link, key, sealed, life).await?
            }
        };
        if added {
            self.count(Event::Store);
        }
        Ok(added)
    }

    /// Stores over an entry that is over or can't be read, for `add`.
    async fn replace_dead<D: Io>(
        &self,
        io: D,
        link: &Arc<Link>,
        key: String,
        sealed: Vec<u8>,
        life: Lifetime,
    ) -> Result<bool> {
        let token = self.answer(io.call(link, TokenOf { key: key.clone() }).await)?;
        let old = self.answer(io.call(link, GetMany { keys: vec![key.clone()] }).await)?.pop().flatten();
        let now = self.clock.now();
        let lives = |bytes: Vec<u8>| unseal(&key, &bytes).is_ok_and(|(header, _)| !header.is_expired(now));
        if old.is_some_and(lives) {
            return Ok(false);
        }
        self.answer(io.call(link, PutIf { key, value: sealed, life, token }).await)
    }

    pub(super) async fn delete<D: Io>(&self, io: D, key: &str) -> Result<bool> {
        self.count(Event::Deletion);
        match &self.link {
            None => {
                let key = self.local_key(key);
                self.flights.doom(&key);
                Ok(self.local.remove(key.digest, key.bytes.as_slice()))
            }
            Some(link) => {
                let key = self.full(key);
                self.flights.doom(&self.flight_key(&key));
                self.answer(io.call(link, Delete { key }).await)
            }
        }
    }

    pub(super) async fn delete_many<D: Io>(&self, io: D, keys: &[&str]) -> Result<u64> {
        let Some(link) = &self.link else {
            let mut removed = 0;
            for key in keys {
                removed += u64::from(self.delete(io, key).await?);
            }
            return Ok(removed);
        };
        self.own.add(Event::Deletion, keys.len() as u64);
        let keys: Vec<String> = keys.iter().map(|key| self.full(key)).collect();
        for key in &keys {
            self.flights.doom(&self.flight_key(key));
        }
        self.answer(io.call(link, DeleteMany { keys }).await)
    }

    pub(super) async fn contains<D: Io>(&self, io: D, key: &str) -> Result<bool> {
        let Some(link) = &self.link else {
            let digest = self.local.digest(|w| feed(key, w));
            return Ok(self.local.read(digest, |m: &mut Matcher<'_>| feed(key, m), |_| ()).is_some());
        };
        let key = self.full(key);
        let bytes = self.answer(io.call(link, GetMany { keys: vec![key.clone()] }).await)?.pop().flatten();
        let now = self.clock.now();
        Ok(bytes.is_some_and(|bytes| unseal(&key, &bytes).is_ok_and(|(header, _)| !header.is_expired(now))))
    }

    pub(super) async fn incr<D: Io>(&self, io: D, key: &str, by: i64) -> Result<i64> {
        let Some(link) = &self.link else {
            let local = self.local_key(key);
            self.flights.doom(&local);
            return self
                .local
                .update(local.digest, local.bytes.as_slice(), |old| self.raised(&local, key, old, by));
        };
        let key = self.full(key);
        for _ in 0..TRIES {
            let token = self.answer(io.call(link, TokenOf { key: key.clone() }).await)?;
            let old = self.answer(io.call(link, GetMany { keys: vec![key.clone()] }).await)?.pop().flatten();
            let (value, life) = self.raised_bytes(&key, old.as_deref(), by)?;
            let sealed = self.seal(&key, &value, life)?;
            if self.answer(io.call(link, PutIf { key: key.clone(), value: sealed, life, token }).await)? {
                return Ok(value);
            }
        }
        Err(self.failed(Error::new(
            ErrorKind::Timeout,
            format!("`{key}` was changed by others at each of {TRIES} tries to raise it: try again"),
        )))
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
                    Draft { digest, bytes, expiry, birth: self.local.now(), instance: 0, function: 0 };
                (Some(SimpleStore::entry(draft, Integer(value.into()))), Ok(value))
            }
            Err(error) => (None, Err(error)),
        }
    }

    fn raised_bytes(&self, key: &str, old: Option<&[u8]>, by: i64) -> Result<(i64, Lifetime)> {
        let now = self.clock.now();
        let fresh = || Ok((sum(key, 0, by)?, self.life(Timeout::Default)));
        let Some(bytes) = old else { return fresh() };
        let Ok((header, _)) = unseal(key, bytes) else { return fresh() };
        match unseal_value::<i64>(key, bytes, now, 0) {
            Unsealed::Value(from) => {
                let left =
                    header.expiry.map(|expiry| Duration::from_millis(expiry.saturating_sub(now).max(1)));
                Ok((sum(key, i128::from(from), by)?, left))
            }
            Unsealed::Expired => fresh(),
            _ => Err(not_an_integer(key)),
        }
    }

    pub(super) async fn clear<D: Io>(&self, io: D) -> Result<()> {
        let shared = self.link.as_ref().is_some_and(|link| link.capabilities().shared);
        if shared && self.prefix.is_empty() && !self.allow_flush {
            return Err(self.failed(Error::new(
                ErrorKind::Config,
                "`clear` was refused: this cache has an empty `key_prefix`, so that it would remove the entries of every \
                 other cache in the same store; set `key_prefix`, or `allow_flush` if that is what you want",
            )));
        }
        self.count(Event::Deletion);
        self.flights.doom_all();
        self.local.clear();
        match &self.link {
            Some(link) => self.answer(io.call(link, Clear { prefix: self.prefix.clone() }).await),
            None => Ok(()),
        }
    }

    fn answer<R>(&self, result: Result<R>) -> Result<R> {
        result.map_err(|error| self.failed(error))
    }

    async fn look_shared<T: Storable, D: Io>(
        &self,
        io: D,
        link: &Arc<Link>,
        key: &str,
        serves: &impl Fn(&T) -> bool,
    ) -> Result<Looked<T>> {
        let fetched = io.call(link, Fetch { entry: key.to_string(), versions: Vec::new() }).await?;
        if let Some(value) = fetched.entry.and_then(|bytes| self.unseal(key, &bytes)).filter(serves) {
            return Ok(Looked::Value(value));
        }
        Ok(Looked::Absent(match fetched.token {
            Some(token) => token,
            None => io.call(link, TokenOf { key: key.to_string() }).await?,
        }))
    }

    /// One round of `get_or_insert_with`: the value, or the duty to compute it.
    pub(super) async fn claim<T: Storable, D: Io>(&self, io: D, key: &str) -> Claim<'_, T> {
        self.claim_if(io, key, &|_| true).await
    }

    /// The same, where not every value that is found serves.
    pub(super) async fn claim_if<T: Storable, D: Io>(
        &self,
        io: D,
        key: &str,
        serves: &impl Fn(&T) -> bool,
    ) -> Claim<'_, T> {
        let local = self.local_key(key);
        let full = self.full(key);
        let flight_key = if self.link.is_some() { self.flight_key(&full) } else { local };
        let mut patience = 2;
        loop {
            let since = self.flights.completions(&flight_key);
            let evidence = match &self.link {
                None => {
                    let at = self.local.now();
                    if let Some(value) = self.look(key).filter(serves) {
                        return Claim::Value(self.found(Some(value)));
                    }
                    Evidence::Birth { function: 0, instance: 0, at }
                }
                Some(link) => match self.look_shared(io, link, &full, serves).await {
                    Ok(Looked::Value(value)) => return Claim::Value(self.found(Some(value))),
                    Ok(Looked::Absent(token)) => Evidence::Seen(Some(Seen::new(0, token))),
                    Err(error) => {
                        link.report("a value is computed", &self.failed(error));
                        Evidence::Seen(None)
                    }
                },
            };
            let joinable = |theirs: &Evidence, ours: &Evidence| theirs.serves(ours, &self.local);
            let patient = patience > 0 && matches!(evidence, Evidence::Seen(Some(_)));
            match self.flights.join(&flight_key, evidence, joinable, Some(since), patient) {
                Role::Recheck => patience -= i32::from(patient),
                Role::Lead(lead) | Role::Alone(lead) => {
                    self.count(Event::Miss);
                    return Claim::Lead(lead);
                }
                Role::Wait(wait) => match io.wait(wait).await {
                    Waited::Value(value) => {
                        self.count(Event::Miss);
                        self.count(Event::Coalesced);
                        return Claim::Value(
                            value.downcast_ref::<T>().filter(|value| serves(value)).cloned(),
                        );
                    }
                    Waited::Released => {
                        self.count(Event::Miss);
                        return Claim::Lead(self.flights.register(&flight_key, evidence));
                    }
                    Waited::Again => {}
                },
            }
        }
    }

    /// Stores what `get_or_insert_with` computed, and hands it to those who wait.
    pub(super) async fn settle<T: Storable, D: Io>(
        &self,
        io: D,
        key: &str,
        life: Lifetime,
        lead: Lead<'_>,
        value: &T,
    ) {
        let stored = match (&self.link, *lead.evidence()) {
            (None, Evidence::Birth { at, .. }) => {
                let entry = self.entry_born(at, &self.local_key(key), value, life);
                self.local.insert(entry, || !lead.doomed())
            }
            (Some(link), Evidence::Seen(Some(seen))) if !lead.doomed() => {
                let key = self.full(key);
                let put = match self.seal(&key, value, life) {
                    Ok(value) => io.call(link, PutIf { key, value, life, token: seen.token() }).await,
                    Err(error) => Err(error),
                };
                put.unwrap_or_else(|error| {
                    link.report("a value is returned", &self.failed(error));
                    false
                })
            }
            _ => false,
        };
        if stored {
            self.count(Event::Store);
        }
        lead.finish(|| Some(Arc::new(value.clone())));
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
        match self.claim(io, key).await {
            Claim::Value(Some(value)) => value,
            // Another computation of this key gave another type.
            Claim::Value(None) => compute().await,
            Claim::Lead(lead) => {
                let life = self.life(timeout);
                let value = lead.scope(compute()).await;
                self.settle(io, key, life, lead, &value).await;
                value
            }
        }
    }
}

/// What a look at a shared entry gave: its value, or the state of its key.
enum Looked<T> {
    Value(T),
    Absent(Token),
}

/// What a round of `get_or_insert_with` gave.
pub(super) enum Claim<'a, T> {
    Value(Option<T>),
    Lead(Lead<'a>),
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
