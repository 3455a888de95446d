//! Promise 3: in process, a hit allocates nothing but what the returned value's clone does, and copies no argument.
//!
//! A program of its own, because it counts allocations.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use cachekit::{Config, cached, memoize, stats, testing};
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

/// Nor is the key's text made, by which the backend knows the entry.
#[test]
fn a_hit_in_the_near_tier_allocates_only_what_the_clone_of_the_value_does() {
    let dir = tempfile::tempdir().unwrap();
    testing::scoped(Config::filesystem(dir.path()).near(100).near_staleness(Duration::from_secs(5)), |_| {
        let person = Person { name: "n".repeat(100) };
        let (user, role) = ("u".repeat(1000), "r".repeat(1000));
        let call = || (number(5), membership(&user, &role), text(5), fallible(5), all(), person.has_role(7));
        let begin = Instant::now();
        while cachekit::cache().health().near.is_none_or(|near| near.entries < 6) {
            assert!(begin.elapsed() < Duration::from_secs(60), "the tier keeps all of them");
            let _ = call();
        }
        assert_eq!(allocations(call), 1, "the text");
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

/// A store of a large value takes little memory beside the value and its bytes.
mod large_values {
    use std::sync::LazyLock;

    use cachekit::{Backend, Cache, Capabilities, Token, Ttl};
    use cachekit_backends::filesystem::{FileSystem, Options};

    use super::*;

    const SIZE: usize = 32 << 20;

    /// A store that takes values and keeps none, on the thread of its caller.
    struct Sink;

    impl Backend for Sink {
        fn capabilities(&self) -> Capabilities {
            Capabilities::none().bounded(true).conditional(true).atomic_add(true)
        }
        fn get(&self, _: &str) -> cachekit::Result<Option<Vec<u8>>> {
            Ok(None)
        }
        fn set(&self, _: &str, _: &[u8], _: Ttl) -> cachekit::Result<()> {
            Ok(())
        }
        fn delete(&self, _: &str) -> cachekit::Result<bool> {
            Ok(false)
        }
        fn clear(&self, _: &str) -> cachekit::Result<()> {
            Ok(())
        }
        fn token(&self, _: &str) -> cachekit::Result<Token> {
            Ok(Token(1))
        }
        fn put_if(&self, _: &str, value: &[u8], _: Ttl, _: Token) -> cachekit::Result<bool> {
            assert!(value.len() > SIZE);
            Ok(true)
        }
    }

    static SINK: LazyLock<Cache> = LazyLock::new(|| Cache::with_backend(Sink));

    #[memoize(cache = SINK, timeout = 60)]
    fn text(n: u64) -> String {
        let mut text = String::with_capacity(SIZE + 20);
        (0..SIZE).for_each(|_| text.push('x'));
        text.push_str(&n.to_string());
        text
    }

    #[memoize(cache = SINK, timeout = 60)]
    fn bytes(n: u8) -> Result<(u64, Vec<u8>), String> {
        Ok((n.into(), vec![n; SIZE]))
    }

    /// The most memory that this thread held during a call, by the size of a value.
    fn peak<R>(call: impl FnOnce() -> R) -> f64 {
        let most = measure(|| drop(call())).bytes_max;
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = most as f64 / SIZE as f64;
        ratio
    }

    #[test]
    fn the_value_and_its_bytes_are_all_that_a_store_takes() {
        let peaks = [peak(|| text(1)), peak(|| bytes(1))];
        assert!(peaks.iter().all(|peak| (1.9..2.1).contains(peak)), "{peaks:?}");
        assert_eq!((stats!(text).stores, stats!(bytes).stores), (1, 1));
    }

    #[test]
    fn a_file_is_written_from_the_bytes_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileSystem::open(dir.path(), Options::default()).unwrap();
        let value = vec![7; SIZE];
        assert!(peak(|| store.set("key", &value, None).unwrap()) < 0.01);
        assert_eq!(store.get("key").unwrap().as_deref(), Some(&*value));
    }
}
