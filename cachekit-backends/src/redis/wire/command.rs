//! Commands: the bytes for the server, and how its replies are classified.

use std::borrow::Cow;
use std::sync::LazyLock;

use redis::{RedisError, ServerErrorKind, Value};

use super::layout;
use crate::net::{Address, decimal_len, put_decimal};
use crate::{Result, Token, Ttl, Version, ttl_millis};

/// A script that runs in the server, known there by its hash.
pub(in crate::redis) struct Script {
    code: &'static str,
    hash: LazyLock<String>,
}

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: Script = Script {
            code: include_str!($file),
            hash: LazyLock::new(|| redis::Script::new(include_str!($file)).get_hash().to_owned()),
        };
    };
}

script!(LEASE, "scripts/lease.lua");
script!(PUT_IF, "scripts/put_if.lua");
script!(PROLONG, "scripts/prolong.lua");
script!(ADD, "scripts/add.lua");
script!(ADD_AND_CHECK, "scripts/add_and_check.lua");
script!(DELETE, "scripts/delete.lua");
script!(DELETE_IF, "scripts/delete_if.lua");

impl Script {
    /// Begins a call of the script with these keys, and so many arguments after them.
    fn command(&'static self, keys: &[&str], arguments: usize) -> Command {
        let mut command = Command::new("EVALSHA", 2 + keys.len() + arguments);
        command.script = Some(self);
        command.word(self.hash.as_bytes()).number(keys.len() as u64).keys(keys)
    }
}

/// One command, as the server takes it: an array of texts (RESP2).
#[derive(Clone)]
pub(in crate::redis) struct Command {
    packed: Vec<u8>,
    /// How many words are missing.
    missing: usize,
    script: Option<&'static Script>,
}

impl Command {
    /// Begins a command with so many words after its name.
    pub(in crate::redis) fn new(name: &str, words: usize) -> Self {
        /// Enough for a look at an entry and its version.
        const ROOM: usize = 256;
        let mut packed = Vec::with_capacity(ROOM);
        line(&mut packed, b'*', words as u64 + 1);
        Self { packed, missing: words + 1, script: None }.word(name.as_bytes())
    }

    /// Adds a word.
    pub(in crate::redis) fn word(self, word: &[u8]) -> Self {
        self.parts(&[word])
    }

    /// Adds a word that is made of parts.
    fn parts(mut self, parts: &[&[u8]]) -> Self {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.packed.reserve(len + 16);
        line(&mut self.packed, b'$', len as u64);
        for part in parts {
            self.packed.extend_from_slice(part);
        }
        self.packed.extend_from_slice(b"\r\n");
        self.missing -= 1;
        self
    }

    /// Adds a number.
    pub(in crate::redis) fn number(mut self, number: u64) -> Self {
        line(&mut self.packed, b'$', decimal_len(number) as u64);
        put_decimal(&mut self.packed, number);
        self.packed.extend_from_slice(b"\r\n");
        self.missing -= 1;
        self
    }

    fn keys(self, keys: &[&str]) -> Self {
        keys.iter().fold(self, |command, key| command.word(key.as_bytes()))
    }

    /// Adds the milliseconds of a lifetime, if it has an end.
    fn life(self, life: Option<u64>) -> Self {
        match life {
            Some(millis) => self.number(millis),
            None => self,
        }
    }

    /// Its words.
    pub(in crate::redis) fn words(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = after_line(&self.packed).map_or(&[][..], |(_, rest)| rest);
        std::iter::from_fn(move || {
            let (len, text) = after_line(rest)?;
            let word = text.get(..len)?;
            rest = text.get(len + 2..).unwrap_or_default();
            Some(word)
        })
    }

    /// Returns the same command with the script's source instead of its hash, for a server that doesn't have it yet.
    pub(in crate::redis) fn with_source(&self) -> Self {
        let Some(script) = self.script else { return self.clone() };
        let words: Vec<&[u8]> = self.words().skip(2).collect();
        let whole = Self::new("EVAL", 1 + words.len()).word(script.code.as_bytes());
        words.into_iter().fold(whole, Self::word)
    }

