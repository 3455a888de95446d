use std::fmt;

/// The kind of backend, by the word that stands in files and in the environment.
///
/// Made from text in any case; an unknown word is the name of a custom backend.
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
    /// `null`: nothing is kept.
    Null,
    /// `simple`: in this process.
    #[default]
    Simple,
    /// `filesystem`: one file per entry in a directory.
    FileSystem,
    /// `memcached`.
    Memcached,
    /// `gaememcached`: memcached under a different name.
    GaeMemcached,
    /// `saslmemcached`: memcached with a user name and a password.
    SaslMemcached,
    /// `spreadsaslmemcached`: the same, and large values are split over several items.
    SpreadSaslMemcached,
    /// `redis`.
    Redis,
    /// A backend that was given to `register_backend` under this name.
    Custom(String),
}

impl CacheType {
    /// Every type but the custom ones, with its word.
    pub(super) const KNOWN: [(&'static str, Self); 8] = [
        ("null", Self::Null),
        ("simple", Self::Simple),
        ("filesystem", Self::FileSystem),
        ("memcached", Self::Memcached),
        ("gaememcached", Self::GaeMemcached),
        ("saslmemcached", Self::SaslMemcached),
        ("spreadsaslmemcached", Self::SpreadSaslMemcached),
        ("redis", Self::Redis),
    ];

    /// The word for this type, or the custom name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Simple => "simple",
            Self::FileSystem => "filesystem",
            Self::Memcached => "memcached",
            Self::GaeMemcached => "gaememcached",
            Self::SaslMemcached => "saslmemcached",
            Self::SpreadSaslMemcached => "spreadsaslmemcached",
            Self::Redis => "redis",
            Self::Custom(name) => name,
        }
    }
}

impl fmt::Display for CacheType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for CacheType {
    fn from(word: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        known.map_or_else(|| Self::Custom(word.into()), |(_, known)| known)
    }
}

impl From<String> for CacheType {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}
