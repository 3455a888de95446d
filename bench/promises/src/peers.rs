//! The libraries: each as its README says to use it, with what it offers against simultaneous misses switched on.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use crate::blobs::Blob;
use crate::script::{Answer, Work, attempt, run};

/// The operations that a scenario asks of a library. `None`: the library does not offer it.
pub trait Peer: 'static {
    const NAME: &'static str;
    fn get(key: u64) -> Work<u64>;
    /// The same of a function that may fail, whose return type is an alias of `Result`.
    fn try_get(key: u64) -> Work<Answer>;
    /// Deletes one entry.
    fn delete(key: u64) -> Option<Work<()>>;
    /// A value that carries a tag.
    fn get_tagged(_key: u64) -> Option<Work<u64>> {
        None
    }
    /// Deletes all that carries the tag.
    fn delete_tag() -> Option<Work<()>> {
        None
    }
    /// A value in a cache that holds [`BOUND`] of them.
    fn get_blob(_key: u64) -> Option<Work<()>> {
        None
    }
    /// The value of one key in a store of files, which is made if it is missing; then its deletion, if that is asked for.
    fn on_store(_dir: &Path, _value: u64, _delete: bool) -> Option<Result<u64, String>> {
        None
    }
}

/// How many values a bounded cache holds.
pub const BOUND: usize = 256;

pub struct Cachekit;

#[cachekit::memoize]
async fn ours(key: u64) -> u64 {
    run(key).await
}

#[cachekit::memoize]
async fn ours_failing(key: u64) -> Answer {
    attempt(key).await
}

static OURS_BOUNDED: LazyLock<cachekit::Cache> =
    LazyLock::new(|| cachekit::Cache::open(cachekit::Config::simple().threshold(BOUND)).unwrap());

#[cachekit::memoize(cache = OURS_BOUNDED, local)]
async fn our_blob(_key: u64) -> Blob {
    Blob::new()
}

#[cachekit::memoize(tags("tag"))]
async fn ours_tagged(key: u64) -> u64 {
    run(key).await
}

impl Peer for Cachekit {
    const NAME: &'static str = "cachekit";
    fn get(key: u64) -> Work<u64> {
        Box::pin(ours(key))
    }
    fn try_get(key: u64) -> Work<Answer> {
        Box::pin(ours_failing(key))
    }
    fn delete(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move { cachekit::delete_memoized!(ours, key).await.unwrap() }))
    }
    fn get_tagged(key: u64) -> Option<Work<u64>> {
        Some(Box::pin(ours_tagged(key)))
    }
    fn delete_tag() -> Option<Work<()>> {
        Some(Box::pin(async { cachekit::cache().aio().delete_tag("tag").await.unwrap() }))
    }
    fn get_blob(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move { drop(our_blob(key).await) }))
    }
    fn on_store(dir: &Path, value: u64, delete: bool) -> Option<Result<u64, String>> {
        let ask = || {
            let cache = cachekit::Cache::open(cachekit::Config::filesystem(dir))?;
            let found = cache.get_or_insert_with("key", 3600, || value);
            if delete {
                cache.delete("key")?;
            }
            Ok(found)
        };
        Some(ask().map_err(|error: cachekit::Error| error.to_string()))
    }
}

pub struct Cached;

#[cached::macros::cached(sync_writes = "by_key")]
async fn theirs(key: u64) -> u64 {
    run(key).await
}

#[cached::macros::cached(sync_writes = "by_key")]
async fn theirs_failing(key: u64) -> Answer {
    attempt(key).await
}

#[cached::macros::cached(max_size = 256)]
async fn their_blob(_key: u64) -> Blob {
    Blob::new()
}

