//! The making of a response: the handler runs, and the response is stored if the rules allow it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cachekit_backends::{CacheKey, StableWriter, Ttl};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::answer::answer;
use super::body::{CacheBody, ReadAhead};
use super::cache_status::CacheStatus;
use super::exchange::Exchange;
use super::failure::{Failure, attempt};
use super::layer::CacheFor;
use super::page::{Excess, LAST, Page, StoredResponse, Variant};
use super::place::policy;
use super::rfc9111::{
    Freshness, ResponseControl, Rules, Selecting, Unstorable, Validators, Vary, freshen, initial_age, kept,
    lifetime, revalidates, storable, windows,
};
use crate::call::dependencies::{self, Dependency, DependencyRecorder};
use crate::call::store::Duty;
use crate::engine::remote::{AsyncIo, Budget};

/// How long a response that can be validated is kept at least after it went stale, in milliseconds.
const STALE_LEAST: u64 = 60_000;

/// A response that is to be made.
pub(super) struct Making {
    duty: Duty<'static>,
    digest: u64,
    /// The page that the response joins.
    previous: Option<Arc<Page>>,
    /// The response that may be validated.
    stale: Option<Variant>,
    /// Why the request is forwarded.
    pub(super) why: &'static str,
}

/// A computation whose handler failed.
type Failed<B, E> = (Making, Failure<B, E>);

impl Making {
    pub(super) fn new(
        duty: Duty<'static>,
        digest: u64,
        previous: Option<Arc<Page>>,
        stale: Option<Variant>,
        why: &'static str,
    ) -> Self {
        Self { duty, digest, previous, stale, why }
    }

    pub(super) fn status(&self, status: StatusCode, stored: bool) -> CacheStatus {
        CacheStatus::Forwarded { why: self.why, status: Some(status), stored }
    }

    /// Whether there is a page that stays if the handler fails.
    pub(super) fn follows(&self) -> bool {
        self.duty.follows()
    }

    /// The time that the request has for the backend.
    pub(super) fn budget(&self) -> &Budget {
        &self.duty.call().budget
    }

    /// Notes that the handler failed. Returns the page that is kept, unless nothing waits for it.
    pub(super) async fn failed(&mut self) -> Option<Arc<Page>> {
        self.duty.failed(AsyncIo, &policy()).await
    }

    /// Ends it without a response to be stored. The page before it goes, unless that is the `request`'s fault.
    async fn store_nothing(self, of_request: bool) {
        if of_request {
            self.duty.release();
        } else {
            self.duty.discard(AsyncIo).await;
        }
    }

    /// Stores the response with those that are stored already, and hands it to the requests that wait.
    async fn store(mut self, variant: Variant, room: usize) {
        let now = self.duty.call().engine.clock.now();
        let page = Arc::new(Page::with(self.previous.as_deref(), variant, now, room));
        let until = page.kept_until();
        self.duty
            .set_life((until != u64::MAX).then(|| Duration::from_millis(until.saturating_sub(now).max(1))));
        // A page must not end with the shorter life of what it is made of.
        self.duty.depends_on(page.depends());
        self.duty.settle(AsyncIo, &policy(), page, |_| true).await;
    }
}

