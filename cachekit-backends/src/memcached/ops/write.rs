use super::fetch::LEASE;
use super::read::Content;
use super::run::Under;
use super::spread::{Manifest, Prepared};
use super::{Ops, Task, contended, flags, numbered};
use crate::backend::add_then_check;
use crate::memcached::transport::Transport;
use crate::memcached::wire::exptime;
use crate::memcached::wire::{Action, Found, Mode, Reply};
use crate::{Error, ErrorKind, Put, Result, Token, Ttl};

/// How often `add` tries when other clients change the same key at the same time.
const TRIES: usize = 16;
/// How often a value that may be split is stored over what others store at the same time.
const MOST_REPLACED: usize = 64;

/// A value on its way to its key.
struct Store<'s> {
    key: &'s str,
    value: &'s [u8],
    prepared: Prepared<'s>,
    mode: Mode,
    /// The parts of what the write replaces.
    old: Option<Manifest>,
}

impl Store<'_> {
    fn action(&self, expiry: u32) -> Action<'_> {
        self.prepared.store(self.mode, expiry)
    }
}

impl<T: Transport> Ops<'_, T> {
    /// The request that shows an item before it is written or removed: with its value where that may be a manifest.
    fn look(&self) -> Action<'static> {
        if self.servers.settings.spread { Action::Get } else { Action::Peek }
    }

    fn manifest(&self, reply: Reply) -> Option<Manifest> {
        match self.content(reply) {
            Content::Split(manifest) => Some(manifest),
            _ => None,
        }
    }

    pub(in crate::memcached) async fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.set_many(&[(key, value)], life).await
    }

    pub(in crate::memcached) async fn set_many(&self, items: &[(&str, &[u8])], life: Ttl) -> Result<()> {
        let all: Vec<(&str, &[u8], Ttl)> = items.iter().map(|&(key, value)| (key, value, life)).collect();
        let (mut failure, mut stores, mut stale) = (None, Vec::new(), Vec::new());
        for (&(key, value), prepared) in items.iter().zip(self.prepare_many(&all).await) {
            match prepared {
                Ok(prepared) => stores.push(Store { key, value, prepared, mode: Mode::Set, old: None }),
                // A stale value is not left under a key that could not be written.
                Err(error) if error.kind() == ErrorKind::Full => {
                    failure.get_or_insert(error);
                    stale.push(key);
                }
                Err(error) => return Err(error),
            }
        }
        let refused = if self.servers.settings.spread {
            self.replace(stores, exptime(life)).await?
        } else {
            let expiry = exptime(life);
            let tasks: Vec<Task<'_>> =
                stores.iter().map(|store| Task { key: store.key, action: store.action(expiry) }).collect();
            let answers = self.run(&tasks).await?;
            let refused = stores.iter().zip(answers).filter_map(|(store, answer)| {
                Some((store.key, self.refused(store.key, store.value, &answer.reply)?))
            });
            refused.collect()
        };
        for (key, error) in refused {
            failure.get_or_insert(error);
            stale.push(key);
        }
        self.delete_each(&stale).await?;
        failure.map_or(Ok(()), Err)
    }

    /// Stores values over what is there, and removes the parts of what they replace; returns the keys whose values were
    /// refused. Each write is conditional, so that each of several writers at once removes what the one before it has stored.
    async fn replace<'s>(&self, mut stores: Vec<Store<'s>>, expiry: u32) -> Result<Vec<(&'s str, Error)>> {
        let (mut replaced, mut refused) = (Vec::new(), Vec::new());
        for store in &mut stores {
            store.mode = Mode::Add;
        }
        for round in 1..=MOST_REPLACED {
            if stores.is_empty() {
                break;
            }
            if round == MOST_REPLACED {
                // A writer among many must end, though the parts of another one may be left until they expire.
                for store in &mut stores {
                    store.mode = Mode::Set;
                }
            }
            let tasks: Vec<Task<'_>> = stores
                .iter()
                .flat_map(|store| {
                    [store.action(expiry), self.look()].map(|action| Task { key: store.key, action })
                })
                .collect();
            let mut replies = self.run(&tasks).await?.into_iter().map(|answer| answer.reply);
            let mut again = Vec::new();
            for mut store in stores {
                let (Some(reply), seen) = (replies.next(), replies.next()) else { break };
                if reply == Reply::Stored {
                    replaced.extend(store.old);
                } else if let Some(error) = self.refused(store.key, store.value, &reply) {
                    refused.push((store.key, error));
                    replaced.extend(store.prepared.manifest);
                } else {
                    store.mode = match &seen {
                        // A server without numbers can't compare.
                        Some(Reply::Item(found)) if found.cas == 0 => Mode::Set,
                        Some(Reply::Item(found)) => Mode::Cas(found.cas),
                        _ => Mode::Add,
                    };
                    store.old = seen.and_then(|reply| self.manifest(reply));
                    again.push(store);
                }
            }
            stores = again;
        }
        self.remove_chunks(replaced).await;
        Ok(refused)
    }

    pub(in crate::memcached) async fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        let prepared = self.prepare(key, value, life).await?;
        let result = self.add_prepared(key, value, &prepared, exptime(life)).await;
        if !matches!(result, Ok(true)) {
            self.remove_chunks(prepared.manifest).await;
        }
        result
    }

    /// Two round trips: the keys may lie on different servers.
    pub(in crate::memcached) async fn add_and_check(
        &self,
        key: &str,
        value: &[u8],
        life: Ttl,
        other: &str,
        token: Token,
    ) -> Result<Option<bool>> {
        add_then_check(self.add(key, value, life), || self.token(other), token).await
    }

    async fn add_prepared(
        &self,
        key: &str,
        value: &[u8],
        prepared: &Prepared<'_>,
        expiry: u32,
    ) -> Result<bool> {
        let (mut mode, mut broken) = (Mode::Add, None);
        for _ in 0..TRIES {
            let tasks = [prepared.store(mode, expiry), self.look()].map(|action| Task { key, action });
            let mut replies = self.run(&tasks).await?.into_iter().map(|answer| answer.reply);
            match replies.next() {
                Some(Reply::Stored) => {
                    self.remove_chunks(broken).await;
                    return Ok(true);
                }
                Some(reply) => {
                    if let Some(error) = self.refused(key, value, &reply) {
                        return Err(error);
                    }
                }
                None => {}
            }
            mode = match replies.next() {
                Some(Reply::Item(found)) => {
                    let cas = numbered(found.cas)?;
                    match self.dead(found).await? {
                        Some(manifest) => broken = manifest,
                        None => return Ok(false),
                    }
                    Mode::Cas(cas)
                }
                _ => Mode::Add,
            };
        }
        Err(contended(key))
    }

    /// Returns the remains of an item that is no value, or not a whole one; none for one that is whole.
    async fn dead(&self, found: Found) -> Result<Option<Option<Manifest>>> {
        if !self.is_value(&found) {
            return Ok(Some(None));
        }
        if !self.servers.settings.spread {
            return Ok(None);
        }
        match self.content_of(found) {
            Content::Value(_) => Ok(None),
            Content::Nothing => Ok(Some(None)),
            Content::Split(manifest) => {
                let whole = self.read_chunks(&[manifest]).await?.pop().flatten();
                Ok(whole.is_none().then_some(Some(manifest)))
            }
        }
    }

    /// The protocol knows no longer of two lifetimes, so versions have none.
    pub(in crate::memcached) async fn put_under(
        &self,
        key: &str,
        value: &[u8],
        life: Ttl,
        token: Token,
        _versions: &[&str],
    ) -> Result<bool> {
        self.put_if(key, value, life, token).await
    }

    pub(in crate::memcached) async fn put_if(
        &self,
        key: &str,
        value: &[u8],
        life: Ttl,
        token: Token,
    ) -> Result<bool> {
        let put = Put { key, value, life, token, versions: &[] };
        Ok(self.put_under_many(&[put]).await?.pop().unwrap_or(false))
    }

    /// Stores values, all servers at once. An error of one of them is the operation's, after the others were stored.
    pub(in crate::memcached) async fn put_under_many(&self, items: &[Put<'_>]) -> Result<Vec<bool>> {
        let (mut failure, spread) = (None, self.servers.settings.spread);
        // No item has the number 0, and to the server it means "whatever is there".
        let is_state = |put: &&Put<'_>| parts_of(put.token).1 != 0;
        let all: Vec<(&str, &[u8], Ttl)> =
            items.iter().filter(is_state).map(|put| (put.key, put.value, put.life)).collect();
        let mut of_states = self.prepare_many(&all).await.into_iter();
        let mut prepared: Vec<Option<Prepared<'_>>> = Vec::with_capacity(items.len());
        for put in items {
            let value = if is_state(&put) { of_states.next() } else { None };
            prepared.push(value.and_then(|value| value.map_err(|error| failure.get_or_insert(error)).ok()));
        }
        let mut asked = Vec::with_capacity(items.len());
        for (&Put { key, life, token, .. }, prepared) in items.iter().zip(&prepared) {
            let (generation, cas) = parts_of(token);
            let actions = match prepared.as_ref().map(|value| value.store(Mode::Cas(cas), exptime(life))) {
                Some(store) if spread => vec![self.look(), store],
                Some(store) => vec![store],
                None => vec![Action::Peek],
            };
            asked.push(Under { key, generation, actions });
        }
        let mut stored = Vec::with_capacity(items.len());
        let mut left = Vec::new();
        let results = self.run_under(&asked).await;
        for ((&Put { key, value, token, .. }, prepared), result) in items.iter().zip(&prepared).zip(results) {
            let result = result.map_err(|error| failure.get_or_insert(error)).ok();
            let (Some(prepared), Some((mut replies, current))) = (prepared, result) else {
                stored.push(false);
                continue;
            };
            let reply = replies.pop();
            // Under another generation no read finds it.
            let done = reply == Some(Reply::Stored) && current == Some(parts_of(token).0);
            let old = replies.pop().and_then(|reply| self.manifest(reply));
            left.extend(if done { old } else { prepared.manifest });
            if let Some(error) = reply.and_then(|reply| self.refused(key, value, &reply)) {
                failure.get_or_insert(error);
            }
            stored.push(done);
        }
        self.remove_chunks(left).await;
        failure.map_or(Ok(stored), Err)
    }

    pub(in crate::memcached) async fn delete(&self, key: &str) -> Result<bool> {
        Ok(self.delete_many(&[key]).await? == 1)
    }

    /// Removes a key if it is in the state that the token saw. A stub takes the item's place, because a deletion can't be
    /// conditional in both formats.
    pub(in crate::memcached) async fn delete_if(&self, key: &str, token: Token) -> Result<bool> {
        let (generation, cas) = parts_of(token);
        if cas == 0 {
            return self.run(&[Task { key, action: Action::Peek }]).await.map(|_| false);
        }
        let stub = Action::Store { mode: Mode::Cas(cas), flags: flags::VALUE, expiry: LEASE, value: &[] };
        let asked = Under { key, generation, actions: vec![self.look(), stub] };
        let result = self.run_under(&[asked]).await.pop();
        let (mut replies, current) = result.unwrap_or_else(|| Ok((Vec::new(), None)))?;
        let removed = replies.pop() == Some(Reply::Stored) && current == Some(generation);
        let old = replies.pop().and_then(|reply| self.manifest(reply));
        if removed {
            self.remove_chunks(old).await;
        }
        Ok(removed)
    }

    pub(in crate::memcached) async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        Ok(self.delete_each(keys).await?.into_iter().map(u64::from).sum())
    }

    /// Removes keys; returns of each whether a value was there.
    async fn delete_each(&self, keys: &[&str]) -> Result<Vec<bool>> {
        let tasks: Vec<Task<'_>> = keys
            .iter()
            .flat_map(|&key| [self.look(), Action::Delete].map(|action| Task { key, action }))
            .collect();
        let answers = self.run(&tasks).await?;
        let looks = answers.into_iter().step_by(2).map(|answer| answer.reply);
        if !self.servers.settings.spread {
            let there = |reply| matches!(reply, Reply::Item(found) if self.is_value(&found));
            return Ok(looks.map(there).collect());
        }
        let contents: Vec<Content> = looks.map(|reply| self.content(reply)).collect();
        let split = contents.iter().filter_map(|content| match content {
            Content::Split(manifest) => Some(*manifest),
            _ => None,
        });
        let mut whole = self.remove_chunks(split).await.into_iter();
        let there = |content| match content {
            Content::Nothing => false,
            Content::Value(_) => true,
            Content::Split(_) => whole.next().unwrap_or(true),
        };
        Ok(contents.into_iter().map(there).collect())
    }
}

/// A token is the generation of the key and the number of its item. The server's numbers begin anew when it is restarted, but
/// then its generations are others.
pub(super) fn token_of(generation: u64, cas: u64) -> Token {
    Token(u128::from(generation) << 64 | u128::from(cas))
}

fn parts_of(token: Token) -> (u64, u64) {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let parts = ((token.0 >> 64) as u64, token.0 as u64);
    parts
}
