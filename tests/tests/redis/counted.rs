//! How often the server is asked, by its own count. A script's commands are counted as well: the script that leaves a
//! lease is one `EVALSHA` with one `MGET` inside.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use cachekit::{Cache, Config, delete_memoized, memoize, peek, refresh};
use cachekit_tests::Calls;
use cachekit_tests::redis::{calls, plain, raw, run, until, url};
use cachekit_tests::server::Server;
use parking_lot::{Mutex, MutexGuard};

static SERVER: LazyLock<Server> = LazyLock::new(plain);
static CACHE: LazyLock<Cache> = LazyLock::new(|| {
    let long = Duration::from_secs(20);
    Cache::open(Config::redis(url(&SERVER)).operation_timeout(long).connect_timeout(long)).unwrap()
});
/// The counts are the server's, so these tests go one after another.
static TURN: Mutex<()> = Mutex::new(());
static RAN: Calls = Calls::new();

#[memoize(cache = CACHE)]
fn twice(n: u64) -> u64 {
    RAN.hit();
    2 * n
}

#[memoize(cache = CACHE)]
async fn thrice(n: u64) -> u64 {
    3 * n
}

#[memoize(cache = CACHE, stale_if = |value: &u64| *value > 0)]
fn always_stale(n: u64) -> u64 {
    n
}

struct Count(redis::Connection);

impl Count {
    fn new() -> (Self, MutexGuard<'static, ()>) {
        let turn = TURN.lock();
        (Self(raw(&url(&SERVER))), turn)
    }

    /// The commands that went to the server, and those of them that were scripts by name.
    fn of(&mut self, work: impl FnOnce()) -> Asked {
        run::<()>(&mut self.0, &["CONFIG", "RESETSTAT"]);
        work();
        asked(&mut self.0)
    }
}

/// Returns the requests that the server has counted.
fn asked(connection: &mut redis::Connection) -> Asked {
    let mut count = |name| calls(connection, name);
    Asked { scripts: count("evalsha"), sources: count("eval"), reads: count("mget"), writes: count("set") }
}

#[derive(Debug, PartialEq)]
struct Asked {
    scripts: u64,
    sources: u64,
    reads: u64,
    writes: u64,
}

const HIT: Asked = Asked { scripts: 0, sources: 0, reads: 1, writes: 0 };

/// More hits than can be outweighed by the misses of one test.
fn hit_often(call: impl Fn()) {
    (0..20).for_each(|_| call());
}

#[test]
fn a_hit_is_one_read_and_a_miss_three_round_trips() {
    let (mut count, _turn) = Count::new();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    hit_often(|| assert_eq!((twice(1), rt.block_on(thrice(1))), (2, 3)));
    // The read, the script that leaves a lease, and the one that stores.
    let first = Asked { scripts: 2, sources: 0, reads: 2, writes: 2 };
    let first_hit = count.of(|| assert_eq!(twice(1), 2));
    assert_eq!(first_hit, HIT, "a hit");
    assert_eq!(count.of(|| assert_eq!(rt.block_on(thrice(1)), 3)), HIT, "a hit of a task");
    assert_eq!(count.of(|| assert_eq!(twice(2), 4)), first, "a miss");
    assert_eq!(count.of(|| assert_eq!(rt.block_on(thrice(2)), 6)), first, "a miss of a task");
    assert_eq!(count.of(|| assert_eq!(peek!(twice, 2).unwrap(), Some(4))), HIT, "a look");
}

#[test]
fn tags_add_no_round_trip() {
    #[memoize(cache = CACHE, tags("a", "b", format!("c:{n}")))]
    fn tagged(n: u64) -> u64 {
        n
    }
    let (mut count, _turn) = Count::new();
    // The server knows the script of a deletion.
    delete_memoized!(twice, 7).unwrap();
    hit_often(|| assert_eq!((twice(7), tagged(1)), (14, 1)));
    assert_eq!(count.of(|| assert_eq!(tagged(1), 1)), HIT, "a hit");
    // The script makes the version of the new tag.
    let miss = Asked { scripts: 2, sources: 0, reads: 2, writes: 3 };
    assert_eq!(count.of(|| assert_eq!(tagged(2), 2)), miss, "a miss");
    let deletion = Asked { scripts: 1, sources: 0, reads: 0, writes: 0 };
    assert_eq!(count.of(|| CACHE.delete_tag("b").unwrap()), deletion);
    assert_eq!((peek!(tagged, 1).unwrap(), peek!(tagged, 2).unwrap()), (None, None));
}

