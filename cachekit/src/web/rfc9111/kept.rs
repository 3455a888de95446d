//! The fields of a response that a cache keeps (RFC 9111, 3.1).

use http::HeaderMap;
use http::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use super::control::ResponseControl;
use super::fields::list;

/// Whether a field belongs to one connection, so that no cache keeps it.
pub(in crate::web) fn is_of_connection(name: &HeaderName) -> bool {
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE]
        .contains(name)
        || ["keep-alive", "proxy-authentication-info", "proxy-connection"].contains(&name.as_str())
}

/// Returns the fields of a response without those of the connection and those that `no-cache="…"` lists.
pub(in crate::web) fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut dropped = list(headers, &CONNECTION);
    dropped.extend(ResponseControl::new(headers).no_cache_fields);
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        if !is_of_connection(name) && !dropped.iter().any(|one| one == name.as_str()) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}
