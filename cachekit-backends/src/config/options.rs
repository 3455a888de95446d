//! The options that backends of cachekit take, besides the fields.

use std::time::Duration;

use super::problems::Problems;
use super::suggest::hint;
use super::{CacheType, Config, Value, duration};

/// What an option holds.
#[derive(Clone, Copy)]
enum Kind {
    /// The path of a file.
    Path,
    /// True or false.
    Switch,
    /// A time that isn't zero.
    Span,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number of bytes, from and to.
    Bytes(i64, i64),
}

type Known = &'static [(&'static str, Kind)];

const REDIS: Known =
    &[("lease", Kind::Span), ("tls_ca", Kind::Path), ("tls_cert", Kind::Path), ("tls_key", Kind::Path)];
const MEMCACHED: Known = &[
    ("auth", Kind::Word(&["auto", "sasl", "text"])),
    ("max_item_size", Kind::Bytes(2048, 1 << 30)),
    ("tls", Kind::Switch),
    ("tls_ca", Kind::Path),
    ("tls_cert", Kind::Path),
    ("tls_key", Kind::Path),
];

fn known(cache_type: &CacheType) -> Known {
    match cache_type {
        CacheType::Redis => REDIS,
        CacheType::Memcached
        | CacheType::GaeMemcached
        | CacheType::SaslMemcached
        | CacheType::SpreadSaslMemcached => MEMCACHED,
        CacheType::Null | CacheType::Simple | CacheType::FileSystem | CacheType::Custom(_) => &[],
    }
}

impl Kind {
    /// What the value must be, unless it is. The value isn't shown: nobody knows what it was meant to be.
    fn objection(self, value: &Value) -> Option<String> {
        let fits = match self {
            Self::Path => value.as_str().is_some_and(|path| !path.is_empty()),
            Self::Switch => value.as_bool().is_some(),
            Self::Span => span(value).is_some_and(|time| !time.is_zero()),
            Self::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Bytes(least, most) => value.as_integer().is_some_and(|n| (least..=most).contains(&n)),
        };
        (!fits).then(|| match self {
            Self::Path => "the path of a file".into(),
            Self::Switch => "true or false".into(),
            Self::Span => format!("{}, and more than zero", duration::FORMS),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Bytes(least, most) => format!("a number of bytes from {least} to {most}"),
        })
    }
}

fn span(value: &Value) -> Option<Duration> {
    match value.as_integer() {
        Some(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        None => value.as_str().and_then(duration::parse),
    }
}

// Who asks for an option depends on the features.
#[allow(dead_code)]
impl Config {
    /// An option that holds text, checked before.
    pub(crate) fn text_option(&self, name: &str) -> Option<&str> {
        self.options.get(name).and_then(Value::as_str)
    }

    /// An option that is true or false, checked before; false, if it isn't given.
    pub(crate) fn switch_option(&self, name: &str) -> bool {
        self.options.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// An option that holds a time, checked before.
    pub(crate) fn span_option(&self, name: &str) -> Option<Duration> {
        self.options.get(name).and_then(span)
    }

    /// An option that is a number of bytes, checked before.
    pub(crate) fn bytes_option(&self, name: &str) -> Option<usize> {
        self.options.get(name).and_then(Value::as_integer).and_then(|bytes| usize::try_from(bytes).ok())
    }

    /// Refuses the options that a type doesn't take, and those that aren't what they must be. Values aren't shown.
    pub(super) fn check_options(&self, problems: &mut Problems) {
        let known = known(&self.cache_type);
        if known.is_empty() && !self.options.is_empty() {
            let names: Vec<String> = self.options.keys().map(|name| format!("`{name}`")).collect();
            let names = names.join(", ");
            problems.add(format!("cache type `{}` takes no `options`: leave out {names}", self.cache_type));
            return;
        }
        for (name, value) in &self.options {
            match known.iter().find(|(known, _)| known == name) {
                None => {
                    let valid: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                    let hint = hint(name, valid.iter().copied());
                    let valid = valid.join(", ");
                    problems.add(format!(
                        "cache type `{}` has no option `{name}`: valid are {valid}{hint}",
                        self.cache_type
                    ));
                }
                Some((_, kind)) => {
                    if let Some(must) = kind.objection(value) {
                        problems.add(format!("option `{name}` must be {must}"));
                    }
                }
            }
        }
        for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
            if self.options.contains_key(one) && !self.options.contains_key(other) {
                problems.add(format!("option `{one}` needs `{other}` as well"));
            }
        }
    }
}
