//! From the options, the environment and the file to a cache.

use std::ffi::OsString;

use cachekit_backends::{CacheType, Config};

use super::args::Settings;
use super::outcome::{Failure, Outcome};
use crate::cache::Cache;

impl Settings {
    /// The configuration: the environment or the file, and over either the options.
    pub(super) fn config(&self, vars: impl IntoIterator<Item = (OsString, OsString)>) -> Outcome<Config> {
        let mut config = match &self.config {
            None => Config::from_vars(vars, &self.env_prefix)?,
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::wrong(format!("{} can't be read: {error}", path.display())))?;
                Config::from_toml(&text)
                    .map_err(|error| Failure::wrong(format!("{}: {error}", path.display())))?
            }
        };
        if let Some(dir) = &self.dir {
            config = config.cache_type(CacheType::FileSystem).dir(dir);
        }
        if let Some(url) = &self.redis_url {
            config = config.cache_type(CacheType::Redis).redis_url(url);
        }
        if let Some(servers) = &self.servers {
            config = config.cache_type(CacheType::Memcached).memcached_servers(servers);
        }
        if let Some(cache_type) = &self.cache_type {
            config = config.cache_type(cache_type.as_str());
        }
        if let Some(prefix) = &self.key_prefix {
            config = config.key_prefix(prefix);
        }
        // This process ends before a near tier would be of use.
        Ok(config.near(0))
    }

    /// Opens the cache.
    pub(super) fn open(&self, vars: impl IntoIterator<Item = (OsString, OsString)>) -> Outcome<Cache> {
        let config = self.config(vars)?;
        if config.testing {
            return Err(Failure::wrong("`TESTING` is set, so that nothing is cached: unset it"));
        }
        match config.cache_type {
            CacheType::Simple => Err(Failure::wrong(
                "the entries of `simple` are in the memory of the program, where no command can reach them: set CACHE_TYPE, or \
                 give --dir, --redis-url or --servers",
            )),
            // To open it would make it, and a mistyped path would look like an empty cache.
            CacheType::FileSystem if config.dir.as_ref().is_some_and(|dir| !dir.is_dir()) => {
                let dir = config.dir.unwrap_or_default();
                Err(Failure::wrong(format!("there is no directory {}", dir.display())))
            }
            CacheType::Null => Err(Failure::wrong("`null` keeps nothing that could be looked at")),
            _ => Ok(Cache::open(config)?),
        }
    }
}
