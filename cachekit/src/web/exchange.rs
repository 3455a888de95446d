//! One request on its way through the layer. What is decided is decided by [`rfc9111`](super::rfc9111).

use std::any::Any;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cachekit_backends::{CacheKey, KeyWriter, Lifetime, StableWriter};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, RANGE, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, request, response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::answer::{Asked, answer, gateway_timeout};
use super::body::{CacheBody, ReadAhead};
use super::cache_status::CacheStatus;
use super::layer::{CacheFor, CacheLayer};
use super::page::{Page, StoredResponse, Variant};
use super::rfc9111::{
    Freshness, RequestControl, ResponseControl, Rules, Selecting, Served, Unstorable, Validators, Vary,
    asks_more, freshen, has_credentials, initial_age, invalidated, is_safe, kept, lifetime, revalidates,
    served, storable,
};
use super::scope::Target;
use crate::__private::{Async, Handle, Site};
use crate::cache::{Inner, PageLook, PageSpot};
use crate::flight::{Role, Waited};
use crate::link::AsyncIo;
use crate::memo::part::{self, Dependency, Witness};
use crate::memo::parts::KeyPart;
use crate::memo::site::Function;
use crate::memo::view::delete_view;
use crate::memo::{Evidence, Lead};
use crate::stats::Event;

/// How long a response is kept at least after it went stale, if it can be validated, in milliseconds.
const STALE_LEAST: u64 = 60_000;
/// How often who finds a flight that can't be joined looks again.
const PATIENCE: usize = 2;

/// One for all responses of all layers: deletion is by path.
fn pages() -> &'static Function {
    struct Pages;
    static SITE: Site = Site::new("pages", Some("cachekit::web::pages"), "2", false);
    Handle::<Async>::free(&SITE, std::any::type_name::<Pages>, crate::default_cache()).function
}

/// What tells the pages of one path apart.
struct PageKey<'a> {
    target: &'a Target,
    query: &'a str,
    custom: Option<&'a str>,
}

impl KeyPart for PageKey<'_> {
    const TRUSTED: bool = true;

    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        self.target.path.cache_key(writer);
        self.target.further.cache_key(writer);
        self.custom.is_some().cache_key(writer);
        if let Some(custom) = self.custom {
            custom.cache_key(writer);
        } else {
            self.target.host.cache_key(writer);
            self.query.cache_key(writer);
        }
    }
}

/// A request, as far as the cache is concerned.
pub(super) struct Exchange {
    layer: Arc<CacheLayer>,
    cache: Arc<Inner>,
    method: Method,
    headers: HeaderMap,
    control: RequestControl,
    target: Target,
    credentials: bool,
    /// It asks for something that no key tells.
    more: bool,
    custom: Option<String>,
    excluded: bool,
}

/// What the response to be made is for.
struct Making {
    spot: PageSpot,
    evidence: Evidence,
    lead: Option<Lead<'static>>,
    previous: Option<Arc<Page>>,
    /// The response that may be validated.
    stale: Option<Variant>,
    why: &'static str,
}

impl Exchange {
    pub(super) fn new(layer: Arc<CacheLayer>, parts: &request::Parts, body: &dyn Any) -> Self {
        let settings = &layer.settings;
        let asked = Request::from_parts(parts.clone(), ());
        Self {
            cache: Arc::clone(settings.cache.inner()),
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            control: RequestControl::new(&parts.headers),
            target: Target::of(&asked),
            credentials: has_credentials(&parts.headers),
            more: asks_more(&parts.headers, parts.version, body),
            custom: settings.key.as_ref().map(|key| key(parts)),
            excluded: settings.unless.as_ref().is_some_and(|unless| unless(parts)),
            layer,
        }
    }

