//! The request as functions under its handler see it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::OriginalUri;
use http::uri::Scheme;
use http::{Method, Request, Uri, header};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::rfc9111::{asks_more, has_credentials};
use crate::call::request::{self as view, enter};

/// A `tower` layer that tells functions called under it which request is being handled: `#[cached(view)]`, `%s` in a
/// `key_prefix`, and `#[cached]` without a key use it.
///
/// Put it around the router, or around a nested one: the whole path is used in either case. The request is known to the
/// handler and all that it calls, across `.await`, but not in spawned tasks, other threads and streamed bodies.
///
/// What is keyed by the request as a whole (`view` and `%s`) is only kept for `GET` and `HEAD`, and not for a request
/// with `Authorization` or a `Cookie`, whose response may be for one person only: there the function is computed. Say
/// [`with_credentials`](Self::with_credentials) if no function under this layer depends on who asks.
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
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestScopeLayer {
    with_credentials: bool,
}

impl RequestScopeLayer {
    /// The layer.
    #[must_use]
    pub const fn new() -> Self {
        Self { with_credentials: false }
    }

    /// Keeps what is keyed by the request also for requests with credentials. Every such function must give everybody the
    /// same.
    #[must_use]
    pub const fn with_credentials(mut self, yes: bool) -> Self {
        self.with_credentials = yes;
        self
    }
}

impl<S> Layer<S> for RequestScopeLayer {
    type Service = RequestScope<S>;

    fn layer(&self, inner: S) -> RequestScope<S> {
        RequestScope { inner, layer: *self }
    }
}

/// The service that [`RequestScopeLayer`] makes.
#[derive(Clone, Copy, Debug)]
pub struct RequestScope<S> {
    inner: S,
    layer: RequestScopeLayer,
}

impl<S, B> Service<Request<B>> for RequestScope<S>
where
    S: Service<Request<B>>,
    B: 'static,
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
        let known = self.layer.with_credentials || !has_credentials(request.headers());
        let plain = !asks_more(request.headers(), request.version(), request.body());
        let scope = Arc::new(view::Request {
            method: request.method().as_str().to_string(),
            host: target.host,
            path: target.path,
            query: target.query,
            further: target.further,
            keeps: reads && known && plain,
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

/// What a request asks for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// In lower case; from the request line and the `Host` field, never from a forwarded one.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: String,
    /// What else a handler may see of the URI: a scheme that isn't `http`, and what nested routers and layers around made of
    /// the path.
    pub(super) further: String,
}

impl Target {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        // Nested routers strip what they have matched, and keep the whole.
        let uri: &Uri =
            request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
        let mut hosts: Vec<String> =
            uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()).into_iter().collect();
        for field in request.headers().get_all(header::HOST) {
            // A character for each byte, so that different values stay different.
            let field: String = field.as_bytes().iter().map(|&byte| char::from(byte)).collect();
            hosts.push(field.to_ascii_lowercase());
        }
        // Where they contradict each other nobody knows which one the handler believes.
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
    /// The request that the running code belongs to, if there is one.
    ///
    /// ```
    /// assert!(cachekit::web::CurrentRequest::get().is_none()); // outside of a request
    /// ```
    #[must_use]
    pub fn get() -> Option<Self> {
        view::current().map(Self)
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// The host that was asked, in lower case, with its port if one was given; empty if none was.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The whole path, escaped.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The query without its question mark; empty if there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.0.query
    }
}
