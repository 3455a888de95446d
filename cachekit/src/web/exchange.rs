//! One request on its way through the layer. The rules are in [`rfc9111`](super::rfc9111).

use std::sync::Arc;

use bytes::Bytes;
use http::header::{RANGE, UPGRADE};
use http::{HeaderMap, Method, Request, Response, request, response};
use http_body::Body;
use tower_service::Service;

use super::answer::{Asked, answer, gateway_timeout};
use super::body::CacheBody;
use super::cache_status::{CacheStatus, STALE_IF_ERROR, STALE_WHILE_REVALIDATE};
use super::layer::CacheLayer;
use super::making::Making;
use super::page::{Page, Variant};
use super::place::{place, policy};
use super::rfc9111::{
    RequestControl, ResponseControl, Served, Vary, asks_more, invalidated, is_safe, served, windows,
};
use super::scope::Target;
use crate::call::dependencies;
use crate::call::freshness::Windows;
use crate::call::path::delete_path;
use crate::call::round::Step;
use crate::call::{Call, Known, Round, Source};
use crate::engine::remote::{AsyncIo, Budget};
use crate::engine::{Engine, Hold, PAGES};

/// A request, with everything that the cache needs to know of it.
pub(super) struct Exchange {
    pub(super) layer: Arc<CacheLayer>,
    pub(super) engine: Arc<Engine>,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    control: RequestControl,
    pub(super) target: Target,
    pub(super) credentials: bool,
    /// It asks for something that no key tells.
    more: bool,
    custom: Option<String>,
    excluded: bool,
}

/// The result of the search in a page that was found.
pub(super) struct Selected {
    /// The variant for this request, if its dependencies hold.
    pub(super) variant: Option<Variant>,
    /// Why the request is forwarded, if the variant doesn't serve.
    pub(super) why: &'static str,
}

impl Exchange {
    pub(super) fn new(layer: Arc<CacheLayer>, parts: &request::Parts, body: &impl Body) -> Self {
        let settings = &layer.settings;
        let asked = Request::from_parts(parts.clone(), ());
        Self {
            engine: Arc::clone(settings.cache.engine()),
            method: parts.method.clone(),
            credentials: settings.credentials.has(&parts.headers),
            headers: settings.credentials.relevant(&parts.headers),
            control: RequestControl::new(&parts.headers),
            target: Target::of(&asked),
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
        S: Service<Request<A>, Response = Response<B>, Future: Send, Error: Send> + Send + 'static,
        A: Send + 'static,
        B: Body<Data = Bytes, Error: Send> + Send + 'static,
    {
        if !is_safe(&self.method) {
            return self.change(inner, request).await;
        }
        if let Some(why) = self.passes() {
            return self.pass(inner, request, CacheStatus::forwarded(why)).await;
        }
        let mut round = self.round();
        let digest = round.place().key().digest;
        let known = Known::of(&self.engine, round.place());
        round.look_beside(known.clone());
        let (mut previous, mut selected) = (None, Selected::none("uri-miss"));
        loop {
            let (page, source) = match round.next(AsyncIo, &policy()).await {
                Step::Looked(page) => {
                    (page.filter(|page| !page.is_of_the_future(self.engine.clock.now())), Source::Store)
                }
                // Pages are looked up without windows: their responses have them.
                Step::Due(..) => continue,
                Step::Shared(page) => (Some(page), Source::Flight),
                Step::Compute(flight) => {
                    let duty = round.compute(flight);
                    let making = Making::new(duty, digest, previous, selected.variant, selected.why);
                    return self.make(inner, request, making).await;
                }
            };
            let now = self.engine.clock.now();
            // The page of another request's handler is newer than the look.
            let looked = known.as_deref().filter(|_| source == Source::Store);
            let search = self.search(round.budget(), looked, page.as_deref(), now).await;
            if let (Some(page), Some(_), Source::Store) = (&page, &search.variant, source) {
                dependencies::remember(&self.engine, digest, known.as_deref(), page.depends());
            }
            let served =
                search.variant.as_ref().map_or(Served::Validated, |variant| self.serves(variant, now));
            if source == Source::Store {
                round.fall_back(served == Served::Fallback);
            }
            let answer = search.variant.as_ref().and_then(|variant| {
                let (source, status) = Self::taken_as(served, source, round.is_held_back(), variant, now)?;
                Some((source, self.found(variant, now, status)))
            });
            if let Some((source, response)) = answer {
                round.took(source);
                if served == Served::Stale && source == Source::Stale {
                    self.renew_behind(round, inner, request, (page, search)).await;
                }
                return Ok(response);
            }
            if source == Source::Flight {
                continue;
            }
            (previous, selected) = (page, search);
            if self.control.only_if_cached {
                return Ok(gateway_timeout(&self.asked(CacheStatus::forwarded(selected.why))));
            }
            // The response has no content, or a part of it.
            if self.method == Method::HEAD || self.headers.contains_key(RANGE) {
                let status = CacheStatus::forwarded(selected.why);
                if served == Served::Fallback {
                    return self.pass_or_fall_back(round, inner, request, status).await;
                }
                return self.pass(inner, request, status).await;
            }
            if self.layer.uncacheable.holds(digest, now) {
                round.go_alone();
            }
        }
    }

    /// The round of the page that this request is for.
    fn round(&self) -> Round<'static> {
        let sorted = self.layer.settings.sorted_query;
        let place = place(&self.engine, &self.target, sorted, self.custom.as_deref());
        let call = Call {
            engine: Hold::Shared(Arc::clone(&self.engine)),
            function: PAGES,
            life: None,
            // The response says until when it is fresh.
            jitter: 0.0,
            windows: Windows { retry_after: self.layer.settings.windows.retry_after, ..Windows::NONE },
            refresh: false,
            single_flight: true,
            life_by_name: false,
            fleet: None,
            budget: Budget::default(),
        };
        Round::new(call, place, self.engine.flight_timeout)
    }

    /// Searches a page for the response to this request.
    pub(super) async fn search(
        &self,
        budget: &Budget,
        known: Option<&Known>,
        page: Option<&Page>,
        now: u64,
    ) -> Selected {
        let Some(page) = page.filter(|page| !page.is_of_the_future(now)) else {
            return Selected::none("uri-miss");
        };
        let Some(variant) = self.select(page, now) else { return Selected::none("vary-miss") };
        if !dependencies::hold(AsyncIo, &self.engine, budget, known, &variant.depends).await {
            return Selected::none("miss");
        }
        let why = if variant.age(now) < variant.lifetime { "request" } else { "stale" };
        Selected { variant: Some(variant.clone()), why }
    }

    /// Why the request goes past the cache, if it does.
    fn passes(&self) -> Option<&'static str> {
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        if !reads {
            return Some("method");
        }
        let shy = self.credentials && !self.layer.settings.with_credentials;
        let passes = self.excluded
            || self.engine.discards
            || shy
            || self.more
            || self.control.no_store
            || self.headers.contains_key(UPGRADE);
        passes.then_some("bypass")
    }

