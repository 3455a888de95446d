//! Stored responses as answers.

use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, CONTENT_RANGE, DATE, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;

use super::body::CacheBody;
use super::cache_status::CacheStatus;
use super::page::{LAST, Variant};
use super::rfc9111::{Range, asked_range, is_not_modified, not_modified};

/// The parts of a request that decide how a stored response answers it.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    /// The `Cache-Status` to add, if the layer adds one.
    pub(super) status: Option<CacheStatus>,
}

/// Returns a stored response as the answer to a request: with its age, without its content for a `HEAD`, as a 304 for a client
/// that has it already, and as a 206 for one that asks for a part. `age` is in milliseconds, `None` for a response that was just made.
pub(super) fn answer<B: Body<Data = Bytes>>(
    variant: &Variant,
    asked: &Asked<'_>,
    age: Option<u64>,
) -> Response<CacheBody<B>> {
    let stored = &variant.response;
    let mut headers = stored.headers.clone();
    if let Some(age) = age {
        headers.insert(AGE, HeaderValue::from(age / 1000));
        if !headers.contains_key(DATE) && variant.received <= LAST {
            let made = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(variant.received);
            if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(made)) {
                headers.insert(DATE, date);
            }
        }
    }
    let (mut status, mut body) = (stored.status, stored.body.clone());
    let is_ok = status == StatusCode::OK;
    if is_ok && is_not_modified(asked.headers, &headers) {
        status = StatusCode::NOT_MODIFIED;
        headers = not_modified(&headers);
        body = Bytes::new();
    } else if is_ok
        && *asked.method == Method::GET
        && let Some(range) = asked_range(asked.headers, &headers, body.len() as u64)
    {
        (status, body) = part(range, &mut headers, &body);
    } else if *asked.method == Method::HEAD {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(body.len()));
        body = Bytes::new();
    }
    if let Some(cache_status) = asked.status {
        cache_status.write(&mut headers);
    }
    let mut response = Response::new(CacheBody::whole(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Makes the answer to a range of the content, by the fields of the whole. Returns its status and its content.
fn part(range: Range, headers: &mut HeaderMap, whole: &Bytes) -> (StatusCode, Bytes) {
    let (status, body, told) = match range {
        Range::Part { first, last } => {
            let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
            let body = whole.slice(within(first)..within(last.saturating_add(1)));
            (StatusCode::PARTIAL_CONTENT, body, format!("bytes {first}-{last}/{}", whole.len()))
        }
        Range::Unsatisfiable => {
            *headers = not_modified(headers);
            (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new(), format!("bytes */{}", whole.len()))
        }
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if let Ok(told) = HeaderValue::try_from(told) {
        headers.insert(CONTENT_RANGE, told);
    }
    (status, body)
}

/// Returns the answer to `only-if-cached` when nothing is stored (RFC 9111, 5.2.1.7).
pub(super) fn gateway_timeout<B: Body<Data = Bytes>>(asked: &Asked<'_>) -> Response<CacheBody<B>> {
    let mut response = Response::new(CacheBody::default());
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    if let Some(cache_status) = asked.status {
        cache_status.write(response.headers_mut());
    }
    response
}
