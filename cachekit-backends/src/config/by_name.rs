//! The options of functions that are set by name: the tables `[functions."…"]` and `[policies.…]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::form::{FRACTIONS, Form, Fraction, Read, Span, SpanOrNever, Switch, must_be};
use super::problems::Problems;
use super::suggest::hint;
use super::{Value, variable};
use crate::Timeout;

/// The options of functions that are set from outside: by the function's name, or as a policy that attributes name.
///
/// An option that is `None` is left as it is. For each option that says something the order is: `configure_function`,
/// `[functions."…"]` of the cache's [`Config`](super::Config), the attribute, `[policies.…]`, the cache.
///
/// ```
/// use std::time::Duration;
///
/// use cachekit_backends::{Config, FunctionConfig};
///
/// let slow = FunctionConfig::new().timeout(300).stale_while_revalidate(Duration::from_secs(600));
/// let config = Config::simple().functions([("shop::*", slow)]);
/// let file = Config::from_toml(
///     r#"
///     type = "simple"
///     [functions."shop::*"]
///     timeout = "5m"
///     stale_while_revalidate = "10m"
///     "#,
/// )?;
/// assert_eq!(config, file);
/// # Ok::<(), cachekit_backends::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FunctionConfig {
    /// False: calls only compute. They neither read nor write, entries stay, and deletions go on.
    pub enabled: Option<bool>,
    /// How long a new entry lives.
    pub timeout: Option<Timeout>,
    /// The greatest part by which that is shortened at random, from 0 to less than 1.
    pub jitter: Option<f64>,
    /// How long past its timeout an entry is served while one call computes it anew; zero is not at all.
    pub stale_while_revalidate: Option<Duration>,
    /// How long past its timeout an entry is served where the computation of a new one ends with an `Err`.
    pub stale_if_error: Option<Duration>,
    /// The part of its timeout after which one call computes it anew, more than 0 and less than 1.
    pub refresh_ahead: Option<f64>,
    /// The time from a refresh that failed to the next one.
    pub retry_after: Option<Duration>,
}

/// The options, with the reader of each.
type Set = fn(&mut FunctionConfig, Value) -> Read<()>;
const OPTIONS: &[(&str, Set)] = &[
    ("enabled", |options, value| Switch.read(value).map(|yes| options.enabled = Some(yes))),
    ("timeout", |options, value| SpanOrNever.read(value).map(|time| options.timeout = Some(time))),
    ("jitter", |options, value| Fraction.read(value).map(|part| options.jitter = Some(part))),
    ("stale_while_revalidate", |options, value| {
        Span.read(value).map(|time| options.stale_while_revalidate = Some(time))
    }),
    ("stale_if_error", |options, value| Span.read(value).map(|time| options.stale_if_error = Some(time))),
    ("refresh_ahead", |options, value| Fraction.read(value).map(|part| options.refresh_ahead = Some(part))),
    ("retry_after", |options, value| Span.read(value).map(|time| options.retry_after = Some(time))),
];

impl FunctionConfig {
    /// Options that say nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            enabled: None,
            timeout: None,
            jitter: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            refresh_ahead: None,
            retry_after: None,
        }
    }

    /// Sets the field [`enabled`](field@Self::enabled).
    #[must_use]
    pub fn enabled(mut self, yes: bool) -> Self {
        self.enabled = Some(yes);
        self
    }

    /// Sets the field [`timeout`](field@Self::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// Sets the field [`jitter`](field@Self::jitter).
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = Some(part);
        self
    }

    /// Sets the field [`stale_while_revalidate`](field@Self::stale_while_revalidate).
    #[must_use]
    pub fn stale_while_revalidate(mut self, time: Duration) -> Self {
        self.stale_while_revalidate = Some(time);
        self
    }

    /// Sets the field [`stale_if_error`](field@Self::stale_if_error).
    #[must_use]
    pub fn stale_if_error(mut self, time: Duration) -> Self {
        self.stale_if_error = Some(time);
        self
    }

    /// Sets the field [`refresh_ahead`](field@Self::refresh_ahead).
    #[must_use]
    pub fn refresh_ahead(mut self, part: f64) -> Self {
        self.refresh_ahead = Some(part);
        self
    }

    /// Sets the field [`retry_after`](field@Self::retry_after).
    #[must_use]
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// Returns these options, and those of `other` where they say nothing.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            enabled: self.enabled.or(other.enabled),
            timeout: self.timeout.or(other.timeout),
            jitter: self.jitter.or(other.jitter),
            stale_while_revalidate: self.stale_while_revalidate.or(other.stale_while_revalidate),
            stale_if_error: self.stale_if_error.or(other.stale_if_error),
            refresh_ahead: self.refresh_ahead.or(other.refresh_ahead),
            retry_after: self.retry_after.or(other.retry_after),
        }
    }

    /// Returns the mistakes in these options, each as the end of a sentence that begins with the name of the option.
    #[doc(hidden)]
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.jitter.is_some_and(|part| !FRACTIONS.contains(&part)) {
            mistakes.push("`jitter` must be a number from 0 to less than 1".to_owned());
        }
        if self.refresh_ahead.is_some_and(|part| !(part > 0.0 && part < 1.0)) {
            mistakes.push(
                "`refresh_ahead` must be a part of the timeout, more than 0 and less than 1".to_owned(),
            );
        }
        if self.timeout == Some(Timeout::After(Duration::ZERO)) {
            mistakes.push(
                "`timeout` must be more than zero; for entries that never expire say `Timeout::Never`"
                    .to_owned(),
            );
        }
        mistakes
    }

    fn read(table: BTreeMap<String, Value>) -> Result<Self, Vec<String>> {
        let (mut options, mut mistakes) = (Self::new(), Vec::new());
        for (name, value) in table {
            if let Some((_, set)) = OPTIONS.iter().find(|(option, _)| *option == name) {
                mistakes.extend(set(&mut options, value).err().map(|wrong| format!("`{name}` {wrong}")));
            } else {
                let valid: Vec<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
                let hint = hint(&name, valid.iter().copied());
                mistakes.push(format!("unknown key `{name}`: valid are {}{hint}", valid.join(", ")));
            }
        }
        if mistakes.is_empty() { Ok(options) } else { Err(mistakes) }
    }
}

