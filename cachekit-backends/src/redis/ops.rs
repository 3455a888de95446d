//! The operations, written once for all ways to a server.

use redis::Value;

use super::command::{self, Batch};
use super::place::Place;
use super::wire::{Wire, perform};
use super::{form, glob};
use crate::{ErrorKind, Fetched, Lifetime, Result, Token, Version};

/// How many keys one `SCAN` looks at, and one `UNLINK` removes.
const SCAN_COUNT: usize = 1000;
/// How often `clear` starts again because the server changed under its cursor.
const CLEAR_TRIES: usize = 3;

async fn ask<W: Wire>(wire: &W, batch: Batch) -> Result<Value> {
    Ok(perform(wire, &batch).await?.pop().unwrap_or_default())
}

fn list<W: Wire>(wire: &W, command: &str, answer: Value, len: usize) -> Result<Vec<Value>> {
    match answer {
        Value::Array(list) if list.len() >= len => Ok(list),
        other => Err(wire.server().unexpected(command, &other)),
    }
}

fn bytes<W: Wire>(wire: &W, command: &str, answer: Value) -> Result<Option<Vec<u8>>> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        other => Err(wire.server().unexpected(command, &other)),
    }
}

/// Whether a script did what it was asked for.
fn flag<W: Wire>(wire: &W, answer: &Value) -> Result<bool> {
    match answer {
        Value::Int(n @ (0 | 1)) => Ok(*n == 1),
        other => Err(wire.server().unexpected("EVALSHA", other)),
    }
}

fn done<W: Wire>(wire: &W, answer: &Value) -> Result<()> {
    match answer {
        Value::Okay => Ok(()),
        other => Err(wire.server().unexpected("SET", other)),
    }
}

pub(super) async fn get<W: Wire>(wire: &W, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(get_many(wire, &[key]).await?.pop().flatten())
}

pub(super) async fn get_many<W: Wire>(wire: &W, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let answer = ask(wire, Batch::one(command::read(keys))).await?;
    let found = list(wire, "MGET", answer, keys.len())?;
    found.into_iter().map(|answer| Ok(bytes(wire, "MGET", answer)?.and_then(form::value))).collect()
}

pub(super) async fn set<W: Wire>(wire: &W, key: &str, value: &[u8], life: Lifetime) -> Result<()> {
    set_many(wire, &[(key, value)], life).await
}

pub(super) async fn set_many<W: Wire>(wire: &W, items: &[(&str, &[u8])], life: Lifetime) -> Result<()> {
    let commands =
        items.iter().map(|(key, value)| command::write(key, value, life)).collect::<Result<_>>()?;
    perform(wire, &Batch::of(commands)).await?.iter().try_for_each(|answer| done(wire, answer))
}

pub(super) async fn delete<W: Wire>(wire: &W, key: &str) -> Result<bool> {
    Ok(delete_many(wire, &[key]).await? == 1)
}

pub(super) async fn delete_many<W: Wire>(wire: &W, keys: &[&str]) -> Result<u64> {
    let commands = keys.iter().map(|key| command::delete(key)).collect();
    let answers = perform(wire, &Batch::of(commands)).await?;
    answers.iter().try_fold(0, |n, answer| Ok(n + u64::from(flag(wire, answer)?)))
}

pub(super) async fn add<W: Wire>(wire: &W, key: &str, value: &[u8], life: Lifetime) -> Result<bool> {
    let batch = Batch::one(command::add(key, value, life)?).once_only();
    flag(wire, &ask(wire, batch).await?)
}

pub(super) async fn put_if<W: Wire>(
    wire: &W,
    key: &str,
    value: &[u8],
    life: Lifetime,
    token: Token,
) -> Result<bool> {
    let batch = Batch::one(command::put_if(key, value, life, token)?).once_only();
    flag(wire, &ask(wire, batch).await?)
}

pub(super) async fn token<W: Wire>(wire: &W, key: &str) -> Result<Token> {
    let unexpected = || wire.server().unexpected("EVALSHA", &Value::Nil);
    fetch(wire, key, &[]).await?.token.ok_or_else(unexpected)
}

