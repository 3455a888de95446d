//! The words of [`CacheType`].

use std::fmt;

use crate::CacheType;
use crate::builtin::known_types;

impl CacheType {
    /// The word for this type, or the custom name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Custom(name) => name,
            known => known_types().find(|(_, other)| other == known).map_or("", |(word, _)| word),
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
        let word = word.trim();
        let known = known_types().find(|(name, _)| name.eq_ignore_ascii_case(word));
        known.map_or_else(|| Self::Custom(word.into()), |(_, known)| known.clone())
    }
}

impl From<String> for CacheType {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}