/// Tables of options by a name, or by a pattern.
pub(super) struct ByName;

impl Form<BTreeMap<String, FunctionConfig>> for ByName {
    fn read(&self, value: Value) -> Read<BTreeMap<String, FunctionConfig>> {
        let Value::Map(tables) = value else {
            return Err(must_be(
                "tables of options by name, such as `{ \"shop::*\" = { timeout = \"5m\" } }`",
                &value,
            ));
        };
        let (mut read, mut mistakes) = (BTreeMap::new(), Vec::new());
        for (name, value) in tables {
            let options = match value {
                Value::Map(table) => FunctionConfig::read(table),
                other => Err(vec![must_be("a table such as `{ timeout = \"5m\" }`", &other)]),
            };
            match options {
                Ok(options) => {
                    read.insert(name, options);
                }
                Err(wrong) => mistakes.extend(wrong.into_iter().map(|wrong| format!("of `{name}`: {wrong}"))),
            }
        }
        if mistakes.is_empty() { Ok(read) } else { Err(mistakes.join("; ")) }
    }

    fn read_text(&self, text: &str) -> Read<BTreeMap<String, FunctionConfig>> {
        self.read(variable::map(text)?)
    }
}

/// Checks the values of one of the two tables.
pub(super) fn check(
    table: &'static str,
    options: &BTreeMap<String, FunctionConfig>,
    problems: &mut Problems,
) {
    for (name, options) in options {
        for mistake in options.mistakes() {
            problems.add(format!("`{table}` of `{name}`: {mistake}"));
        }
    }
}

/// The options that functions have by their names. A name is exact, or a pattern in which each `*` stands for any text.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct NamedOptions(Vec<(String, FunctionConfig)>);

impl NamedOptions {
    /// Those of a table.
    #[must_use]
    pub fn new(table: &BTreeMap<String, FunctionConfig>) -> Self {
        let mut named = Self(Vec::new());
        for (name, options) in table {
            named.set(name, options.clone());
        }
        named
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets the options of a name or pattern, in place of those that it has. Options that say nothing remove it.
    pub fn set(&mut self, name: &str, options: FunctionConfig) {
        self.0.retain(|(known, _)| known != name);
        if options == FunctionConfig::new() {
            return;
        }
        let at = self.0.partition_point(|(known, _)| narrowness(known) >= narrowness(name));
        self.0.insert(at, (name.to_owned(), options));
    }

    /// Returns the options of a function: each by the narrowest name that says it.
    #[must_use]
    pub fn of(&self, function: &str) -> FunctionConfig {
        let matching = self.0.iter().filter(|(name, _)| name_matches(name, function));
        matching.fold(FunctionConfig::new(), |found, (_, options)| found.or(options))
    }
}

/// An exact name is narrower than each pattern, and a pattern with more letters narrower than one with fewer.
fn narrowness(name: &str) -> (bool, usize) {
    (!is_pattern(name), name.chars().filter(|letter| *letter != '*').count())
}

/// Whether a name is a pattern.
#[doc(hidden)]
#[must_use]
pub fn is_pattern(name: &str) -> bool {
    name.contains('*')
}

/// Whether a function's name is this one, or of this pattern.
#[doc(hidden)]
#[must_use]
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        // The first place is as good as any: what follows has the more room.
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, name, matches) in [
            ("shop::price", "shop::price", true),
            ("shop::price", "shop::prices", false),
            ("shop::price", "ashop::price", false),
            ("shop::*", "shop::price", true),
            ("shop::*", "shop::admin::price", true),
            ("shop::*", "shop", false),
            ("*::price", "shop::price", true),
            ("*", "", true),
            ("shop*e", "shop::price", true),
            ("shop*price*", "shop::price", true),
            ("aba*aba", "aba", false),
            ("a*b*c", "a-c-b", false),
            ("a*b*c", "a-bb-c", true),
            ("shop.?", "shop.a", false),
            ("", "shop", false),
        ] {
            assert_eq!(name_matches(pattern, name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn the_narrowest_name_that_says_an_option_decides_it() {
        let mut named = NamedOptions::default();
        named.set("*", FunctionConfig::new().timeout(1).jitter(0.1).enabled(false));
        named.set("shop::price", FunctionConfig::new().timeout(3));
        named.set("shop::*", FunctionConfig::new().timeout(2).jitter(0.2));
        let of = |named: &NamedOptions, name| {
            let FunctionConfig { timeout, jitter, enabled, .. } = named.of(name);
            (timeout, jitter, enabled)
        };
        assert_eq!(of(&named, "shop::price"), (Some(3.into()), Some(0.2), Some(false)));
        assert_eq!(of(&named, "shop::name"), (Some(2.into()), Some(0.2), Some(false)));
        assert_eq!(of(&named, "other"), (Some(1.into()), Some(0.1), Some(false)));
        named.set("shop::price", FunctionConfig::new());
        assert_eq!(of(&named, "shop::price").0, Some(2.into()));
    }
}
