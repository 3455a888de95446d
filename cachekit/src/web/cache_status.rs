//! The `Cache-Status` field (RFC 9211).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// A stale response is served while it is computed anew.
pub(super) const STALE_WHILE_REVALIDATE: &str = "stale-while-revalidate";
/// A stale response is served because the handler fails.
pub(super) const STALE_IF_ERROR: &str = "stale-if-error";

/// How the layer handled a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CacheStatus {
    /// Answered from the cache; how long it stays fresh, in seconds, negative if it is stale.
    Hit { ttl: i64 },
    /// Answered with a stale response, for that reason.
    Stale { ttl: i64, why: &'static str },
    /// Answered with a stale response, because the handler failed; with the status of its response, if there was one.
    Kept { why: &'static str, status: Option<StatusCode> },
    /// Handed on to the handler.
    Forwarded { why: &'static str, status: Option<StatusCode>, stored: bool },
    /// Answered with what another request got.
    Collapsed,
}

impl CacheStatus {
    /// Handed on, and not stored.
    pub(super) const fn forwarded(why: &'static str) -> Self {
        Self::Forwarded { why, status: None, stored: false }
    }

    /// The same of a request whose handler failed, if it had been handed on.
    pub(super) const fn failed(self, status: Option<StatusCode>, kept: bool) -> Self {
        match self {
            Self::Forwarded { why, .. } if kept => Self::Kept { why, status },
            Self::Forwarded { why, .. } => Self::Forwarded { why, status, stored: false },
            other => other,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Hit { ttl } => format!("cachekit; hit; ttl={ttl}"),
            Self::Stale { ttl, why } => format!("cachekit; hit; ttl={ttl}; detail={why}"),
            Self::Kept { why, status } => {
                format!("{}; detail={STALE_IF_ERROR}", Self::Forwarded { why, status, stored: false }.text())
            }
            Self::Collapsed => "cachekit; fwd=uri-miss; collapsed".to_string(),
            Self::Forwarded { why, status, stored } => {
                let status =
                    status.map(|status| format!("; fwd-status={}", status.as_u16())).unwrap_or_default();
                let stored = if stored { "; stored" } else { "" };
                format!("cachekit; fwd={why}{status}{stored}")
            }
        }
    }

    /// Adds the field, after those of caches nearer to the origin.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.text()) {
            headers.append(HeaderName::from_static("cache-status"), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_the_standard_says() {
        assert_eq!(CacheStatus::Hit { ttl: -3 }.text(), "cachekit; hit; ttl=-3");
        let stale = CacheStatus::Stale { ttl: -3, why: STALE_WHILE_REVALIDATE };
        assert_eq!(stale.text(), "cachekit; hit; ttl=-3; detail=stale-while-revalidate");
        let kept = CacheStatus::Kept { why: "stale", status: Some(StatusCode::BAD_GATEWAY) };
        assert_eq!(kept.text(), "cachekit; fwd=stale; fwd-status=502; detail=stale-if-error");
        assert_eq!(CacheStatus::forwarded("bypass").text(), "cachekit; fwd=bypass");
        let validated =
            CacheStatus::Forwarded { why: "stale", status: Some(StatusCode::NOT_MODIFIED), stored: true };
        assert_eq!(validated.text(), "cachekit; fwd=stale; fwd-status=304; stored");
    }
}
