//! The settings of a cache, [`Config`], and its readers for code, files and the environment.
//!
//! `fields` is the table of settings, `form` the forms that a setting may have. `env` and `file` fill a `draft`; `validate`
//! checks, `resolve` makes the configuration that the backends get.

mod by_name;
mod cache_type;
mod draft;
mod duration;
mod env;
mod fields;
mod file;
mod form;
mod near;
mod options;
mod problems;
mod resolve;
mod secret;
mod servers;
mod suggest;
mod toml;
mod validate;
mod value;
mod variable;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use crate::builtin::CacheType;
pub use by_name::{FunctionConfig, NamedOptions, is_pattern, name_matches};
pub use fields::Config;
pub use near::NearDeletion;
pub(crate) use options::OptionKind;
pub(crate) use problems::Problems;
pub use secret::Secret;
#[cfg(any(feature = "memcached", feature = "redis"))]
pub(crate) use secret::redacted;
pub use servers::Servers;
pub use suggest::hint;
pub use value::Value;

/// The most bytes that entries in this process take where the settings say nothing.
const MEMORY: u64 = 256 << 20;

impl Config {
    /// The most bytes that entries in this process take together; 0 is no limit. On `filesystem`, `max_bytes` is about the
    /// directory.
    pub fn memory(&self) -> u64 {
        match self.cache_type {
            CacheType::FileSystem => MEMORY,
            _ => self.max_bytes.unwrap_or(MEMORY),
        }
    }

    /// Nothing is kept: every call computes.
    pub fn null() -> Self {
        Self::default().cache_type(CacheType::Null)
    }

    /// In this process.
    pub fn simple() -> Self {
        Self::default().cache_type(CacheType::Simple)
    }

    /// One file per entry in a directory, which processes may share.
    pub fn filesystem(dir: impl Into<PathBuf>) -> Self {
        Self::default().cache_type(CacheType::FileSystem).dir(dir)
    }

    /// The Redis server at a URL such as `redis://user:password@host:6379/0`.
    pub fn redis(url: impl Into<String>) -> Self {
        Self::default().cache_type(CacheType::Redis).redis_url(url)
    }

    /// Memcached servers: a list, or text with commas.
    ///
    /// ```
    /// # use cachekit_backends::Config;
    /// assert_eq!(Config::memcached("a:11211,b:11211"), Config::memcached(["a:11211", "b:11211"]));
    /// ```
    pub fn memcached(servers: impl Into<Servers>) -> Self {
        Self::default().cache_type(CacheType::Memcached).memcached_servers(servers)
    }
}
