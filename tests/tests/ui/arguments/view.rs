use axum::extract::{Extension, Path, Query, Request};
use axum::http::HeaderMap;
use cachekit::cached;

#[derive(Clone)]
struct User;

#[cached(view)]
async fn account(Extension(user): Extension<User>) -> String {
    let _ = user;
    String::new()
}

#[cached(view)]
async fn fields(headers: HeaderMap, Path(id): Path<u32>) -> String {
    format!("{id} {}", headers.len())
}

#[cached(view)]
async fn whole(request: Request) -> String {
    request.uri().to_string()
}

#[cached(key_prefix = "side/%s")]
fn side(id: u32) -> String {
    id.to_string()
}

#[cached(view, key = one.len())]
async fn other(one: HeaderMap, two: HeaderMap) -> String {
    format!("{} {}", one.len(), two.len())
}

struct Filter {
    user: u32,
}

// Fields and bindings of that name are not the argument.
#[cached(view, key = (Filter { user: 1 }.user, Some(2).map(|user| user + 1), "{user}"))]
async fn field(Extension(user): Extension<User>) -> String {
    let _ = user;
    String::new()
}

struct Search;

#[cached(view)]
async fn search(Query(_): Query<Search>) -> String {
    String::new()
}

struct Page;

impl Page {
    #[cached(view)]
    async fn show(&self) -> String {
        String::new()
    }
}

fn main() {}