impl Exchange {
    /// Lets the handler make the response, and stores it if it may be stored.
    ///
    /// # Errors
    /// The handler's failure, with the duty: an error of the service; where there is a page that stays, any.
    pub(super) async fn respond<S, A, B>(
        &self,
        mut inner: S,
        mut request: Request<A>,
        mut making: Making,
    ) -> Result<Response<CacheBody<B>>, Failed<B, S::Error>>
    where
        S: Service<Request<A>, Response = Response<B>>,
        B: Body<Data = Bytes> + Send + 'static,
    {
        let stale = making.stale.take();
        let validators = stale.as_ref().and_then(Variant::validators);
        if let Some(validators) = &validators {
            validators.ask(request.headers_mut());
        }
        let requested = self.engine.clock.now();
        let recorder = DependencyRecorder::new(&self.engine);
        let called = async { inner.call(request).await };
        let called = making.duty.run_async(Recorded { future: called, recorder: Arc::clone(&recorder) });
        let made =
            if making.follows() { attempt(called).await } else { called.await.map_err(Failure::Error) };
        let response = match made {
            Ok(response) => response,
            Err(failure) => return Err((making, failure)),
        };
        let received = self.engine.clock.now();
        let (parts, body) = response.into_parts();
        if let (Some(stale), Some(_), StatusCode::NOT_MODIFIED) = (stale, validators, parts.status) {
            return Ok(self.validated(making, stale, &parts, requested, received, &recorder).await);
        }
        let judged = match recorder.dependencies() {
            Some(depends) => self.judge(&parts, requested, received, depends),
            None => Err(Unstorable::Unknown),
        };
        let mut variant = match judged {
            Ok(variant) => variant,
            Err(why) => {
                // The fault of this request is not one of the page.
                let of_request =
                    matches!(why, Unstorable::Credentials | Unstorable::Selecting | Unstorable::Unknown)
                        || parts.status == StatusCode::NOT_MODIFIED;
                if !of_request {
                    self.layer.uncacheable.add(making.digest, received);
                }
                let status = making.status(parts.status, false);
                making.store_nothing(of_request).await;
                return Ok(self.through(parts, CacheBody::through(body), status));
            }
        };
        self.layer.uncacheable.remove(making.digest);
        let room = self.layer.settings.max_body;
        let expected = content_length(&parts.headers);
        let mut body = Some(body);
        let read = poll_fn(|context| {
            Poll::Ready(body.take().map(|body| CacheBody::read_ahead(body, room, context)))
        });
        let status = making.status(parts.status, true);
        match read.await {
            Some(ReadAhead::Complete(bytes))
                if bytes.len() <= room && expected.is_none_or(|n| n == bytes.len() as u64) =>
            {
                variant.fill(bytes);
                let response = answer(&variant, &self.asked(status), None);
                making.store(variant, room).await;
                Ok(response)
            }
            Some(ReadAhead::Complete(bytes)) => {
                let status = making.status(parts.status, false);
                // A body that was cut off is no new page.
                making.store_nothing(bytes.len() <= room).await;
                Ok(self.through(parts, CacheBody::whole(bytes), status))
            }
            Some(ReadAhead::Partly(body)) if making.duty.is_behind() => {
                // No client reads it. The next request must not begin another one meanwhile.
                if let Some(bytes) = body.rest(room, expected).await {
                    variant.fill(bytes);
                    making.store(variant, room).await;
                }
                Ok(self.through(parts, CacheBody::default(), status))
            }
            Some(ReadAhead::Partly(mut body)) => {
                // It is stored at its end, if it has one within the limit: its head can't tell.
                let status = making.status(parts.status, false);
                // No request waits for a client that may be slow.
                making.duty.release_waiters();
                let finish = move |bytes: Bytes| -> super::body::Storing {
                    Box::pin(async move {
                        if expected.is_none_or(|n| n == bytes.len() as u64) {
                            variant.fill(bytes);
                            making.store(variant, room).await;
                        }
                    })
                };
                body.keep(room, expected, Box::new(finish));
                Ok(self.through(parts, body, status))
            }
            None => Ok(self.through(parts, CacheBody::default(), status)),
        }
    }

    /// The answer after the handler confirmed a stale response.
    async fn validated<B: Body<Data = Bytes>>(
        &self,
        making: Making,
        mut stale: Variant,
        parts: &response::Parts,
        requested: u64,
        received: u64,
        recorder: &DependencyRecorder,
    ) -> Response<CacheBody<B>> {
        let status = making.status(parts.status, true);
        if !revalidates(&stale.response.headers, &parts.headers) {
            making.duty.release();
            return answer(&stale, &self.asked(status), Some(stale.age(received)));
        }
        freshen(&mut stale.response.headers, &parts.headers);
        let mut merged = response::Response::new(()).into_parts().0;
        merged.status = stale.response.status;
        merged.headers.clone_from(&stale.response.headers);
        merged.extensions = parts.extensions.clone();
        // Its dependencies stay, and those of the validation are added.
        let mut depends = stale.depends.clone();
        let more = recorder.dependencies();
        let known = more.is_some();
        dependencies::add(&mut depends, more.unwrap_or_default());
        let judged = self.judge(&merged, requested, received, depends);
        let Some(mut variant) = judged.ok().filter(|_| known) else {
            making.duty.release();
            return answer(&stale, &self.asked(status), None);
        };
        variant.initial_age = initial_age(&parts.headers, requested, received);
        variant.fill(stale.response.body);
        let response = answer(&variant, &self.asked(status), Some(variant.initial_age));
        making.store(variant, self.layer.settings.max_body).await;
        response
    }

