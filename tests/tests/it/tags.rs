//! Tags: entries of several functions are deleted together, by a name made of their arguments.

use cachekit::{Cache, CacheKey, Config, cached, invalidates, memoize, peek, refresh};
use cachekit_tests::{Calls, Fault, Gate, Mem, Op, World, block_on, everywhere};

static CALLS: Calls = Calls::new();

/// A number that no other call gets.
fn fresh() -> u64 {
    CALLS.hit()
}

#[memoize(tags(format!("user:{id}"), "users"))]
fn user(id: u64) -> u64 {
    let _ = id;
    fresh()
}

/// Of another return type, which is no plain word.
#[memoize(tags(format!("user:{id}"), roles.iter().map(|role| format!("role:{role}")).collect::<Vec<_>>()))]
async fn name(id: u64, roles: &[&str]) -> String {
    let _ = (id, roles);
    fresh().to_string()
}

#[cached(key_prefix = "tags.front", tags("users"))]
fn front() -> Option<u64> {
    Some(fresh())
}

#[memoize]
fn untagged(id: u64) -> u64 {
    let _ = id;
    fresh()
}

#[derive(CacheKey)]
struct Account(u64);

impl Account {
    #[memoize(tags(format!("user:{}", self.0)))]
    fn balance(&self, (year, month): (u32, u32)) -> u64 {
        let _ = (year, month);
        fresh()
    }

    #[memoize(local, tags(format!("year:{year}")))]
    fn rate(&self, (year, _): (u32, u32)) -> u64 {
        let _ = year;
        fresh()
    }
}

#[test]
fn a_tag_deletes_what_carries_it_and_nothing_else() {
    everywhere(|world| {
        let names = || (block_on(name(1, &["a", "b"])), block_on(name(2, &["b"])), block_on(name(3, &[])));
        let numbers = || (user(1), user(2), front(), untagged(1));
        let methods = || (Account(1).balance((1, 2)), Account(2).balance((1, 2)), Account(1).rate((7, 1)));
        let (n, u, m) = (names(), numbers(), methods());
        assert_eq!((names(), numbers(), methods()), (n.clone(), u, m), "hits");
        let cache = world.cache();

        cache.delete_tag("user:1").unwrap();
        let (n2, u2, m2) = (names(), numbers(), methods());
        assert!(n2.0 != n.0 && u2.0 != u.0 && m2.0 != m.0, "{n2:?} {u2:?} {m2:?}");
        assert_eq!((&n2.1, &n2.2, (u2.1, u2.2, u2.3), m2.1, m2.2), (&n.1, &n.2, (u.1, u.2, u.3), m.1, m.2));
        assert_eq!((names(), numbers(), methods()), (n2.clone(), u2, m2), "hits again");

        block_on(cache.aio().delete_tag("role:b")).unwrap();
        cache.delete_tag("year:7").unwrap();
        let (n3, u3, m3) = (names(), numbers(), methods());
        assert!(n3.0 != n2.0 && n3.1 != n2.1 && m3.2 != m2.2, "{n3:?} {m3:?}");
        assert_eq!((&n3.2, u3, m3.0, m3.1), (&n2.2, u2, m2.0, m2.1));

        cache.delete_tag("users").unwrap();
        let u4 = numbers();
        assert!(u4.0 != u3.0 && u4.1 != u3.1 && u4.2 != u3.2, "{u4:?}");
        assert_eq!((u4.3, names(), methods()), (u3.3, n3, m3));
        for absent in ["user", "user:", "user:10", "", "users\0", "USERS"] {
            cache.delete_tag(absent).unwrap();
        }
        assert_eq!(numbers(), u4);
    });
}

#[test]
fn tagged_entries_are_peeked_refreshed_and_deleted_as_others() {
    everywhere(|world| {
        let first = user(5);
        assert_eq!(peek!(user, 5).unwrap(), Some(first));
        let second = refresh!(user, 5);
        assert_eq!((peek!(user, 5).unwrap(), user(5)), (Some(second), second));
        world.cache().delete_tag("user:5").unwrap();
        assert_eq!(peek!(user, 5).unwrap(), None);
        let third = user(5);
        cachekit::delete_memoized!(user, 5).unwrap();
        assert_eq!(peek!(user, 5).unwrap(), None);
        let other = user(6);
        cachekit::delete_memoized!(user).unwrap();
        assert!(user(5) > third && user(6) > other);
    });
}

