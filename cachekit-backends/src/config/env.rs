//! Configurations from environment variables.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::Deserialize;

use super::fields::{Draft, FIELDS, Field, Text};
use super::{Config, Value};
use crate::{Error, ErrorKind, Result};

impl Config {
    /// Reads the variables that begin with `CACHE_`, and `TESTING`; what is left out keeps its default.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], which names every variable that is malformed, or begins with the prefix and is unknown.
    pub fn from_env() -> Result<Self> {
        Self::from_env_prefixed("CACHE_")
    }

    /// [`from_env`](Self::from_env) with another prefix than `CACHE_`, such as `SHOP_CACHE_` for
    /// `SHOP_CACHE_TYPE=redis`. `TESTING` is read without it.
    pub fn from_env_prefixed(prefix: &str) -> Result<Self> {
        Self::from_vars(std::env::vars_os(), prefix)
    }

    /// [`from_env_prefixed`](Self::from_env_prefixed) from given variables instead of the process's own.
    ///
    /// ```
    /// # use cachekit_backends::Config;
    /// let config = Config::from_vars([("CACHE_THRESHOLD", "500"), ("HOME", "/root")], "CACHE_")?;
    /// assert_eq!(config.threshold, 500);
    /// # Ok::<(), cachekit_backends::Error>(())
    /// ```
    pub fn from_vars<K, V>(vars: impl IntoIterator<Item = (K, V)>, prefix: &str) -> Result<Self>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        if prefix.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                "the prefix of the environment variables must not be empty",
            ));
        }
        let ours = vars.into_iter().filter_map(|(name, value)| {
            // Our names are ASCII.
            let name = name.into().into_string().ok()?;
            (name == "TESTING" || name.starts_with(prefix)).then(|| (name, value.into()))
        });
        // In the order of their names, because errors list them and a duplicate is found once.
        let mut vars: Vec<(String, OsString)> = ours.collect();
        vars.sort();

        let mut draft = Draft::default();
        for (name, value) in vars {
            match field(&name, prefix) {
                Some(field) => put(&mut draft, &name, field, value),
                None => draft.unknown("environment variable", &name, |field| spell(field, prefix)),
            }
        }
        draft.problems.finish()?;
        Ok(draft.config)
    }
}

fn spell(field: &Field, prefix: &str) -> String {
    let prefix = if field.name == "testing" { "" } else { prefix };
    format!("{prefix}{}", field.name.to_ascii_uppercase())
}

fn field(name: &str, prefix: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| spell(field, prefix) == name)
}

fn put(draft: &mut Draft, name: &str, field: &'static Field, value: OsString) {
    if field.text == Text::Path && !value.is_empty() {
        if draft.is_first(name, field) {
            draft.config.dir = Some(value.into());
        }
        return;
    }
    // What is not UTF-8 isn't shown: it may be a password.
    let Ok(text) = value.into_string() else {
        return draft.problems.add(format!("`{name}` must be UTF-8"));
    };
    let value = match field.text {
        Text::Plain | Text::Path => Some(Value::String(text)),
        Text::List => list(&text),
        Text::Map => map(&text),
    };
    match (value, field.text) {
        (Some(value), _) => draft.put(name, field, value),
        (None, Text::Map) => {
            draft.problems.add(format!("`{name}` must be `k=v,k2=v2` or an inline TOML table `{{ k = 1 }}`"));
        }
        (None, _) => {
            draft.problems.add(format!("`{name}` must be a list `a,b` or a TOML array `[1, \"a\"]`"));
        }
    }
}

/// `a,b`, or a TOML array.
fn list(text: &str) -> Option<Value> {
    if text.trim_start().starts_with('[') {
        return toml(text);
    }
    Some(Value::List(items(text).map(Value::from).collect()))
}

/// `k=v,k2=v2`, or an inline TOML table.
fn map(text: &str) -> Option<Value> {
    if text.trim_start().starts_with('{') {
        return toml(text);
    }
    let mut map = BTreeMap::new();
    for item in items(text) {
        let (name, value) = item.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || map.insert(name.to_owned(), Value::from(value)).is_some() {
            return None;
        }
    }
    Some(Value::Map(map))
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// One TOML value.
fn toml(text: &str) -> Option<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        value: Value,
    }
    basic_toml::from_str::<Document>(&format!("value = {text}")).ok().map(|document| document.value)
}
