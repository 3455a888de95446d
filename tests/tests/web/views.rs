//! The arguments of a view: the values that the handler got are in the key, or are named as not being part of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, NestedPath, OriginalUri, Path, Query, RawQuery, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::map_request;
use axum::routing::get;
use cachekit::web::ViewArgument;
use cachekit::{CacheKey, RequestScopeLayer, cached};
use cachekit_tests::{Calls, World};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tower::ServiceExt as _;

use crate::support::request;

async fn text(app: &Router, uri: &str, fields: &[(&str, &str)]) -> String {
    let response = app.clone().oneshot(request("GET", uri, fields)).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Runs a test over each kind of cache, as the default one.
fn each<F: Future<Output = ()>>(test: impl Fn(Arc<World>) -> F) {
    for world in crate::support::worlds() {
        let world = Arc::new(world);
        println!("with the cache `{}`", world.name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(world.wrap(test(Arc::clone(&world))));
    }
}

/// Puts the language that a client asks for into the path and the query, behind the layer's back.
async fn by_language(mut request: Request) -> Request {
    let language = request.headers().get("accept-language").cloned();
    let language = language.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("en");
    let uri: Uri = format!("{}/{language}?language={language}", request.uri().path()).parse().unwrap();
    *request.uri_mut() = uri.clone();
    request.extensions_mut().insert(OriginalUri(uri));
    request
}

#[derive(Clone, Deserialize, CacheKey)]
struct Search {
    language: String,
}

#[test]
fn an_extractor_goes_into_the_key_by_the_value_that_it_gave() {
    #[cached(view)]
    async fn path(Path(language): Path<String>) -> String {
        language
    }
    #[cached(view)]
    async fn map(Path(all): Path<BTreeMap<String, String>>) -> String {
        all["language"].clone()
    }
    #[cached(view)]
    async fn maybe(all: Option<Path<String>>) -> String {
        all.map(|Path(all)| all).unwrap_or_default()
    }
    #[cached(view)]
    async fn query(Query(search): Query<Search>) -> String {
        search.language
    }
    #[cached(view)]
    async fn raw_query(RawQuery(query): RawQuery) -> String {
        query.unwrap_or_default()
    }
    #[cached(view)]
    async fn uri(method: Method, uri: Uri) -> String {
        format!("{method} {uri}")
    }
    #[cached(view)]
    async fn original(OriginalUri(uri): OriginalUri) -> String {
        uri.to_string()
    }
    #[cached(key_prefix = "text/%s")]
    async fn in_text(Path(language): Path<String>) -> String {
        language
    }
    each(async |_| {
        let routes = Router::new()
            .route("/path/{language}", get(path))
            .route("/map/{language}", get(map))
            .route("/maybe/{language}", get(maybe))
            .route("/query/{language}", get(query))
            .route("/raw/{language}", get(raw_query))
            .route("/uri/{language}", get(uri))
            .route("/original/{language}", get(original))
            .route("/text/{language}", get(in_text));
        // The layer sees the request before, the handler after it was rewritten.
        let inner = tower::ServiceBuilder::new()
            .layer(RequestScopeLayer::new())
            .layer(map_request(by_language))
            .service(routes);
        let app = Router::new().fallback_service(inner);
        for path in ["path", "map", "maybe", "query", "raw", "uri", "original", "text"] {
            for language in ["de", "fr", "de"] {
                let answer = text(&app, &format!("/{path}"), &[("accept-language", language)]).await;
                assert!(answer.contains(language), "{path}: {answer} for {language}");
            }
        }
    });
}

#[test]
fn views_that_take_extractors_hit() {
    static CALLS: Calls = Calls::new();
    #[cached(view)]
    async fn page(
        State(name): State<&'static str>,
        Path(id): Path<u32>,
        nested: NestedPath,
        uri: Uri,
    ) -> String {
        format!("{name} {id} {} {uri} {}", nested.as_str(), CALLS.hit())
    }
    each(async |_| {
        CALLS.take();
        let nested = Router::new().route("/{id}", get(page)).with_state("state");
        let app = Router::new().nest("/n", nested).layer(RequestScopeLayer::new());
        let first = text(&app, "/n/1?a", &[]).await;
        assert_eq!(text(&app, "/n/1?a", &[]).await, first);
        assert_ne!(text(&app, "/n/2?a", &[]).await, first);
        assert_eq!(CALLS.get(), 2);
    });
}

#[test]
fn what_is_named_is_left_out_or_is_the_key() {
    #[derive(Clone, Debug)]
    struct User {
        name: &'static str,
    }
    #[cached(view, ignore(headers))]
    async fn ignored(headers: HeaderMap) -> String {
        format!("{:?}", headers.get("x-forwarded-host"))
    }
    #[cached(view, ignore(user))]
    async fn ignored_part(Extension(user): Extension<User>) -> String {
        user.name.to_string()
    }
    #[cached(view, key = user.name)]
    async fn keyed(Extension(user): Extension<User>, Path(_): Path<String>) -> String {
        user.name.to_string()
    }
    #[cached(view, key = format!("{host}"), ignore(parts))]
    async fn formatted(host: Host, parts: Parts) -> String {
        format!("{host}{}", &parts.method.as_str()[..0])
    }
    #[cached(view)]
    async fn own(Shared(host): Shared) -> String {
        host
    }
    each(async |_| {
        let user = |mut request: Request| async {
            let name = if request.headers().contains_key("x-bob") { "bob" } else { "ann" };
            request.extensions_mut().insert(User { name });
            request
        };
        let app = Router::new()
            .route("/ignored/{x}", get(ignored))
            .route("/part/{x}", get(ignored_part))
            .route("/keyed/{x}", get(keyed))
            .route("/formatted/{x}", get(formatted))
            .route("/own/{x}", get(own))
            .layer(map_request(user))
            .layer(RequestScopeLayer::new());
        let bob = &[("x-bob", "1"), ("x-forwarded-host", "evil.example")];
        for (path, shared) in
            [("ignored", true), ("part", true), ("keyed", false), ("formatted", false), ("own", false)]
        {
            let uri = format!("/{path}/1");
            let ann = text(&app, &uri, &[]).await;
            let other = text(&app, &uri, bob).await;
            assert_eq!(other == ann, shared, "{path}: {ann} {other}");
            assert_eq!(text(&app, &uri, &[]).await, ann, "{path}");
        }
    });
}

/// As axum-extra's `Host`: it believes what a client sends.
#[derive(Clone)]
struct Host(String);

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Host {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let host = parts.headers.get("x-forwarded-host").or(parts.headers.get("host"));
        Ok(Self(host.and_then(|host| host.to_str().ok()).unwrap_or_default().to_string()))
    }
}

/// The same, for views.
struct Shared(String);

impl<S: Sync> axum::extract::FromRequestParts<S> for Shared {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Host::from_request_parts(parts, state).await.map(|host| Self(host.0))
    }
}

