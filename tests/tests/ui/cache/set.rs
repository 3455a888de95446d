//! Values that the cache object can't store.

use cachekit::Cache;

#[derive(Clone, serde::Serialize)]
struct WriteOnly;

fn main() {
    let cache = Cache::new();
    let _ = cache.set("k", &WriteOnly, 60);
    let _ = cache.add("k", &&5, 60);
}
