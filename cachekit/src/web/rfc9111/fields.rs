//! Reading of header fields: lists, dates, seconds.

use std::time::{Duration, SystemTime};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

/// The longest time that a header field can express here, in seconds: a hundred years.
const LONGEST: u64 = 100 * 366 * 86_400;

/// Returns a field's value with one `char` for each byte, so that different values stay different.
pub(super) fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// Returns the items of a comma-separated field, of all its lines, trimmed, without empty ones. A comma inside of quotes
/// separates nothing.
pub(super) fn items(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    pieces(headers, name).into_iter().filter(|item| !item.is_empty()).collect()
}

/// Returns the same items and the empty ones.
pub(super) fn pieces(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers.get_all(name).iter().flat_map(|value| split(&text(value))).collect()
}

/// Removes spaces and tabs at both ends. Other white space stays: a `char` stands for one byte here, which may be a part of a
/// longer character.
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
    // An unclosed quote must not hide the items after it.
    if quoted { trimmed(&mut text.split(',')) } else { trimmed(&mut all.iter().map(String::as_str)) }
}

/// Returns the items in lower case.
pub(super) fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    items(headers, name).into_iter().map(|item| item.to_ascii_lowercase()).collect()
}

/// Returns a date in milliseconds since the Unix epoch, if the field occurs once and has one of HTTP's three formats.
pub(super) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut lines = headers.get_all(name).iter();
    let (line, more) = (lines.next()?, lines.next());
    let parsed = httpdate::parse_http_date(line.to_str().ok()?).ok()?;
    let since = parsed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    more.is_none().then(|| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Converts seconds to milliseconds, at most [`LONGEST`].
pub(super) fn seconds_to_millis(seconds: u64) -> u64 {
    seconds.min(LONGEST) * 1000
}