    pub(super) fn asked(&self, status: CacheStatus) -> Asked<'_> {
        let status = self.layer.settings.cache_status.then_some(status);
        Asked { method: &self.method, headers: &self.headers, status }
    }

    /// Returns the newest response that was made for such a request.
    fn select<'p>(&self, page: &'p Page, now: u64) -> Option<&'p Variant> {
        page.variants.iter().find(|variant| {
            let shared = || ResponseControl::new(&variant.response.headers).says_shared();
            now < variant.kept_until
                && Vary::matches(&variant.selecting, &self.headers, &self.layer.settings.vary)
                && (!self.credentials || shared())
        })
    }

    pub(super) fn serves(&self, variant: &Variant, now: u64) -> Served {
        let control = ResponseControl::new(&variant.response.headers);
        let windows = windows(&control, self.layer.settings.windows);
        served(&self.control, &control, variant.age(now), variant.lifetime, &windows)
    }

    /// How a response that was found answers, if it does, and the source that is counted. `held_back` says that the handler
    /// failed a moment ago.
    fn taken_as(
        served: Served,
        source: Source,
        held_back: bool,
        variant: &Variant,
        now: u64,
    ) -> Option<(Source, CacheStatus)> {
        let stale = |why| Some((Source::Stale, CacheStatus::Stale { ttl: variant.seconds_left(now), why }));
        match (served, source) {
            // Stale or not, it was made for a request that this one waited for.
            (Served::Yes | Served::Stale, Source::Flight) => Some((source, CacheStatus::Collapsed)),
            (Served::Yes, _) => Some((source, CacheStatus::Hit { ttl: variant.seconds_left(now) })),
            (Served::Stale, _) => stale(STALE_WHILE_REVALIDATE),
            (Served::Fallback, Source::Store) if held_back => stale(STALE_IF_ERROR),
            (Served::Fallback | Served::Validated, _) => None,
        }
    }

    /// The answer to a request whose response was found.
    pub(super) fn found<B: Body<Data = Bytes>>(
        &self,
        variant: &Variant,
        now: u64,
        status: CacheStatus,
    ) -> Response<CacheBody<B>> {
        dependencies::inherit(&self.engine, &variant.depends);
        answer(variant, &self.asked(status), Some(variant.age(now)))
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

    pub(super) fn through<B: Body>(
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

    /// A request that may change something. The entries that it makes invalid are deleted before its client hears of it.
    async fn change<S, A, B>(self, inner: S, request: Request<A>) -> Result<Response<CacheBody<B>>, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        let response = self.pass(inner, request, CacheStatus::forwarded("method")).await?;
        if !self.engine.discards {
            for path in
                invalidated(&self.target.host, &self.target.path, response.status(), response.headers())
            {
                if let Err(error) = delete_path(AsyncIo, Arc::clone(&self.engine), path).await
                    && let Some(remote) = &self.engine.remote
                {
                    remote.report("a response is sent, and older ones stay in the cache", &error);
                }
            }
        }
        Ok(response)
    }
}

impl Selected {
    fn none(why: &'static str) -> Self {
        Self { variant: None, why }
    }
}