    /// The same for the client library, which finds the node of its keys.
    #[cfg(feature = "redis-cluster")]
    pub(in crate::redis) fn to_cmd(&self) -> redis::Cmd {
        let mut cmd = redis::Cmd::new();
        self.words().for_each(|word| _ = cmd.arg(word));
        cmd
    }
}

/// Appends a kind and a number, as one line.
fn line(out: &mut Vec<u8>, kind: u8, number: u64) {
    out.push(kind);
    put_decimal(out, number);
    out.extend_from_slice(b"\r\n");
}

/// The number of the line that some bytes begin with, and what follows.
fn after_line(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\r')?;
    let number = std::str::from_utf8(bytes.get(1..end)?).ok()?.parse().ok()?;
    Some((number, bytes.get(end + 2..)?))
}

/// Commands that go to the server together.
#[derive(Clone)]
pub(in crate::redis) struct Batch {
    pub(in crate::redis) commands: Vec<Command>,
    /// The node of a cluster that the commands are for, where no key decides it.
    pub(in crate::redis) at: Option<Address>,
    /// Whether the server may run them twice.
    pub(in crate::redis) repeatable: bool,
}

impl Batch {
    pub(in crate::redis) fn of(commands: Vec<Command>) -> Self {
        Self { commands, at: None, repeatable: true }
    }

    pub(in crate::redis) fn one(command: Command) -> Self {
        Self::of(vec![command])
    }

    /// The server must not run them twice: the second run would find the first one's value.
    pub(in crate::redis) fn once_only(mut self) -> Self {
        self.repeatable = false;
        self
    }

    pub(in crate::redis) fn at(mut self, node: Option<Address>) -> Self {
        self.at = node;
        self
    }

    /// The bytes of all commands.
    pub(in crate::redis) fn packed(&self) -> Cow<'_, [u8]> {
        debug_assert!(self.commands.iter().all(|command| command.missing == 0));
        match &self.commands[..] {
            [one] => Cow::Borrowed(&one.packed),
            all => Cow::Owned(all.iter().map(|command| &command.packed[..]).collect::<Vec<_>>().concat()),
        }
    }
}

/// The reply to one command.
pub(in crate::redis) type Reply = std::result::Result<Value, RedisError>;

