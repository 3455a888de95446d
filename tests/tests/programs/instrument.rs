//! `#[tracing::instrument]` above (it sees computations) and below (it sees calls).
#![deny(warnings, missing_docs, clippy::pedantic)]

use cachekit::memoize;

#[tracing::instrument]
#[memoize]
fn traced_outside(id: u64) -> u64 {
    id
}

#[memoize]
#[tracing::instrument(ret, skip(name))]
fn traced_calls(id: u64, name: &str) -> u64 {
    id + name.len() as u64
}

#[tracing::instrument(err)]
#[memoize]
async fn traced_async(id: u64) -> Result<u64, String> {
    std::future::ready(()).await;
    Ok(id)
}

#[memoize]
#[tracing::instrument]
async fn traced_async_calls(id: u64) -> u64 {
    std::future::ready(()).await;
    id
}

#[test]
fn runs() {
    assert_eq!(traced_outside(1), 1);
    assert_eq!(traced_calls(1, "a"), 2);
    drop(traced_async(1));
    drop(traced_async_calls(1));
}
