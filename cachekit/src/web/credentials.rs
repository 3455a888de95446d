//! The fields of a request that identify its client: by their names as they are known, and by the words in other names.

use http::HeaderMap;
use http::header::{COOKIE, HeaderName};

/// Fields of requests that identify the client, besides those that a layer is configured with. A `*` at the end stands for any
/// rest.
///
/// Clients set the ones, gateways and identity-aware proxies the others. The list is open: no list can know the fields of
/// every gateway.
const KNOWN: &[&str] = &[
    "authorization",
    "cookie",
    "proxy-authorization",
    // API keys and tokens.
    "ocp-apim-subscription-key",
    "stripe-account",
    "x-client-dn*",
    "x-client-id",
    "x-csrftoken",
    "x-firebase-appcheck",
    "x-functions-key",
    "x-rapidapi-key",
    "x-session-id",
    // Client certificates, as proxies hand them on.
    "client-cert",
    "client-cert-chain",
    "ssl-client-*",
    "x-amzn-mtls-clientcert*",
    "x-client-cert*",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert*",
    "x-ssl-client-*",
    // Proxies that have authenticated the user: the usual names, oauth2-proxy, AWS, Google, Azure, Cloudflare, Tailscale,
    // Authelia, authentik, Pomerium, Vouch, Grafana, Kong, Hasura, Kubernetes.
    "cf-access-*",
    "impersonate-*",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "tailscale-*",
    "x-amzn-oidc-*",
    "x-appengine-user-*",
    "x-anonymous-consumer",
    "x-auth-request-*",
    "x-auth-user*",
    "x-authenticated-*",
    "x-authentik-*",
    "x-consumer-*",
    "x-credential-identifier",
    "x-forwarded-access-token",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
    "x-goog-authenticated-user-*",
    "x-goog-iap-jwt-assertion",
    "x-hasura-*",
    "x-kong-consumer*",
    "x-ms-client-principal*",
    "x-ms-token-*",
    "x-pomerium-*",
    "x-proxy-user",
    "x-remote-email",
    "x-remote-extra-*",
    "x-remote-group*",
    "x-remote-user*",
    "x-user-email",
    "x-user-id",
    "x-user-name",
    "x-userid",
    "x-userinfo",
    "x-username",
    "x-vouch-*",
    "x-webauth-*",
];

/// Words between `-`, `_` and `.` in the name of a field that identifies the client.
const WORDS: &[&str] = &[
    "apikey",
    "assertion",
    "auth",
    "authenticated",
    "authentication",
    "authorization",
    "credential",
    "credentials",
    "csrf",
    "dpop",
    "impersonate",
    "jwt",
    "oauth",
    "oidc",
    "password",
    "principal",
    "secret",
    "sessionid",
    "token",
    "userinfo",
    "xsrf",
];

/// Pairs of words, one after the other.
const PAIRS: &[(&str, &str)] = &[("access", "key"), ("api", "key"), ("client", "cert")];

/// Which fields of a request are credentials, for one layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    /// Besides [`KNOWN`].
    more: Vec<HeaderName>,
    /// Cookies that don't count.
    ignored_cookies: Vec<String>,
}

impl Credentials {
    pub(super) const fn new() -> Self {
        Self { more: Vec::new(), ignored_cookies: Vec::new() }
    }

    pub(super) fn add<N: TryInto<HeaderName>>(&mut self, names: impl IntoIterator<Item = N>) {
        self.more.extend(names.into_iter().map(|name| {
            name.try_into().ok().expect("a name given to `credentials` is not the name of a header field")
        }));
    }

    pub(super) fn ignore_cookies<N: Into<String>>(&mut self, names: impl IntoIterator<Item = N>) {
        self.ignored_cookies.extend(names.into_iter().map(Into::into));
    }

    /// Whether a request carries credentials.
    pub(super) fn has(&self, headers: &HeaderMap) -> bool {
        headers
            .keys()
            .any(|name| self.is_credential(name) && !(*name == COOKIE && self.ignores_cookies(headers)))
    }

    /// The fields of a request without cookies that don't count, if it has no others.
    pub(super) fn relevant(&self, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        if self.ignores_cookies(&headers) {
            headers.remove(COOKIE);
        }
        headers
    }

    fn is_credential(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        let meant = |pattern: &str| matches(pattern, name);
        KNOWN.iter().any(|pattern| meant(pattern))
            || self.more.iter().any(|pattern| meant(pattern.as_str()))
            || sounds_like_one(name)
    }

