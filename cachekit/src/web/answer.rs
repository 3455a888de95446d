//! Stored responses as answers.

use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, DATE, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;

use super::body::CacheBody;
use super::cache_status::CacheStatus;
use super::page::{LAST, Variant};
use super::rfc9111::{is_not_modified, not_modified};

/// The parts of a request that decide how a stored response answers it.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    /// The `Cache-Status` to add, if the layer adds one.
    pub(super) status: Option<CacheStatus>,
}

/// Returns a stored response as the answer to a request: with its age, without its content for a `HEAD`, and as a 304 for a
/// client that has it already. `age` is in milliseconds, `None` for a response that was just made.
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
    if status == StatusCode::OK && is_not_modified(asked.headers, &headers) {
        status = StatusCode::NOT_MODIFIED;
        headers = not_modified(&headers);
        body = Bytes::new();
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

/// Returns the answer to `only-if-cached` when nothing is stored (RFC 9111, 5.2.1.7).
pub(super) fn gateway_timeout<B: Body<Data = Bytes>>(asked: &Asked<'_>) -> Response<CacheBody<B>> {
    let mut response = Response::new(CacheBody::default());
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    if let Some(cache_status) = asked.status {
        cache_status.write(response.headers_mut());
    }
    response
}
