//! The built-in backends, a row for each.
//!
//! A row has the words of `CACHE_TYPE`, the cargo feature, and the settings that belong to this backend alone. Everything
//! else is in the folder of the row's name, whose `builtin.rs` has the constant `BACKEND`: options, checks, and how a
//! configuration is opened. `CacheType`, the checks of a configuration, the texts of its errors, and the registry are made
//! from this table.

#[cfg(test)]
mod tests;

use crate::config::{Config, OptionKind, Problems};
use crate::{Clock, Opened, Result};

/// The part of a backend that its own folder knows; compiled with its cargo feature.
pub(crate) struct BuiltIn {
    /// The options that it takes beside the fields of the configuration.
    pub(crate) options: &'static [(&'static str, OptionKind)],
    /// Adds the mistakes in its settings. Blanks are trimmed and paths are absolute already.
    pub(crate) check: fn(&Config, &mut Problems),
    /// The server or directory, for the log; without secrets.
    pub(crate) location: fn(&Config) -> Option<String>,
    /// Opens the store of a checked configuration.
    pub(crate) open: fn(&Config, &Clock) -> Result<Opened>,
}

/// A row of the table.
pub(crate) struct Row {
    /// The words of `CACHE_TYPE`, the first of which names the backend.
    pub(crate) types: &'static [(&'static str, CacheType)],
    /// The cargo feature that adds the backend.
    pub(crate) feature: Option<&'static str>,
    /// The fields that only this backend reads; with another type they are a mistake.
    pub(crate) fields: &'static [&'static str],
    /// The backend, if this build has it.
    pub(crate) built: Option<&'static BuiltIn>,
}

macro_rules! backends {
    ($(
        $(#[$on:meta])*
        $module:ident $(($feature:literal))? {
            $($(#[$doc:meta])* $word:literal => $variant:ident,)*
        } owns [$($field:ident),*];
    )*) => {
        /// The kind of backend, by the word that stands in files and in the environment.
        ///
        /// Made from text in any case, without the blanks around it; an unknown word is the name of a custom backend.
        ///
        /// ```
        /// use cachekit_backends::CacheType;
        ///
        /// assert_eq!(CacheType::from("FileSystem"), CacheType::FileSystem);
        /// assert_eq!(CacheType::from("mine"), CacheType::Custom("mine".into()));
        /// assert_eq!(CacheType::FileSystem.to_string(), "filesystem");
        /// ```
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CacheType {
            $($($(#[$doc])* $variant,)*)*
            /// A backend that was given to `register_backend` under this name.
            Custom(String),
        }

        /// All of them, in the order in which messages list their words.
        pub(crate) const BACKENDS: &[Row] = &[$(
            $(#[$on])*
            Row {
                types: &[$(($word, CacheType::$variant)),*],
                feature: {
                    let features: &[&'static str] = &[$($feature)?];
                    features.first().copied()
                },
                fields: {
                    // Refuses a name that is no field.
                    let _ = |config: Config| {
                        let _ = config;
                        $(let _ = config.$field;)*
                    };
                    &[$(stringify!($field)),*]
                },
                built: {
                    #[cfg(not(all($(feature = $feature)?)))]
                    { None }
                    #[cfg(all($(feature = $feature)?))]
                    { Some(&crate::$module::builtin::BACKEND) }
                },
            },
        )*];
    };
}

backends! {
    null {
        /// `null`: nothing is kept.
        "null" => Null,
    } owns [];

    simple {
        /// `simple`: in this process.
        #[default]
        "simple" => Simple,
    } owns [];

    filesystem ("filesystem") {
        /// `filesystem`: one file per entry in a directory.
        "filesystem" => FileSystem,
    } owns [dir];

    memcached ("memcached") {
        /// `memcached`.
        "memcached" => Memcached,
        /// `gaememcached`: memcached under a different name.
        "gaememcached" => GaeMemcached,
        /// `saslmemcached`: memcached with a user name and a password.
        "saslmemcached" => SaslMemcached,
        /// `spreadsaslmemcached`: the same, and large values are split over several items.
        "spreadsaslmemcached" => SpreadSaslMemcached,
    } owns [memcached_servers, memcached_username, memcached_password];

    redis ("redis") {
        /// `redis`.
        "redis" => Redis,
    } owns [redis_host, redis_port, redis_password, redis_db, redis_url];

    // The backend that the book adds.
    // ANCHOR: example
    #[cfg(test)]
    example {
        /// `example`: in a map.
        #[cfg(test)]
        "example" => Example,
    } owns [];
    // ANCHOR_END: example
}

impl Row {
    /// The word that names the backend.
    pub(crate) fn name(&self) -> &'static str {
        self.types.first().map_or("", |(word, _)| word)
    }

    /// The row of a type; none for a custom one.
    pub(crate) fn of(cache_type: &CacheType) -> Option<&'static Self> {
        BACKENDS.iter().find(|row| row.types.iter().any(|(_, known)| known == cache_type))
    }
}

/// Every type but the custom ones, with its word.
pub(crate) fn known_types() -> impl Iterator<Item = &'static (&'static str, CacheType)> {
    BACKENDS.iter().flat_map(|row| row.types)
}