/// Turns an error that the server replied into an `Err`.
pub(in crate::redis) fn reply(value: Value) -> Reply {
    match value {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

fn is_kind(reply: &Reply, kind: ServerErrorKind) -> bool {
    reply.as_ref().is_err_and(|error| error.kind() == redis::ErrorKind::Server(kind))
}

/// The server doesn't have the script, and has done nothing.
pub(in crate::redis) fn is_unknown_script(reply: &Reply) -> bool {
    is_kind(reply, ServerErrorKind::NoScript)
}

/// The server has become a replica, and has done nothing.
pub(in crate::redis) fn is_demoted(reply: &Reply) -> bool {
    is_kind(reply, ServerErrorKind::ReadOnly)
}

/// A lifetime as the server takes it; none, which is for ever, for one that its clock can't count.
fn millis(life: Ttl) -> Option<u64> {
    const MOST: u64 = 1_000_000_000_000_000;
    life.map(ttl_millis).filter(|&millis| millis < MOST)
}

/// Reads the bytes under several keys. `MGET` also for one: it replies nil, not an error, where the key holds a list.
pub(in crate::redis) fn read(keys: &[&str]) -> Command {
    Command::new("MGET", keys.len()).keys(keys)
}

/// Reads the first byte under a key.
pub(in crate::redis) fn mark(key: &[u8]) -> Command {
    Command::new("GETRANGE", 3).word(key).number(0).number(0)
}

/// Removes keys.
pub(in crate::redis) fn unlink(keys: &[Vec<u8>]) -> Command {
    keys.iter().fold(Command::new("UNLINK", keys.len()), |command, key| command.word(key))
}

/// Looks at about so many keys from a cursor on, for those that match a pattern.
pub(in crate::redis) fn scan(cursor: &[u8], pattern: &[u8], count: usize) -> Command {
    Command::new("SCAN", 5).word(cursor).word(b"MATCH").word(pattern).word(b"COUNT").number(count as u64)
}

/// Stores a value.
pub(in crate::redis) fn write(key: &str, value: &[u8], life: Ttl) -> Result<Command> {
    let life = millis(life);
    let command = Command::new("SET", if life.is_some() { 4 } else { 2 }).word(key.as_bytes());
    let command = with_value(command, value)?;
    Ok(if life.is_some() { command.word(b"PX").life(life) } else { command })
}

fn with_value(command: Command, value: &[u8]) -> Result<Command> {
    Ok(command.parts(&[&layout::fresh_head(value)?, value]))
}

/// Stores a value where none is; replies 1 if it did. A script, because `SET … NX` would not store over a lease.
pub(in crate::redis) fn add(key: &str, value: &[u8], life: Ttl) -> Result<Command> {
    let life = millis(life);
    Ok(with_value(ADD.command(&[key], 1 + life.iter().len()), value)?.life(life))
}

/// Stores a value where none is; replies 0 if it did not, else 1 if another key is in the state of the token, and 2 if not.
pub(in crate::redis) fn add_and_check(
    key: &str,
    value: &[u8],
    life: Ttl,
    other: &str,
    token: Token,
) -> Result<Command> {
    let life = millis(life);
    let command = ADD_AND_CHECK.command(&[key, other], 2 + life.iter().len());
    Ok(with_value(command, value)?.word(&Version(token.0).to_bytes()).life(life))
}

/// Stores a value if the key's state is still that of the token, and lets the versions live as long; replies 1 if it did.
pub(in crate::redis) fn put_if(
    key: &str,
    value: &[u8],
    life: Ttl,
    token: Token,
    versions: &[&str],
) -> Result<Command> {
    let (keys, life) = (all_keys(key, versions), millis(life));
    let command = PUT_IF.command(&keys, 2 + life.iter().len()).word(&Version(token.0).to_bytes());
    Ok(with_value(command, value)?.life(life))
}

/// Lets a version live at least so long, if it is there; replies 1.
pub(in crate::redis) fn prolong(version: &str, life: Ttl) -> Command {
    let life = millis(life);
    PROLONG.command(&[version], life.iter().len()).life(life)
}

/// Removes a key; replies 1 if a value was there.
pub(in crate::redis) fn delete(key: &str) -> Command {
    DELETE.command(&[key], 0)
}

/// Removes a key if its state is still that of the token; replies 1 if it did.
pub(in crate::redis) fn delete_if(key: &str, token: Token) -> Command {
    DELETE_IF.command(&[key], 1).word(&Version(token.0).to_bytes())
}

fn all_keys<'k>(entry: &'k str, versions: &[&'k str]) -> Vec<&'k str> {
    let mut keys = Vec::with_capacity(1 + versions.len());
    keys.push(entry);
    keys.extend_from_slice(versions);
    keys
}

/// Reads an entry and its versions. One command, or one for each key if they may lie on different servers.
pub(in crate::redis) fn look(entry: &str, versions: &[&str], scattered: bool) -> Vec<Command> {
    if !scattered {
        let command = Command::new("MGET", 1 + versions.len()).word(entry.as_bytes());
        return vec![command.keys(versions)];
    }
    all_keys(entry, versions).into_iter().map(|key| read(&[key])).collect()
}

/// Reads an entry, leaves a lease where it is absent, and makes the versions that are missing. One command, or one for each
/// key if they may lie on different servers.
pub(in crate::redis) fn lease(
    entry: &str,
    versions: &[&str],
    life: std::time::Duration,
    scattered: bool,
) -> Vec<Command> {
    let lease_millis = ttl_millis(life);
    // One random number a lease: the numbers after it are as hard to guess, and they differ.
    let Version(random) = Version::fresh();
    let next = (1..).map(|i| Version(random.wrapping_add(i)));
    let versions = versions.iter().zip(next).map(|(key, fresh)| (*key, layout::version(fresh)));
    let proposals: Vec<(&str, Vec<u8>)> =
        std::iter::once((entry, layout::lease(Version(random)))).chain(versions).collect();
    let groups = proposals.chunks(if scattered { 1 } else { proposals.len() });
    let command = |group: &[(&str, Vec<u8>)]| {
        let keys: Vec<&str> = group.iter().map(|(key, _)| *key).collect();
        let command = LEASE.command(&keys, group.len() + 1);
        let proposed = group.iter().fold(command, |command, (_, proposal)| command.word(proposal));
        proposed.number(lease_millis)
    };
    groups.map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn words(command: &Command) -> Vec<Vec<u8>> {
        command.words().map(Vec::from).collect()
    }

    #[test]
    fn commands_are_packed_as_the_library_packs_them() {
        let (life, keys) = (Some(Duration::from_millis(1_234_567)), &["a key", "", "\r\n$1\r\n"]);
        let value = b"*1\r\n\0";
        let mut commands = vec![
            read(keys),
            mark(b"k"),
            unlink(&[b"k".to_vec(), Vec::new()]),
            scan(b"0", b"p*", 1000),
            delete("k"),
            delete_if("k", Token(7)),
            prolong("v", None),
            prolong("v", life),
        ];
        for life in [None, life] {
            commands.extend([write("k", value, life).unwrap(), add("k", value, life).unwrap()]);
            commands.push(add_and_check("k", value, life, "o", Token(7)).unwrap());
            commands.push(put_if("k", value, life, Token(7), keys).unwrap());
        }
        for scattered in [false, true] {
            commands.extend(look("e", keys, scattered));
            commands.extend(lease("e", keys, Duration::from_secs(1), scattered));
        }
        commands.extend(commands.iter().map(Command::with_source).collect::<Vec<_>>());
        for command in &commands {
            let mut cmd = redis::Cmd::new();
            command.words().for_each(|word| _ = cmd.arg(word));
            let packed = Batch::one(command.clone()).packed().into_owned();
            assert_eq!(packed, cmd.get_packed_command(), "{}", packed.escape_ascii());
        }
        let all = commands.iter().map(|command| command.packed.clone()).collect::<Vec<_>>().concat();
        assert_eq!(Batch::of(commands).packed(), all);
        for number in [0, 9, 10, u64::MAX] {
            assert_eq!(words(&Command::new("n", 1).number(number))[1], number.to_string().as_bytes());
        }
    }

    #[test]
    fn a_script_goes_by_its_hash_and_then_by_its_source() {
        let command = delete("k");
        let known = words(&command);
        assert_eq!((&known[0][..], known[1].len()), (&b"EVALSHA"[..], 40));
        let source = words(&command.with_source());
        assert_eq!((&source[0][..], &source[1][..]), (&b"EVAL"[..], DELETE.code.as_bytes()));
        assert_eq!(source[2..], known[2..]);
    }

    #[test]
    fn lifetimes_are_milliseconds_rounded_up_and_the_longest_is_for_ever() {
        let last = |life| words(&write("k", b"v", life).unwrap()).pop().unwrap();
        assert_eq!(last(Some(Duration::from_micros(1001))), b"2");
        assert_eq!(words(&write("k", b"v", Some(Duration::MAX)).unwrap()).len(), 3);
        assert_eq!(words(&write("k", b"v", None).unwrap()).len(), 3);
    }

    #[test]
    fn a_fetch_is_one_command_unless_the_keys_are_scattered() {
        let life = Duration::from_secs(1);
        for (versions, scattered, commands) in
            [(&["a", "b"][..], false, 1), (&["a", "b"], true, 3), (&[], true, 1)]
        {
            assert_eq!(lease("e", versions, life, scattered).len(), commands);
            assert_eq!(look("e", versions, scattered).len(), commands);
        }
    }
}
