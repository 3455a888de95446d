//! Conditional requests: those of clients (RFC 9110, 13), and those that validate a stale response (RFC 9111, 4.3).

use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderName,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue};

use super::fields::{date, items, text};
use super::kept::kept;

/// The validators of a stale response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::web) struct Validators {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

impl Validators {
    pub(in crate::web) fn new(headers: &HeaderMap) -> Option<Self> {
        let this = Self { etag: headers.get(ETAG).cloned(), modified: headers.get(LAST_MODIFIED).cloned() };
        (this.etag.is_some() || this.modified.is_some()).then_some(this)
    }

    /// Makes a request ask whether the response is still right, whatever its client asked.
    pub(in crate::web) fn ask(&self, headers: &mut HeaderMap) {
        unconditional(headers);
        if let Some(etag) = &self.etag {
            headers.insert(IF_NONE_MATCH, etag.clone());
        }
        if let Some(modified) = &self.modified {
            headers.insert(IF_MODIFIED_SINCE, modified.clone());
        }
    }
}

/// Makes a request ask for the whole response, whatever its client has of it.
pub(in crate::web) fn unconditional(headers: &mut HeaderMap) {
    for name in [IF_MATCH, IF_UNMODIFIED_SINCE, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_RANGE, RANGE] {
        headers.remove(name);
    }
}

/// Whether a stored response is what a client has already. `If-None-Match` beats `If-Modified-Since`.
pub(in crate::web) fn is_not_modified(request: &HeaderMap, stored: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let Some(etag) = stored.get(ETAG) else { return false };
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_string();
        let mine = opaque(&text(etag));
        return items(request, &IF_NONE_MATCH).iter().any(|tag| tag == "*" || opaque(tag) == mine);
    }
    let Some(since) = date(request, &IF_MODIFIED_SINCE) else { return false };
    date(stored, &LAST_MODIFIED).or_else(|| date(stored, &DATE)).is_some_and(|changed| changed <= since)
}

/// The fields of a 304 for a stored response: those that don't describe the content that isn't sent.
pub(in crate::web) fn not_modified(stored: &HeaderMap) -> HeaderMap {
    let mut headers = stored.clone();
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE] {
        headers.remove(name);
    }
    headers
}

/// Whether a 304 speaks of the response that was asked about.
pub(in crate::web) fn revalidates(stored: &HeaderMap, answer: &HeaderMap) -> bool {
    match (stored.get(ETAG), answer.get(ETAG)) {
        (Some(stored), Some(answer)) => stored == answer,
        _ => true,
    }
}

/// Fields that a 304 doesn't change: they describe the content that is kept (RFC 9111, 3.2).
fn describes_content(name: &HeaderName) -> bool {
    [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, ETAG].contains(name) || name == "content-md5"
}

/// Brings the fields of a stored response up to date with a 304.
pub(in crate::web) fn freshen(stored: &mut HeaderMap, answer: &HeaderMap) {
    let answer = kept(answer);
    for name in answer.keys().filter(|name| !describes_content(name)) {
        stored.remove(name);
        for value in answer.get_all(name) {
            stored.append(name.clone(), value.clone());
        }
    }
}