#[test]
fn a_call_for_many_ids_is_as_many_round_trips_as_one_for_one() {
    #[memoize(cache = CACHE, each = ids, tags("each"))]
    fn doubles(ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, 2 * id)).collect()
    }
    #[memoize(cache = CACHE, each = ids)]
    async fn triples(ids: Vec<u64>) -> Vec<u64> {
        ids.into_iter().map(|id| 3 * id).collect()
    }
    let (mut count, _turn) = Count::new();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all: Vec<u64> = (0..50).collect();
    twice(3);
    doubles(&all[..40]);
    rt.block_on(triples(all[..40].to_vec()));
    assert_eq!(count.of(|| assert_eq!(doubles(&all[..40]).len(), 40)), HIT, "a hit of forty");
    let of_task = count.of(|| assert_eq!(rt.block_on(triples(all[..40].to_vec())).len(), 40));
    assert_eq!(of_task, HIT, "a hit of a task");
    assert_eq!(count.of(|| assert_eq!(peek!(doubles, &[1, 2]).unwrap().unwrap().len(), 2)), HIT, "a look");
    // One read; the scripts go out together, one for the lease of each missing id, and one for each value.
    let ten = Asked { scripts: 20, sources: 0, reads: 11, writes: 20 };
    assert_eq!(count.of(|| assert_eq!(doubles(&all).len(), 50)), ten, "ten misses among fifty");
    assert_eq!(count.of(|| assert_eq!(rt.block_on(triples(all.clone())).len(), 50)), ten, "those of a task");
}

#[test]
fn the_first_call_ever_is_three_round_trips_as_well() {
    #[memoize(cache = CACHE)]
    fn new_one(n: u64) -> u64 {
        n
    }
    let (mut count, _turn) = Count::new();
    twice(3);
    // The script also makes the function's version.
    let asked = count.of(|| assert_eq!(new_one(1), 1));
    assert_eq!(asked, Asked { scripts: 2, sources: 0, reads: 2, writes: 3 });
}

#[test]
fn a_miss_of_a_function_that_mostly_misses_is_two_round_trips() {
    #[memoize(cache = CACHE)]
    fn cold(n: u64) -> u64 {
        n
    }
    let (mut count, _turn) = Count::new();
    (0..20).for_each(|n| assert_eq!(cold(n), n));
    let two = Asked { scripts: 2, sources: 0, reads: 1, writes: 2 };
    assert_eq!(count.of(|| assert_eq!(cold(20), 20)), two, "a miss");
    let by_script = Asked { scripts: 1, sources: 0, reads: 1, writes: 0 };
    assert_eq!(count.of(|| assert_eq!(cold(20), 20)), by_script, "a rare hit");
    hit_often(|| assert_eq!(cold(20), 20));
    assert_eq!(count.of(|| assert_eq!(cold(20), 20)), HIT, "a hit among hits");
}

#[test]
fn a_miss_in_the_fleet_is_one_round_trip_more() {
    static AT_WORK: Mutex<Option<Asked>> = Mutex::new(None);
    #[memoize(cache = CACHE, name = "fleeting", single_flight = "fleet", fleet_wait = "20s")]
    fn fleeting(n: u64) -> u64 {
        *AT_WORK.lock() = Some(asked(&mut raw(&url(&SERVER))));
        n
    }
    let (mut count, _turn) = Count::new();
    let is_locked = |connection: &mut redis::Connection| {
        let keys: Vec<String> = run(connection, &["KEYS", "*flight*"]);
        !keys.is_empty()
    };
    let miss = |count: &mut Count, n| {
        let mut other = raw(&url(&SERVER));
        count.of(|| {
            assert_eq!(fleeting(n), n);
            // A thread gives the lock back.
            until("the lock is given back", || !is_locked(&mut other));
        })
    };
    miss(&mut count, 0);
    hit_often(|| assert_eq!(fleeting(0), 0));
    let all = miss(&mut count, 1);
    // The read, the script that leaves a lease, and the one that takes the lock and looks at the lease.
    let before_work = Asked { scripts: 2, sources: 0, reads: 2, writes: 2 };
    assert_eq!(AT_WORK.lock().take(), Some(before_work));
    // The script that stores; and on the thread, a read of the lock and a script that deletes it.
    assert_eq!(all, Asked { scripts: 4, sources: 0, reads: 3, writes: 3 });
}

