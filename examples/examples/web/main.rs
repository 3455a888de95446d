//! Cached pages with axum: whole responses behind a layer, a handler with one line, and a page for one user whose costly
//! part is for all.
//!
//! ```text
//! cargo run -p cachekit-examples --example web
//! ```
//!
//! It serves pages over the quickstart's database on a free port of this machine, asks for them with a small client, without
//! and with the cache, changes the data and asks again; then it ends. The backend is chosen by the environment:
//!
//! ```text
//! CACHE_TYPE=redis CACHE_REDIS_URL=redis://127.0.0.1:6379/0 cargo run -p cachekit-examples --example web
//! ```

mod client;
#[allow(dead_code, reason = "the quickstart uses all of it")]
#[path = "../../quickstart/src/store.rs"]
mod store;

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use cachekit::template::make_template_fragment_key;
use cachekit::{Cache, CacheLayer, Config, RequestScopeLayer, cached};
use cachekit_examples::{rule, thousands};
use client::Client;
use minijinja::ErrorKind::InvalidOperation;
use minijinja::{Environment, context};
use store::Store;

/// How many users a page lists.
const LISTED: u32 = 200;

type Db = Arc<Mutex<Store>>;
type Page = Result<Html<String>, StatusCode>;

/// The costly part: a query for each user.
fn listed(db: &Db, role: &str) -> Result<Vec<u32>, StatusCode> {
    let db = db.lock().unwrap_or_else(PoisonError::into_inner);
    let mut users = Vec::new();
    for user in 1..=LISTED {
        if db.has_role(user, role).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)? {
            users.push(user);
        }
    }
    Ok(users)
}

fn render(db: &Db, role: &str) -> Page {
    let mut page = format!("<h1>{role}</h1>\n<ul>\n");
    for user in listed(db, role)? {
        let _ = writeln!(page, "<li>user {user}</li>");
    }
    page.push_str("</ul>\n");
    Ok(Html(page))
}

/// A page that greets one user, so that it can't be cached as a whole; the list on it is the same for all.
const GREETING: &str = r#"<h1>Hello, {{ name }}</h1>
{% cache 300, "members", role -%}
<ul>
{% for user in members(role) %}<li>user {{ user }}</li>
{% endfor %}</ul>
{%- endcache %}
"#;

/// The templates. `members` is a function and no value: on a hit it isn't called.
fn templates(db: Db, cache: &Cache) -> Result<Environment<'static>, minijinja::Error> {
    let mut env = Environment::new();
    cachekit::template::install(&mut env, cache);
    env.add_function("members", move |role: &str| {
        listed(&db, role).map_err(|status| minijinja::Error::new(InvalidOperation, status.to_string()))
    });
    cachekit::template::add_template(&mut env, "greeting.html", GREETING)?;
    Ok(env)
}

async fn greet(env: Arc<Environment<'static>>, name: String) -> Page {
    // A render may wait for a remote backend, and for the database: not on a thread that others need.
    let page = tokio::task::spawn_blocking(move || {
        env.get_template("greeting.html")?.render(context! { name, role => "owner" })
    });
    let page = page.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    page.map(Html).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// A page as it is.
async fn members(State(db): State<Db>, Path(role): Path<String>) -> Page {
    render(&db, &role)
}

/// The same page, cached by the request's path. The handler's arguments need no traits.
#[cached(view, timeout = "5m")]
async fn cached_members(State(db): State<Db>, Path(role): Path<String>) -> Page {
    render(&db, &role)
}

/// Changes something, so what it answers for is deleted: by the layer, since it is a `POST` to the page's path.
async fn grant(State(db): State<Db>, Path(role): Path<String>) -> Result<&'static str, StatusCode> {
    let db = db.lock().unwrap_or_else(PoisonError::into_inner);
    db.grant(LISTED, &role).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok("granted\n")
}

