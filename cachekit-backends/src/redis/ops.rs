//! The operations, written once over all transports.

use std::time::Instant;

use redis::Value;

use super::recent::Recent;
use super::transport::{Transport, perform, perform_by};
use super::wire::{self, Batch};
use crate::net::Address;
use crate::{ErrorKind, Fetched, Result, Token, Ttl, Version};

/// How many keys one `SCAN` looks at, and one `UNLINK` removes.
const SCAN_COUNT: usize = 1000;
/// How often `clear` starts again because the server changed under its cursor.
const CLEAR_TRIES: usize = 3;

async fn ask<T: Transport>(transport: &T, batch: Batch) -> Result<Value> {
    Ok(perform(transport, &batch).await?.pop().unwrap_or_default())
}

fn list<T: Transport>(transport: &T, command: &str, answer: Value, len: usize) -> Result<Vec<Value>> {
    match answer {
        Value::Array(list) if list.len() >= len => Ok(list),
        other => Err(transport.server().unexpected(command, &other)),
    }
}

fn bytes<T: Transport>(transport: &T, command: &str, answer: Value) -> Result<Option<Vec<u8>>> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        other => Err(transport.server().unexpected(command, &other)),
    }
}

/// Reads the reply of a script that returns whether it did what it is for.
fn flag<T: Transport>(transport: &T, answer: &Value) -> Result<bool> {
    match answer {
        Value::Int(n @ (0 | 1)) => Ok(*n == 1),
        other => Err(transport.server().unexpected("EVALSHA", other)),
    }
}

fn done<T: Transport>(transport: &T, answer: &Value) -> Result<()> {
    match answer {
        Value::Okay => Ok(()),
        other => Err(transport.server().unexpected("SET", other)),
    }
}

pub(super) async fn get<T: Transport>(transport: &T, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(get_many(transport, &[key]).await?.pop().flatten())
}

pub(super) async fn get_many<T: Transport>(transport: &T, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let answer = ask(transport, Batch::one(wire::read(keys))).await?;
    let found = list(transport, "MGET", answer, keys.len())?;
    found.into_iter().map(|answer| Ok(bytes(transport, "MGET", answer)?.and_then(wire::value))).collect()
}

pub(super) async fn set<T: Transport>(transport: &T, key: &str, value: &[u8], life: Ttl) -> Result<()> {
    set_many(transport, &[(key, value)], life).await
}

pub(super) async fn set_many<T: Transport>(transport: &T, items: &[(&str, &[u8])], life: Ttl) -> Result<()> {
    let commands = items.iter().map(|(key, value)| wire::write(key, value, life)).collect::<Result<_>>()?;
    perform(transport, &Batch::of(commands)).await?.iter().try_for_each(|answer| done(transport, answer))
}

pub(super) async fn delete<T: Transport>(transport: &T, key: &str) -> Result<bool> {
    Ok(delete_many(transport, &[key]).await? == 1)
}

pub(super) async fn delete_many<T: Transport>(transport: &T, keys: &[&str]) -> Result<u64> {
    let commands = keys.iter().map(|key| wire::delete(key)).collect();
    let answers = perform(transport, &Batch::of(commands)).await?;
    answers.iter().try_fold(0, |n, answer| Ok(n + u64::from(flag(transport, answer)?)))
}

pub(super) async fn add<T: Transport>(transport: &T, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
    let batch = Batch::one(wire::add(key, value, life)?).once_only();
    flag(transport, &ask(transport, batch).await?)
}

pub(super) async fn put_if<T: Transport>(
    transport: &T,
    key: &str,
    value: &[u8],
    life: Ttl,
    token: Token,
) -> Result<bool> {
    let batch = Batch::one(wire::put_if(key, value, life, token)?).once_only();
    flag(transport, &ask(transport, batch).await?)
}

pub(super) async fn token<T: Transport>(transport: &T, key: &str) -> Result<Token> {
    let unexpected = || transport.server().unexpected("EVALSHA", &Value::Nil);
    lease(transport, key, &[], transport.limits().deadline()).await?.token.ok_or_else(unexpected)
}

/// Reads an entry and its versions: by a plain read, and by the script after a read that lacks a part. A function that
/// mostly misses is asked for by the script at once.
pub(super) async fn fetch<T: Transport>(
    transport: &T,
    recent: &Recent,
    entry: &str,
    versions: &[&str],
) -> Result<Fetched> {
    let deadline = transport.limits().deadline();
    let ratio = recent.of(versions);
    if ratio.is_high() {
        let looked = look(transport, entry, versions, deadline).await?;
        ratio.note(looked.is_some());
        return match looked {
            Some(fetched) => Ok(fetched),
            // Nothing of the read is kept: it is older than the lease.
            None => lease(transport, entry, versions, deadline).await,
        };
    }
    let fetched = lease(transport, entry, versions, deadline).await?;
    ratio.note(fetched.entry.is_some());
    Ok(fetched)
}

