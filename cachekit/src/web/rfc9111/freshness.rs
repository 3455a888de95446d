//! How long a response is fresh, and how old it is (RFC 9111, 4.2).

use std::time::Duration;

use http::header::{AGE, DATE, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};

use super::control::{RequestControl, ResponseControl};
use super::fields::{date, seconds_to_millis};
use crate::call::freshness::{Freshness as State, Times, Windows};

/// Of a response's age since its last change, the part for which it is taken to be fresh: a tenth (RFC 9111, 4.2.2).
const HEURISTIC_PART: u64 = 10;
/// The longest heuristic freshness: a day.
const HEURISTIC_MOST: u64 = 86_400_000;

/// How long a response is fresh, in milliseconds, by the source of that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Freshness {
    /// The response.
    Explicit(u64),
    /// The layer's timeout.
    Given(u64),
    /// Its last change.
    Heuristic(u64),
    /// No source.
    Unknown,
}

impl Freshness {
    /// The time.
    pub(in crate::web) fn millis(self) -> u64 {
        match self {
            Self::Explicit(time) | Self::Given(time) | Self::Heuristic(time) => time,
            Self::Unknown => 0,
        }
    }
}

/// Statuses whose responses may be reused without explicit freshness (RFC 9110, 15.1), 206 excepted.
fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// How long a response is fresh that was received at `now`. `given` is what the layer says where the response doesn't; with
/// it, there are no heuristics.
pub(in crate::web) fn lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    now: u64,
    given: Option<u64>,
) -> Freshness {
    let control = ResponseControl::new(headers);
    if let Some(seconds) = control.s_maxage.or(control.max_age) {
        return Freshness::Explicit(seconds_to_millis(seconds));
    }
    let dated = date(headers, &DATE).unwrap_or(now);
    if headers.contains_key(EXPIRES) {
        // One that can't be read is in the past (RFC 9111, 5.3).
        let expires = date(headers, &EXPIRES).unwrap_or(0);
        return Freshness::Explicit(expires.saturating_sub(dated));
    }
    if let Some(given) = given {
        return if status.is_success() { Freshness::Given(given) } else { Freshness::Unknown };
    }
    match date(headers, &LAST_MODIFIED) {
        Some(changed) if is_heuristic(status) || control.public => {
            Freshness::Heuristic((dated.saturating_sub(changed) / HEURISTIC_PART).min(HEURISTIC_MOST))
        }
        _ => Freshness::Unknown,
    }
}

/// The age in milliseconds of a response when it is received (RFC 9111, 4.2.3).
pub(in crate::web) fn initial_age(headers: &HeaderMap, requested: u64, received: u64) -> u64 {
    let apparent = date(headers, &DATE).map_or(0, |dated| received.saturating_sub(dated));
    let delay = received.saturating_sub(requested);
    let mut lines = headers.get_all(AGE).iter();
    let told = match (lines.next(), lines.next()) {
        // A handler that makes a response sets neither field: the time that it took is work, not age.
        (None, _) if !headers.contains_key(DATE) => return 0,
        (None, _) => 0,
        (Some(line), None) if is_number(line.as_bytes()) => {
            seconds_to_millis(line.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX))
        }
        // It comes from another cache, where it may have been for any time.
        _ => return u64::MAX,
    };
    apparent.max(told + delay)
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Whether a stored response may answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Served {
    /// As it is.
    Yes,
    /// As it is, while it is computed anew.
    Stale,
    /// Where a new one can't be had.
    Fallback,
    /// Only after it was validated: it is stale, or the request asks for it.
    Validated,
}

/// How long past its freshness a response may be served (RFC 5861): as it says itself, and else as is `given`. What forbids stale
/// responses forbids these; of `s-maxage`, which does so without a word of it, the response's own directives are the exception.
pub(in crate::web) fn windows(response: &ResponseControl, given: Windows) -> Windows {
    let none = Windows { while_revalidate: Duration::ZERO, if_error: Duration::ZERO, ..given };
    if response.must_revalidate || response.no_cache {
        return none;
    }
    let given = if response.s_maxage.is_some() { none } else { given };
    let said = |seconds: Option<u64>, given: Duration| {
        seconds.map_or(given, |seconds| Duration::from_millis(seconds_to_millis(seconds)))
    };
    Windows {
        while_revalidate: said(response.stale_while_revalidate, given.while_revalidate),
        if_error: said(response.stale_if_error, given.if_error),
        ..given
    }
}

/// Whether a response of this age and lifetime, in milliseconds, may answer a request (RFC 9111, 4.2 and 5.2.1), with the
/// [`windows`] of the response.
pub(in crate::web) fn served(
    request: &RequestControl,
    response: &ResponseControl,
    age: u64,
    lifetime: u64,
    windows: &Windows,
) -> Served {
    let within = |limit: Option<u64>| limit.is_none_or(|seconds| age <= seconds_to_millis(seconds));
    let left = lifetime.saturating_sub(age);
    let enough = request.min_fresh.is_none_or(|seconds| left >= seconds_to_millis(seconds));
    let stale_by = age.saturating_sub(lifetime);
    let tolerated = !response.must_revalidate
        && response.s_maxage.is_none()
        && request.max_stale.is_some_and(|seconds| stale_by <= seconds_to_millis(seconds));
    let asked = !request.no_cache && within(request.max_age) && enough;
    if !asked {
        return Served::Validated;
    }
    match (Times { created: 0, fresh: Some(lifetime) }).at(age, windows) {
        Some(State::Fresh | State::Due) => Served::Yes,
        Some(State::Stale | State::Fallback) | None if tolerated => Served::Yes,
        Some(State::Stale) => Served::Stale,
        Some(State::Fallback) => Served::Fallback,
        None => Served::Validated,
    }
}
