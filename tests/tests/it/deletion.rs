//! Promise 2: deletion removes exactly what it says. What it does to computations under way is in `races`.

use cachekit::{ErrorKind, cached, delete_cached, delete_memoized, delete_memoized_verhash, memoize, peek};
use cachekit_tests::{Calls, Mem, World, block_on, each, each_keeping, is_version};

#[test]
fn one_call() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f(user: &str, n: u64) -> u64 {
        let _ = (user, n);
        CALLS.hit()
    }
    each_keeping(|_| {
        CALLS.take();
        let owned = String::from("demo");
        assert_eq!((f("demo", 1), f("demo", 2), f("other", 1)), (0, 1, 2));
        // Coerced as in a call.
        delete_memoized!(f, &owned, 1).unwrap();
        assert_eq!((f("demo", 1), f("demo", 2), f("other", 1)), (3, 1, 2));
        delete_memoized!(f, "none", 1).unwrap();
        assert_eq!((f("demo", 1), f("demo", 2), f("other", 1)), (3, 1, 2));
    });
}

#[test]
fn every_call() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f(n: u64) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    #[memoize]
    fn g(n: u64) -> u64 {
        n
    }
    each_keeping(|world| {
        CALLS.take();
        assert_eq!((f(1), f(2), g(1)), (0, 1, 1));
        world.cache().set("mine", &7u8, 0).unwrap();
        delete_memoized!(f).unwrap();
        assert_eq!((f(1), f(2), f(1)), (2, 3, 2));
        delete_memoized_verhash!(f).unwrap();
        assert_eq!((f(1), f(2), f(1)), (4, 5, 4));
        assert_eq!(peek!(g, 1).unwrap(), Some(1), "other functions are untouched");
        assert_eq!(world.cache().get("mine").unwrap(), Some(7u8));
    });
}

#[test]
fn null_and_an_empty_cache_delete_nothing() {
    #[memoize]
    fn f(n: u64) -> u64 {
        n
    }
    each(|_| {
        delete_memoized!(f, 1).unwrap();
        delete_memoized!(f).unwrap();
        delete_memoized_verhash!(f).unwrap();
        assert_eq!(f(1), 1);
    });
}

#[test]
fn one_write_however_many_entries() {
    #[memoize]
    fn f(n: u64) -> u64 {
        n
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    (0..100).for_each(|n| {
        f(n);
    });
    mem.take_ops();
    delete_memoized!(f).unwrap();
    assert_eq!(mem.take_ops(), 1);
    delete_memoized_verhash!(f).unwrap();
    assert_eq!(mem.take_ops(), 1);
}

#[test]
fn a_lost_version_key_does_not_bring_back_what_was_deleted() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f(n: u64) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    let mem = Mem::new();
    let world = World::plain_over(&mem, |config| config);
    let _entered = world.enter();
    assert_eq!(f(1), 0);
    delete_memoized!(f).unwrap();
    mem.evict(is_version);
    assert_eq!(f(1), 1);
    mem.evict(is_version);
    assert_eq!(f(1), 2, "without its version no entry counts");
    mem.tamper(|key, bytes| {
        if is_version(key) {
            bytes.truncate(3);
        }
    });
    assert_eq!(f(1), 3, "nor with a broken one");
    assert_eq!(f(1), 3);
}

mod inner {
    pub(super) static CALLS: super::Calls = super::Calls::new();
    #[cachekit::memoize]
    pub(super) fn original(n: u64) -> u64 {
        let _ = n;
        CALLS.hit()
    }
}
mod outer {
    pub(super) use super::inner::original;
    pub(super) use super::inner::original as other;
}

#[test]
fn imported_renamed_and_reexported() {
    use outer::other as third;
    each_keeping(|_| {
        inner::CALLS.take();
        assert_eq!((third(1), outer::other(1), outer::original(1), inner::original(1)), (0, 0, 0, 0));
        delete_memoized!(third, 1).unwrap();
        assert_eq!(inner::original(1), 1);
        delete_memoized!(outer::other).unwrap();
        assert_eq!(outer::original(1), 2);
        delete_memoized!(outer::original, 1).unwrap();
        assert_eq!(third(1), 3);
        delete_memoized!(inner::original, 1).unwrap();
        assert_eq!(third(1), 4);
    });
}

#[test]
fn generic_functions_by_their_instantiation() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f<T: cachekit::CacheKey + Send>(n: T) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!((f(5u8), f(5u16)), (0, 1));
        delete_memoized!(f::<u8>, 5).unwrap();
        assert_eq!((f(5u8), f(5u16)), (2, 1));
        delete_memoized!(f, 5u16).unwrap();
        assert_eq!((f(5u8), f(5u16)), (2, 3));
    });
}

#[test]
fn async_functions() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    async fn f(user: &str, n: u64) -> u64 {
        let _ = (user, n);
        CALLS.hit()
    }
    each_keeping(|world| {
        CALLS.take();
        let test = async {
            assert_eq!((f("a", 1).await, f("a", 1).await, f("a", 2).await), (0, 0, 1));
            delete_memoized!(f, &String::from("a"), 1).await.unwrap();
            assert_eq!((f("a", 1).await, f("a", 2).await), (2, 1));
            delete_memoized!(f).await.unwrap();
            assert_eq!((f("a", 1).await, f("a", 2).await), (3, 4));
            delete_memoized_verhash!(f).await.unwrap();
            assert_eq!((f("a", 1).await, f("a", 2).await), (5, 6));
            assert_eq!(peek!(f, "a", 1).await.unwrap(), Some(5));
        };
        block_on(world.wrap(test));
    });
}

#[test]
fn cached_functions() {
    static CALLS: Calls = Calls::new();
    #[cached(timeout = 50, key_prefix = "all_comments")]
    fn all() -> u64 {
        CALLS.hit()
    }
    #[cached(key_prefix = format!("user:{id}"))]
    fn user(id: u64, detail: bool) -> u64 {
        let _ = detail;
        CALLS.hit() + id * 100
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!((all(), all()), (0, 0));
        delete_cached!(all).unwrap();
        assert_eq!((all(), all()), (1, 1));
        assert_eq!((user(1, true), user(1, false), user(2, true)), (102, 102, 203));
        delete_cached!(user, 1, false).unwrap();
        assert_eq!((user(1, true), user(2, false)), (104, 203));
        delete_cached!(user).unwrap();
        assert_eq!((user(1, true), user(2, false), all()), (105, 206, 1));
    });
}

#[test]
fn by_name() {
    static CALLS: Calls = Calls::new();
    #[memoize(name = "deletion.by_name")]
    fn f(n: u64) -> u64 {
        let _ = n;
        CALLS.hit()
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!((f(1), f(1)), (0, 0));
        cachekit::delete_memoized_named("deletion.by_name").unwrap();
        assert_eq!(f(1), 1);
    });
    let error = cachekit::delete_memoized_named("deletion.unknown").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownFunction);
}