    pub(super) async fn run<S, A, B>(
        self,
        inner: S,
        request: Request<A>,
    ) -> Result<Response<CacheBody<B>>, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>>,
        B: Body<Data = Bytes> + Send + 'static,
    {
        if !is_safe(&self.method) {
            return self.change(inner, request).await;
        }
        if let Some(why) = self.passes() {
            return self.pass(inner, request, CacheStatus::forwarded(why)).await;
        }
        let spot = self.spot();
        let digest = spot.digest();
        let mut patience = PATIENCE;
        loop {
            let look: PageLook<Page> = self.cache.page_look(&spot).await;
            let now = self.cache.clock.now();
            let mut stale = None;
            let selected = look.page.as_ref().and_then(|page| self.select(page, now));
            let stands = match selected {
                Some(variant) => self.cache.stand(&variant.depends).await,
                None => false,
            };
            if let Some(variant) = selected.filter(|_| stands) {
                if self.serves(variant, now) {
                    part::inherit(&self.cache, &variant.depends);
                    self.cache.page_count(&spot, Event::Hit);
                    return Ok(self.hit(variant, now));
                }
                stale = Some(variant.clone());
            }
            let why = match (&look.page, &stale) {
                (_, Some(stale)) if stale.age(now) < stale.lifetime => "request",
                (_, Some(_)) => "stale",
                (Some(_), None) if selected.is_some() => "miss",
                (Some(_), None) => "vary-miss",
                (None, None) => "uri-miss",
            };
            if self.control.only_if_cached {
                return Ok(gateway_timeout(&self.asked(CacheStatus::forwarded(why))));
            }
            // What comes back has no content, or a part of it.
            if self.method == Method::HEAD || self.headers.contains_key(RANGE) {
                return self.pass(inner, request, CacheStatus::forwarded(why)).await;
            }
            let evidence = self.cache.page_evidence(&spot, &look).await;
            let making =
                |spot, lead| Making { spot, evidence, lead, previous: look.page.clone(), stale, why };
            if self.layer.uncacheable.holds(digest, now) {
                self.cache.page_count(&spot, Event::Miss);
                return self.make(inner, request, making(spot, None)).await;
            }
            match self.cache.page_join(&spot, &look, evidence, patience > 0) {
                Role::Recheck => patience = patience.saturating_sub(1),
                Role::Lead(lead) | Role::Alone(lead) => {
                    self.cache.page_count(&spot, Event::Miss);
                    return self.make(inner, request, making(spot, Some(lead))).await;
                }
                Role::Wait(wait) => match wait.await {
                    Waited::Again => {}
                    Waited::Released => {
                        self.cache.page_count(&spot, Event::Miss);
                        return self.make(inner, request, making(spot, None)).await;
                    }
                    Waited::Value(page) => {
                        self.cache.page_count(&spot, Event::Miss);
                        let now = self.cache.clock.now();
                        let page = page.downcast::<Page>().ok();
                        // With the one that was made there may be others, that are over.
                        let variant = page.as_ref().and_then(|page| self.select(page, now));
                        if let Some(variant) = variant.filter(|variant| self.serves(variant, now))
                            && self.cache.stand(&variant.depends).await
                        {
                            part::inherit(&self.cache, &variant.depends);
                            self.cache.page_count(&spot, Event::Coalesced);
                            let asked = self.asked(CacheStatus::Collapsed);
                            return Ok(answer(variant, &asked, Some(variant.age(now))));
                        }
                        return self.make(inner, request, making(spot, None)).await;
                    }
                },
            }
        }
    }

