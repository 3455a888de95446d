//! The request, as functions under its handler see it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::OriginalUri;
use http::header::{self, HeaderName};
use http::uri::Scheme;
use http::{Method, Request, Uri};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::credentials::Credentials;
use super::rfc9111::asks_more;
use crate::call::kept::Kept;
use crate::call::request::{self as view, enter};

/// A `tower` layer that tells functions called under it which request is being handled: `#[cached(view)]`, `%s` in a
/// `key_prefix`, and `#[cached]` without a key use it.
///
/// Put it around the router, or around a nested one: the whole path is used in either case. The request is known to the
/// handler and all that it calls, across `.await`, but not in spawned tasks, other threads and streamed bodies.
///
/// Entries that are keyed by the whole request (`view` and `%s`) are kept for `GET` and `HEAD` only, and not for requests
/// with [credentials](Self::credentials), whose response may be for one person: there the function is computed. Call
/// [`with_credentials`](Self::with_credentials) if no function under this layer depends on the sender.
///
/// ```
/// use axum::{Router, response::Html, routing::get};
/// use cachekit::{RequestScopeLayer, cached};
///
/// #[cached(view, timeout = 50)]
/// async fn page() -> Html<String> {
///     Html("<h1>costly</h1>".into())
/// }
///
/// let app: Router = Router::new().route("/{*rest}", get(page)).layer(RequestScopeLayer::new());
/// # drop(app);
/// ```
#[derive(Clone, Debug, Default)]
pub struct RequestScopeLayer {
    with_credentials: bool,
    credentials: Credentials,
}

impl RequestScopeLayer {
    /// Returns the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self { with_credentials: false, credentials: Credentials::new() }
    }

    /// Sets whether entries that are keyed by the request are kept for requests with credentials too. Every such function
    /// must then return the same to every client.
    #[must_use]
    pub const fn with_credentials(mut self, yes: bool) -> Self {
        self.with_credentials = yes;
        self
    }

    /// Adds fields that identify the client, as [`CacheLayer::credentials`](crate::CacheLayer::credentials) does. The
    /// list of known ones is open: name what your gateway sets.
    ///
    /// # Panics
    /// If an item isn't the name of a header field.
    #[must_use]
    pub fn credentials<N: TryInto<HeaderName>>(mut self, fields: impl IntoIterator<Item = N>) -> Self {
        self.credentials.add(fields);
        self
    }

    /// Names cookies that don't identify the client, as
    /// [`CacheLayer::ignore_cookies`](crate::CacheLayer::ignore_cookies) does.
    #[must_use]
    pub fn ignore_cookies<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.credentials.ignore_cookies(names);
        self
    }
}

impl<S> Layer<S> for RequestScopeLayer {
    type Service = RequestScope<S>;

    fn layer(&self, inner: S) -> RequestScope<S> {
        RequestScope { inner, layer: Arc::new(self.clone()) }
    }
}

/// The service that [`RequestScopeLayer`] makes.
#[derive(Clone, Debug)]
pub struct RequestScope<S> {
    inner: S,
    layer: Arc<RequestScopeLayer>,
}

impl<S, B> Service<Request<B>> for RequestScope<S>
where
    S: Service<Request<B>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ScopedFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let target = Target::of(&request);
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let known = self.layer.with_credentials || !self.layer.credentials.has(request.headers());
        let plain = !asks_more(request.headers(), request.version(), request.body());
        let scope = Arc::new(view::Request {
            method: request.method().as_str().to_string(),
            host: target.host,
            path: target.path,
            query: target.query,
            further: target.further,
            keeps: reads && known && plain,
            kept: Kept::default(),
        });
        let entered = enter(Arc::clone(&scope));
        let future = self.inner.call(request);
        drop(entered);
        ScopedFuture { future, scope }
    }
}

pin_project! {
    /// The future of [`RequestScope`].
    #[derive(Debug)]
    pub struct ScopedFuture<F> {
        #[pin]
        future: F,
        scope: Arc<view::Request>,
    }
}

impl<F: Future> Future for ScopedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = enter(Arc::clone(this.scope));
        this.future.poll(context)
    }
}

/// The resource that a request names.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// In lower case; from the request line and the `Host` field, never from a forwarded one.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: String,
    /// The rest of the URI that a handler may see: a scheme that isn't `http`, and the path as nested routers and layers around
    /// have rewritten it.
    pub(super) further: String,
}

impl Target {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        // Nested routers strip the part that they have matched, and keep the original here.
        let uri: &Uri =
            request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
        let mut hosts: Vec<String> =
            uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()).into_iter().collect();
        for field in request.headers().get_all(header::HOST) {
            // A character for each byte, so that different values stay different.
            let field: String = field.as_bytes().iter().map(|&byte| char::from(byte)).collect();
            hosts.push(field.to_ascii_lowercase());
        }
        // Where they differ, the handler may believe either.
        hosts.dedup();
        let scheme = request.uri().scheme().filter(|scheme| **scheme != Scheme::HTTP);
        let rewritten = request.uri().path_and_query().filter(|seen| uri.path_and_query() != Some(seen));
        Self {
            host: hosts.join(" "),
            path: uri.path().to_string(),
            query: uri.query().unwrap_or_default().to_string(),
            further: match (scheme, rewritten) {
                (None, None) => String::new(),
                (scheme, rewritten) => format!(
                    "{} {}",
                    scheme.map_or("", Scheme::as_str),
                    rewritten.map_or("", |seen| seen.as_str()),
                ),
            },
        }
    }
}

/// The request that is being handled under a [`RequestScopeLayer`].
#[derive(Clone, Debug)]
pub struct CurrentRequest(Arc<view::Request>);

impl CurrentRequest {
    /// Returns the request that the running code belongs to, if there is one.
    ///
    /// ```
    /// assert!(cachekit::web::CurrentRequest::get().is_none()); // outside of a request
    /// ```
    #[must_use]
    pub fn get() -> Option<Self> {
        view::current().map(Self)
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// Returns the host in lower case, with its port if one was given; empty if the request names none.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// Returns the whole path, escaped.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns the query without its question mark; empty if there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.0.query
    }
}