fn app(db: Db) -> Result<Router, minijinja::Error> {
    let cache = cachekit::cache();
    let env = Arc::new(templates(db.clone(), cache)?);
    let layer = CacheLayer::new(cache).timeout(300).query_string(true).cache_status(true);
    Ok(Router::new()
        .route("/plain/{role}", get(members))
        .route("/greeting/{name}", get(move |Path(name)| greet(env, name)))
        .route("/handler/{role}", get(cached_members).post(grant))
        .merge(Router::new().route("/layer/{role}", get(members).merge(post(grant))).layer(layer))
        .layer(RequestScopeLayer::new())
        .with_state(db))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    cachekit::init(Config::from_env()?)?;
    let dir = std::env::temp_dir().join("cachekit-quickstart");
    fs::create_dir_all(&dir)?;
    let lock = File::create(dir.join("lock"))?;
    lock.lock()?; // The quickstart uses the same database.
    let store = Store::open(&dir.join("members.db"))?;
    store.revoke(LISTED, "owner")?;
    for path in ["/handler/owner", "/layer/owner"] {
        cachekit::cache().aio().delete_view(path).await?; // What an earlier run has left on a remote backend.
    }
    let db = Arc::new(Mutex::new(store));

    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    cachekit::cache().aio().delete(&make_template_fragment_key("members", &["owner"])).await?;
    let app = app(db)?;
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    // A client that blocks, as a browser would be another program.
    tokio::task::spawn_blocking(move || visit(&mut Client::connect(address)?))
        .await?
        .map_err(|error| error.to_string())?;
    server.abort();
    Ok(())
}

/// Asks for the pages and prints what comes.
fn visit(client: &mut Client) -> Result<(), Box<dyn Error + Send + Sync>> {
    rule("Pages a second");
    let plain = client.get("/plain/owner")?;
    for (what, path, requests) in [
        ("no cache", "/plain/owner", 20),
        ("#[cached(view)] on the handler", "/handler/owner", 2_000),
        ("CacheLayer", "/layer/owner", 2_000),
    ] {
        assert_eq!(client.get(path)?.body, plain.body, "the first one fills the cache");
        let begin = Instant::now();
        for _ in 0..requests {
            assert_eq!(client.get(path)?.body, plain.body);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate to look at")]
        let rate = (f64::from(requests) / begin.elapsed().as_secs_f64()) as u64;
        println!("{what:32} {:>8}", thousands(rate));
    }

    let first = client.get("/greeting/ann")?;
    let begin = Instant::now();
    for request in 0..2_000 {
        let name = format!("user{request}");
        let page = client.get(&format!("/greeting/{name}"))?;
        assert_eq!(page.body, first.body.replace("Hello, ann", &format!("Hello, {name}")));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate to look at")]
    let rate = (2_000.0 / begin.elapsed().as_secs_f64()) as u64;
    println!("{:32} {:>8}", "{% cache %} in a page for one user", thousands(rate));

    rule("What the layer says");
    let hit = client.get("/layer/owner")?;
    println!("cache-status: {}", hit.field("cache-status").unwrap_or("-"));
    let etag = hit.field("etag").unwrap_or_default().to_string();
    println!("age: {}, etag: {etag}", hit.field("age").unwrap_or("-"));
    let again = client.ask("GET", "/layer/owner", &[("if-none-match", &etag)])?;
    println!("asked again with that etag: {}, {} bytes", again.status, again.body.len());
    assert_eq!((again.status, again.body.len()), (304, 0));
    let personal = client.ask("GET", "/layer/owner", &[("cookie", "session=1")])?;
    println!("asked with a cookie: {}", personal.field("cache-status").unwrap_or("-"));

    rule("After a change");
    client.ask("POST", "/layer/owner", &[])?;
    let changed = client.get("/layer/owner")?;
    assert!(changed.body.contains("user 200"), "the POST has deleted the page");
    println!("the layer's page is new: {}", changed.field("cache-status").unwrap_or("-"));
    assert_eq!(client.get("/handler/owner")?.body, plain.body, "no deletion has reached this one yet");
    cachekit::cache().delete_view("/handler/owner")?;
    assert_eq!(client.get("/handler/owner")?.body, changed.body);
    let key = make_template_fragment_key("members", &["owner"]);
    assert!(!client.get("/greeting/ann")?.body.contains("user 200"));
    cachekit::cache().delete(&key)?;
    assert!(client.get("/greeting/ann")?.body.contains("user 200"));
    println!("the fragment is new after `cache.delete(make_template_fragment_key(..))`");
    println!("the handler's page is new after `cache.delete_view(\"/handler/owner\")`");
    Ok(())
}
