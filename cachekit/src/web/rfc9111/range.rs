//! Requests for a part of the content (RFC 9110, 14).

use http::HeaderMap;
use http::header::{ACCEPT_RANGES, DATE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};

use super::fields::{date, list, text};

/// The part of a content that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Range {
    /// From one byte to another, both included.
    Part { first: u64, last: u64 },
    /// None of its bytes.
    Unsatisfiable,
}

/// Returns the part of a stored response that a `GET` asks for. None if the whole is the answer: to no range or several, to
/// one that can't be read, to another unit, and where `If-Range` names another response or the stored one refuses ranges.
pub(in crate::web) fn asked_range(request: &HeaderMap, stored: &HeaderMap, length: u64) -> Option<Range> {
    let mut lines = request.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let refused = list(stored, &ACCEPT_RANGES).iter().any(|unit| unit == "none");
    if refused || !is_of_range(request, stored) {
        return None;
    }
    let line = text(line);
    let (unit, ranges) = line.split_once('=')?;
    unit.eq_ignore_ascii_case("bytes").then(|| of(ranges.trim_matches([' ', '\t']), length)).flatten()
}

/// Reads one range; none if it is not well formed, or if there are several.
fn of(range: &str, length: u64) -> Option<Range> {
    let (first, last) = range.split_once('-')?;
    let number = |digits: &str| -> Option<u64> {
        let only_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        only_digits.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    if first.is_empty() {
        return match (number(last)?, length) {
            (0, _) => Some(Range::Unsatisfiable),
            // The last bytes of nothing are all of it, which no part can say.
            (_, 0) => None,
            (count, _) => Some(Range::Part { first: length.saturating_sub(count), last: length - 1 }),
        };
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    let part = || Range::Part { first, last: last.min(length - 1) };
    Some(if first < length { part() } else { Range::Unsatisfiable })
}

/// Whether `If-Range`, if it is there, names the stored response: by a strong `ETag`, or by a `Last-Modified` that is older than
/// the response by a second at least (RFC 9110, 13.1.5).
fn is_of_range(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let mut lines = request.get_all(IF_RANGE).iter();
    let Some(line) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    let named = text(line);
    if named.contains('"') {
        return !named.starts_with("W/") && stored.get(ETAG).is_some_and(|etag| text(etag) == named);
    }
    let (Some(changed), Some(made)) = (date(stored, &LAST_MODIFIED), date(stored, &DATE)) else {
        return false;
    };
    date(request, &IF_RANGE) == Some(changed) && changed.saturating_add(1000) <= made
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn fields(all: &[(HeaderName, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn one_range_is_a_part_and_anything_else_the_whole() {
        let part = |first, last| Some(Range::Part { first, last });
        for (range, length, expected) in [
            ("bytes=0-0", 10, part(0, 0)),
            ("bytes=2-5", 10, part(2, 5)),
            ("bytes=2-", 10, part(2, 9)),
            ("Bytes=2-99", 10, part(2, 9)),
            ("bytes=-3", 10, part(7, 9)),
            ("bytes=-99", 10, part(0, 9)),
            ("bytes= 2-5 ", 10, part(2, 5)),
            ("bytes=2-99999999999999999999999", 10, part(2, 9)),
            ("bytes=10-", 10, Some(Range::Unsatisfiable)),
            ("bytes=99999999999999999999999-", 10, Some(Range::Unsatisfiable)),
            ("bytes=-0", 10, Some(Range::Unsatisfiable)),
            ("bytes=0-", 0, Some(Range::Unsatisfiable)),
            ("bytes=-5", 0, None),
            ("bytes=5-2", 10, None),
            ("bytes=0-1,3-4", 10, None),
            ("bytes=+1-2", 10, None),
            ("bytes=-", 10, None),
            ("bytes=1", 10, None),
            ("bytes", 10, None),
            ("items=0-1", 10, None),
        ] {
            let request = fields(&[(RANGE, range)]);
            assert_eq!(asked_range(&request, &HeaderMap::new(), length), expected, "{range} of {length}");
        }
        let mut two = fields(&[(RANGE, "bytes=0-1")]);
        two.append(RANGE, HeaderValue::from_static("bytes=2-3"));
        assert_eq!(asked_range(&two, &HeaderMap::new(), 10), None);
        let refuses = fields(&[(ACCEPT_RANGES, "none")]);
        assert_eq!(asked_range(&fields(&[(RANGE, "bytes=0-1")]), &refuses, 10), None);
    }

    #[test]
    fn a_part_is_of_the_response_that_if_range_names() {
        let stored = fields(&[
            (ETAG, "\"a\""),
            (LAST_MODIFIED, "Tue, 15 Nov 1994 12:45:26 GMT"),
            (DATE, "Tue, 15 Nov 1994 12:45:27 GMT"),
        ]);
        for (named, holds) in [
            ("\"a\"", true),
            ("W/\"a\"", false),
            ("\"b\"", false),
            ("Tue, 15 Nov 1994 12:45:26 GMT", true),
            ("Tue, 15 Nov 1994 12:45:27 GMT", false),
            ("nonsense", false),
        ] {
            let request = fields(&[(RANGE, "bytes=0-1"), (IF_RANGE, named)]);
            assert_eq!(asked_range(&request, &stored, 10).is_some(), holds, "{named}");
        }
        // A validator that is weak names no bytes.
        for weak in [
            fields(&[(ETAG, "W/\"a\"")]),
            fields(&[
                (LAST_MODIFIED, "Tue, 15 Nov 1994 12:45:26 GMT"),
                (DATE, "Tue, 15 Nov 1994 12:45:26 GMT"),
            ]),
        ] {
            for named in ["W/\"a\"", "\"a\"", "Tue, 15 Nov 1994 12:45:26 GMT"] {
                let request = fields(&[(RANGE, "bytes=0-1"), (IF_RANGE, named)]);
                assert_eq!(asked_range(&request, &weak, 10), None, "{named}");
            }
        }
    }
}
