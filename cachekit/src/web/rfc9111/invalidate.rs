//! Invalidation by requests with unsafe methods (RFC 9111, 4.4).

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, Method, StatusCode, Uri};

/// Whether a method only reads (RFC 9110, 9.2.1). An unknown one doesn't.
pub(in crate::web) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method)
}

/// The paths whose responses an answer makes invalid: its own, and those that `Location` and `Content-Location` name on the
/// same host. An answer that failed makes none.
pub(in crate::web) fn invalidated(
    host: &str,
    path: &str,
    status: StatusCode,
    answer: &HeaderMap,
) -> Vec<String> {
    if !status.is_success() && !status.is_redirection() {
        return Vec::new();
    }
    let mut paths = vec![path.to_string()];
    for name in [LOCATION, CONTENT_LOCATION] {
        let named =
            answer.get(&name).and_then(|value| value.to_str().ok()).and_then(|text| resolve(path, text));
        if let Some(uri) = named
            && uri.authority().is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host))
            && !paths.iter().any(|known| known == uri.path())
        {
            paths.push(uri.path().to_string());
        }
    }
    paths
}

/// A reference as it is meant on a page of this path.
fn resolve(path: &str, reference: &str) -> Option<Uri> {
    if reference.starts_with('/') && !reference.starts_with("//") || reference.contains("://") {
        return reference.parse().ok();
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{reference}").parse().ok()
}
