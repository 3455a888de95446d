//! The operations, written once over all transports.

mod listing;

use std::time::Instant;

use redis::Value;

use super::recent::Recent;
use super::transport::{Transport, perform, perform_by, perform_each_by};
use super::wire::{self, Batch, Command};
use crate::backend::add_then_check;
use crate::many::Distinct;
use crate::{Fetched, Put, Result, Token, Ttl, Version};

/// The operations over a transport.
pub(super) struct Ops<'a, T> {
    transport: &'a T,
    recent: &'a Recent,
}

impl<'a, T: Transport> Ops<'a, T> {
    pub(super) fn new(transport: &'a T, recent: &'a Recent) -> Self {
        Self { transport, recent }
    }

    async fn ask(&self, batch: Batch) -> Result<Value> {
        Ok(perform(self.transport, &batch).await?.pop().unwrap_or_default())
    }

    fn list(&self, command: &str, answer: Value, len: usize) -> Result<Vec<Value>> {
        match answer {
            Value::Array(list) if list.len() >= len => Ok(list),
            other => Err(self.transport.server().unexpected(command, &other)),
        }
    }

    fn bytes(&self, command: &str, answer: Value) -> Result<Option<Vec<u8>>> {
        match answer {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => Ok(Some(bytes)),
            other => Err(self.transport.server().unexpected(command, &other)),
        }
    }

    /// Reads the reply of a script that returns whether it did what it is for.
    fn flag(&self, answer: &Value) -> Result<bool> {
        match answer {
            Value::Int(n @ (0 | 1)) => Ok(*n == 1),
            other => Err(self.transport.server().unexpected("EVALSHA", other)),
        }
    }