impl ViewArgument for Shared {
    type Key<'a> = &'a str;

    fn view_key(&self) -> &str {
        &self.0
    }
}

#[test]
fn credentials_and_ignored_cookies_count_for_views_too() {
    static CALLS: Calls = Calls::new();
    #[cached(view)]
    async fn page() -> String {
        CALLS.hit().to_string()
    }
    each(async |_| {
        let layer = RequestScopeLayer::new().credentials(["x-tenant"]).ignore_cookies(["_ga*"]);
        let app = Router::new().route("/", get(page)).layer(layer);
        let first = text(&app, "/", &[]).await;
        for fields in [
            &[("x-api-key", "1")][..],
            &[("x-forwarded-user", "ann")],
            &[("x-tenant", "1")],
            &[("cookie", "session=1")],
            &[("cookie", "_ga=1; session=1")],
        ] {
            assert_ne!(text(&app, "/", fields).await, first, "{fields:?}");
        }
        assert_eq!(text(&app, "/", &[("cookie", "_ga=1; _gat=2")]).await, first);
        assert_eq!(text(&app, "/", &[]).await, first);
    });
}

#[test]
fn content_counts_for_views_whatever_the_type_of_the_body() {
    static CALLS: Calls = Calls::new();
    #[cached(view)]
    async fn page() -> String {
        CALLS.hit().to_string()
    }
    each(async |_| {
        use http_body_util::Limited;
        use tower::Layer as _;
        type Body = Limited<axum::body::Body>;
        let handler = tower::service_fn(async |_: axum::http::Request<Body>| {
            Ok::<_, std::convert::Infallible>(page().await)
        });
        let service = RequestScopeLayer::new().layer(handler);
        let ask = |content: &'static str| {
            let body = Limited::new(axum::body::Body::from(content), 9);
            let mut request = axum::http::Request::get("/").body(body).unwrap();
            *request.version_mut() = axum::http::Version::HTTP_2;
            service.clone().oneshot(request)
        };
        let evil = ask("evil").await.unwrap();
        let first = ask("").await.unwrap();
        assert_ne!(first, evil);
        assert_eq!(ask("").await.unwrap(), first);
        assert_ne!(ask("more").await.unwrap(), first);
    });
}
