//! Which responses may be stored (RFC 9111, 3), and which are not stored although they might be.

use http::header::{CONTENT_LENGTH, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};
use http_body::Body;

use super::control::{RequestControl, ResponseControl};
use super::freshness::{Freshness, windows};
use super::vary::Vary;
use crate::call::freshness::Windows;

/// A request's credentials, and the layer's rule for them.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::web) struct Rules {
    /// The request has some.
    pub(in crate::web) credentials: bool,
    /// The layer lets such requests take part where the response declares itself shared.
    pub(in crate::web) allowed: bool,
}

/// Why a response isn't stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Unstorable {
    Method,
    Status,
    NoStore,
    NoCache,
    Private,
    VaryStar,
    SetCookie,
    Credentials,
    NotFresh,
    /// Its fields are longer than a page keeps.
    Head,
    /// The fields of the request that it depends on are.
    Selecting,
    /// The backend doesn't tell which functions took part.
    Unknown,
}

/// Whether a request asks for something that its method and URI don't tell: it has content, or a field names another
/// method. Handlers may read either. A body that doesn't tell whether it is empty counts as content, except in HTTP/1, where
/// content needs a field.
pub(in crate::web) fn asks_more<B: Body>(headers: &HeaderMap, version: Version, body: &B) -> bool {
    let told = headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
        || ["x-http-method-override", "x-http-method", "x-method-override"]
            .iter()
            .any(|name| headers.contains_key(*name));
    let hint = body.size_hint();
    let empty = body.is_end_stream() || hint.exact() == Some(0);
    told || !empty && (hint.lower() > 0 || version >= Version::HTTP_2)
}

/// Whether the response to a request may be stored.
pub(in crate::web) fn storable(
    rules: Rules,
    method: &Method,
    request: &HeaderMap,
    status: StatusCode,
    response: &HeaderMap,
    freshness: Freshness,
) -> Result<(), Unstorable> {
    let control = ResponseControl::new(response);
    // One that says that it is stale at once may say that it is served stale.
    let served_stale =
        matches!(freshness, Freshness::Explicit(_)) && !windows(&control, Windows::NONE).past().is_zero();
    let refused = [
        (*method != Method::GET, Unstorable::Method),
        (!is_storable(status), Unstorable::Status),
        (control.must_understand && !is_understood(status), Unstorable::Status),
        (control.no_store || RequestControl::new(request).no_store, Unstorable::NoStore),
        (control.no_cache, Unstorable::NoCache),
        (control.private, Unstorable::Private),
        (Vary::new(response) == Vary::Star, Unstorable::VaryStar),
        (response.contains_key(SET_COOKIE), Unstorable::SetCookie),
        (rules.credentials && !(rules.allowed && control.says_shared()), Unstorable::Credentials),
        (freshness.millis() == 0 && !served_stale, Unstorable::NotFresh),
    ];
    refused.into_iter().find(|(holds, _)| *holds).map_or(Ok(()), |(_, why)| Err(why))
}

/// Whether responses of a status may be stored at all.
pub(in crate::web) fn is_storable(status: StatusCode) -> bool {
    is_final(status) && !is_partial(status) && !is_provoked(status)
}

/// A part of a representation, or a change of it. A 200 with `Content-Range` isn't one (RFC 9110, 14.4).
fn is_partial(status: StatusCode) -> bool {
    matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::IM_USED)
}

/// An answer to fields of the request that no key knows, whose next sender may have sent others: preconditions, ranges, what
/// it accepts, its credentials, its size, its rate.
fn is_provoked(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        401 | 406 | 407 | 408 | 411 | 412 | 413 | 415 | 416 | 417 | 421 | 425 | 426 | 428 | 429 | 431 | 511
    )
}

fn is_final(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NOT_MODIFIED
}

/// Statuses whose caching requirements are known here (RFC 9110, 15).
fn is_understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}
