//! Header fields in general.

use std::time::{Duration, SystemTime};

use http::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};

use super::control::ResponseControl;

/// The longest time that is reckoned with, in seconds: a hundred years.
const LONGEST: u64 = 100 * 366 * 86_400;

/// A field's text, one character for each byte, so that different values stay different.
pub(super) fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// The items of a comma-separated field, of all its lines, trimmed and without empty ones. A comma in quotes is none.
pub(super) fn items(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    pieces(headers, name).into_iter().filter(|item| !item.is_empty()).collect()
}

/// The same with the empty ones.
pub(super) fn pieces(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers.get_all(name).iter().flat_map(|value| split(&text(value))).collect()
}

/// Without white space around it, which here is only this: a character stands for a byte, of a longer one perhaps.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn split(text: &str) -> Vec<String> {
    let (mut all, mut item, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        match c {
            ',' if !quoted => all.push(std::mem::take(&mut item)),
            _ => {
                if c == '"' && !escaped {
                    quoted = !quoted;
                }
                escaped = quoted && c == '\\' && !escaped;
                item.push(c);
            }
        }
    }
    all.push(item);
    let trimmed = |all: &mut dyn Iterator<Item = &str>| all.map(|item| trimmed(item).to_string()).collect();
    // A quote that is never closed hides nothing that comes after it.
    if quoted { trimmed(&mut text.split(',')) } else { trimmed(&mut all.iter().map(String::as_str)) }
}

/// The names that a field lists, in lower case.
pub(super) fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    items(headers, name).into_iter().map(|item| item.to_ascii_lowercase()).collect()
}

/// The fields of a response that are kept: without those of the connection (RFC 9111, 3.1) and those that
/// `no-cache="…"` lists.
pub(in crate::web) fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in list(headers, &CONNECTION).into_iter().chain(ResponseControl::new(headers).no_cache_fields) {
        kept.remove(name.as_str());
    }
    for name in [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE]
    {
        kept.remove(name);
    }
    for name in ["keep-alive", "proxy-authentication-info", "proxy-connection"] {
        kept.remove(name);
    }
    kept
}

/// A date in milliseconds since the Unix epoch, if the field is there once and well formed in one of HTTP's three formats.
pub(super) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut lines = headers.get_all(name).iter();
    let (line, more) = (lines.next()?, lines.next());
    let parsed = httpdate::parse_http_date(line.to_str().ok()?).ok()?;
    let since = parsed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    more.is_none().then(|| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Seconds as milliseconds, within what is reckoned with.
pub(super) fn seconds_to_millis(seconds: u64) -> u64 {
    seconds.min(LONGEST) * 1000
}
