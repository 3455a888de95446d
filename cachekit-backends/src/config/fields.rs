//! The table of keys, and how a value from a file or the environment gets into its field.

use std::time::Duration;

use super::duration::{self, FORMS};
use super::problems::Problems;
use super::secret::redacted;
use super::suggest::hint;
use super::{CacheType, Config, Secret, Value};
use crate::Timeout;

/// One key.
pub(super) struct Field {
    /// The name in files; in the environment it is in upper case, behind the prefix.
    pub(super) name: &'static str,
    /// How its text in the environment is read.
    pub(super) text: Text,
    /// Puts a value into the field, or says what it must be.
    set: fn(&mut Config, Value) -> Result<(), String>,
}

/// How the text of a variable is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// As it stands.
    Plain,
    /// As a path, which needs not be UTF-8.
    Path,
    /// As a list with commas.
    List,
    /// As `k=v` with commas.
    Map,
}

macro_rules! fields {
    ($($name:literal $text:ident $target:ident = $read:expr;)*) => {
        /// Every key.
        pub(super) const FIELDS: &[Field] = &[$(Field {
            name: $name,
            text: Text::$text,
            set: |config, value| {
                let read: fn(Value) -> Result<_, String> = $read;
                config.$target = read(value)?;
                Ok(())
            },
        }),*];
    };
}

fields! {
    "type" Plain cache_type = |value| text(value).map(CacheType::from);
    "no_null_warning" Plain no_null_warning = |value| boolean(&value);
    "args" List args = |value| match value {
        Value::List(list) => Ok(list),
        _ => Err("must be a list".into()),
    };
    "options" Map options = |value| match value {
        Value::Map(map) => Ok(map),
        _ => Err("must be a table".into()),
    };
    "default_timeout" Plain default_timeout = |value| timeout(&value);
    "threshold" Plain threshold = |value| number(&value, "the most items to keep, 0 for no limit");
    "key_prefix" Plain key_prefix = |value| match value {
        Value::String(text) => Ok(text),
        other => Err(must_be("text", &other)),
    };
    "memcached_servers" List memcached_servers = servers;
    "memcached_username" Plain memcached_username = |value| text(value).map(Some);
    "memcached_password" Plain memcached_password = secret;
    "redis_host" Plain redis_host = |value| text(value).map(Some);
    "redis_port" Plain redis_port = |value| number(&value, "a port, 1 to 65535").map(Some);
    "redis_password" Plain redis_password = secret;
    "redis_db" Plain redis_db = |value| number(&value, "the number of a database").map(Some);
    "redis_url" Plain redis_url = |value| text(value).map(Some);
    "dir" Path dir = |value| text(value).map(|path| Some(path.into()));
    "allow_flush" Plain allow_flush = |value| boolean(&value);
    "operation_timeout" Plain operation_timeout = |value| span(&value);
    "connect_timeout" Plain connect_timeout = |value| span(&value);
    "probe_interval" Plain probe_interval = |value| span(&value);
    "breaker_threshold" Plain breaker_threshold = |value| number(&value, "a number of failures, at least 1");
    "pool_size" Plain pool_size = |value| number(&value, "a number of connections, at least 1");
    "testing" Plain testing = |value| boolean(&value);
}

fn must_be(what: &str, value: &Value) -> String {
    let given = match value {
        Value::String(text) if text.is_empty() => "empty".into(),
        Value::String(text) => format!("`{}`", redacted(text)),
        Value::Integer(n) => format!("`{n}`"),
        Value::Float(x) => format!("`{x}`"),
        Value::Bool(yes) => format!("`{yes}`"),
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a table".into(),
    };
    format!("must be {what}; it is {given}")
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) if text.is_empty() => Err("must not be empty".into()),
        Value::String(text) => Ok(text),
        other => Err(must_be("text", &other)),
    }
}

/// Says nothing of what was given.
fn secret(value: Value) -> Result<Option<Secret>, String> {
    match value {
        Value::String(text) if text.is_empty() => Err("must not be empty".into()),
        Value::String(text) => Ok(Some(text.into())),
        _ => Err("must be text".into()),
    }
}

fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| must_be("true or false (also yes, on, 1, no, off, 0)", value))
}

fn number<T: TryFrom<i64>>(value: &Value, what: &str) -> Result<T, String> {
    value.as_integer().and_then(|n| T::try_from(n).ok()).ok_or_else(|| must_be(what, value))
}

fn span(value: &Value) -> Result<Duration, String> {
    let read = match value {
        Value::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        Value::String(text) => duration::parse(text),
        _ => None,
    };
    read.ok_or_else(|| must_be(FORMS, value))
}

fn timeout(value: &Value) -> Result<Timeout, String> {
    if value.as_integer() == Some(0) {
        return Ok(Timeout::Never);
    }
    match span(value) {
        Ok(time) if !time.is_zero() => Ok(Timeout::After(time)),
        _ => Err(must_be(&format!("{FORMS}, or 0 for never"), value)),
    }
}

fn servers(value: Value) -> Result<Vec<String>, String> {
    let wrong = || "must be a list of servers such as `host:11211`".to_owned();
    match value {
        Value::List(list) => list.into_iter().map(|server| text(server).map_err(|_| wrong())).collect(),
        Value::String(text) => Ok(super::Servers::from(text).into()),
        _ => Err(wrong()),
    }
}

/// A configuration that is being read, key by key.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) problems: Problems,
    /// What was set so far, and as what it was spelled.
    seen: Vec<(&'static str, String)>,
}

impl Draft {
    /// Sets a field from the value that stands under a key; `key` is how the user spelled it.
    pub(super) fn put(&mut self, key: &str, field: &'static Field, value: Value) {
        if self.is_first(key, field)
            && let Err(wrong) = (field.set)(&mut self.config, value)
        {
            self.problems.add(format!("`{key}` {wrong}"));
        }
    }

    /// Notes that a field was given; twice is a mistake.
    pub(super) fn is_first(&mut self, key: &str, field: &'static Field) -> bool {
        let before = self.seen.iter().find(|(name, _)| *name == field.name);
        if let Some((_, other)) = before {
            self.problems.add(format!("`{other}` and `{key}` are the same setting: give it once"));
            return false;
        }
        self.seen.push((field.name, key.to_owned()));
        true
    }

    /// Notes a key that means nothing; `spell` makes the name that a field has here.
    pub(super) fn unknown(&mut self, what: &str, key: &str, spell: impl Fn(&Field) -> String) {
        let valid: Vec<String> = FIELDS.iter().map(spell).collect();
        let hint = hint(key, valid.iter().map(String::as_str));
        self.problems.add(format!("unknown {what} `{key}`: valid are {}{hint}", valid.join(", ")));
    }
}
