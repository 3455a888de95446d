//! Which of several stored responses answers a request (RFC 9111, 4.1).

use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, HeaderName, VARY};

use super::fields::{items, list};

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
        if fields.iter().any(|field| field == "*") {
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
fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    // A name that is no token selects nothing that a request could have.
    let name = HeaderName::try_from(name).ok()?;
    headers.get(&name)?;
    let joined = items(headers, &name).join(",");
    Some(if name == ACCEPT_LANGUAGE { joined.to_ascii_lowercase().replace(' ', "") } else { joined })
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

    /// Whether a request has the same selecting fields.
    pub(in crate::web) fn matches(selecting: &Selecting, request: &HeaderMap) -> bool {
        selecting.iter().all(|(name, stored)| value(request, name) == *stored)
    }
}