    fn done(&self, answer: &Value) -> Result<()> {
        match answer {
            Value::Okay => Ok(()),
            other => Err(self.transport.server().unexpected("SET", other)),
        }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get_many(&[key]).await?.pop().flatten())
    }

    pub(super) async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.ask(Batch::one(wire::read(keys))).await?;
        let found = self.list("MGET", answer, keys.len())?;
        found.into_iter().map(|answer| Ok(self.bytes("MGET", answer)?.and_then(wire::value))).collect()
    }

    pub(super) async fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.set_many(&[(key, value)], life).await
    }

    pub(super) async fn set_many(&self, items: &[(&str, &[u8])], life: Ttl) -> Result<()> {
        let commands =
            items.iter().map(|(key, value)| wire::write(key, value, life)).collect::<Result<_>>()?;
        perform(self.transport, &Batch::of(commands)).await?.iter().try_for_each(|answer| self.done(answer))
    }

    pub(super) async fn delete(&self, key: &str) -> Result<bool> {
        Ok(self.delete_many(&[key]).await? == 1)
    }

    pub(super) async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        let commands = keys.iter().map(|key| wire::delete(key)).collect();
        let answers = perform(self.transport, &Batch::of(commands)).await?;
        answers.iter().try_fold(0, |n, answer| Ok(n + u64::from(self.flag(answer)?)))
    }

    pub(super) async fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        let batch = Batch::one(wire::add(key, value, life)?).once_only();
        self.flag(&self.ask(batch).await?)
    }

    pub(super) async fn add_and_check(
        &self,
        key: &str,
        value: &[u8],
        life: Ttl,
        other: &str,
        token: Token,
    ) -> Result<Option<bool>> {
        // Keys on different servers have no order but that of the requests.
        if self.transport.is_scattered() {
            return add_then_check(self.add(key, value, life), || self.token(other), token).await;
        }
        let batch = Batch::one(wire::add_and_check(key, value, life, other, token)?).once_only();
        match self.ask(batch).await? {
            Value::Int(0) => Ok(None),
            Value::Int(n @ (1 | 2)) => Ok(Some(n == 1)),
            other => Err(self.transport.server().unexpected("EVALSHA", &other)),
        }
    }

    pub(super) async fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        self.put_under(key, value, life, token, &[]).await
    }

    pub(super) async fn put_under(
        &self,
        key: &str,
        value: &[u8],
        life: Ttl,
        token: Token,
        versions: &[&str],
    ) -> Result<bool> {
        let commands = self.put_commands(&Put { key, value, life, token, versions })?;
        let answers = perform(self.transport, &Batch::of(commands).once_only()).await?;
        self.flag(answers.first().unwrap_or(&Value::Nil))
    }

    /// The commands that store a value, of which the first replies whether it did.
    fn put_commands(&self, &Put { key, value, life, token, versions }: &Put<'_>) -> Result<Vec<Command>> {
        if !self.transport.is_scattered() {
            return Ok(vec![wire::put_if(key, value, life, token, versions)?]);
        }
        let put = wire::put_if(key, value, life, token, &[])?;
        let prolong = versions.iter().map(|version| wire::prolong(version, life));
        Ok(std::iter::once(put).chain(prolong).collect())
    }

    pub(super) async fn token(&self, key: &str) -> Result<Token> {
        let unexpected = || self.transport.server().unexpected("EVALSHA", &Value::Nil);
        self.lease(key, &[], self.transport.limits().deadline()).await?.token.ok_or_else(unexpected)
    }

    /// Reads an entry and its versions: by a plain read, and by the script after a read that lacks a part. A function that
    /// mostly misses is asked for by the script at once. Steps that a hit doesn't take are boxed, here and below, because a
    /// future is as large as its largest step.
    pub(super) async fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let deadline = self.transport.limits().deadline();
        let ratio = self.recent.of(versions);
        if ratio.is_high() {
            let looked = self.look(entry, versions, deadline).await?;
            ratio.note(looked.is_some());
            return match looked {
                Some(fetched) => Ok(fetched),
                // Nothing of the read is kept: it is older than the lease.
                None => Box::pin(self.lease(entry, versions, deadline)).await,
            };
        }
        let fetched = Box::pin(self.lease(entry, versions, deadline)).await?;
        ratio.note(fetched.entry.is_some());
        Ok(fetched)
    }

    /// The plain read. `None` if a part is missing or foreign.
    async fn look(&self, entry: &str, versions: &[&str], deadline: Instant) -> Result<Option<Fetched>> {
        const READ: &str = "MGET";
        let batch = Batch::of(wire::look(entry, versions, self.transport.is_scattered()));
        let replies = perform_each_by(self.transport, &batch, deadline).await?.into_iter();
        let mut lists = replies.map(|reply| {
            let answer = reply.map_err(|error| self.transport.server().error(error))?;
            self.list(READ, answer, 1)
        });
        // One list has all parts, unless the keys are scattered.
        let mut parts = lists.next().transpose()?.unwrap_or_default();
        for list in lists {
            parts.extend(list?);
        }
        if parts.len() != 1 + versions.len() {
            return Err(self.transport.server().unexpected(READ, &Value::Array(parts)));
        }
        let mut parts = parts.into_iter();
        let Some(state) = self.bytes(READ, parts.next().unwrap_or_default())? else { return Ok(None) };
        let mut found = Vec::with_capacity(versions.len());
        for part in parts {
            let stored = self.bytes(READ, part)?;
            let Some(version) = stored.as_deref().and_then(wire::stored_version) else { return Ok(None) };
            found.push(version);
        }
        let Some(token) = wire::token(&state) else { return Ok(None) };
        Ok(wire::value(state).map(|value| Fetched::new(Some(value), found, Some(token))))
    }

    /// The script, which leaves a lease where the entry is absent, and makes the versions that are missing.
    async fn lease(&self, entry: &str, versions: &[&str], deadline: Instant) -> Result<Fetched> {
        let commands =
            wire::lease(entry, versions, self.transport.limits().lease, self.transport.is_scattered());
        let answers = perform_by(self.transport, &Batch::of(commands), deadline).await?;
        self.leased(answers, versions.len())
    }

    /// The answer of the script about an entry and its versions, which was asked in one command, or in one for each key.
    fn leased(&self, answers: Vec<Value>, versions: usize) -> Result<Fetched> {
        const SCRIPT: &str = "EVALSHA";
        let keys_of_first = if answers.len() == 1 { 1 + versions } else { 1 };
        let mut answers = answers.into_iter();
        let first = answers.next().unwrap_or_default();
        let mut first = self.list(SCRIPT, first, keys_of_first)?.into_iter();
        let state = self.bytes(SCRIPT, first.next().unwrap_or_default())?.unwrap_or_default();
        let mut found: Vec<Value> = first.by_ref().take(keys_of_first - 1).collect();
        for answer in answers {
            found.extend(self.list(SCRIPT, answer, 1)?.into_iter().next());
        }
        let version = |answer| {
            let stored = self.bytes(SCRIPT, answer)?.unwrap_or_default();
            let unexpected = || self.transport.server().unexpected(SCRIPT, &Value::BulkString(Vec::new()));
            wire::stored_version(&stored).ok_or_else(unexpected)
        };
        let versions = found.into_iter().map(version).collect::<Result<_>>()?;
        let token = wire::token(&state);
        let entry = match wire::value(state) {
            Some(value) => Some(value),
            // Bytes of another layout: the caller counts them as an error.
            None => first.next().map(|foreign| self.bytes(SCRIPT, foreign)).transpose()?.flatten(),
        };
        Ok(Fetched::new(entry, versions, token))
    }

    /// Reads all keys at once, and asks the script for the entries that are not there or lack a version, again all at once.
    pub(super) async fn fetch_many(&self, entries: &[(&str, &[&str])]) -> Result<Vec<Fetched>> {
        let deadline = self.transport.limits().deadline();
        let mut answers = self.look_many(entries, deadline).await?;
        let (mut commands, mut lacking) = (Vec::new(), Vec::new());
        for (at, (entry, versions)) in entries.iter().enumerate().filter(|(at, _)| answers[*at].is_none()) {
            let lease = self.transport.limits().lease;
            let of_entry = wire::lease(entry, versions, lease, self.transport.is_scattered());
            lacking.push((at, of_entry.len()));
            commands.extend(of_entry);
        }
        let mut replies = perform_by(self.transport, &Batch::of(commands), deadline).await?.into_iter();
        for (at, count) in lacking {
            answers[at] = Some(self.leased(replies.by_ref().take(count).collect(), entries[at].1.len())?);
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// The plain read of several entries. `None` for one of which a part is missing or foreign.
    async fn look_many(
        &self,
        entries: &[(&str, &[&str])],
        deadline: Instant,
    ) -> Result<Vec<Option<Fetched>>> {
        const READ: &str = "MGET";
        let mut keys = Distinct::default();
        let places: Vec<Vec<usize>> = entries
            .iter()
            .map(|(entry, versions)| {
                std::iter::once(entry).chain(*versions).map(|key| keys.add(key)).collect()
            })
            .collect();
        let Some((first, rest)) = keys.keys.split_first() else { return Ok(Vec::new()) };
        let batch = Batch::of(wire::look(first, rest, self.transport.is_scattered()));
        let mut parts = Vec::with_capacity(keys.keys.len());
        for answer in perform_by(self.transport, &batch, deadline).await? {
            for part in self.list(READ, answer, 1)? {
                parts.push(self.bytes(READ, part)?);
            }
        }
        if parts.len() != keys.keys.len() {
            return Err(self.transport.server().unexpected(READ, &Value::Nil));
        }
        let fetched = |places: &Vec<usize>| {
            let (entry, versions) = places.split_first()?;
            let state = parts[*entry].clone()?;
            let version = |&at: &usize| wire::stored_version(parts[at].as_ref()?);
            let versions = versions.iter().map(version).collect::<Option<Vec<Version>>>()?;
            let token = wire::token(&state)?;
            wire::value(state).map(|value| Fetched::new(Some(value), versions, Some(token)))
        };
        Ok(places.iter().map(fetched).collect())
    }

    pub(super) async fn put_under_many(&self, items: &[Put<'_>]) -> Result<Vec<bool>> {
        let (mut commands, mut places) = (Vec::new(), Vec::with_capacity(items.len()));
        for put in items {
            places.push(commands.len());
            commands.extend(self.put_commands(put)?);
        }
        let answers = perform(self.transport, &Batch::of(commands).once_only()).await?;
        places.into_iter().map(|at| self.flag(answers.get(at).unwrap_or(&Value::Nil))).collect()
    }

    pub(super) async fn delete_if(&self, key: &str, token: Token) -> Result<bool> {
        let batch = Batch::one(wire::delete_if(key, token)).once_only();
        self.flag(&self.ask(batch).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::super::error::Server;
    use super::super::limits::Limits;
    use super::super::transport::Failure;
    use super::super::wire::Reply;
    use super::*;
    use crate::net::ready;
    use crate::{ErrorKind, Token};

    /// Gives the replies that it was made with, and records the names of the commands.
    struct Scripted {
        limits: Limits,
        server: Server,
        replies: Mutex<Vec<Value>>,
        asked: Mutex<Vec<String>>,
    }

    impl Scripted {
        fn new<const N: usize>(mut replies: [Value; N]) -> Self {
            replies.reverse();
            let long = Duration::from_secs(60);
            Self {
                limits: Limits::new(long, long, long),
                server: Server { name: "h:1".into(), passwords: Vec::new() },
                replies: Mutex::new(replies.into()),
                asked: Mutex::default(),
            }
        }
    }

    impl Transport for Scripted {
        fn limits(&self) -> &Limits {
            &self.limits
        }

        fn server(&self) -> &Server {
            &self.server
        }

        fn is_scattered(&self) -> bool {
            false
        }

        fn epoch(&self) -> u64 {
            0
        }

        fn forget(&self) {}

        async fn exchange(&self, batch: &Batch, _: Instant) -> Result<Vec<Reply>, Failure> {
            for command in &batch.commands {
                let name = command.words().next().unwrap();
                self.asked.lock().push(String::from_utf8_lossy(name).into_owned());
            }
            Ok(batch.commands.iter().map(|_| Ok(self.replies.lock().pop().unwrap())).collect())
        }
    }

    fn under(mark: u8, random: u128, value: &[u8]) -> Value {
        Value::BulkString([&[mark][..], &random.to_le_bytes(), value].concat())
    }

    fn version(n: u128) -> Value {
        under(b'V', 1, &n.to_le_bytes())
    }

    /// Fetches an entry and two versions; returns the answer and the commands that it took.
    fn fetch_from<const N: usize>(replies: [Value; N]) -> (Fetched, Vec<String>) {
        let transport = Scripted::new(replies);
        let fetched = ready(Ops::new(&transport, &Recent::new()).fetch("e", &["a", "b"])).unwrap();
        assert!(transport.replies.lock().is_empty());
        (fetched, transport.asked.into_inner())
    }

    #[test]
    fn a_read_that_finds_all_is_enough() {
        let all = Value::Array(vec![under(b'V', 5, b"v"), version(7), version(8)]);
        let (fetched, asked) = fetch_from([all]);
        let versions = vec![Version(7), Version(8)];
        assert_eq!(fetched, Fetched::new(Some(b"v".to_vec()), versions, Some(Token(5))));
        assert_eq!(asked, ["MGET"]);
    }

    #[test]
    fn what_changes_between_the_read_and_the_lease_is_seen() {
        let (entry, other) = (|| under(b'V', 5, b"old"), || under(b'V', 6, b"new"));
        let lease = |random| under(b'L', random, b"");
        let lacking = [
            vec![Value::Nil, version(7), version(8)],
            vec![lease(4), version(7), version(8)],
            vec![under(b'X', 4, b"foreign"), version(7), version(8)],
            vec![entry(), Value::Nil, version(8)],
            vec![entry(), version(7), lease(4)],
            vec![entry(), version(7), Value::BulkString(vec![0; 16])],
        ];
        // Stored, deleted and evicted meanwhile; a version deleted and made anew.
        let later = [(other(), Some(b"new".to_vec()), 6), (lease(9), None, 9)];
        for read in lacking {
            for (state, value, token) in &later {
                let now = vec![state.clone(), version(17), version(18)];
                let (fetched, asked) = fetch_from([Value::Array(read.clone()), Value::Array(now)]);
                let versions = vec![Version(17), Version(18)];
                assert_eq!(fetched, Fetched::new(value.clone(), versions, Some(Token(*token))), "{read:?}");
                assert_eq!(asked, ["MGET", "EVALSHA"], "{read:?}");
            }
        }
    }

    #[test]
    fn a_reply_of_another_length_is_an_error() {
        for parts in [0, 1, 2, 4] {
            let reply = Value::Array((0..parts).map(|_| version(7)).collect());
            let fetched = ready(Ops::new(&Scripted::new([reply]), &Recent::new()).fetch("e", &["a", "b"]));
            assert_eq!(fetched.unwrap_err().kind(), ErrorKind::Protocol, "{parts}");
        }
    }
}
