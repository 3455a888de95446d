//! The operations, written once over all transports.

use std::time::Instant;

use redis::Value;

use super::recent::Recent;
use super::transport::{Transport, perform, perform_by, perform_each};
use super::wire::{self, Batch, Command};
use crate::many::Distinct;
use crate::net::Address;
use crate::{Cursor, Error, ErrorKind, Fetched, KeyPage, Put, Result, Token, Ttl, Version};

/// The cursor of a scan's first step, and of its end.
const START: &[u8] = b"0";
/// How many keys one `SCAN` looks at, and one `UNLINK` removes.
const SCAN_COUNT: usize = 1000;
/// How often `clear` starts again because the server changed under its cursor.
const CLEAR_TRIES: usize = 3;

/// Where a list of keys goes on.
struct Position {
    /// The transport's, when the list was begun.
    epoch: u64,
    /// The server of a cluster.
    node: Option<Address>,
    cursor: Vec<u8>,
}

impl Position {
    fn write(&self) -> Cursor {
        let mut bytes = format!("{} ", self.epoch).into_bytes();
        bytes.extend_from_slice(&self.cursor);
        if let Some(Address::Tcp { host, port }) = &self.node {
            bytes.extend_from_slice(format!(" {port} {host}").as_bytes());
        }
        Cursor(bytes)
    }

