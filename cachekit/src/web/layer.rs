//! The layer and its settings.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use axum::response::{IntoResponseParts, ResponseParts};
use http::header::HeaderName;
use http::{request, response};
use tower_layer::Layer;

use super::service::CacheService;
use super::uncacheable::Uncacheable;
use crate::{Cache, Timeout};

type Of<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;
type KeyOf = Arc<dyn Fn(&request::Parts) -> String + Send + Sync>;

/// The most bytes of content that are kept of one page, unless [`CacheLayer::max_body`] says otherwise: what every backend
/// takes.
const MAX_BODY: usize = 1_000_000;

/// A `tower` layer that caches whole responses, as a shared HTTP cache (RFC 9111) with safe defaults.
///
/// It stores responses to `GET` whose fields give them a lifetime, and, with [`timeout`](Self::timeout), successful ones
/// whose fields don't; it answers `GET` and `HEAD`. Not stored is what may be for one person only: responses to requests with
/// `Authorization` or a `Cookie`, and responses with `Set-Cookie`, `private`, `no-store`, `no-cache` or `Vary: *`.
/// `Vary` is heeded; host, path and query are in the key. A request that changes something deletes what is stored for
/// its path. The book's page on HTTP caching lists the rules.
///
/// Requests that miss together wait for one of them, unless its response turns out not to be storable: then they, and
/// those that follow, go side by side. Bodies that aren't ready at once are passed through while they are copied. If the
/// backend fails, the handler answers.
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
}

impl CacheLayer {
    /// A layer over a cache. It stores only responses that say how long they are fresh, until a
    /// [`timeout`](Self::timeout) is given.
    #[must_use]
    // A handle is moved in as well as lent.
    #[allow(clippy::needless_pass_by_value)]
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
            },
            uncacheable: Arc::default(),
        }
    }

    /// How long a successful response is fresh that doesn't say it itself, by `Cache-Control`, `Expires` or
    /// [`CacheFor`]. An integer is seconds; `0` never expires.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.settings.timeout = Some(timeout.into());
        self
    }

    /// Whether queries of the same parameters are the same, whatever their order; a parameter that is repeated counts as
    /// often. Without it the query is taken as it is written.
    #[must_use]
    pub fn query_string(mut self, sorted: bool) -> Self {
        self.settings.sorted_query = sorted;
        self
    }

    /// Requests that go past the cache: nothing is looked up and nothing stored.
    #[must_use]
    pub fn unless(mut self, condition: impl Fn(&request::Parts) -> bool + Send + Sync + 'static) -> Self {
        self.settings.unless = Some(Arc::new(condition));
        self
    }

    /// Responses that may be stored; asked last, of those that the rules allow.
    #[must_use]
    pub fn cache_if(mut self, condition: impl Fn(&response::Parts) -> bool + Send + Sync + 'static) -> Self {
        self.settings.cache_if = Some(Arc::new(condition));
        self
    }

    /// What stands for host and query in the key. The path is always part of it, and `Vary` still counts.
    #[must_use]
    pub fn key(mut self, key: impl Fn(&request::Parts) -> String + Send + Sync + 'static) -> Self {
        self.settings.key = Some(Arc::new(key));
        self
    }

    /// Request fields that responses depend on although their `Vary` doesn't say so.
    #[must_use]
    pub fn vary(mut self, fields: impl IntoIterator<Item = HeaderName>) -> Self {
        self.settings.vary.extend(fields);
        self
    }

    /// The most bytes of content that are kept of one page, all its variants together. Longer bodies pass through.
    /// The default is a million.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = bytes;
        self
    }

    /// Whether responses get a `Cache-Status` field (RFC 9211) that says what the layer did.
    #[must_use]
    pub fn cache_status(mut self, yes: bool) -> Self {
        self.settings.cache_status = yes;
        self
    }

    /// Whether requests with `Authorization` or a `Cookie` take part where a response says that it is for everybody, by
    /// `public`, `s-maxage` or `must-revalidate` (RFC 9111, 3.5). Off by default: such a request goes past the cache,
    /// whatever the response says.
    #[must_use]
    pub fn with_credentials(mut self, yes: bool) -> Self {
        self.settings.with_credentials = yes;
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

/// How long one response is fresh, as its handler says: a part of a response, or an extension of one. It beats the
/// response's `Cache-Control` and the layer's timeout, and it makes a response storable that isn't successful; it makes none
/// storable that the rules keep out. Clients don't see it.
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
    /// A time; an integer is seconds, `0` never expires.
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