impl Peer for Cached {
    const NAME: &'static str = "cached";
    fn get_blob(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move { drop(their_blob(key).await) }))
    }
    fn on_store(dir: &Path, value: u64, delete: bool) -> Option<Result<u64, String>> {
        use cached::ConcurrentCached as _;
        // A process keeps its store open, as a `static` of the macro does.
        static STORE: std::sync::OnceLock<cached::RedbCache<u64, u64>> = std::sync::OnceLock::new();
        let ask = || {
            if STORE.get().is_none() {
                let store = cached::RedbCache::builder("promises").disk_dir(dir).build().map_err(|error| error.to_string())?;
                let _ = STORE.set(store);
            }
            let store = STORE.get().expect("it was set");
            let found = store.cache_get(&0).map_err(|error| error.to_string())?;
            let found = match found {
                Some(found) => found,
                None => {
                    store.cache_set(0, value).map_err(|error| error.to_string())?;
                    value
                }
            };
            if delete {
                store.cache_remove(&0).map_err(|error| error.to_string())?;
            }
            Ok(found)
        };
        Some(ask())
    }
    fn get(key: u64) -> Work<u64> {
        Box::pin(theirs(key))
    }
    fn try_get(key: u64) -> Work<Answer> {
        Box::pin(theirs_failing(key))
    }
    fn delete(key: u64) -> Option<Work<()>> {
        use cached::Cached as _;
        Some(Box::pin(async move {
            let _removed = THEIRS.write().await.cache_remove(&key);
        }))
    }
}

pub struct Memoize;

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(work)
}

#[memoize::memoize(SharedCache)]
fn memoized(key: u64) -> u64 {
    block(run(key))
}

#[memoize::memoize(SharedCache)]
fn memoized_failing(key: u64) -> Answer {
    block(attempt(key))
}

fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Work<T> {
    Box::pin(async { tokio::task::spawn_blocking(call).await.expect("the call panicked") })
}

#[memoize::memoize(SharedCache, Capacity: 256)]
fn memoized_blob(_key: u64) -> Blob {
    Blob::new()
}

impl Peer for Memoize {
    const NAME: &'static str = "memoize";
    fn get_blob(key: u64) -> Option<Work<()>> {
        Some(blocking(move || drop(memoized_blob(key))))
    }
    fn get(key: u64) -> Work<u64> {
        blocking(move || memoized(key))
    }
    fn try_get(key: u64) -> Work<Answer> {
        blocking(move || memoized_failing(key))
    }
    fn delete(_: u64) -> Option<Work<()>> {
        // All entries at once is what it offers.
        Some(blocking(memoized_flush_memoized))
    }
}

pub struct Moka;

static MOKA: LazyLock<moka::future::Cache<u64, u64>> = LazyLock::new(|| moka::future::Cache::new(10_000));

static MOKA_BLOBS: LazyLock<moka::future::Cache<u64, Blob>> =
    LazyLock::new(|| moka::future::Cache::new(BOUND as u64));

impl Peer for Moka {
    const NAME: &'static str = "moka";
    fn get_blob(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move { drop(MOKA_BLOBS.get_with(key, async { Blob::new() }).await) }))
    }
    fn get(key: u64) -> Work<u64> {
        Box::pin(MOKA.get_with(key, run(key)))
    }
    fn try_get(key: u64) -> Work<Answer> {
        Box::pin(async move { MOKA.try_get_with(key, attempt(key)).await.map_err(|error| (*error).clone()) })
    }
    fn delete(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move { MOKA.invalidate(&key).await }))
    }
}

pub struct QuickCache;

static QUICK: LazyLock<quick_cache::sync::Cache<u64, u64>> = LazyLock::new(|| quick_cache::sync::Cache::new(10_000));

static QUICK_BLOBS: LazyLock<quick_cache::sync::Cache<u64, Blob>> =
    LazyLock::new(|| quick_cache::sync::Cache::new(BOUND));

