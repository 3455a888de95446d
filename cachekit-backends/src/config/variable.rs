//! The text of a variable as a list or a map.

use std::collections::BTreeMap;

use super::form::Read;
use super::{Value, toml};

/// Reads `a,b`, or a TOML array.
pub(super) fn list(text: &str) -> Read<Value> {
    if !text.starts_with('[') {
        return Ok(comma_separated(text));
    }
    toml::value(text).ok_or_else(|| "must be a list `a,b` or a TOML array `[1, \"a\"]`".into())
}

/// Reads `a,b`, or a TOML array. `[::1]:11211` is a server and no array, though it begins as one.
pub(super) fn servers(text: &str) -> Read<Value> {
    if text.starts_with('[')
        && let Some(array) = toml::value(text)
    {
        return Ok(array);
    }
    if text.contains(['"', '\'']) {
        return Err("must be a list `host:1,[::1]:2` or a TOML array `[\"host:1\", \"[::1]:2\"]`".into());
    }
    Ok(comma_separated(text))
}

/// Reads `k=v,k2=v2`, or an inline TOML table.
pub(super) fn map(text: &str) -> Read<Value> {
    let read = if text.starts_with('{') { toml::value(text) } else { pairs(text).map(Value::Map) };
    read.ok_or_else(|| "must be `k=v,k2=v2` or an inline TOML table `{ k = 1 }`".into())
}

/// A hint for the values that Kubernetes and Docker set, such as `CACHE_PORT=tcp://10.0.0.1:6379`.
pub(super) fn service_hint(text: &str) -> &'static str {
    if text.starts_with("tcp://") || text.starts_with("udp://") {
        ", as an orchestrator sets it for a service of that name; `Config::from_env_prefixed` reads another prefix"
    } else {
        ""
    }
}

fn comma_separated(text: &str) -> Value {
    Value::List(items(text).map(Value::from).collect())
}

fn pairs(text: &str) -> Option<BTreeMap<String, Value>> {
    let mut map = BTreeMap::new();
    for item in items(text) {
        let (name, value) = item.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || map.insert(name.to_owned(), Value::from(value)).is_some() {
            return None;
        }
    }
    Some(map)
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}
