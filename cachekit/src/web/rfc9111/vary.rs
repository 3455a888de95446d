//! Which of several stored responses answers a request (RFC 9111, 4.1).

use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, HeaderName, VARY};

use super::fields::{list, pieces, trimmed};

/// The fields of a request that a response depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web) enum Vary {
    /// Anything.
    Star,
    /// These, in lower case, sorted.
    Fields(Vec<String>),
}

impl Vary {
    pub(in crate::web) fn new(headers: &HeaderMap) -> Self {
        let mut fields = list(headers, &VARY);
        // An item that isn't a field's name may stand for any field.
        if fields.iter().any(|field| field == "*" || HeaderName::try_from(field).is_err()) {
            return Self::Star;
        }
        fields.sort_unstable();
        fields.dedup();
        Self::Fields(fields)
    }
}

/// Fields of a request with their values, as they were when a response was made.
pub(in crate::web) type Selecting = Vec<(String, Option<String>)>;

/// The value of a selecting field, normalized: lines joined, white space around commas gone, the languages in lower case.
/// Nothing else: what a handler may tell apart is different.
fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    let name = HeaderName::try_from(name).ok()?;
    headers.get(&name)?;
    let pieces = pieces(headers, &name);
    if name != ACCEPT_LANGUAGE {
        return Some(pieces.join(","));
    }
    let range = |text: &String| text.split(';').map(trimmed).collect::<Vec<_>>().join(";");
    Some(pieces.iter().map(range).collect::<Vec<_>>().join(",").to_ascii_lowercase())
}

impl Vary {
    /// The selecting fields of a request; `more` are those that the layer adds. None for `*`.
    pub(in crate::web) fn select(&self, request: &HeaderMap, more: &[HeaderName]) -> Option<Selecting> {
        let Self::Fields(fields) = self else { return None };
        let mut names: Vec<&str> =
            fields.iter().map(String::as_str).chain(more.iter().map(HeaderName::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        Some(names.into_iter().map(|name| (name.to_string(), value(request, name))).collect())
    }

    /// Whether a request has the same selecting fields. `more` are those that the layer adds: what was stored without one
    /// of them doesn't match.
    pub(in crate::web) fn matches(selecting: &Selecting, request: &HeaderMap, more: &[HeaderName]) -> bool {
        let selects = |field: &HeaderName| selecting.iter().any(|(name, _)| name == field.as_str());
        more.iter().all(selects) && selecting.iter().all(|(name, stored)| value(request, name) == *stored)
    }
}
