//! The layer for whole responses, and its settings.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponseParts, ResponseParts};
use http::header::HeaderName;
use http::{request, response};
use tower_layer::Layer;

use super::credentials::Credentials;
use super::service::CacheService;
use super::uncacheable::Uncacheable;
use crate::call::freshness::{RETRY_AFTER, Windows, window};
use crate::{Cache, Timeout};

/// A condition on a request or a response.
type Of<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;
type KeyOf = Arc<dyn Fn(&request::Parts) -> String + Send + Sync>;

/// The default of [`CacheLayer::max_body`]. Every backend takes a value of this size.
const MAX_BODY: usize = 1_000_000;

/// A `tower` layer that caches whole responses, as a shared HTTP cache (RFC 9111) with safe defaults.
///
/// It stores responses to `GET` whose fields give them a lifetime and, with [`timeout`](Self::timeout), successful ones
/// whose fields don't. It answers `GET` and `HEAD`. Responses that may be for one person are not stored: those to requests
/// with [credentials](Self::credentials), and those with `Set-Cookie`, `private`, `no-store`, `no-cache` or `Vary: *`.
/// Host, path, query and the fields that `Vary` names are part of the key. A request that may change something deletes the
/// stored responses of its path. The book's page on HTTP caching lists the rules.
///
/// Requests that miss together wait for one of them. If its response turns out not to be storable, they and those that
/// follow run side by side. A body that isn't ready at once is passed on while it is copied. If the backend fails, the
/// handler answers.
///
/// ```
/// use axum::{Router, routing::get};
/// use cachekit::{Cache, CacheLayer, Config};
///
/// # fn main() -> cachekit::Result<()> {
/// let cache = Cache::open(Config::simple())?;
/// let app: Router = Router::new()
///     .route("/articles", get(|| async { "costly" }))
///     .layer(CacheLayer::new(&cache).timeout(50).query_string(true).cache_status(true));
/// cache.delete_view("/articles")?;
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CacheLayer {
    pub(super) settings: Settings,
    pub(super) uncacheable: Arc<Uncacheable>,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) cache: Cache,
    pub(super) timeout: Option<Timeout>,
    pub(super) sorted_query: bool,
    pub(super) unless: Option<Of<request::Parts>>,
    pub(super) cache_if: Option<Of<response::Parts>>,
    pub(super) key: Option<KeyOf>,
    pub(super) vary: Vec<HeaderName>,
    pub(super) max_body: usize,
    pub(super) cache_status: bool,
    pub(super) with_credentials: bool,
    pub(super) credentials: Credentials,
    /// For responses that don't say it themselves.
    pub(super) windows: Windows,
}

impl CacheLayer {
    /// Returns a layer over a cache. Without a [`timeout`](Self::timeout) it stores only responses that say how long they are
    /// fresh.
    #[must_use]
    pub fn new(cache: impl Borrow<Cache>) -> Self {
        Self {
            settings: Settings {
                cache: cache.borrow().clone(),
                timeout: None,
                sorted_query: false,
                unless: None,
                cache_if: None,
                key: None,
                vary: Vec::new(),
                max_body: MAX_BODY,
                cache_status: false,
                with_credentials: false,
                credentials: Credentials::new(),
                windows: Windows { retry_after: RETRY_AFTER, ..Windows::NONE },
            },
            uncacheable: Arc::default(),
        }
    }