#[test]
fn overwriting_takes_no_more_than_a_miss() {
    let (mut count, _turn) = Count::new();
    hit_often(|| assert_eq!((twice(4), always_stale(4)), (8, 4)));
    // The read brings the token along.
    let two = Asked { scripts: 1, sources: 0, reads: 1, writes: 1 };
    assert_eq!(count.of(|| assert_eq!(refresh!(twice, 4), 8)), two, "refresh");
    assert_eq!(count.of(|| assert_eq!(always_stale(4), 4)), two, "stale");
}

#[test]
fn a_deletion_is_one_round_trip() {
    let (mut count, _turn) = Count::new();
    delete_memoized!(twice, 5).unwrap();
    twice(5);
    let asked = count.of(|| delete_memoized!(twice, 5).unwrap());
    assert_eq!(asked, Asked { scripts: 1, sources: 0, reads: 0, writes: 0 }, "one call");
    let asked = count.of(|| delete_memoized!(twice).unwrap());
    assert_eq!(asked, Asked { scripts: 1, sources: 0, reads: 0, writes: 0 }, "the function");
}

#[test]
fn the_cache_object_asks_once() {
    let (mut count, _turn) = Count::new();
    let keys = ["a", "b", "c"];
    let items = keys.map(|key| (key, 1));
    assert_eq!(count.of(|| CACHE.set_many(&items, 60).unwrap()).writes, 3);
    let one_read = Asked { scripts: 0, sources: 0, reads: 1, writes: 0 };
    assert_eq!(count.of(|| assert_eq!(CACHE.get_many::<i32>(&keys).unwrap(), [Some(1); 3])), one_read);
    assert_eq!(count.of(|| assert_eq!(CACHE.get::<i32>("a").unwrap(), Some(1))), one_read);
    CACHE.add("warm", &1, 60).unwrap();
    let added = count.of(|| assert!(CACHE.add("new", &1, 60).unwrap()));
    assert_eq!(added, Asked { scripts: 1, sources: 0, reads: 0, writes: 1 });
}

#[test]
fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let (mut count, _turn) = Count::new();
    hit_often(|| assert_eq!(twice(6), 12));
    let calls = RAN.get();
    run::<()>(&mut count.0, &["SCRIPT", "FLUSH"]);
    assert_eq!(count.of(|| assert_eq!(twice(6), 12)), HIT, "a hit needs none");
    let told = Asked { scripts: 2, sources: 2, reads: 2, writes: 2 };
    assert_eq!(count.of(|| assert_eq!(twice(7), 14)), told, "told");
    let known = Asked { scripts: 2, sources: 0, reads: 2, writes: 2 };
    assert_eq!(count.of(|| assert_eq!(twice(8), 16)), known, "known again");
    assert_eq!(RAN.get(), calls + 2, "each was computed once, and stored");
    assert_eq!(count.of(|| assert_eq!((twice(7), twice(8)), (14, 16))).writes, 0, "stored");
}

static OTHER: LazyLock<Cache> = LazyLock::new(|| {
    let long = Duration::from_secs(20);
    Cache::open(Config::redis(url(&SERVER)).operation_timeout(long).connect_timeout(long)).unwrap()
});

/// Two reads: the entry, and the versions of what it was made from.
const TWO: Asked = Asked { reads: 2, ..HIT };

#[memoize(cache = CACHE, name = "parts.first")]
fn first_part(n: u64) -> u64 {
    n + RAN.hit()
}

#[memoize(cache = CACHE, name = "parts.second")]
fn second_part(n: u64) -> u64 {
    n + RAN.hit()
}

