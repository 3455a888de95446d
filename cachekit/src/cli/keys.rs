//! Keys of a backend, read back into what they stand for.

use crate::engine::{Engine, near};

/// The characters of a digest in a key.
const DIGEST_LEN: usize = 32;

/// The kind of item that a key of a cache names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry of a function, or a stored page.
    Entry {
        function: String,
        /// The option `version`.
        version: Option<String>,
    },
    /// The version of a function.
    Function(String),
    /// The version of an instance of a function's type.
    Instance { function: String, digest: String },
    /// The version of a tag.
    Tag,
    /// The version of a request's path.
    View,
    /// An entry of the cache object.
    Object,
    /// Something else under the prefix.
    Other,
}

impl Kind {
    /// Reads a key without the cache's prefix.
    pub(super) fn of(key: &str) -> Self {
        if key.starts_with('=') {
            return Self::Object;
        }
        if let Some((function, instance)) = key.rsplit_once("#version") {
            let function = unescaped(function);
            return match (function.as_str(), instance.strip_prefix(':')) {
                ("tag" | "fragment", Some(_)) => Self::Tag,
                ("view", Some(_)) => Self::View,
                (near::NAME, _) => Self::Other,
                (_, Some(digest)) => Self::Instance { function, digest: digest.to_owned() },
                (_, None) if instance.is_empty() => Self::Function(function),
                (_, None) => Self::Other,
            };
        }
        match key.rsplit_once(':') {
            Some((stem, digest)) if is_digest(digest) && !stem.is_empty() => {
                let (function, version) = match stem.rsplit_once('@') {
                    Some((function, version)) => (function, Some(version.to_owned())),
                    None => (stem, None),
                };
                Self::Entry { function: unescaped(function), version }
            }
            _ => Self::Other,
        }
    }

    /// The word for it in lists.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Entry { .. } => "entry",
            Self::Function(_) => "version",
            Self::Instance { .. } => "instance",
            Self::Tag => "tag",
            Self::View => "view",
            Self::Object => "value",
            Self::Other => "other",
        }
    }

    /// The function that it belongs to.
    pub(super) fn function(&self) -> Option<&str> {
        match self {
            Self::Entry { function, .. } | Self::Function(function) | Self::Instance { function, .. } => {
                Some(function)
            }
            _ => None,
        }
    }

    /// Whether a value is stored under it, and not a version.
    pub(super) fn is_value(&self) -> bool {
        matches!(self, Self::Entry { .. } | Self::Object)
    }
}

fn unescaped(function: &str) -> String {
    function.strip_prefix('\\').unwrap_or(function).to_owned()
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGEST_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The key on the backend of one that a user gave, with the cache's prefix or without.
pub(super) fn full(engine: &Engine, key: &str) -> String {
    let prefix = &engine.prefix;
    if key.starts_with(&**prefix) { key.to_owned() } else { format!("{prefix}{key}") }
}

/// A key without the cache's prefix.
pub(super) fn short<'k>(engine: &Engine, key: &'k str) -> &'k str {
    key.strip_prefix(&*engine.prefix).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn keys_are_read_back() {
        let digest = "a2".repeat(16);
        let entry = |function: &str, version: Option<&str>| Kind::Entry {
            function: function.into(),
            version: version.map(str::to_owned),
        };
        for (key, kind) in [
            (format!("shop::price:{digest}"), entry("shop::price", None)),
            (format!("shop::price@2:{digest}"), entry("shop::price", Some("2"))),
            (format!("<a::B as c::D>::e:{digest}"), entry("<a::B as c::D>::e", None)),
            (format!("\\=odd:{digest}"), entry("=odd", None)),
            ("shop::price#version".into(), Kind::Function("shop::price".into())),
            (
                format!("shop::P::m#version:{digest}"),
                Kind::Instance { function: "shop::P::m".into(), digest: digest.clone() },
            ),
            (format!("tag#version:{digest}"), Kind::Tag),
            (format!("view#version:{digest}"), Kind::View),
            ("=greeting".into(), Kind::Object),
            (format!("=shop::price:{digest}"), Kind::Object),
            ("something".into(), Kind::Other),
            ("cachekit::near#version:mark".into(), Kind::Other),
        ] {
            assert_eq!(Kind::of(&key), kind, "{key}");
        }
    }
}
