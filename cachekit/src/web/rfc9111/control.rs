//! `Cache-Control`.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};

use super::fields::items;

/// The directives of a response. What a shared cache doesn't heed is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
// Each is a directive of its own.
#[expect(clippy::struct_excessive_bools, reason = "the directives are independent of one another")]
pub(in crate::web) struct ResponseControl {
    pub(in crate::web) no_store: bool,
    /// Unqualified.
    pub(in crate::web) no_cache: bool,
    /// Fields that `no-cache="…"` lists: not to be kept.
    pub(in crate::web) no_cache_fields: Vec<String>,
    /// Qualified or not: a list of fields is no reason to keep the rest.
    pub(in crate::web) private: bool,
    pub(in crate::web) public: bool,
    /// `must-revalidate` or `proxy-revalidate`.
    pub(in crate::web) must_revalidate: bool,
    pub(in crate::web) must_understand: bool,
    /// In seconds; what can't be read is 0.
    pub(in crate::web) max_age: Option<u64>,
    pub(in crate::web) s_maxage: Option<u64>,
    /// In seconds, as those of RFC 5861.
    pub(in crate::web) stale_while_revalidate: Option<u64>,
    pub(in crate::web) stale_if_error: Option<u64>,
}

/// The directives of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::web) struct RequestControl {
    pub(in crate::web) no_store: bool,
    /// `no-cache`, or `Pragma: no-cache` without a `Cache-Control`.
    pub(in crate::web) no_cache: bool,
    pub(in crate::web) only_if_cached: bool,
    pub(in crate::web) max_age: Option<u64>,
    pub(in crate::web) min_fresh: Option<u64>,
    /// How many seconds a response may be stale; without a number, any.
    pub(in crate::web) max_stale: Option<u64>,
}

/// The directives of all fields, in order: the name in lower case, and the argument without its quotes.
fn directives(headers: &HeaderMap) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    for item in items(headers, &CACHE_CONTROL) {
        match item.split_once('=') {
            // No trimming: `max-age =1` and `max-age= 1` are not well formed.
            Some((name, value)) => all.push((name.to_ascii_lowercase(), Some(unquoted(value)))),
            None => all.push((item.to_ascii_lowercase(), None)),
        }
    }
    all
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_string();
    };
    let mut escaped = false;
    inner
        .chars()
        .filter(|&c| {
            escaped = c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

/// The words of an item, in lower case, whatever is between them: `private; max-age=5` is not well formed, and still says
/// that it is private. What is in quotes isn't said.
fn words(item: &str) -> Vec<String> {
    let (mut outside, mut quoted, mut escaped) = (String::new(), false, false);
    for c in item.chars() {
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        outside.push(if quoted { '"' } else { c });
    }
    // A quote that is never closed hides nothing.
    let said = if quoted { item } else { &outside };
    said.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .map(str::to_ascii_lowercase)
        .collect()
}

/// Seconds (RFC 9111, 1.2.2): more than fit are the most there are, what is no number is 0.
fn delta(value: Option<&str>) -> u64 {
    match value {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().unwrap_or(u64::MAX)
        }
        _ => 0,
    }
}

impl ResponseControl {
    pub(in crate::web) fn new(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for (name, value) in directives(headers) {
            let value = value.as_deref();
            match name.as_str() {
                "public" => control.public = true,
                "must-revalidate" | "proxy-revalidate" => control.must_revalidate = true,
                "must-understand" => control.must_understand = true,
                "no-cache" => match value {
                    Some(fields) if !fields.trim().is_empty() => control
                        .no_cache_fields
                        .extend(fields.split(',').map(|field| field.trim().to_ascii_lowercase())),
                    _ => control.no_cache = true,
                },
                // Of several, the first counts (RFC 9111, 4.2.1).
                "max-age" => _ = control.max_age.get_or_insert(delta(value)),
                "s-maxage" => _ = control.s_maxage.get_or_insert(delta(value)),
                "stale-while-revalidate" => {
                    _ = control.stale_while_revalidate.get_or_insert(delta(value));
                }
                "stale-if-error" => _ = control.stale_if_error.get_or_insert(delta(value)),
                _ => {}
            }
        }
        // Directives that forbid storing are heeded also where they aren't well formed.
        for item in items(headers, &CACHE_CONTROL) {
            let words = words(&item);
            let says = |word: &str| words.iter().any(|one| one == word);
            control.no_store |= says("no-store");
            control.private |= says("private");
            let alone = item.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("no-cache"));
            control.no_cache |= says("no-cache") && !alone;
        }
        control
    }

    /// Whether the response declares itself shared, so that the request's credentials don't matter (RFC 9111, 3.5).
    pub(in crate::web) fn says_shared(&self) -> bool {
        self.public || self.s_maxage.is_some() || self.must_revalidate
    }
}

impl RequestControl {
    pub(in crate::web) fn new(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        let directives = directives(headers);
        if directives.is_empty() {
            control.no_cache =
                items(headers, &PRAGMA).iter().any(|item| item.eq_ignore_ascii_case("no-cache"));
        }
        for (name, value) in directives {
            let value = value.as_deref();
            match name.as_str() {
                "no-store" => control.no_store = true,
                "no-cache" => control.no_cache = true,
                "only-if-cached" => control.only_if_cached = true,
                "max-age" => _ = control.max_age.get_or_insert(delta(value)),
                "min-fresh" => _ = control.min_fresh.get_or_insert(delta(value)),
                "max-stale" => control.max_stale = Some(value.map_or(u64::MAX, |value| delta(Some(value)))),
                _ => {}
            }
        }
        control
    }
}