    /// Why the request goes past the cache, if it does.
    fn passes(&self) -> Option<&'static str> {
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        if !reads {
            return Some("method");
        }
        let shy = self.credentials && !self.layer.settings.with_credentials;
        let passes = self.excluded
            || self.cache.discards
            || shy
            || self.more
            || self.control.no_store
            || self.headers.contains_key(UPGRADE);
        passes.then_some("bypass")
    }

    fn spot(&self) -> PageSpot {
        let sorted;
        let query = if self.layer.settings.sorted_query {
            let mut pairs: Vec<&str> = self.target.query.split('&').filter(|pair| !pair.is_empty()).collect();
            pairs.sort_unstable();
            sorted = pairs.join("&");
            &sorted
        } else {
            &self.target.query
        };
        let key = PageKey { target: &self.target, query, custom: self.custom.as_deref() };
        self.cache.page_spot(pages(), &self.target.path, &key)
    }

    fn asked(&self, status: CacheStatus) -> Asked<'_> {
        let status = self.layer.settings.cache_status.then_some(status);
        Asked { method: &self.method, headers: &self.headers, status }
    }

    /// The newest response that was made for such a request.
    fn select<'p>(&self, page: &'p Page, now: u64) -> Option<&'p Variant> {
        page.variants.iter().find(|variant| {
            let shared = || ResponseControl::new(&variant.response.headers).says_shared();
            now < variant.kept_until
                && Vary::matches(&variant.selecting, &self.headers, &self.layer.settings.vary)
                && (!self.credentials || shared())
        })
    }

    fn serves(&self, variant: &Variant, now: u64) -> bool {
        let control = ResponseControl::new(&variant.response.headers);
        served(&self.control, &control, variant.age(now), variant.lifetime) == Served::Yes
    }

    fn hit<B: Body<Data = Bytes>>(&self, variant: &Variant, now: u64) -> Response<CacheBody<B>> {
        let age = variant.age(now);
        let left = (i128::from(variant.lifetime) - i128::from(age)) / 1000;
        let status = CacheStatus::Hit { ttl: i64::try_from(left).unwrap_or(i64::MAX) };
        answer(variant, &self.asked(status), Some(age))
    }

    /// Hands a request on and its response back.
    async fn pass<S, A, B>(
        &self,
        mut inner: S,
        request: Request<A>,
        status: CacheStatus,
    ) -> Result<Response<CacheBody<B>>, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        let (parts, body) = inner.call(request).await?.into_parts();
        Ok(self.through(parts, CacheBody::through(body), status))
    }

    fn through<B: Body>(
        &self,
        mut parts: response::Parts,
        body: CacheBody<B>,
        status: CacheStatus,
    ) -> Response<CacheBody<B>> {
        if self.layer.settings.cache_status {
            status.write(&mut parts.headers);
        }
        Response::from_parts(parts, body)
    }

    /// A request that may change something: what it makes invalid is deleted before its client hears of it.
    async fn change<S, A, B>(self, inner: S, request: Request<A>) -> Result<Response<CacheBody<B>>, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        let response = self.pass(inner, request, CacheStatus::forwarded("method")).await?;
        if !self.cache.discards {
            for path in
                invalidated(&self.target.host, &self.target.path, response.status(), response.headers())
            {
                if let Err(error) = delete_view(AsyncIo, Arc::clone(&self.cache), path).await
                    && let Some(link) = &self.cache.link
                {
                    link.report("a response is sent, and older ones stay in the cache: it goes on", &error);
                }
            }
        }
        Ok(response)
    }

    /// Lets the handler make the response, and keeps it if it may be kept.
    async fn make<S, A, B>(
        self,
        mut inner: S,
        mut request: Request<A>,
        mut making: Making,
    ) -> Result<Response<CacheBody<B>>, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>>,
        B: Body<Data = Bytes> + Send + 'static,
    {
        let stale = making.stale.take();
        let validators = stale.as_ref().and_then(Variant::validators);
        if let Some(validators) = &validators {
            validators.ask(request.headers_mut());
        }
        let requested = self.cache.clock.now();
        let witness = Witness::new(&self.cache);
        let called = {
            let _entered = witness.enter();
            inner.call(request)
        };
        let called = Witnessed { future: called, witness: Arc::clone(&witness) };
        let response = match &making.lead {
            Some(lead) => lead.scope(called).await,
            None => called.await,
        }?;
        let received = self.cache.clock.now();
        let (parts, body) = response.into_parts();
        if let (Some(stale), Some(_), StatusCode::NOT_MODIFIED) = (stale, validators, parts.status) {
            return Ok(self.validated(making, stale, &parts, requested, received, &witness).await);
        }
        let judged = match witness.dependencies() {
            Some(depends) => self.judge(&parts, requested, received, depends),
            None => Err(Unstorable::Unknown),
        };
        let mut variant = match judged {
            Ok(variant) => variant,
            Err(why) => {
                // What this client asked says nothing about what others get.
                if !matches!(why, Unstorable::Credentials | Unstorable::Unknown)
                    && parts.status != StatusCode::NOT_MODIFIED
                {
                    self.layer.uncacheable.add(making.spot.digest(), received);
                }
                making.release();
                let status =
                    CacheStatus::Forwarded { why: making.why, status: Some(parts.status), stored: false };
                return Ok(self.through(parts, CacheBody::through(body), status));
            }
        };
        self.layer.uncacheable.remove(making.spot.digest());
        let room = self.layer.settings.max_body;
        let expected = content_length(&parts.headers);
        let mut body = Some(body);
        let read = poll_fn(|context| {
            Poll::Ready(body.take().map(|body| CacheBody::read_ahead(body, room, context)))
        });
        let status = CacheStatus::Forwarded { why: making.why, status: Some(parts.status), stored: true };
        match read.await {
            Some(ReadAhead::Complete(bytes))
                if bytes.len() <= room && expected.is_none_or(|n| n == bytes.len() as u64) =>
            {
                variant.fill(bytes);
                let response = answer(&variant, &self.asked(status), None);
                making.store(&self.cache, variant, room).await;
                Ok(response)
            }
            Some(ReadAhead::Complete(bytes)) => {
                making.release();
                let status =
                    CacheStatus::Forwarded { why: making.why, status: Some(parts.status), stored: false };
                Ok(self.through(parts, CacheBody::whole(bytes), status))
            }
            Some(ReadAhead::Partly(mut body)) => {
                // Nobody waits for a client that may be slow.
                making.release();
                let cache = Arc::clone(&self.cache);
                let finish = move |bytes: Bytes| -> super::body::Storing {
                    Box::pin(async move {
                        if expected.is_none_or(|n| n == bytes.len() as u64) {
                            variant.fill(bytes);
                            making.store(&cache, variant, room).await;
                        }
                    })
                };
                body.keep(room, expected, Box::new(finish));
                Ok(self.through(parts, body, status))
            }
            None => Ok(self.through(parts, CacheBody::default(), status)),
        }
    }

    /// The answer after the handler said that a stale response is still right.
    async fn validated<B: Body<Data = Bytes>>(
        &self,
        mut making: Making,
        mut stale: Variant,
        parts: &response::Parts,
        requested: u64,
        received: u64,
        witness: &Witness,
    ) -> Response<CacheBody<B>> {
        let status = CacheStatus::Forwarded { why: making.why, status: Some(parts.status), stored: true };
        if !revalidates(&stale.response.headers, &parts.headers) {
            making.release();
            return answer(&stale, &self.asked(status), Some(stale.age(received)));
        }
        freshen(&mut stale.response.headers, &parts.headers);
        let mut merged = response::Response::new(()).into_parts().0;
        merged.status = stale.response.status;
        merged.headers.clone_from(&stale.response.headers);
        merged.extensions = parts.extensions.clone();
        // What it was made from counts on, and so does what says that it is still right.
        let mut depends = stale.depends.clone();
        let more = witness.dependencies();
        let known = more.is_some();
        part::add(&mut depends, more.unwrap_or_default());
        let judged = self.judge(&merged, requested, received, depends);
        let Some(mut variant) = judged.ok().filter(|_| known) else {
            making.release();
            return answer(&stale, &self.asked(status), None);
        };
        variant.initial_age = initial_age(&parts.headers, requested, received);
        variant.fill(stale.response.body);
        let response = answer(&variant, &self.asked(status), Some(variant.initial_age));
        making.store(&self.cache, variant, self.layer.settings.max_body).await;
        response
    }

    /// The response without its content, as it is to be stored; or why it isn't.
    fn judge(
        &self,
        parts: &response::Parts,
        requested: u64,
        received: u64,
        depends: Vec<Dependency>,
    ) -> Result<Variant, Unstorable> {
        let settings = &self.layer.settings;
        let given = settings.timeout.map(|timeout| millis(timeout.resolve(self.cache.default_timeout)));
        let freshness = match parts.extensions.get::<CacheFor>() {
            Some(CacheFor(timeout)) => {
                Freshness::Explicit(millis(timeout.resolve(self.cache.default_timeout)))
            }
            None => lifetime(parts.status, &parts.headers, received, given),
        };
        let rules = Rules { credentials: settings.with_credentials };
        storable(rules, &self.method, &self.headers, parts.status, &parts.headers, freshness)?;
        let initial_age = initial_age(&parts.headers, requested, received);
        let lifetime = freshness.millis();
        let validators = Validators::new(&parts.headers);
        if initial_age >= lifetime && validators.is_none() {
            return Err(Unstorable::NotFresh);
        }
        let selecting: Selecting =
            Vary::new(&parts.headers).select(&self.headers, &settings.vary).ok_or(Unstorable::VaryStar)?;
        if settings.cache_if.as_ref().is_some_and(|cache_if| !cache_if(parts)) {
            return Err(Unstorable::Status);
        }
        let fresh_until = received.saturating_add(lifetime.saturating_sub(initial_age));
        let beyond = validators.map_or(0, |_| lifetime.max(STALE_LEAST));
        Ok(Variant {
            response: StoredResponse {
                status: parts.status,
                headers: kept(&parts.headers),
                body: Bytes::new(),
            },
            selecting,
            received,
            initial_age,
            lifetime,
            kept_until: fresh_until.saturating_add(beyond),
            own_etag: false,
            depends,
        })
    }
}

