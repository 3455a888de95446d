//! The table of options: which there are, where they belong, how they are written.

use crate::suggest::hint;

/// Which of the two attributes it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flavor {
    Memoize,
    Cached,
}

impl Flavor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memoize => "memoize",
            Self::Cached => "cached",
        }
    }
}

/// One option.
pub(crate) struct OptionSpec {
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) usage: &'static str,
    /// The only attribute that has it; `None`: both have it.
    pub(crate) only: Option<Flavor>,
    /// `#[cached]` has it too where the request is the key.
    pub(crate) of_views: bool,
    /// The advice for the other one.
    pub(crate) instead: &'static str,
}

const fn both(name: &'static str, usage: &'static str) -> OptionSpec {
    OptionSpec { name, usage, only: None, of_views: false, instead: "" }
}

const fn only(flavor: Flavor, name: &'static str, usage: &'static str, instead: &'static str) -> OptionSpec {
    OptionSpec { name, usage, only: Some(flavor), of_views: false, instead }
}

/// Of `#[memoize]`, and of views.
const fn of_arguments(name: &'static str, usage: &'static str, instead: &'static str) -> OptionSpec {
    OptionSpec { name, usage, only: Some(Flavor::Memoize), of_views: true, instead }
}

/// Every option, in the order of the documentation.
pub(crate) const OPTIONS: &[OptionSpec] = &[
    both("timeout", "timeout = 50"),
    only(
        Flavor::Cached,
        "key_prefix",
        "key_prefix = \"text\"",
        "`#[memoize]` makes the key from the arguments: write `key = expr` to choose what stands for them, \
         or use `#[cached(key_prefix = ..)]`",
    ),
    only(
        Flavor::Cached,
        "view",
        "view",
        "`#[memoize]` makes the key from the arguments: use `#[cached(view)]`",
    ),
    of_arguments(
        "key",
        "key = expr",
        "`#[cached]` leaves the arguments out of the key: write `key_prefix = expr`, or use `#[memoize(key \
         = ..)]`",
    ),
    of_arguments(
        "ignore",
        "ignore(argument, self)",
        "`#[cached]` leaves all arguments out of the key: remove it, or use `#[memoize(ignore(..))]`",
    ),
    only(
        Flavor::Memoize,
        "each",
        "each = ids",
        "a value that is cached under one key has no ids: use `#[memoize(each = ids)]`",
    ),
    only(
        Flavor::Memoize,
        "of",
        "of = function",
        "it shares the entries of a `#[memoize]` function: use `#[memoize(each = ids, of = function)]`",
    ),
    only(
        Flavor::Memoize,
        "per_request",
        "per_request",
        "`#[cached]` without a key is kept by the request's path: use `#[memoize(per_request)]` for values of one request",
    ),
    both("hash", "hash(argument, self)"),
    both("debug", "debug` or `debug(argument, self)"),
    both("name", "name = \"stable.name\""),
    both("unless", "unless = condition"),
    both("refresh_if", "refresh_if = condition"),
    both("stale_if", "stale_if = |value| condition"),
    both("cache_if", "cache_if = |value| condition"),
    both("cache_none", "cache_none"),
    both("none_timeout", "none_timeout = \"5s\""),
    both("err_timeout", "err_timeout = \"2s\""),
    both("jitter", "jitter = 0.1"),
    both("stale_while_revalidate", "stale_while_revalidate = \"10m\""),
    both("stale_if_error", "stale_if_error = \"1h\""),
    both("refresh_ahead", "refresh_ahead = 0.8"),
    both("revalidate", "revalidate = \"background\""),
    both("retry_after", "retry_after = \"1s\""),
    both("policy", "policy = \"hot\""),
    both("soft_timeout", "soft_timeout = \"100ms\""),
    both("detached", "detached"),
    both("weight", "weight = |value| bytes"),
    both("version", "version = \"2\""),
    both("source_check", "source_check"),
    both("local", "local"),
    both("tags", "tags(format!(\"user:{id}\"), \"users\")"),
    both("single_flight", "single_flight = false` or `single_flight = \"fleet\""),
    both("flight_timeout", "flight_timeout = \"10s\""),
    both("fleet_wait", "fleet_wait = \"1s\""),
    both("cache", "cache = PATH"),
    both("in_impl", "in_impl"),
    both("in_trait", "in_trait"),
    both("companion", "companion = other_name"),
    both("crate", "crate = path"),
];

/// The option of this name.
pub(crate) fn find(name: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|option| option.name == name)
}

/// Returns the message about a name that is no option.
pub(crate) fn unknown(flavor: Flavor, name: &str) -> String {
    let valid: Vec<&str> = OPTIONS
        .iter()
        .filter(|option| option.of_views || option.only.is_none_or(|only| only == flavor))
        .map(|option| option.name)
        .collect();
    let mut hint = hint(name, valid.iter().copied());
    if hint.is_empty() {
        hint.push('.');
    }
    format!("`#[{}]` has no option `{name}`{hint} Its options are: {}", flavor.name(), valid.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{Flavor, unknown};

    #[test]
    fn an_unknown_option_lists_those_of_its_attribute() {
        let text = unknown(Flavor::Memoize, "ttl");
        assert!(
            text.starts_with("`#[memoize]` has no option `ttl`. Its options are: timeout, key, ignore"),
            "{text}"
        );
        let text = unknown(Flavor::Cached, "vieww");
        assert!(
            text.contains(
                "`vieww`; did you mean `view`? Its options are: timeout, key_prefix, view, key, ignore, hash, debug, name"
            ),
            "{text}"
        );
    }
}
