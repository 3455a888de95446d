use std::borrow::Cow;
use std::fmt;

/// A text that is never shown: its `Debug` is `***`, and it has no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// An address without its secrets. The login becomes `***`: all before the last `@`, because a password that isn't encoded may
/// have an `@` or a `/` of its own. So does the query; and, in a URL that lacks its `@`, all after a `:` that begins no port.
pub(crate) fn redacted(address: &str) -> Cow<'_, str> {
    let (scheme, rest) = match address.find("://") {
        Some(at) => address.split_at(at + 3),
        None => ("", address),
    };
    let (login, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("***@", rest),
        None => ("", rest),
    };
    // Without a scheme a `?` begins no query.
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) if !scheme.is_empty() => (rest, "?***"),
        _ => (rest, ""),
    };
    let hosts = if scheme.is_empty() { Cow::Borrowed(rest) } else { without_misplaced_login(rest) };
    if login.is_empty() && query.is_empty() && hosts == rest {
        return Cow::Borrowed(address);
    }
    Cow::Owned(format!("{scheme}{login}{hosts}{query}"))
}

/// Hides all after the first `:` that begins no port.
fn without_misplaced_login(rest: &str) -> Cow<'_, str> {
    let end = rest.find('/').unwrap_or(rest.len());
    let mut at = 0;
    for host in rest[..end].split(',') {
        let ip = if host.starts_with('[') { host.find(']').unwrap_or(0) } else { 0 };
        if let Some(colon) = host[ip..].find(':').map(|colon| ip + colon)
            && !host[colon + 1..].bytes().all(|byte| byte.is_ascii_digit())
        {
            return Cow::Owned(format!("{}***", &rest[..=at + colon]));
        }
        at += host.len() + 1;
    }
    Cow::Borrowed(rest)
}

#[cfg(test)]
mod tests {
    use super::{Secret, redacted};

    #[test]
    fn a_secret_is_shown_only_on_request() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn an_address_loses_its_login_and_its_query() {
        for (given, shown) in [
            ("redis://host:6379/0", "redis://host:6379/0"),
            ("redis://:hunter2@host/0", "redis://***@host/0"),
            ("redis://user:hun@ter/2@host/0", "redis://***@host/0"),
            ("redis://:hunter2?x@host/0", "redis://***@host/0"),
            ("redis+unix:///run/redis.sock?db=1&pass=hunter2", "redis+unix:///run/redis.sock?***"),
            ("user:hunter2@host:11211", "***@host:11211"),
            ("redis://:hunter2@", "redis://***@"),
            ("redis://:hunter2", "redis://:***"),
            ("redis://user:hunter2/0", "redis://user:***"),
            ("redis://a:1,[::1]:2,b:hunter2", "redis://a:1,[::1]:2,b:***"),
            ("redis://[::1],b:2/0", "redis://[::1],b:2/0"),
            ("plain", "plain"),
            ("::1", "::1"),
            ("why?", "why?"),
        ] {
            assert_eq!(redacted(given), shown, "{given}");
        }
    }
}