impl Peer for QuickCache {
    const NAME: &'static str = "quick_cache";
    fn get_blob(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move {
            let blob = async { Ok::<_, std::convert::Infallible>(Blob::new()) };
            drop(QUICK_BLOBS.get_or_insert_async(&key, blob).await);
        }))
    }
    fn get(key: u64) -> Work<u64> {
        Box::pin(async move {
            QUICK.get_or_insert_async(&key, async { Ok::<_, std::convert::Infallible>(run(key).await) }).await.unwrap()
        })
    }
    fn try_get(key: u64) -> Work<Answer> {
        Box::pin(async move { QUICK.get_or_insert_async(&key, attempt(key)).await })
    }
    fn delete(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move {
            QUICK.remove(&key);
        }))
    }
}

pub struct Amalgam;

static AMALGAM: LazyLock<amalgam::Cache<u64>> = LazyLock::new(|| amalgam::Cache::builder().try_build().unwrap());

#[derive(Debug)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

static AMALGAM_BLOBS: LazyLock<amalgam::Cache<Blob>> =
    LazyLock::new(|| amalgam::Cache::builder().max_capacity(BOUND as u64).try_build().unwrap());

impl Peer for Amalgam {
    const NAME: &'static str = "amalgam-cache";
    fn get_blob(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move {
            let body = move |_| async move { Ok::<_, std::convert::Infallible>(Blob::new()) };
            drop(AMALGAM_BLOBS.get_or_set(key.to_string(), body).await);
        }))
    }
    fn get(key: u64) -> Work<u64> {
        Box::pin(async move {
            let body = move |_| async move { Ok::<_, std::convert::Infallible>(run(key).await) };
            AMALGAM.get_or_set(key.to_string(), body).await.unwrap()
        })
    }
    fn try_get(key: u64) -> Work<Answer> {
        Box::pin(async move {
            let body = move |_| async move { attempt(key).await.map_err(Failed) };
            AMALGAM.get_or_set(key.to_string(), body).await.map_err(|error| error.to_string())
        })
    }
    fn delete(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move {
            AMALGAM.remove(key.to_string()).await.unwrap();
        }))
    }
    fn get_tagged(key: u64) -> Option<Work<u64>> {
        Some(Box::pin(async move {
            let body = move |_| async move { Ok::<_, std::convert::Infallible>(run(key).await) };
            AMALGAM.get_or_set(key.to_string(), body).tags(["tag"]).await.unwrap()
        }))
    }
    fn delete_tag() -> Option<Work<()>> {
        Some(Box::pin(async move {
            AMALGAM.remove_by_tag("tag").await.unwrap();
        }))
    }
}

pub struct Cachet;

static CACHET: LazyLock<cachet::Cache<u64, u64>> =
    LazyLock::new(|| cachet::Cache::builder::<u64, u64>(tick::Clock::new_tokio()).memory().stampede_protection().build());

static CACHET_BLOBS: LazyLock<cachet::Cache<u64, Blob>> = LazyLock::new(|| {
    cachet::Cache::builder::<u64, Blob>(tick::Clock::new_tokio())
        .memory_with(|memory| memory.max_capacity(BOUND as u64))
        .stampede_protection()
        .build()
});

impl Peer for Cachet {
    const NAME: &'static str = "cachet";
    fn get_blob(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move { drop(CACHET_BLOBS.get_or_insert(&key, || async { Blob::new() }).await) }))
    }
    fn get(key: u64) -> Work<u64> {
        Box::pin(async move { *CACHET.get_or_insert(&key, || run(key)).await.unwrap().value() })
    }
    fn try_get(key: u64) -> Work<Answer> {
        Box::pin(async move {
            let found = CACHET.try_get_or_insert(&key, || async { attempt(key).await.map_err(Failed) }).await;
            found.map(|entry| *entry.value()).map_err(|error| error.to_string())
        })
    }
    fn delete(key: u64) -> Option<Work<()>> {
        Some(Box::pin(async move { CACHET.invalidate(&key).await.unwrap() }))
    }
}

/// The patience of a scenario with a call that should end soon.
pub const PATIENCE: Duration = Duration::from_secs(3);