    /// Whether the request has cookies, and all of them are among those that don't count.
    ///
    /// A cookie whose value isn't of RFC 6265's characters counts: servers that take `,` or a quoted `;` otherwise would find
    /// other cookies in it.
    fn ignores_cookies(&self, headers: &HeaderMap) -> bool {
        if self.ignored_cookies.is_empty() || !headers.contains_key(COOKIE) {
            return false;
        }
        headers.get_all(COOKIE).iter().all(|line| {
            let Ok(line) = line.to_str() else { return false };
            line.split(';').all(|cookie| {
                let Some((name, value)) = cookie.trim_matches([' ', '\t']).split_once('=') else {
                    return false;
                };
                let plain = |c: char| c.is_ascii_graphic() && !['"', ',', '\\'].contains(&c);
                name.chars().chain(value.chars()).all(plain)
                    && self.ignored_cookies.iter().any(|pattern| matches(pattern, name))
            })
        })
    }
}

/// Whether the words of a name say that it identifies the client.
fn sounds_like_one(name: &str) -> bool {
    let words = || name.split(['-', '_', '.']);
    words().any(|word| WORDS.contains(&word))
        || words().zip(words().skip(1)).any(|pair| PAIRS.contains(&pair))
}

/// Whether a name is meant by a pattern, whose `*` at the end stands for any rest.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn request(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_list_is_of_names_as_requests_have_them() {
        for (index, pattern) in KNOWN.iter().enumerate() {
            assert_eq!(HeaderName::try_from(*pattern).unwrap().as_str(), *pattern, "in lower case");
            assert!(!KNOWN[..index].contains(pattern), "{pattern} is there once");
        }
        let usual = [
            "accept",
            "accept-encoding",
            "accept-language",
            "cache-control",
            "connection",
            "dnt",
            "forwarded",
            "host",
            "if-modified-since",
            "if-none-match",
            "origin",
            "pragma",
            "range",
            "referer",
            "sec-ch-ua",
            "sec-fetch-mode",
            "sec-fetch-user",
            "x-user",
            "te",
            "traceparent",
            "upgrade-insecure-requests",
            "user-agent",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-real-ip",
            "x-request-id",
            "x-requested-with",
            "cf-ray",
            "cf-connecting-ip",
            "true-client-ip",
            "x-client-version",
            "x-original-user-agent",
            "x-b3-traceid",
            "x-correlation-id",
            "save-data",
            "priority",
            "cdn-loop",
            "x-forwarded-server",
            "x-envoy-external-address",
            "x-amzn-trace-id",
            "x-cloud-trace-context",
        ];
        for name in usual {
            assert!(
                !Credentials::new().has(&request(&[(name, "x")])),
                "{name} doesn't keep pages from being shared"
            );
        }
    }

    #[test]
    fn names_that_no_list_has_are_known_by_their_words() {
        for name in [
            "x-api-key",
            "x-auth-token",
            "x-access-token",
            "private-token",
            "x-jwt",
            "x-userid",
            "x-user-id",
            "api_key",
            "x-client-id",
            "x-endpoint-api-userinfo",
            "job-token",
            "deploy-token",
            "x-shopify-access-token",
            "x-goog-api-key",
            "x-client-dn",
            "token",
            "auth",
            "x-parse-session-token",
            "dpop",
            "x-kong-consumer",
            "x-appengine-user-email",
            "x-access-key",
            "access-token",
            "oidc_claim_sub",
            "x-oauth-token",
            "x-impersonate-user",
            "stripe-account",
            "x-amz-security-token",
        ] {
            assert!(Credentials::new().has(&request(&[(name, "x")])), "{name}");
        }
    }

    #[test]
    fn fields_are_added_and_cookies_left_out() {
        let mut credentials = Credentials::new();
        credentials.add(["X-Tenant", "x-acme-*"]);
        credentials.add([http::header::FROM]);
        credentials.ignore_cookies(["_ga*", "theme"]);
        for fields in [
            &[("x-tenant", "1")][..],
            &[("x-acme-user", "1")],
            &[("from", "ann")],
            &[("authorization", "x")],
            &[("cookie", "session=1")],
            &[("cookie", "_ga=1; session=1")],
            &[("cookie", "_ga=1"), ("cookie", "session=1")],
            &[("cookie", "_ga=1"), ("x-api-key", "1")],
            // Not one ignored cookie.
            &[("cookie", "")],
            &[("cookie", "_ga")],
            &[("cookie", "theme2=1")],
            &[("cookie", "_GA=1")],
            &[("cookie", "_ga=1;")],
            // Other parsers find a session in these.
            &[("cookie", "_ga=1, session=1")],
            &[("cookie", "_ga=\"1; _gat=2; session=1\"")],
            &[("cookie", "_ga=1 session=1")],
        ] {
            assert!(credentials.has(&request(fields)), "{fields:?}");
        }
        for fields in [
            &[][..],
            &[("cookie", "_ga=GA1.1.5")],
            &[("cookie", "_ga=1; theme=dark;_gat=2")],
            &[("cookie", "_ga=1"), ("cookie", "theme=")],
        ] {
            assert!(!credentials.has(&request(fields)), "{fields:?}");
        }
    }
}
