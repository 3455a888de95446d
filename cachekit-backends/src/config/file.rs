//! Configurations from files: TOML, or whatever serde reads.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::fields::{Draft, FIELDS, Field};
use super::{Config, Value};
use crate::{Error, ErrorKind, Result};

impl Config {
    /// Reads TOML, with the keys at the top level; what is left out keeps its default.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], which names every key that is unknown, malformed or there twice.
    pub fn from_toml(text: &str) -> Result<Self> {
        // Our own mistakes don't go through the parser's error: it would add the position of the whole file to them.
        let draft: Draft =
            basic_toml::from_str(text).map_err(|e| Error::new(ErrorKind::Config, e.to_string()))?;
        draft.problems.finish()?;
        Ok(draft.config)
    }
}

/// The field for a key of a file: `threshold`, or as in the environment `CACHE_THRESHOLD`.
fn field(key: &str) -> Option<&'static Field> {
    let name = match key.strip_prefix("CACHE_") {
        Some(name) if !name.contains(|c: char| c.is_ascii_lowercase()) => name.to_ascii_lowercase(),
        _ if key == "TESTING" => key.to_ascii_lowercase(),
        // What the field of this key is called in Rust.
        _ if key == "cache_type" => "type".to_owned(),
        _ => key.to_owned(),
    };
    FIELDS.iter().find(|field| field.name == name)
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let draft = Draft::deserialize(deserializer)?;
        match draft.problems.message() {
            Some(message) => Err(D::Error::custom(message)),
            None => Ok(draft.config),
        }
    }
}

/// Fails only where the format is broken; what is wrong with the keys is among the draft's problems.
impl<'de> Deserialize<'de> for Draft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DraftVisitor)
    }
}

struct DraftVisitor;

impl<'de> Visitor<'de> for DraftVisitor {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of cache settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft, A::Error> {
        let mut draft = Draft::default();
        while let Some(key) = map.next_key::<String>()? {
            // A null, in the formats that have one, leaves the key out.
            let value = map.next_value::<Option<Value>>()?;
            match (field(&key), value) {
                (Some(field), Some(value)) => draft.put(&key, field, value),
                (Some(_), None) => {}
                (None, _) => draft.unknown("key", &key, |field| field.name.to_owned()),
            }
        }
        Ok(draft)
    }
}
