//! Commands: the bytes for the server, and how its replies are classified.

use std::sync::LazyLock;

use redis::{Cmd, RedisError, ServerErrorKind, Value};

use super::layout;
use crate::net::Address;
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
script!(DELETE, "scripts/delete.lua");
script!(DELETE_IF, "scripts/delete_if.lua");

impl Script {
    fn command(&'static self, keys: &[&str]) -> Command {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(self.hash.as_str()).arg(keys.len());
        for key in keys {
            cmd.arg(key.as_bytes());
        }
        Command { cmd, script: Some(self) }
    }
}

/// One command.
#[derive(Clone)]
pub(in crate::redis) struct Command {
    pub(in crate::redis) cmd: Cmd,
    script: Option<&'static Script>,
}

impl From<Cmd> for Command {
    fn from(cmd: Cmd) -> Self {
        Self { cmd, script: None }
    }
}

impl Command {
    /// Returns the same command with the script's source instead of its hash, for a server that doesn't have it yet.
    pub(in crate::redis) fn with_source(&self) -> Self {
        let Some(script) = self.script else { return self.clone() };
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(script.code);
        for arg in self.cmd.args_iter().skip(2) {
            if let redis::Arg::Simple(bytes) = arg {
                cmd.arg(bytes);
            }
        }
        Self { cmd, script: None }
    }
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

    pub(in crate::redis) fn one(command: impl Into<Command>) -> Self {
        Self::of(vec![command.into()])
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
    let mut cmd = redis::cmd("MGET");
    for key in keys {
        cmd.arg(key.as_bytes());
    }
    cmd.into()
}

/// Stores a value.
pub(in crate::redis) fn write(key: &str, value: &[u8], life: Ttl) -> Result<Command> {
    let mut cmd = redis::cmd("SET");
    cmd.arg(key.as_bytes()).arg(layout::stored(value)?);
    if let Some(millis) = millis(life) {
        cmd.arg("PX").arg(millis);
    }
    Ok(cmd.into())
}

fn with_value(mut command: Command, value: &[u8], life: Ttl) -> Result<Command> {
    command.cmd.arg(layout::stored(value)?);
    if let Some(millis) = millis(life) {
        command.cmd.arg(millis);
    }
    Ok(command)
}

/// Stores a value where none is; replies 1 if it did. A script, because `SET … NX` would not store over a lease.
pub(in crate::redis) fn add(key: &str, value: &[u8], life: Ttl) -> Result<Command> {
    with_value(ADD.command(&[key]), value, life)
}

/// Stores a value if the key's state is still that of the token, and lets the versions live as long; replies 1 if it did.
pub(in crate::redis) fn put_if(
    key: &str,
    value: &[u8],
    life: Ttl,
    token: Token,
    versions: &[&str],
) -> Result<Command> {
    let keys: Vec<&str> = std::iter::once(key).chain(versions.iter().copied()).collect();
    let mut command = PUT_IF.command(&keys);
    command.cmd.arg(&Version(token.0).to_bytes()[..]);
    with_value(command, value, life)
}

/// Lets a version live at least so long, if it is there; replies 1.
pub(in crate::redis) fn prolong(version: &str, life: Ttl) -> Command {
    let mut command = PROLONG.command(&[version]);
    if let Some(millis) = millis(life) {
        command.cmd.arg(millis);
    }
    command
}

/// Removes a key; replies 1 if a value was there.
pub(in crate::redis) fn delete(key: &str) -> Command {
    DELETE.command(&[key])
}

/// Removes a key if its state is still that of the token; replies 1 if it did.
pub(in crate::redis) fn delete_if(key: &str, token: Token) -> Command {
    let mut command = DELETE_IF.command(&[key]);
    command.cmd.arg(&Version(token.0).to_bytes()[..]);
    command
}

/// Reads an entry and its versions. One command, or one for each key if they may lie on different servers.
pub(in crate::redis) fn look(entry: &str, versions: &[&str], scattered: bool) -> Vec<Command> {
    let keys: Vec<&str> = std::iter::once(entry).chain(versions.iter().copied()).collect();
    keys.chunks(if scattered { 1 } else { keys.len() }).map(read).collect()
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
        let mut command = LEASE.command(&keys);
        for (_, proposal) in group {
            command.cmd.arg(&proposal[..]);
        }
        command.cmd.arg(lease_millis);
        command
    };
    groups.map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn words(command: &Command) -> Vec<Vec<u8>> {
        let word = |arg| match arg {
            redis::Arg::Simple(bytes) => Vec::from(bytes),
            other => panic!("{other:?}"),
        };
        command.cmd.args_iter().map(word).collect()
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
