//! The layer as a service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::CacheBody;
use super::exchange::Exchange;
use super::layer::CacheLayer;

/// The service that [`CacheLayer`] makes.
#[derive(Clone)]
pub struct CacheService<S> {
    inner: S,
    layer: Arc<CacheLayer>,
}

/// The future of [`CacheService`].
pub type CacheFuture<B, E> = Pin<Box<dyn Future<Output = Result<Response<CacheBody<B>>, E>> + Send>>;

impl<S> CacheService<S> {
    pub(super) fn new(inner: S, layer: Arc<CacheLayer>) -> Self {
        Self { inner, layer }
    }
}

impl<S: fmt::Debug> fmt::Debug for CacheService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, A, B> Service<Request<A>> for CacheService<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Response<CacheBody<B>>;
    type Error = S::Error;
    type Future = CacheFuture<B, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        // `poll_ready` was called on this one, so this one is called; a clone need not be ready.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let layer = Arc::clone(&self.layer);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            Exchange::new(layer, &parts, &body).run(inner, Request::from_parts(parts, body)).await
        })
    }
}
