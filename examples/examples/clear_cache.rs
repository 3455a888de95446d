//! Empties a cache: the one that the environment describes, or the one of a TOML file.
//!
//! ```text
//! CACHE_TYPE=filesystem CACHE_DIR=/var/cache/shop cargo run -p cachekit-examples --example clear_cache
//! cargo run -p cachekit-examples --example clear_cache -- cache.toml
//! ```
//!
//! In the file, `type = "filesystem"` and `dir = "/var/cache/shop"`. What carries the configuration's key prefix is removed,
//! and nothing else. A mistake in the configuration, or a backend that can't be reached, ends it with a message and an
//! exit code other than zero.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use cachekit::{Cache, CacheType, Config};
use cachekit_examples::sqlite::Sqlite;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clear_cache: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    // So that `CACHE_TYPE=sqlite CACHE_OPTIONS=path=cache.db` is known here as well.
    cachekit::register_backend("sqlite", Sqlite::from_config)?;

    let mut args = std::env::args_os().skip(1);
    let (config, source) = match (args.next(), args.next()) {
        (None, _) => (Config::from_env()?, "the environment".to_string()),
        (Some(file), None) => (read(Path::new(&file))?, Path::new(&file).display().to_string()),
        (Some(_), Some(_)) => return Err("give one file at most: clear_cache [cache.toml]".into()),
    };
    println!("configuration from {source}: {}", describe(&config));
    match config.cache_type {
        CacheType::Simple => {
            println!(
                "nothing to clear: a `simple` cache lives in the process that uses it, and ends with it"
            );
        }
        CacheType::Null => println!("nothing to clear: a `null` cache keeps nothing"),
        _ if config.testing => println!("nothing to clear: with `testing` the cache keeps nothing"),
        _ => {
            let prefix = config.key_prefix.clone();
            // A deletion fails loud: if this returns, the entries are gone.
            Cache::open(config)?.clear()?;
            println!("cleared: no entry whose key begins with `{prefix}` is left");
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Config, Box<dyn Error>> {
    let at = |error: &dyn Error| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| at(&error))?;
    Ok(Config::from_toml(&text).map_err(|error| at(&error))?)
}

fn describe(config: &Config) -> String {
    let place = match &config.dir {
        Some(dir) => format!(" in {}", dir.display()),
        None => String::new(),
    };
    format!("`{}`{place}, key prefix `{}`", config.cache_type, config.key_prefix)
}