    /// Sets how long a successful response is fresh whose `Cache-Control`, `Expires` or [`CacheFor`] doesn't say it. An
    /// integer is seconds; `0` never expires.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.settings.timeout = Some(timeout.into());
        self
    }

    /// Sets how long past its freshness a response is served while it is made anew, where its `Cache-Control` has no
    /// `stale-while-revalidate` (RFC 5861). An integer is seconds; `0` is none, the default.
    ///
    /// No request waits for the new response: the one that finds the old one stale begins a task that runs the handler, on the
    /// runtime that it is in, one task at a time for each page in the process. A program that ends doesn't wait for these tasks.
    /// A deleted response is never served, and neither is one whose `Cache-Control` forbids it, by `must-revalidate`,
    /// `proxy-revalidate` or `s-maxage`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cachekit::{CacheLayer, Cache, Config};
    /// # let cache = Cache::open(Config::simple()).unwrap();
    /// let layer = CacheLayer::new(&cache).timeout(50).stale_while_revalidate(600).stale_if_error(Duration::from_secs(86_400));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn stale_while_revalidate(mut self, time: impl Into<Timeout>) -> Self {
        self.settings.windows.while_revalidate = window(time.into());
        self
    }

    /// Sets how long past its freshness a response is served where the handler fails, if its `Cache-Control` has no
    /// `stale-if-error` (RFC 5861). An integer is seconds; `0` is none, the default.
    ///
    /// A handler fails with a status of 5xx, with an error of the service, and with a panic. Without a stored response its client
    /// gets that. What is said of [`stale_while_revalidate`](Self::stale_while_revalidate) about deletions and `Cache-Control` holds
    /// here too.
    #[must_use]
    pub fn stale_if_error(mut self, time: impl Into<Timeout>) -> Self {
        self.settings.windows.if_error = window(time.into());
        self
    }

    /// Sets for how long the handler isn't run again for a page after it failed, while there is a stale response to be served.
    /// The default is a second.
    #[must_use]
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.settings.windows.retry_after = time;
        self
    }

    /// Sets whether the order of parameters with different names is ignored in the key. The order of the values of one
    /// repeated name always counts. The default is off: the query is taken as it is written.
    #[must_use]
    pub fn query_string(mut self, sorted: bool) -> Self {
        self.settings.sorted_query = sorted;
        self
    }

    /// Lets requests pass by for which this returns true: nothing is looked up and nothing is stored.
    #[must_use]
    pub fn unless(mut self, condition: impl Fn(&request::Parts) -> bool + Send + Sync + 'static) -> Self {
        self.settings.unless = Some(Arc::new(condition));
        self
    }

    /// Stores only responses for which this returns true. It is called last, for responses that the rules allow.
    #[must_use]
    pub fn cache_if(mut self, condition: impl Fn(&response::Parts) -> bool + Send + Sync + 'static) -> Self {
        self.settings.cache_if = Some(Arc::new(condition));
        self
    }

    /// Puts a text of your own into the key instead of host and query. The path is always part of it, and `Vary` still
    /// counts.
    #[must_use]
    pub fn key(mut self, key: impl Fn(&request::Parts) -> String + Send + Sync + 'static) -> Self {
        self.settings.key = Some(Arc::new(key));
        self
    }

    /// Adds request fields that responses depend on although their `Vary` doesn't say so.
    #[must_use]
    pub fn vary(mut self, fields: impl IntoIterator<Item = HeaderName>) -> Self {
        self.settings.vary.extend(fields);
        self
    }

    /// Sets how many bytes of content are kept of one page, all its variants together; longer bodies pass through. The
    /// default is a million. The fields of a page have a limit of their own, 40,000 bytes.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = bytes;
        self
    }

    /// Sets whether responses get a `Cache-Status` field (RFC 9211), which says how the layer answered.
    #[must_use]
    pub fn cache_status(mut self, yes: bool) -> Self {
        self.settings.cache_status = yes;
        self
    }

    /// Sets whether requests with credentials take part where a response declares itself shared, by `public`,
    /// `s-maxage` or `must-revalidate` (RFC 9111, 3.5). Off by default: such a request passes by, whatever the response
    /// says.
    #[must_use]
    pub fn with_credentials(mut self, yes: bool) -> Self {
        self.settings.with_credentials = yes;
        self
    }

    /// Adds fields that identify the client, so that a request with them passes by. A `*` at the end of a name stands for any
    /// rest.
    ///
    /// `Authorization`, `Cookie`, and the usual fields of API keys, tokens, client certificates and authenticating proxies
    /// (`X-Api-Key`, `X-Forwarded-User`, `Cf-Access-*`, …) are there already. **That list is open**: if your clients or
    /// gateways tell users apart by another field, name it here, or one user's page goes to another.
    ///
    /// ```
    /// # use cachekit::{CacheLayer, Cache, Config};
    /// # let cache = Cache::open(Config::simple()).unwrap();
    /// let layer = CacheLayer::new(&cache).timeout(50).credentials(["x-tenant", "x-acme-*"]);
    /// # drop(layer);
    /// ```
    ///
    /// # Panics
    /// If an item isn't the name of a header field.
    #[must_use]
    pub fn credentials<N: TryInto<HeaderName>>(mut self, fields: impl IntoIterator<Item = N>) -> Self {
        self.settings.credentials.add(fields);
        self
    }

    /// Names cookies that don't identify the client. A `*` at the end stands for any rest. A request all of whose
    /// cookies are such counts as one without cookies, for `Vary: Cookie` too. The handler still gets them: name none that
    /// a response depends on.
    ///
    /// ```
    /// # use cachekit::{CacheLayer, Cache, Config};
    /// # let cache = Cache::open(Config::simple()).unwrap();
    /// let layer = CacheLayer::new(&cache).timeout(50).ignore_cookies(["_ga*", "_gid", "_fbp"]);
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn ignore_cookies<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.settings.credentials.ignore_cookies(names);
        self
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { cache, timeout, vary, max_body, .. } = &self.settings;
        f.debug_struct("CacheLayer")
            .field("cache", cache)
            .field("timeout", timeout)
            .field("vary", vary)
            .field("max_body", max_body)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService::new(inner, Arc::new(self.clone()))
    }
}

/// How long one response is fresh, as its handler says: a part of a response, or an extension of one.
///
/// It overrides the response's `Cache-Control` and the layer's timeout, and makes a response storable that isn't successful,
/// but none that the other rules exclude. Clients don't see it.
///
/// ```
/// use axum::response::IntoResponse;
/// use cachekit::web::CacheFor;
///
/// async fn page() -> impl IntoResponse {
///     (CacheFor::new(5), "fresh for five seconds")
/// }
/// # drop(page());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheFor(pub(super) Timeout);

impl CacheFor {
    /// Returns it for a time. An integer is seconds; `0` never expires.
    pub fn new(timeout: impl Into<Timeout>) -> Self {
        Self(timeout.into())
    }
}

impl IntoResponseParts for CacheFor {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        parts.extensions_mut().insert(self);
        Ok(parts)
    }
}