pub(super) async fn fetch<W: Wire>(wire: &W, entry: &str, versions: &[&str]) -> Result<Fetched> {
    const SCRIPT: &str = "EVALSHA";
    let commands = command::fetch(entry, versions, wire.limits().lease, wire.is_scattered());
    let keys_of_first = if commands.len() == 1 { 1 + versions.len() } else { 1 };
    let mut answers = perform(wire, &Batch::of(commands)).await?.into_iter();
    let first = answers.next().unwrap_or_default();
    let mut first = list(wire, SCRIPT, first, keys_of_first)?.into_iter();
    let state = bytes(wire, SCRIPT, first.next().unwrap_or_default())?.unwrap_or_default();
    let mut found = Vec::with_capacity(versions.len());
    for _ in 1..keys_of_first {
        found.push(first.next().unwrap_or_default());
    }
    for answer in answers {
        found.extend(list(wire, SCRIPT, answer, 1)?.into_iter().next());
    }
    let version = |answer| {
        let stored = bytes(wire, SCRIPT, answer)?.and_then(form::value).unwrap_or_default();
        let unexpected = || wire.server().unexpected(SCRIPT, &Value::BulkString(Vec::new()));
        Version::from_bytes(&stored).ok_or_else(unexpected)
    };
    let versions = found.into_iter().map(version).collect::<Result<_>>()?;
    let token = form::token(&state);
    let entry = match form::value(state) {
        Some(value) => Some(value),
        // What was there is no entry of ours; who looked must be told, to count it.
        None => first.next().map(|foreign| bytes(wire, SCRIPT, foreign)).transpose()?.flatten(),
    };
    Ok(Fetched::new(entry, versions, token))
}

/// Removes all keys with the prefix. Each round trip has a time limit of its own, the whole has none.
pub(super) async fn clear<W: Wire>(wire: &W, prefix: &str) -> Result<()> {
    let pattern = glob::starting_with(prefix);
    for _ in 0..CLEAR_TRIES {
        let epoch = wire.epoch();
        for node in nodes(wire).await? {
            clear_node(wire, node, &pattern).await?;
        }
        // Another server, or one that was started again, has other cursors.
        if wire.epoch() == epoch {
            return Ok(());
        }
    }
    Err(wire.server().fault(ErrorKind::Unavailable, "connections broke again and again during `clear`"))
}

async fn clear_node<W: Wire>(wire: &W, node: Option<Place>, pattern: &[u8]) -> Result<()> {
    let mut cursor = b"0".to_vec();
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(&cursor[..]).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_COUNT);
        let answer = ask(wire, Batch::one(scan).at(node.clone())).await?;
        let mut parts = list(wire, "SCAN", answer, 2)?.into_iter();
        cursor = bytes(wire, "SCAN", parts.next().unwrap_or_default())?.unwrap_or_default();
        let keys = list(wire, "SCAN", parts.next().unwrap_or_default(), 0)?;
        for keys in keys.chunks(SCAN_COUNT) {
            let mut unlink = redis::cmd("UNLINK");
            for key in keys {
                unlink.arg(bytes(wire, "SCAN", key.clone())?.unwrap_or_default());
            }
            ask(wire, Batch::one(unlink)).await?;
        }
        if cursor == b"0" {
            return Ok(());
        }
        if cursor.is_empty() {
            return Err(wire.server().unexpected("SCAN", &Value::Nil));
        }
    }
}

/// The servers that have keys: the masters of a cluster, or the one that there is.
async fn nodes<W: Wire>(wire: &W) -> Result<Vec<Option<Place>>> {
    if !wire.is_scattered() {
        return Ok(vec![None]);
    }
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("SLOTS");
    let answer = ask(wire, Batch::one(slots)).await?;
    let mut masters = Vec::new();
    for range in list(wire, "CLUSTER SLOTS", answer, 0)? {
        let place = master(&range).ok_or_else(|| wire.server().unexpected("CLUSTER SLOTS", &range))?;
        if !masters.contains(&Some(place.clone())) {
            masters.push(Some(place));
        }
    }
    Ok(masters)
}

/// Of `[first slot, last slot, [host, port, …], replicas …]` the master.
fn master(range: &Value) -> Option<Place> {
    let Value::Array(range) = range else { return None };
    let Some(Value::Array(node)) = range.get(2) else { return None };
    match node.as_slice() {
        [Value::BulkString(host), Value::Int(port), ..] => {
            let host = String::from_utf8(host.clone()).ok()?;
            Some(Place::Tcp(host, u16::try_from(*port).ok()?))
        }
        _ => None,
    }
}