impl Variant {
    /// Completes it with its content, and gives it an `ETag` if it has none.
    fn fill(&mut self, body: Bytes) {
        let StoredResponse { status, headers, body: slot } = &mut self.response;
        if *status == StatusCode::OK && !headers.contains_key(ETAG) {
            let mut writer = StableWriter::new();
            for name in [CONTENT_TYPE, CONTENT_ENCODING] {
                headers.get(name).map(HeaderValue::as_bytes).cache_key(&mut writer);
            }
            std::hash::Hasher::write(&mut writer, &body);
            // Weak: what else the layers around this one do to the content isn't known here.
            if let Ok(etag) = HeaderValue::try_from(format!("W/\"{}\"", writer.to_text())) {
                headers.insert(ETAG, etag);
                self.own_etag = true;
            }
        }
        *slot = body;
    }

    /// What its origin knows it by.
    fn validators(&self) -> Option<Validators> {
        let mut headers = self.response.headers.clone();
        if self.own_etag {
            headers.remove(ETAG);
        }
        Validators::new(&headers)
    }
}

impl Making {
    /// Lets those who wait go on by themselves.
    fn release(&mut self) {
        if let Some(lead) = self.lead.take() {
            lead.release();
        }
    }

    /// Stores the response with those that are stored already, and hands it to those who wait.
    async fn store(self, cache: &Inner, variant: Variant, room: usize) {
        let now = cache.clock.now();
        let page = Arc::new(Page::with(self.previous.as_deref(), variant, now, room));
        let until = page.kept_until();
        let life: Lifetime =
            (until != u64::MAX).then(|| Duration::from_millis(until.saturating_sub(now).max(1)));
        cache.page_store(&self.spot, self.evidence, Arc::clone(&page), life).await;
        if let Some(lead) = self.lead {
            lead.finish(|| Some(page));
        }
    }
}

pin_project! {
    /// What makes a response, with who notes the functions that take part.
    struct Witnessed<F> {
        #[pin]
        future: F,
        witness: Arc<Witness>,
    }
}

impl<F: Future> Future for Witnessed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.witness.enter();
        this.future.poll(context)
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A lifetime in milliseconds; for ever is the most there are.
fn millis(life: Lifetime) -> u64 {
    life.map_or(u64::MAX, cachekit_backends::lifetime_millis)
}
