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

/// An address without its secrets: what stands before the last `@` of the authority (a careless password has an `@` or a
/// `/` of its own, so the last one of all counts) and the query become `***`.
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
    if login.is_empty() && query.is_empty() {
        return Cow::Borrowed(address);
    }
    Cow::Owned(format!("{scheme}{login}{rest}{query}"))
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
            ("plain", "plain"),
            ("why?", "why?"),
        ] {
            assert_eq!(redacted(given), shown, "{given}");
        }
    }
}
