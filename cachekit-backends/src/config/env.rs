//! Configurations from environment variables.

use std::ffi::OsString;

use super::Config;
use super::draft::Draft;
use super::fields::{FIELDS, Field};
use super::form::Read;
use super::suggest::hint;
use crate::{Error, ErrorKind, Result};

impl Config {
    /// Reads the variables that begin with `CACHE_`, and `TESTING`; a variable that is left out or empty keeps the
    /// default. Blanks around a value don't count.
    ///
    /// An unknown name that begins with the prefix is logged as a warning with the nearest valid one, because
    /// orchestrators put names there: a Kubernetes service named `cache` sets `CACHE_PORT`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], which names every variable that is malformed.
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
            // The valid names are ASCII.
            let name = name.into().into_string().ok()?;
            (name == "TESTING" || name.starts_with(prefix)).then(|| (name, value.into()))
        });
        // Sorted, so that errors list them in a fixed order.
        let mut vars: Vec<(String, OsString)> = ours.collect();
        vars.sort();

        let mut draft = Draft::default();
        for (name, value) in vars {
            match field(&name, prefix) {
                None => warn_of_unknown(&name, prefix),
                Some(_) if is_blank(&value) => {}
                Some(field) => draft.put(&name, field, |config| set(config, field, value)),
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

fn is_blank(value: &OsString) -> bool {
    value.to_str().is_some_and(|text| text.trim().is_empty())
}

fn set(config: &mut Config, field: &Field, value: OsString) -> Read<()> {
    match value.into_string() {
        Ok(text) => (field.set_text)(config, text.trim()),
        Err(bytes) => (field.set_bytes)(config, bytes),
    }
}

/// The value isn't shown: it may be a password under a misspelled name.
fn warn_of_unknown(name: &str, prefix: &str) {
    let valid: Vec<String> = FIELDS.iter().map(|field| spell(field, prefix)).collect();
    let hint = hint(name, valid.iter().map(String::as_str));
    tracing::warn!(target: "cachekit", "the environment variable `{name}` is no setting of the cache and is ignored{hint}");
}