    fn read(Cursor(bytes): &Cursor) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.split(' ');
        let (epoch, cursor) = (parts.next()?.parse().ok()?, parts.next()?.as_bytes().to_vec());
        let node = match parts.next() {
            None => None,
            Some(port) => Some(Address::tcp(parts.next()?, port.parse().ok()?)),
        };
        Some(Self { epoch, node, cursor })
    }
}

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
        let mut parts = Vec::with_capacity(1 + versions.len());
        for answer in perform_by(self.transport, &batch, deadline).await? {
            parts.extend(self.list(READ, answer, 1)?);
        }
        if parts.len() != 1 + versions.len() {
            return Err(self.transport.server().unexpected(READ, &Value::Array(parts)));
        }
        let mut parts = parts.into_iter().map(|part| self.bytes(READ, part));
        let Some(state) = parts.next().transpose()?.flatten() else { return Ok(None) };
        let found = parts.map(|part| Ok(part?.and_then(|stored| wire::stored_version(&stored))));
        let Some(found) = found.collect::<Result<Option<Vec<Version>>>>()? else { return Ok(None) };
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

    /// Removes all keys with the prefix. Each round trip has a time limit of its own; the whole has none.
    pub(super) async fn clear(&self, prefix: &str) -> Result<()> {
        let pattern = wire::starting_with(prefix);
        let mut why = "";
        for _ in 0..CLEAR_TRIES {
            let (epoch, layout) = (self.transport.epoch(), self.layout().await?);
            for (node, _) in &layout {
                self.clear_node(node.clone(), &pattern).await?;
            }
            if self.transport.epoch() != epoch {
                // A cursor is void on another server, and on one that was restarted.
                why = "connections broke again and again during `clear`";
            } else if layout.iter().any(|(_, slots)| slots.contains('[')) || self.layout().await? != layout {
                // A key may have moved from a node that was not cleared yet to one that was.
                why = "slots of the cluster moved during `clear`, which may have missed keys: try again when they stay";
            } else {
                return Ok(());
            }
        }
        Err(self.transport.server().fault(ErrorKind::Unavailable, why))
    }

    /// The servers that hold keys, each with its slots. Those that are on their way stand in brackets.
    async fn layout(&self) -> Result<Vec<(Option<Address>, String)>> {
        let mut layout = Vec::new();
        for node in self.nodes().await? {
            let slots = if node.is_some() {
                let nodes = Command::new("CLUSTER", 1).word(b"NODES");
                let answer = self.ask(Batch::one(nodes).at(node.clone())).await?;
                let lines = self.bytes("CLUSTER NODES", answer)?.unwrap_or_default();
                own_slots(&String::from_utf8_lossy(&lines))
            } else {
                String::new()
            };
            layout.push((node, slots));
        }
        Ok(layout)
    }

    async fn clear_node(&self, node: Option<Address>, pattern: &[u8]) -> Result<()> {
        let mut cursor = START.to_vec();
        loop {
            let (next, keys) = self.scan(node.clone(), &cursor, pattern).await?;
            for keys in keys.chunks(SCAN_COUNT) {
                self.ask(Batch::one(wire::unlink(keys))).await?;
            }
            if next == START {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// One step of a scan: the next cursor, which is [`START`] at the end, and keys.
    async fn scan(
        &self,
        node: Option<Address>,
        cursor: &[u8],
        pattern: &[u8],
    ) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
        let scan = wire::scan(cursor, pattern, SCAN_COUNT);
        let answer = self.ask(Batch::one(scan).at(node)).await?;
        let mut parts = self.list("SCAN", answer, 2)?.into_iter();
        let next = self.bytes("SCAN", parts.next().unwrap_or_default())?.unwrap_or_default();
        if next.is_empty() {
            return Err(self.transport.server().unexpected("SCAN", &Value::Nil));
        }
        let keys = self.list("SCAN", parts.next().unwrap_or_default(), 0)?.into_iter();
        let keys = keys.map(|key| Ok(self.bytes("SCAN", key)?.unwrap_or_default()));
        Ok((next, keys.collect::<Result<_>>()?))
    }

    /// Lists keys by one step of a scan. A key may come twice, as the server says of its scans.
    pub(super) async fn keys(&self, prefix: &str, at: Option<&Cursor>) -> Result<KeyPage> {
        let Position { epoch, node, cursor } = match at {
            Some(at) => {
                Position::read(at).ok_or_else(|| self.void_cursor("the cursor is not of this backend"))?
            }
            None => self.first_position().await?,
        };
        let (next, found) = self.scan(node.clone(), &cursor, &wire::starting_with(prefix)).await?;
        // A cursor is void on another server, and on one that was restarted; that of the first step isn't.
        let now = self.transport.epoch();
        if at.is_some() && now != epoch {
            return Err(self.void_cursor("connections broke meanwhile; list them again"));
        }
        let keys = self.entries(found).await?;
        let next = if next == START {
            let nodes = self.sorted_nodes().await?;
            nodes
                .into_iter()
                .find(|other| order(other.as_ref()) > order(node.as_ref()))
                .map(|node| Position { epoch: now, node, cursor: START.to_vec() })
        } else {
            Some(Position { epoch: now, node, cursor: next })
        };
        Ok(KeyPage::new(keys, next.map(|position| position.write())))
    }

    async fn first_position(&self) -> Result<Position> {
        let node = self.sorted_nodes().await?.into_iter().next().flatten();
        Ok(Position { epoch: self.transport.epoch(), node, cursor: START.to_vec() })
    }

    fn void_cursor(&self, why: &str) -> Error {
        let what = format!("the keys can't be listed any further: {why}");
        self.transport.server().fault(ErrorKind::Unavailable, &what)
    }

    /// The servers in their order.
    async fn sorted_nodes(&self) -> Result<Vec<Option<Address>>> {
        let mut nodes = self.nodes().await?;
        nodes.sort_by_key(|node| order(node.as_ref()));
        Ok(nodes)
    }

    /// Of these keys those that hold a value, not a lease or something foreign.
    async fn entries(&self, keys: Vec<Vec<u8>>) -> Result<Vec<String>> {
        let batch = Batch::of(keys.iter().map(|key| wire::mark(key)).collect());
        let replies = perform_each(self.transport, &batch).await?;
        let mut entries = Vec::new();
        for (key, reply) in keys.into_iter().zip(replies) {
            match reply {
                Ok(Value::BulkString(mark)) if wire::is_value(&mark) => {
                    entries.extend(String::from_utf8(key));
                }
                Ok(_) => {}
                Err(error) if error.code() == Some("WRONGTYPE") => {}
                Err(error) => return Err(self.transport.server().error(error)),
            }
        }
        Ok(entries)
    }

    /// The servers that hold keys: the masters of a cluster, or the only server.
    async fn nodes(&self) -> Result<Vec<Option<Address>>> {
        if !self.transport.is_scattered() {
            return Ok(vec![None]);
        }
        let slots = Command::new("CLUSTER", 1).word(b"SLOTS");
        let answer = self.ask(Batch::one(slots)).await?;
        let mut masters = Vec::new();
        for range in self.list("CLUSTER SLOTS", answer, 0)? {
            let master =
                master(&range).ok_or_else(|| self.transport.server().unexpected("CLUSTER SLOTS", &range))?;
            if !masters.contains(&Some(master.clone())) {
                masters.push(Some(master));
            }
        }
        Ok(masters)
    }
}

/// The text by which the servers of a cluster are sorted.
fn order(node: Option<&Address>) -> Option<String> {
    node.map(ToString::to_string)
}

/// Of a line for each node, `id address flags master ping pong epoch link slots…`, the slots of the node that answers.
fn own_slots(lines: &str) -> String {
    let own = lines.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let own = own.into_iter().find(|words| words.get(2).is_some_and(|flags| flags.contains("myself")));
    own.and_then(|words| Some(words.get(8..)?.join(" "))).unwrap_or_default()
}

/// Of `[first slot, last slot, [host, port, …], replicas …]` the master.
fn master(range: &Value) -> Option<Address> {
    let Value::Array(range) = range else { return None };
    let Some(Value::Array(node)) = range.get(2) else { return None };
    match node.as_slice() {
        [Value::BulkString(host), Value::Int(port), ..] => {
            let host = String::from_utf8(host.clone()).ok()?;
            Some(Address::tcp(host, u16::try_from(*port).ok()?))
        }
        _ => None,
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
    use crate::Token;
    use crate::net::ready;

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
    fn slots_are_those_of_the_node_that_answers() {
        let lines = "07c 127.0.0.1:1@2 slave e7d 0 1 4 connected\n\
                     292 127.0.0.1:3@4 master - 0 1 3 connected 10923-16383\n\
                     e7d 127.0.0.1:5@6,host myself,master - 0 0 1 connected 0-5460 5462 [93-<-292] [77->-292]\n";
        assert_eq!(own_slots(lines), "0-5460 5462 [93-<-292] [77->-292]");
        assert_eq!([own_slots(""), own_slots("a b myself")], ["", ""]);
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