#[test]
fn the_tags_of_a_cache_are_its_own() {
    static OTHER: Cache = Cache::new();
    #[memoize(cache = OTHER, tags("users"))]
    fn elsewhere(id: u64) -> u64 {
        let _ = id;
        fresh()
    }
    OTHER.init(Config::simple()).unwrap();
    everywhere(|world| {
        let (here, there) = (front(), elsewhere(1));
        world.cache().delete_tag("users").unwrap();
        assert!(front() != here && elsewhere(1) == there);
        let here = front();
        OTHER.delete_tag("users").unwrap();
        assert!(front() == here && elsewhere(1) != there);
    });
}

#[test]
fn a_function_that_writes_deletes_by_tag() {
    static OTHER: Cache = Cache::new();
    #[memoize(cache = OTHER, tags(format!("user:{id}")))]
    fn elsewhere(id: u64) -> u64 {
        let _ = id;
        fresh()
    }
    #[invalidates(tag = format!("user:{id}"), front)]
    fn rename(id: u64, works: bool) -> Result<(), String> {
        let _ = id;
        if works { Ok(()) } else { Err("no".to_owned()) }
    }
    #[invalidates(tag = ids.iter().map(|id| format!("user:{id}")).collect::<Vec<_>>())]
    async fn rename_all(ids: Vec<u64>) {
        drop(ids);
    }
    #[invalidates(tag = format!("user:{id}"), cache = OTHER)]
    fn rename_elsewhere(id: u64) {
        let _ = id;
    }
    OTHER.init(Config::simple()).unwrap();
    everywhere(|_| {
        let call = || (user(1), user(2), front());
        let first = call();
        rename(1, false).unwrap_err();
        assert_eq!(call(), first, "an `Err` deletes nothing");
        rename(1, true).unwrap();
        let second = call();
        assert!(second.0 != first.0 && second.1 == first.1 && second.2 != first.2);
        block_on(rename_all(vec![1, 2]));
        let third = call();
        assert!(third.0 != second.0 && third.1 != second.1 && third.2 == second.2);
        let other = elsewhere(1);
        rename_elsewhere(1);
        assert!(elsewhere(1) != other && call() == third);
    });
}

/// However many entries there are.
#[test]
fn a_deletion_by_tag_is_one_write() {
    #[memoize(tags("a", "b", "c", format!("d:{n}")))]
    fn many(n: u64) -> u64 {
        n
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    assert_eq!((many(1), many(2)), (1, 2));
    mem.take_ops();
    world.cache().delete_tag("b").unwrap();
    let log = mem.take_log();
    assert!(matches!(log.as_slice(), [(Op::Delete, key)] if key.contains("#version")), "{log:?}");
    assert_eq!((peek!(many, 1).unwrap(), peek!(many, 2).unwrap()), (None, None));
}

#[test]
fn a_deletion_by_tag_that_fails_says_so() {
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    user(1);
    mem.break_op(Op::Delete, Fault::Fail(cachekit::ErrorKind::Unavailable));
    let error = world.cache().delete_tag("users").unwrap_err();
    assert_eq!(error.kind(), cachekit::ErrorKind::Unavailable);
    let error = block_on(world.cache().aio().delete_tag("users")).unwrap_err();
    assert_eq!(error.kind(), cachekit::ErrorKind::Unavailable);
}

#[test]
fn a_value_whose_tag_is_deleted_while_it_is_computed_is_neither_stored_nor_shared() {
    static CALLS: Calls = Calls::new();
    static GATE: Gate = Gate::new();
    fn body() -> u64 {
        let number = CALLS.hit();
        GATE.pass();
        number
    }
    #[memoize(tags("slow", format!("slow:{n}")))]
    fn slow(n: u64) -> u64 {
        let _ = n;
        body()
    }
    #[memoize(tags(format!("slow:{n}")), timeout = 60, stale_while_revalidate = 60)]
    async fn task(n: u64) -> u64 {
        let _ = n;
        body()
    }
    let calls: [fn() -> u64; 2] = [|| slow(1), || block_on(task(1))];
    everywhere(|world| {
        for call in calls {
            let mut second = 0;
            let first = GATE.hold(world, call, || {
                world.cache().delete_tag("slow:1").unwrap();
                second = call();
            });
            let first = first.unwrap();
            assert_ne!(second, first, "a call after the deletion shares no computation from before");
            assert_eq!(call(), second);
        }
    });
}
