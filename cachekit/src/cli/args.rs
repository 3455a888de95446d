//! The arguments of the command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Looks into a cache and empties the right part of it, on the backend that the configuration names.
///
/// It needs nothing of the program that fills the cache: keys carry the names of its functions.
#[derive(Parser)]
#[command(
    name = "cachekit",
    version,
    after_help = "The configuration is that of the program: the environment (CACHE_TYPE, CACHE_REDIS_URL, …) or the file of \
                  --config, and over either the options here.\n\
                  Exit codes: 0 done, 1 nothing found (for `verify`, `ping`: not sound, no answer), 2 failed or wrong input."
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The options about the cache.
#[derive(Args)]
#[command(next_help_heading = "Configuration")]
pub(super) struct Settings {
    /// Read this TOML file instead of the environment
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The prefix of the environment variables
    #[arg(long, global = true, value_name = "PREFIX", default_value = "CACHE_", hide_default_value = false)]
    pub(super) env_prefix: String,
    /// The cache type: filesystem, redis, memcached, …
    #[arg(long = "type", global = true, value_name = "TYPE")]
    pub(super) cache_type: Option<String>,
    /// The directory of `filesystem`; implies its type
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// The Redis server; implies its type. A password is safer in `CACHE_REDIS_URL`
    #[arg(long, global = true, value_name = "URL")]
    pub(super) redis_url: Option<String>,
    /// The memcached servers, with commas; implies their type
    #[arg(long, global = true, value_name = "LIST")]
    pub(super) servers: Option<String>,
    /// The prefix of the cache's keys
    #[arg(long, global = true, value_name = "TEXT")]
    pub(super) key_prefix: Option<String>,
}

/// The commands.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Ask the backend for one key, and say how it answers
    Ping,
    /// List the functions that have entries, with how many
    Functions,
    /// List keys: all, or those of a function
    Ls {
        /// The function's name, or the beginning of it with a `*` at the end
        function: Option<String>,
        /// Read each entry too: its size, age and time left
        #[arg(long, short)]
        long: bool,
        /// At most so many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show an entry: its header, and its value as JSON
    Show {
        /// A key as `ls` prints it; `=name` for a key of the cache object
        key: String,
    },
    /// Delete all entries of a function, in every process
    Delete {
        /// The function's name, as `functions` prints it
        function: String,
        /// Only those on one instance: the digest after `#version:` of a key that `ls` prints
        #[arg(long, value_name = "DIGEST")]
        instance: Option<String>,
    },
    /// Delete all entries that carry a tag
    DeleteTag {
        /// The tag
        tag: String,
    },
    /// Delete all that is stored for a request's path: pages, and entries of views
    DeleteView {
        /// The path, without the query
        path: String,
    },
    /// Delete one entry
    DeleteKey {
        /// A key as `ls` prints it; `=name` for a key of the cache object
        key: String,
    },
    /// Remove everything that carries the key prefix, and nothing else
    Clear {
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Count what is stored
    Stats,
    /// Read every entry and say which are sound, expired, orphaned or corrupt
    Verify {
        /// Remove those that no call can use: expired, orphaned and corrupt ones
        #[arg(long)]
        repair: bool,
    },
    /// Print `stats` again and again
    Watch {
        /// The seconds between two of them
        #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
        every: f64,
        /// End after so many
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Measure the round trip to the backend
    Bench {
        /// How many round trips
        #[arg(long, value_name = "N", default_value_t = 1000)]
        count: u32,
        /// The bytes of the value
        #[arg(long, value_name = "BYTES", default_value_t = 1024)]
        size: usize,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}
