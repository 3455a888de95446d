//! Async functions, whose futures stay `Send`.
#![deny(warnings, missing_docs, clippy::pedantic)]

use std::future::Future;

use cachekit::{CacheKey, delete_memoized, memoize, peek, refresh, uncached};

#[memoize("5m")]
async fn load(id: u64, name: &str) -> Result<String, String> {
    tokio::task::yield_now().await;
    let id = u32::try_from(id).map_err(|error| error.to_string())?;
    Ok(format!("{id}{name}"))
}

#[memoize(ignore(cell), stale_if = |value: &u8| *value == id)]
async fn not_sync(cell: std::cell::Cell<u8>, id: u8) -> u8 {
    cell.set(id);
    let id = cell.get();
    id + 1
}

#[memoize]
async fn early((a, b): (u8, u8)) -> Option<u8> {
    if a > b {
        return None;
    }
    tokio::task::yield_now().await;
    Some(b)
}

#[memoize]
async fn factorial(n: u64) -> u64 {
    if n < 2 { 1 } else { n * Box::pin(factorial(n - 1)).await }
}

#[memoize]
async fn spawned(n: u64) -> u64 {
    tokio::spawn(factorial(n)).await.expect("it ends")
}

#[memoize(unless = name.is_empty(), timeout = std::time::Duration::from_secs(name.len() as u64))]
async fn named(name: String, _tags: [String; 8]) -> Result<String, std::io::Error> {
    let file = std::path::PathBuf::from(&name);
    tokio::task::yield_now().await;
    Ok(file.to_str().ok_or_else(|| std::io::Error::other("no text"))?.to_owned())
}

#[memoize]
async fn on_its_thread(n: u8) -> u8 {
    let n = std::rc::Rc::new(n);
    tokio::task::yield_now().await;
    *n
}

#[memoize]
async fn generic<T: CacheKey + Send + Sync + Into<u64> + Copy>(n: T) -> u64 {
    tokio::task::yield_now().await;
    n.into()
}

#[memoize(cache_if = |value| !name.is_empty() && *value > 0)]
async fn kept(name: String) -> usize {
    tokio::task::yield_now().await;
    name.len()
}

#[memoize]
async fn large(n: u8) -> u8 {
    let page = [n; 4096];
    tokio::task::yield_now().await;
    page[usize::from(n)]
}

#[derive(cachekit::CacheKey)]
struct Store;

impl Store {
    #[memoize]
    async fn get(&self, id: u64) -> u64 {
        tokio::task::yield_now().await;
        id
    }

    #[memoize]
    async fn shared(self: std::sync::Arc<Self>, id: u64) -> u64 {
        id
    }
}

trait Source {
    fn fetch(&self, id: u64) -> impl Future<Output = u64> + Send;
}

impl Source for Store {
    #[memoize]
    async fn fetch(&self, id: u64) -> u64 {
        tokio::task::yield_now().await;
        id
    }
}

#[allow(async_fn_in_trait)]
trait Defaults: cachekit::CacheKey {
    #[memoize]
    async fn fetched(&self, id: u64) -> u64 {
        id
    }
}

impl Defaults for Store {}

fn send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn runs() {
    assert_eq!(send(load(1, "x")).await.as_deref(), Ok("1x"));
    send(delete_memoized!(load, 1, "x")).await.expect("deleted");
    send(delete_memoized!(load)).await.expect("deleted");
    assert_eq!(send(peek!(load, 1, "x")).await.ok(), Some(None));
    assert_eq!(send(refresh!(load, 1, "x")).await.as_deref(), Ok("1x"));
    assert_eq!(send(uncached!(load, 1, "x")).await.as_deref(), Ok("1x"));
    assert_eq!(send(not_sync(std::cell::Cell::new(1), 2)).await, 3);
    assert_eq!(send(early((1, 2))).await, Some(2));
    assert_eq!(send(factorial(5)).await, 120);
    assert_eq!(send(generic(5_u8)).await, 5);
    assert_eq!(send(spawned(6)).await, 720);
    assert_eq!(send(named("x".to_owned(), Default::default())).await.ok().as_deref(), Some("x"));
    assert_eq!(on_its_thread(7).await, 7);
    assert_eq!(send(kept("x".to_owned())).await, 1);
    // A hit moves only the arguments; the state of a miss is allocated.
    let future = large(5);
    assert!(size_of_val(&future) <= 64, "a future of {} bytes", size_of_val(&future));
    assert_eq!(send(future).await, 5);
    let store = Store;
    assert_eq!(send(store.get(1)).await, 1);
    send(delete_memoized!(store.get)).await.expect("deleted");
    send(delete_memoized!(Store::get, &store, 1)).await.expect("deleted");
    assert_eq!(send(std::sync::Arc::new(Store).shared(1)).await, 1);
    assert_eq!(send(store.fetch(1)).await, 1);
    assert_eq!(store.fetched(1).await, 1);
}
