//! Promise 3: in process, a hit allocates nothing but what the returned value's clone does, and copies no argument.
//!
//! A program of its own, because it counts allocations.

use std::collections::HashMap;
use std::sync::Arc;

use allocation_counter::measure;
use cachekit::{Config, cached, memoize, testing};
use cachekit_tests::block_on;

/// How often this thread allocates in a call, after some that warm it up.
fn allocations<R>(mut call: impl FnMut() -> R) -> u64 {
    (0..3).for_each(|_| drop(call()));
    measure(|| drop(call())).count_total
}

#[memoize]
fn number(n: u64) -> u64 {
    n
}

#[memoize(timeout = 60)]
fn membership(user: &str, role: &str) -> bool {
    user == role
}

#[memoize]
fn text(n: u64) -> String {
    n.to_string()
}

#[memoize(local)]
fn shared(n: u64) -> Arc<str> {
    n.to_string().into()
}

#[memoize]
fn list(items: &[String], more: Option<&str>, float: f64) -> Option<usize> {
    Some(items.len() + more.map_or(0, str::len) + usize::from(float > 0.0))
}

#[memoize]
fn fallible(n: u64) -> Result<u64, String> {
    Ok(n)
}

#[cached(key_prefix = "all")]
fn all() -> u64 {
    7
}

#[memoize]
fn generic<T: cachekit::CacheKey + Sync>(value: &T) -> u64 {
    let _ = value;
    3
}

#[derive(cachekit::CacheKey)]
struct Person {
    name: String,
}

impl Person {
    #[memoize]
    fn has_role(&self, role: u32) -> bool {
        self.name.is_empty() || role == 0
    }
}

#[memoize]
fn owned(items: Vec<String>, map: HashMap<u32, String>) -> usize {
    items.len() + map.len()
}

#[memoize]
async fn later(user: &str, n: u64) -> u64 {
    n + user.len() as u64
}

#[memoize(local)]
fn handle(name: &str) -> Arc<String> {
    Arc::new(name.into())
}

#[test]
fn a_hit_allocates_only_what_the_clone_of_the_value_does() {
    testing::scoped(Config::simple(), |_| {
        assert_eq!(allocations(|| number(5)), 0);
        let (user, role) = ("u".repeat(1000), "r".repeat(1000));
        assert_eq!(allocations(|| membership(&user, &role)), 0);
        assert_eq!(allocations(|| text(5)), 1, "the text");
        assert_eq!(allocations(|| shared(5)), 0);
        let items: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(allocations(|| list(&items, Some("x"), 0.5)), 0);
        assert_eq!(allocations(|| fallible(5)), 0);
        assert_eq!(allocations(all), 0);
        assert_eq!(allocations(|| generic(&(1u8, "a"))), 0);
        let person = Person { name: "n".repeat(100) };
        assert_eq!(allocations(|| person.has_role(7)), 0);
        assert_eq!(allocations(|| cachekit::stats!(number)), 0);
    });
}

#[test]
fn owned_arguments_are_not_copied() {
    testing::scoped(Config::simple(), |_| {
        // Made before they are counted, and given away.
        let args =
            || ((0..10).map(|n| n.to_string()).collect::<Vec<_>>(), HashMap::from([(1, "a".to_string())]));
        let mut made: Vec<_> = (0..5).map(|_| args()).collect();
        assert_eq!(allocations(|| made.pop().map(|(items, map)| owned(items, map))), 0);
    });
}

#[test]
fn local_functions_hit_without_allocating_on_any_backend() {
    let dir = tempfile::tempdir().unwrap();
    testing::scoped(Config::filesystem(dir.path()), |_| {
        assert_eq!(allocations(|| handle("name")), 0);
    });
}

#[test]
fn an_async_hit_allocates_nothing() {
    let scoped = testing::Scoped::new(Config::simple());
    let _entered = scoped.enter();
    let user = "u".repeat(100);
    block_on(async {
        for _ in 0..3 {
            later(&user, 5).await;
        }
    });
    let counted = measure(|| assert_eq!(block_ready(later(&user, 5)), Some(105)));
    assert_eq!(counted.count_total, 0);
}

/// The output of a future that is ready at its first poll, as a hit is; without a runtime, which would allocate.
fn block_ready<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