    /// Returns the response without its content, as it is to be stored; or why it isn't.
    fn judge(
        &self,
        parts: &response::Parts,
        requested: u64,
        received: u64,
        depends: Vec<Dependency>,
    ) -> Result<Variant, Unstorable> {
        let settings = &self.layer.settings;
        let given = settings.timeout.map(|timeout| millis(timeout.resolve(self.engine.default_timeout)));
        let freshness = match parts.extensions.get::<CacheFor>() {
            Some(CacheFor(timeout)) => {
                Freshness::Explicit(millis(timeout.resolve(self.engine.default_timeout)))
            }
            None => lifetime(parts.status, &parts.headers, received, given),
        };
        let rules = Rules { credentials: self.credentials, allowed: settings.with_credentials };
        storable(rules, &self.method, &self.headers, parts.status, &parts.headers, freshness)?;
        let initial_age = initial_age(&parts.headers, requested, received);
        let lifetime = freshness.millis();
        let validators = Validators::new(&parts.headers);
        let windows = windows(&ResponseControl::new(&parts.headers), settings.windows);
        let stale = u64::try_from(windows.past().as_millis()).unwrap_or(u64::MAX);
        if initial_age >= lifetime.saturating_add(stale) && validators.is_none() {
            return Err(Unstorable::NotFresh);
        }
        let selecting: Selecting =
            Vary::new(&parts.headers).select(&self.headers, &settings.vary).ok_or(Unstorable::VaryStar)?;
        if settings.cache_if.as_ref().is_some_and(|cache_if| !cache_if(parts)) {
            return Err(Unstorable::Status);
        }
        let fresh_until = received.saturating_add(lifetime.saturating_sub(initial_age));
        let beyond = validators.map_or(0, |_| lifetime.max(STALE_LEAST)).max(stale);
        let kept_until = fresh_until.saturating_add(beyond);
        let variant = Variant {
            response: StoredResponse {
                status: parts.status,
                headers: kept(&parts.headers),
                body: Bytes::new(),
            },
            selecting,
            received,
            initial_age,
            lifetime,
            // Later than any date in HTTP is for ever.
            kept_until: if kept_until > LAST { u64::MAX } else { kept_until },
            own_etag: false,
            depends,
        };
        match variant.excess() {
            None => Ok(variant),
            Some(Excess::Head) => Err(Unstorable::Head),
            Some(Excess::Selecting) => Err(Unstorable::Selecting),
        }
    }
}

impl Variant {
    /// Completes it with its content, and gives it an `ETag` if it has none.
    fn fill(&mut self, body: Bytes) {
        let StoredResponse { status, headers, body: slot } = &mut self.response;
        if headers.contains_key(CONTENT_LENGTH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if *status == StatusCode::OK && !headers.contains_key(ETAG) {
            let mut writer = StableWriter::new();
            for name in [CONTENT_TYPE, CONTENT_ENCODING] {
                headers.get(name).map(HeaderValue::as_bytes).cache_key(&mut writer);
            }
            std::hash::Hasher::write(&mut writer, &body);
            // Weak: the layers around this one may change the content.
            if let Ok(etag) = HeaderValue::try_from(format!("W/\"{}\"", writer.to_text())) {
                headers.insert(ETAG, etag);
                self.own_etag = true;
            }
        }
        *slot = body;
    }

    /// Returns the validators that its origin knows.
    fn validators(&self) -> Option<Validators> {
        let mut headers = self.response.headers.clone();
        if self.own_etag {
            headers.remove(ETAG);
        }
        Validators::new(&headers)
    }
}

pin_project! {
    /// The handler's future, polled with its dependency recorder active.
    struct Recorded<F> {
        #[pin]
        future: F,
        recorder: Arc<DependencyRecorder>,
    }
}

impl<F: Future> Future for Recorded<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.recorder.enter();
        this.future.poll(context)
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A lifetime in milliseconds; the greatest number for one without end.
fn millis(life: Ttl) -> u64 {
    life.map_or(u64::MAX, cachekit_backends::ttl_millis)
}
