//! Configurations from files: TOML, or any format of serde.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::draft::Draft;
use super::fields::{FIELDS, Field};
use super::{Config, Value, toml};
use crate::{Error, ErrorKind, Result};

impl Config {
    /// Reads TOML, with the keys at the top level; what is left out keeps its default.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], which names every key that is unknown, malformed or there twice.
    pub fn from_toml(text: &str) -> Result<Self> {
        // The mistakes are collected beside the parser's error, which would add the position of the whole file to them.
        let draft: Draft = toml::document(text).map_err(|message| Error::new(ErrorKind::Config, message))?;
        draft.problems.finish()?;
        Ok(draft.config)
    }
}

/// The field for a key of a file: `threshold`, or as in the environment `CACHE_THRESHOLD`.
fn field(key: &str) -> Option<&'static Field> {
    let name = match key.strip_prefix("CACHE_") {
        Some(name) if !name.contains(|c: char| c.is_ascii_lowercase()) => name.to_ascii_lowercase(),
        _ if key == "TESTING" => key.to_ascii_lowercase(),
        // The name of the field in Rust.
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

/// Fails only where the format is broken; mistakes in the keys are among the draft's problems.
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
                (Some(field), Some(value)) => draft.put(&key, field, |config| (field.set)(config, value)),
                (Some(_), None) => {}
                (None, Some(Value::Map(table))) if table.keys().any(|key| field(key).is_some()) => {
                    draft.problems.add(format!(
                        "`[{key}]` is a table, and the settings stand at the top level: remove its head, or read the table of a \
                         larger file with serde, into a struct that has the field `{key}: cachekit::Config`"
                    ));
                }
                (None, _) => draft.unknown(&key),
            }
        }
        Ok(draft)
    }
}
