//! The options of built-in backends, beside the fields.

use std::path::Path;
use std::time::Duration;

use super::problems::Problems;
use super::suggest::hint;
use super::{Config, Value, duration, resolve};
use crate::builtin::BuiltIn;

/// The kind of value that an option holds.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "the features decide which kinds are in use")]
pub(crate) enum OptionKind {
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

impl OptionKind {
    /// Returns the text that says what the value must be, unless it is. The value isn't shown: it may be a secret.
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
    duration::read(value).ok()
}

#[allow(dead_code, reason = "the features decide which options are asked for")]
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

    /// Removes the blanks around the options of a built-in backend, and makes their paths absolute. The options of a
    /// custom backend are its own.
    pub(super) fn resolve_options(&mut self, problems: &mut Problems) {
        let Some(BuiltIn { options: known, .. }) = self.built_in() else { return };
        for (name, value) in &mut self.options {
            let Value::String(text) = value else { continue };
            resolve::trim(text);
            let is_path = known.iter().any(|(known, kind)| known == name && matches!(kind, OptionKind::Path));
            if !is_path {
                continue;
            }
            match resolve::absolute(Path::new(text)).map(|path| path.into_os_string().into_string()) {
                Ok(Ok(path)) => *text = path,
                Ok(Err(_)) => problems.add(format!("option `{name}`: the working directory must be UTF-8")),
                Err(wrong) => problems.add(format!("option `{name}` {wrong}")),
            }
        }
    }

    /// Refuses the options that the backend doesn't take, and malformed ones. Values aren't shown.
    pub(super) fn check_options(&self, known: &[(&str, OptionKind)], problems: &mut Problems) {
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