/// Checks the looks for something made of functions that this process and another one share. `make` gets it here, made of the
/// second function too if that is said, and `there` in the other process; `delete` deletes it.
fn one_look_for_what_is_known(
    count: &mut Count,
    make: impl Fn(bool) -> String,
    there: impl Fn() -> String,
    delete: impl Fn(),
) {
    let page = make(false);
    hit_often(|| assert_eq!(make(false), page));
    assert_eq!(count.of(|| assert_eq!(make(false), page)), HIT, "this process has made it");
    assert_eq!(count.of(|| assert_eq!(there(), page)), TWO, "the other one knows nothing of it");
    hit_often(|| assert_eq!(there(), page));
    assert_eq!(count.of(|| assert_eq!(there(), page)), HIT, "and now it does");
    // Made of more, in this process: the other one looks twice, once.
    delete();
    let page = make(true);
    assert_eq!(count.of(|| assert_eq!(there(), page)), TWO);
    assert_eq!(count.of(|| assert_eq!(there(), page)), HIT);
    hit_often(|| assert_eq!(make(true), page));
    assert_eq!(count.of(|| assert_eq!(make(true), page)), HIT);
    // Made of less.
    delete();
    let page = make(false);
    assert_eq!(count.of(|| assert_eq!(there(), page)), HIT);
    // One look is enough to see a deletion, by whichever process.
    OTHER.delete_memoized_named("parts.first").unwrap();
    let made_anew = make(false);
    assert_ne!(made_anew, page);
    assert_eq!(there(), made_anew);
    delete_memoized!(first_part).unwrap();
    assert_ne!(there(), made_anew);
}

#[test]
fn a_page_whose_parts_are_known_is_one_round_trip() {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tower::ServiceExt as _;

    static MORE: AtomicBool = AtomicBool::new(false);
    let (mut count, _turn) = Count::new();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = |cache: &Cache| {
        let handler = async || {
            let more = MORE.load(Ordering::SeqCst).then(|| second_part(1));
            format!("{} {more:?}", first_part(1))
        };
        let layer = cachekit::CacheLayer::new(cache).timeout(600);
        axum::Router::new().fallback(axum::routing::get(handler)).layer(layer)
    };
    let (here, other) = (app(&CACHE), app(&OTHER));
    let get = |app: &axum::Router| {
        rt.block_on(async {
            let answer = app.clone().oneshot(Request::new(Body::empty())).await.unwrap();
            String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
        })
    };
    let make = |more| {
        MORE.store(more, Ordering::SeqCst);
        get(&here)
    };
    // The server knows the scripts of deletions.
    CACHE.delete_view("/none").unwrap();
    one_look_for_what_is_known(&mut count, make, || get(&other), || CACHE.delete_view("/").unwrap());
    let plain = |app: &axum::Router| {
        rt.block_on(async {
            let request = Request::builder().uri("/plain").body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap().status()
        })
    };
    let simple = axum::Router::new()
        .fallback(axum::routing::get(async || "made of nothing"))
        .layer(cachekit::CacheLayer::new(&*CACHE).timeout(600));
    hit_often(|| assert_eq!(plain(&simple), 200));
    assert_eq!(count.of(|| assert_eq!(plain(&simple), 200)), HIT);
}

#[test]
fn a_fragment_whose_parts_are_known_is_one_round_trip() {
    use cachekit::template;
    use minijinja::{Environment, Value, context};

    let (mut count, _turn) = Count::new();
    let env = |cache: &Cache| {
        let mut env = Environment::new();
        template::install(&mut env, cache);
        let page = "{% cache 600, 'counted' %}{{ first(1) }} {{ second(1) if more }}{% endcache %}";
        template::add_template(&mut env, "page", page).unwrap();
        env.add_function("first", first_part);
        env.add_function("second", second_part);
        env
    };
    let (here, other) = (env(&CACHE), env(&OTHER));
    let render = |env: &Environment<'_>, more: bool| {
        env.get_template("page").unwrap().render(context! { more => Value::from(more) }).unwrap()
    };
    CACHE.delete_fragments("none").unwrap();
    one_look_for_what_is_known(
        &mut count,
        |more| render(&here, more),
        || render(&other, false),
        || CACHE.delete_fragments("counted").unwrap(),
    );
}
