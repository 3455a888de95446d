//! A configuration that is being read, setting by setting.

use super::Config;
use super::fields::{FIELDS, Field};
use super::form::Read;
use super::problems::Problems;
use super::suggest::hint;

#[derive(Default)]
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) problems: Problems,
    /// The fields that were set, with the spelling that the user gave them.
    seen: Vec<(&'static str, String)>,
}

impl Draft {
    /// Sets a field by `set`; `key` is its name as the user spelled it. A second value is a mistake.
    pub(super) fn put(
        &mut self,
        key: &str,
        field: &'static Field,
        set: impl FnOnce(&mut Config) -> Read<()>,
    ) {
        if let Some((_, other)) = self.seen.iter().find(|(name, _)| *name == field.name) {
            self.problems.add(format!("`{other}` and `{key}` are the same setting: give it once"));
            return;
        }
        self.seen.push((field.name, key.to_owned()));
        if let Err(wrong) = set(&mut self.config) {
            self.problems.add(format!("`{key}` {wrong}"));
        }
    }

    /// Notes a key of a file that is none.
    pub(super) fn unknown(&mut self, key: &str) {
        let valid = FIELDS.iter().map(|field| field.name);
        let hint = hint(key, valid.clone());
        let valid: Vec<&str> = valid.collect();
        self.problems.add(format!("unknown key `{key}`: valid are {}{hint}", valid.join(", ")));
    }
}
