//! Stale responses (RFC 5861): served while the handler makes a new one, and in the place of a handler that fails.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::CacheBody;
use super::cache_status::CacheStatus;
use super::exchange::{Exchange, Selected};
use super::failure::{Failure, attempt};
use super::making::Making;
use super::page::Page;
use super::place::policy;
use super::rfc9111::{Served, unconditional};
use crate::call::Round;
use crate::call::round::Step;
use crate::engine::PAGES;
use crate::engine::background::Runtime;
use crate::engine::remote::{AsyncIo, Budget};
use crate::engine::stats::Event;
use crate::surroundings::Surroundings;

impl Exchange {
    /// Begins a task that makes the response anew which this request was answered with, unless one is under way or has failed
    /// a moment ago.
    pub(super) async fn renew_behind<S, A, B>(
        mut self,
        round: Round<'static>,
        inner: S,
        mut request: Request<A>,
        (page, found): (Option<Arc<Page>>, Selected),
    ) where
        S: Service<Request<A>, Response = Response<B>, Future: Send, Error: Send> + Send + 'static,
        A: Send + 'static,
        B: Body<Data = Bytes, Error: Send> + Send + 'static,
    {
        let digest = round.place().key().digest;
        let Some(duty) = round.renew_behind(AsyncIo).await else { return };
        // The whole response is made, whatever this client asked for.
        self.method = Method::GET;
        *request.method_mut() = Method::GET;
        unconditional(request.headers_mut());
        let making = Making::new(duty, digest, page, found.variant, found.why);
        let renewing = Surroundings::of_request().around(async move {
            if let Err((mut making, _)) = self.respond(inner, request, making).await {
                making.failed().await;
            }
        });
        Runtime::current().run(Box::pin(renewing));
    }

    /// Lets the handler make the response, and answers with the kept one if it fails.
    pub(super) async fn make<S, A, B>(
        &self,
        inner: S,
        request: Request<A>,
        making: Making,
    ) -> Result<Response<CacheBody<B>>, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>>,
        B: Body<Data = Bytes> + Send + 'static,
    {
        let (mut making, failure) = match self.respond(inner, request, making).await {
            Ok(response) => return Ok(response),
            Err(failed) => failed,
        };
        let page = if making.follows() { making.failed().await } else { None };
        let status = CacheStatus::forwarded(making.why);
        self.instead_of(failure, page.as_deref(), making.budget(), status).await
    }

    /// Hands a request on whose response isn't stored, and answers with the kept one if the handler fails.
    pub(super) async fn pass_or_fall_back<S, A, B>(
        &self,
        mut round: Round<'static>,
        mut inner: S,
        request: Request<A>,
        status: CacheStatus,
    ) -> Result<Response<CacheBody<B>>, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        let handler = async { inner.call(request).await };
        let failure = match attempt(handler).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                return Ok(self.through(parts, CacheBody::through(body), status));
            }
            Err(failure) => failure,
        };
        // Anew, because what was deleted meanwhile is not to come back.
        round.failed();
        let page = match round.next(AsyncIo, &policy()).await {
            Step::Looked(page) => page,
            Step::Due(..) | Step::Shared(_) | Step::Compute(_) => None,
        };
        self.instead_of(failure, page.as_deref(), round.budget(), status).await
    }

    /// The answer to a request whose handler failed: the response of the page, if it may be served stale.
    async fn instead_of<B: Body<Data = Bytes>, E>(
        &self,
        failure: Failure<B, E>,
        page: Option<&Page>,
        budget: &Budget,
        status: CacheStatus,
    ) -> Result<Response<CacheBody<B>>, E> {
        let now = self.engine.clock.now();
        let found = self.search(budget, None, page, now).await;
        let serves = |served| served != Served::Validated;
        if let Some(variant) = found.variant.filter(|variant| serves(self.serves(variant, now))) {
            self.engine.count_of(PAGES, Event::Stale);
            return Ok(self.found(&variant, now, status.failed(failure.status(), true)));
        }
        let status = status.failed(failure.status(), false);
        let (parts, body) = failure.result()?.into_parts();
        Ok(self.through(parts, CacheBody::through(body), status))
    }
}
