//! What may be stored (RFC 9111, 3), and what is not stored although it might be.

use http::header::{AUTHORIZATION, CONTENT_RANGE, COOKIE, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode};

use super::control::{RequestControl, ResponseControl};
use super::freshness::Freshness;
use super::vary::Vary;

/// What the layer allows beyond its safe defaults.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::web) struct Rules {
    /// Requests with credentials are served from, and their responses go into, the cache if these say that they are for
    /// everybody.
    pub(in crate::web) credentials: bool,
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
}

/// Whether a request shows who sent it.
pub(in crate::web) fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE)
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
    let refused = [
        (*method != Method::GET, Unstorable::Method),
        (is_partial(status, response) || !is_final(status), Unstorable::Status),
        (control.must_understand && !is_understood(status), Unstorable::Status),
        (control.no_store || RequestControl::new(request).no_store, Unstorable::NoStore),
        (control.no_cache, Unstorable::NoCache),
        (control.private, Unstorable::Private),
        (Vary::new(response) == Vary::Star, Unstorable::VaryStar),
        (response.contains_key(SET_COOKIE), Unstorable::SetCookie),
        (has_credentials(request) && !(rules.credentials && control.says_shared()), Unstorable::Credentials),
        (freshness.millis() == 0, Unstorable::NotFresh),
    ];
    refused.into_iter().find(|(holds, _)| *holds).map_or(Ok(()), |(_, why)| Err(why))
}

/// A part of something. A 200 with `Content-Range` isn't one (RFC 9110, 14.4).
fn is_partial(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::PARTIAL_CONTENT
        || (status == StatusCode::RANGE_NOT_SATISFIABLE && headers.contains_key(CONTENT_RANGE))
}

fn is_final(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NOT_MODIFIED
}

/// Statuses whose caching requirements are known here (RFC 9110, 15).
fn is_understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}