/// The plain read. `None` if a part is missing or foreign.
async fn look<T: Transport>(
    transport: &T,
    entry: &str,
    versions: &[&str],
    deadline: Instant,
) -> Result<Option<Fetched>> {
    const READ: &str = "MGET";
    let batch = Batch::of(wire::look(entry, versions, transport.is_scattered()));
    let mut found = Vec::with_capacity(1 + versions.len());
    for answer in perform_by(transport, &batch, deadline).await? {
        for part in list(transport, READ, answer, 1)? {
            match bytes(transport, READ, part)? {
                Some(part) => found.push(part),
                None => return Ok(None),
            }
        }
    }
    let mut found = found.into_iter();
    let state = found.next().unwrap_or_default();
    let made: Option<Vec<Version>> = found.map(|stored| wire::stored_version(&stored)).collect();
    let (Some(token), Some(made)) = (wire::token(&state), made) else { return Ok(None) };
    let whole = made.len() == versions.len();
    Ok(wire::value(state).filter(|_| whole).map(|value| Fetched::new(Some(value), made, Some(token))))
}

/// The script, which leaves a lease where the entry is absent, and makes the versions that are missing.
async fn lease<T: Transport>(
    transport: &T,
    entry: &str,
    versions: &[&str],
    deadline: Instant,
) -> Result<Fetched> {
    const SCRIPT: &str = "EVALSHA";
    let commands = wire::lease(entry, versions, transport.limits().lease, transport.is_scattered());
    let keys_of_first = if commands.len() == 1 { 1 + versions.len() } else { 1 };
    let mut answers = perform_by(transport, &Batch::of(commands), deadline).await?.into_iter();
    let first = answers.next().unwrap_or_default();
    let mut first = list(transport, SCRIPT, first, keys_of_first)?.into_iter();
    let state = bytes(transport, SCRIPT, first.next().unwrap_or_default())?.unwrap_or_default();
    let mut found: Vec<Value> = first.by_ref().take(keys_of_first - 1).collect();
    for answer in answers {
        found.extend(list(transport, SCRIPT, answer, 1)?.into_iter().next());
    }
    let version = |answer| {
        let stored = bytes(transport, SCRIPT, answer)?.unwrap_or_default();
        let unexpected = || transport.server().unexpected(SCRIPT, &Value::BulkString(Vec::new()));
        wire::stored_version(&stored).ok_or_else(unexpected)
    };
    let versions = found.into_iter().map(version).collect::<Result<_>>()?;
    let token = wire::token(&state);
    let entry = match wire::value(state) {
        Some(value) => Some(value),
        // Bytes of another layout: the caller counts them as an error.
        None => first.next().map(|foreign| bytes(transport, SCRIPT, foreign)).transpose()?.flatten(),
    };
    Ok(Fetched::new(entry, versions, token))
}

/// Removes all keys with the prefix. Each round trip has a time limit of its own; the whole has none.
pub(super) async fn clear<T: Transport>(transport: &T, prefix: &str) -> Result<()> {
    let pattern = wire::starting_with(prefix);
    for _ in 0..CLEAR_TRIES {
        let epoch = transport.epoch();
        for node in nodes(transport).await? {
            clear_node(transport, node, &pattern).await?;
        }
        // A cursor is void on another server, and on one that was restarted.
        if transport.epoch() == epoch {
            return Ok(());
        }
    }
    Err(transport.server().fault(ErrorKind::Unavailable, "connections broke again and again during `clear`"))
}

async fn clear_node<T: Transport>(transport: &T, node: Option<Address>, pattern: &[u8]) -> Result<()> {
    let mut cursor = b"0".to_vec();
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(&cursor[..]).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_COUNT);
        let answer = ask(transport, Batch::one(scan).at(node.clone())).await?;
        let mut parts = list(transport, "SCAN", answer, 2)?.into_iter();
        cursor = bytes(transport, "SCAN", parts.next().unwrap_or_default())?.unwrap_or_default();
        let keys = list(transport, "SCAN", parts.next().unwrap_or_default(), 0)?;
        for keys in keys.chunks(SCAN_COUNT) {
            let mut unlink = redis::cmd("UNLINK");
            for key in keys {
                unlink.arg(bytes(transport, "SCAN", key.clone())?.unwrap_or_default());
            }
            ask(transport, Batch::one(unlink)).await?;
        }
        if cursor == b"0" {
            return Ok(());
        }
        if cursor.is_empty() {
            return Err(transport.server().unexpected("SCAN", &Value::Nil));
        }
    }
}

/// The servers that hold keys: the masters of a cluster, or the only server.
async fn nodes<T: Transport>(transport: &T) -> Result<Vec<Option<Address>>> {
    if !transport.is_scattered() {
        return Ok(vec![None]);
    }
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("SLOTS");
    let answer = ask(transport, Batch::one(slots)).await?;
    let mut masters = Vec::new();
    for range in list(transport, "CLUSTER SLOTS", answer, 0)? {
        let master = master(&range).ok_or_else(|| transport.server().unexpected("CLUSTER SLOTS", &range))?;
        if !masters.contains(&Some(master.clone())) {
            masters.push(Some(master));
        }
    }
    Ok(masters)
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
