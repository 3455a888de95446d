//! Async functions: one computation for all tasks that ask at once, and what happens when it is cancelled.
//!
//! ```text
//! cargo run -p cachekit-examples --example async_tokio
//! ```
//!
//! cachekit itself doesn't depend on tokio; any executor will do.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cachekit::{Config, delete_memoized, memoize, peek, stats};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

static STARTED: AtomicU32 = AtomicU32::new(0);

/// Stands for a slow service.
#[memoize(timeout = "1m")]
async fn price(article: u32) -> Result<u32, String> {
    STARTED.fetch_add(1, Ordering::SeqCst);
    sleep(Duration::from_millis(100)).await;
    // Of a `Result` only `Ok` is stored, so a failure is tried again.
    if article == 0 { Err("no such article".into()) } else { Ok(article * 10) }
}

fn started() -> u32 {
    STARTED.swap(0, Ordering::SeqCst)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    cachekit::init(Config::simple())?;
    single_flight().await?;
    cancellation().await?;
    errors().await;
    cache_object().await?;
    Ok(())
}

/// A hundred tasks miss together; one computes, the others wait for it.
async fn single_flight() -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        tasks.spawn(price(1));
    }
    for answer in tasks.join_all().await {
        assert_eq!(answer?, 10);
    }
    let (time, computed) = (begin.elapsed().as_millis(), started());
    println!(
        "100 tasks at once:        {computed} computation, {time} ms, {} waited",
        stats!(price).coalesced
    );
    assert_eq!(computed, 1, "a hundred simultaneous calls are one computation");
    assert_eq!(price(1).await?, 10);
    assert_eq!(started(), 0, "and the next one is a hit");
    // The delete macros and `peek!` are futures for an async function.
    delete_memoized!(price, 1).await?;
    assert_eq!(peek!(price, 1).await?, None);
    Ok(())
}

/// The one that computes is dropped, as when a client hangs up; a waiter goes on with its computation.
async fn cancellation() -> Result<(), Box<dyn Error>> {
    let impatient = tokio::spawn(timeout(Duration::from_millis(20), price(2)));
    while STARTED.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let patient = tokio::spawn(price(2));
    assert!(impatient.await?.is_err(), "the first caller gave up");
    assert_eq!(patient.await??, 20, "the second one has its answer all the same");
    let computed = started();
    println!("the first caller gives up: {computed} computation, the waiter went on with it");
    assert_eq!(computed, 1);
    Ok(())
}

async fn errors() {
    let answers = (price(0).await, price(0).await);
    let computed = started();
    println!("an error, twice:          {computed} computations: errors are not stored");
    assert!(answers.0.is_err() && answers.1.is_err());
    assert_eq!(computed, 2);
}

/// The cache object's methods as futures.
async fn cache_object() -> cachekit::Result<()> {
    let cache = cachekit::cache().aio();
    cache.set("greeting", &"hello".to_string(), 60).await?;
    let greeting: Option<String> = cache.get("greeting").await?;
    let visits = (cache.incr("visits", 1).await?, cache.incr("visits", 1).await?);
    let page = cache
        .get_or_insert_with("page", 60, || async {
            sleep(Duration::from_millis(1)).await;
            "<h1>made once</h1>".to_string()
        })
        .await;
    println!("cache().aio():            {greeting:?}, visits {visits:?}, {page}");
    assert_eq!((greeting.as_deref(), visits), (Some("hello"), (1, 2)));
    assert!(cache.delete("greeting").await?);
    assert!(!cache.delete("greeting").await?, "it is gone");
    Ok(())
}
