//! The versions of functions, instances and tags live as long as an entry needs them, and leave nothing.

use std::time::Duration;

use cachekit::{Cache, Config, Timeout, delete_memoized, memoize, peek};
use cachekit_tests::Calls;
use cachekit_tests::redis::{Cluster, cli, config, plain, raw, run, until, url};

static RAN: Calls = Calls::new();

fn open(config: Config) -> Config {
    let long = Duration::from_secs(20);
    config.operation_timeout(long).connect_timeout(long)
}

#[derive(cachekit::CacheKey)]
struct Person(u64);

static MANY: Cache = Cache::new();

impl Person {
    #[memoize(cache = MANY, timeout = "1h", tags("people", format!("person:{}", self.0)))]
    fn kept(&self) -> u64 {
        self.0
    }

    #[memoize(cache = MANY, timeout = "1s", tags("people", format!("person:{}", self.0)))]
    fn short(&self) -> u64 {
        self.0
    }
}

#[test]
fn two_thousand_instances_leave_nothing() {
    let server = plain();
    MANY.init(open(config(&server, "many:")).options([("lease", "1s")])).unwrap();
    let mut raw = raw(&url(&server));
    let versions = |raw: &mut redis::Connection| run::<Vec<String>>(raw, &["KEYS", "*#version*"]).len();
    let people: Vec<Person> = (0..2000).map(Person).collect();
    for person in &people {
        assert_eq!(person.kept(), person.0);
        delete_memoized!(person.kept).unwrap();
        MANY.delete_tag(&format!("person:{}", person.0)).unwrap();
    }
    assert_eq!(versions(&mut raw), 2, "the function's and that of one tag");
    delete_memoized!(Person::kept).unwrap();
    MANY.delete_tag("people").unwrap();
    assert_eq!(versions(&mut raw), 0);
    run::<()>(&mut raw, &["FLUSHALL"]);
    for person in &people {
        assert_eq!(person.short(), person.0);
    }
    // The time of the entries and of the leases, and no longer.
    until("all is gone", || run::<u64>(&mut raw, &["DBSIZE"]) == 0);
}

#[memoize(cache = LIVES, name = "versions.lives", timeout = life, ignore(life))]
fn lives(n: u64, life: Timeout) -> u64 {
    RAN.hit();
    n
}

static LIVES: Cache = Cache::new();

#[test]
fn a_version_lives_as_long_as_the_entry_that_lives_longest() {
    let server = plain();
    LIVES.init(open(config(&server, "lives:"))).unwrap();
    let mut raw = raw(&url(&server));
    let mut left = || run::<i64>(&mut raw, &["TTL", "lives:|versions.lives#version"]);
    let minutes = |n: u64| Timeout::After(Duration::from_secs(60 * n));
    lives(1, minutes(100));
    let long = 98 * 60..=100 * 60;
    assert!(long.contains(&left()));
    lives(2, minutes(1));
    assert!(long.contains(&left()), "a shorter one does not shorten it");
    lives(3, minutes(200));
    assert!((198 * 60..=200 * 60).contains(&left()));
    lives(4, Timeout::Never);
    assert_eq!(left(), -1, "it is for ever");
    lives(5, minutes(1));
    assert_eq!(left(), -1);
    delete_memoized!(lives).unwrap();
    assert_eq!(left(), -2, "it is gone");
    let before = RAN.get();
    lives(4, Timeout::Never);
    assert_eq!(RAN.get(), before + 1);
}

static LATE: Cache = Cache::new();

#[memoize(cache = LATE, name = "versions.late", timeout = 0, tags("late"))]
fn late(how: u8) -> u8 {
    // The value is from before, and is stored after.
    match how {
        0 => delete_memoized!(late).unwrap(),
        1 => LATE.delete_tag("late").unwrap(),
        2 => delete_by_name(),
        _ => {}
    }
    how
}

fn delete_by_name() {
    LATE.delete_memoized_named("versions.late").unwrap();
}

#[test]
fn a_store_after_the_deletion_brings_no_version_back() {
    let server = plain();
    LATE.init(open(config(&server, "late:"))).unwrap();
    let mut raw = raw(&url(&server));
    for how in 0..3 {
        late(how);
        let mut versions = run::<Vec<String>>(&mut raw, &["KEYS", "*#version*"]);
        versions.retain(|key| key.contains("tag") == (how == 1));
        assert_eq!(versions, [""; 0], "{how}");
        assert_eq!(peek!(late, how).unwrap(), None, "{how}");
        // Neither does the next version fit it.
        late(3);
        assert_eq!(peek!(late, how).unwrap(), None, "{how}");
        delete_memoized!(late).unwrap();
    }
}

static SCATTERED: Cache = Cache::new();

#[memoize(cache = SCATTERED, name = "versions.scattered", timeout = life, ignore(life))]
fn scattered(n: u64, life: Timeout) -> u64 {
    n
}

#[test]
fn on_a_cluster_too() {
    let cluster = Cluster::shared();
    SCATTERED.init(open(Config::redis(cluster.url()).key_prefix("scattered:"))).unwrap();
    let port = cluster.nodes[0].port().to_string();
    let left = || {
        let text = cli(&["-c", "-p", &port, "TTL", "scattered:|versions.scattered#version"]);
        text.trim().parse::<i64>().unwrap()
    };
    scattered(1, Timeout::After(Duration::from_secs(6000)));
    assert!((5900..=6000).contains(&left()));
    scattered(2, Timeout::After(Duration::from_secs(60)));
    assert!((5900..=6000).contains(&left()));
    scattered(3, Timeout::Never);
    assert_eq!(left(), -1);
    delete_memoized!(scattered).unwrap();
    assert_eq!(left(), -2);
}
