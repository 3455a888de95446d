//! The entries on the server: their form, those of other programs, and lost ones.

use std::sync::mpsc;
use std::time::Duration;

use cachekit::{Cache, Config, ErrorKind, delete_memoized, memoize, peek};
use cachekit_backends::{Backend, Clock, Opened, open};
use cachekit_tests::Calls;
use cachekit_tests::redis::{calls, config, plain, plain_with, raw, run, shared, url};

fn patient(config: Config) -> Config {
    let long = Duration::from_secs(20);
    config.operation_timeout(long).connect_timeout(long)
}

fn cache(prefix: &str) -> Cache {
    Cache::open(patient(config(shared(), prefix))).unwrap()
}

fn backend(config: Config) -> std::sync::Arc<dyn Backend> {
    match open(&patient(config), &Clock::system()).unwrap() {
        Opened::Shared(backend) => backend,
        Opened::Simple => panic!("not a store of bytes"),
    }
}

#[test]
fn clear_takes_this_prefix_and_leaves_the_others() {
    let prefixes = ["stored-app", "stored-app2_", "stored-a*", "stored-a?p", "stored-[a-z]", "stored-\\"];
    for cleared in prefixes {
        let caches = prefixes.map(|prefix| (prefix, cache(&format!("{prefix}:"))));
        for (_, cache) in &caches {
            cache.set("k", &1, 60).unwrap();
        }
        caches.iter().find(|(prefix, _)| *prefix == cleared).unwrap().1.clear().unwrap();
        for (prefix, cache) in &caches {
            assert_eq!(
                cache.get::<i32>("k").unwrap().is_none(),
                *prefix == cleared,
                "{prefix} after {cleared}"
            );
        }
    }
}

#[test]
fn a_peek_leaves_nothing_on_the_server() {
    #[memoize(cache = PEEKED)]
    fn f(n: u32) -> u32 {
        n + 1
    }
    static PEEKED: Cache = Cache::new();
    let server = plain();
    PEEKED.init(patient(config(&server, "peek:"))).unwrap();
    let mut raw = raw(&url(&server));
    assert_eq!(peek!(f, 1).unwrap(), None);
    assert_eq!(run::<u64>(&mut raw, &["DBSIZE"]), 0);
    assert_eq!(f(1), 2);
    assert_eq!(peek!(f, 1).unwrap(), Some(2));
    delete_memoized!(f).unwrap();
    assert_eq!(peek!(f, 1).unwrap(), None);
}

#[test]
fn an_empty_prefix_clears_the_database_key_by_key_and_only_if_allowed() {
    let server = plain();
    let open = |allow| Cache::open(patient(config(&server, "")).allow_flush(allow)).unwrap();
    let mut raw = raw(&url(&server));
    run::<()>(&mut raw, &["SET", "foreign", "x"]);
    run::<()>(&mut raw, &["SELECT", "1"]);
    run::<()>(&mut raw, &["SET", "elsewhere", "x"]);
    assert!(open(false).clear().is_err());
    run::<()>(&mut raw, &["SELECT", "0"]);
    assert_eq!(run::<u64>(&mut raw, &["DBSIZE"]), 1);
    open(true).clear().unwrap();
    assert_eq!(run::<u64>(&mut raw, &["DBSIZE"]), 0);
    run::<()>(&mut raw, &["SELECT", "1"]);
    assert_eq!(run::<u64>(&mut raw, &["DBSIZE"]), 1);
    assert_eq!(["flushdb", "flushall", "keys"].map(|name| calls(&mut raw, name)), [0; 3]);
}

#[test]
fn clear_takes_leases_along() {
    let (server, store) = (plain(), |server| backend(config(server, "")));
    let store = store(&server);
    store.fetch("p:absent", &["p:version"]).unwrap();
    let mut raw = raw(&url(&server));
    assert_eq!(run::<u64>(&mut raw, &["DBSIZE"]), 2);
    store.clear("p:").unwrap();
    assert_eq!(run::<u64>(&mut raw, &["DBSIZE"]), 0);
}

#[test]
fn keys_are_those_of_values_and_of_no_pattern() {
    let server = plain();
    let cache = Cache::open(patient(config(&server, "k:"))).unwrap();
    let mut raw = raw(&url(&server));
    for key in ["a", "a*", "b"] {
        cache.set(key, &1u8, 60).unwrap();
    }
    run::<()>(&mut raw, &["RPUSH", "k:|=a list", "x"]);
    for (key, junk) in
        [("k:|=a lease", "Lxxxxxxxxxxxxxxxx"), ("k:|=a text", "junk"), ("k:|a function's", "V"), ("k:|=", "")]
    {
        run::<()>(&mut raw, &["SET", key, junk]);
    }
    let listed =
        |prefix| cache.keys(prefix).unwrap().map(Result::unwrap).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(listed(""), ["a", "a*", "b"].map(String::from).into());
    assert_eq!(listed("a"), ["a", "a*"].map(String::from).into());
    assert_eq!(listed("a*"), ["a*"].map(String::from).into());
    assert_eq!(calls(&mut raw, "keys"), 0);
}

/// A cursor means nothing to a server that was restarted, so what comes next could leave out any number of keys.
#[test]
fn a_list_does_not_go_on_over_broken_connections() {
    let server = plain();
    let store = backend(config(&server, "c:"));
    let keys: Vec<String> = (0..3000).map(|n| format!("c:{n}")).collect();
    let items: Vec<(&str, &[u8])> = keys.iter().map(|key| (key.as_str(), &b"v"[..])).collect();
    store.set_many(&items, None).unwrap();
    let first = store.keys("c:", None).unwrap();
    assert!(!first.keys.is_empty() && first.keys.len() < 3000);
    let next = first.next.unwrap();
    assert!(store.keys("c:", Some(&next)).is_ok());
    run::<u64>(&mut raw(&url(&server)), &["CLIENT", "KILL", "TYPE", "normal"]);
    let error = store.keys("c:", Some(&next)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("list them again"), "{error}");
    assert!(store.keys("c:", None).is_ok(), "a list that begins anew");
    let junk = store.keys("c:", Some(&cachekit::Cursor(b"junk".to_vec()))).unwrap_err();
    assert!(junk.to_string().contains("not of this backend"), "{junk}");
}

#[test]
fn leases_end_and_values_live_as_long_as_they_shall() {
    let server = plain();
    let store = backend(config(&server, "").options([("lease", "90s")]));
    let mut raw = raw(&url(&server));
    let token = store.fetch("k", &[]).unwrap().token.unwrap();
    let left: i64 = run(&mut raw, &["PTTL", "k"]);
    assert!((80_000..=90_000).contains(&left), "{left}");
    assert!(store.put_if("k", b"v", None, token).unwrap());
    assert_eq!(run::<i64>(&mut raw, &["PTTL", "k"]), -1);
}

#[test]
fn what_others_put_there_is_a_counted_miss_and_is_replaced() {
    static CACHE: Cache = Cache::new();
    static RAN: Calls = Calls::new();
    #[memoize(cache = CACHE)]
    fn answer(n: u32) -> u32 {
        RAN.hit();
        n
    }
    let server = plain();
    CACHE.init(patient(config(&server, "f:"))).unwrap();
    let mut raw = raw(&url(&server));
    answer(1);
    assert_eq!((answer(1), RAN.take()), (1, 1));
    let keys: Vec<String> = run(&mut raw, &["KEYS", "f:*"]);
    let entry = keys.iter().find(|key| !key.contains("#version")).unwrap().clone();
    let version = keys.iter().find(|key| key.contains("#version")).unwrap().clone();
    for junk in ["", "V", "L", "junk", "Vxxxxxxxxxxxxxxxx", "Vxxxxxxxxxxxxxxxxjunk", "Lxxxxxxxxxxxxxxxxjunk"]
    {
        let errors = CACHE.stats().errors;
        run::<()>(&mut raw, &["SET", &entry, junk]);
        assert_eq!((answer(1), answer(1), RAN.take()), (1, 1, 1), "{junk:?}");
        assert_eq!(CACHE.stats().errors, errors + 1, "{junk:?}");
        run::<()>(&mut raw, &["SET", &version, junk]);
        assert_eq!((answer(1), answer(1), RAN.take()), (1, 1, 1), "{junk:?} as a version");
    }
    for key in [&entry, &version] {
        run::<()>(&mut raw, &["DEL", key]);
        run::<()>(&mut raw, &["RPUSH", key, "a", "list"]);
        assert_eq!((answer(1), answer(1), RAN.take()), (1, 1, 1), "a list under {key}");
    }
    run::<()>(&mut raw, &["DEL", &entry]);
    run::<()>(&mut raw, &["RPUSH", &entry, "a", "list"]);
    delete_memoized!(answer, 1).unwrap();
    assert_eq!(run::<u64>(&mut raw, &["EXISTS", &entry]), 0);
}

#[test]
fn keys_carry_no_protocol() {
    let cache = cache("stored-hostile:");
    let keys =
        ["a\r\nFLUSHALL\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "{tag}", "}{", "\"'`", "\u{1F600}", " ", "%s%n"];
    for key in keys {
        cache.set(key, &key.to_owned(), 60).unwrap();
    }
    for key in keys {
        assert_eq!(cache.get::<String>(key).unwrap().as_deref(), Some(key));
        assert!(cache.delete(key).unwrap());
    }
}

/// Fills the server's memory until it has evicted, several times over, whatever it could.
fn flood(raw: &mut redis::Connection) {
    let filler = "x".repeat(64 * 1024);
    for i in 0..400 {
        run::<()>(raw, &["SET", &format!("flood{i}"), &filler]);
    }
}

#[test]
fn eviction_does_not_bring_back_what_was_deleted() {
    static CACHE: Cache = Cache::new();
    static RAN: Calls = Calls::new();
    static GATE: parking_lot::Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>> =
        parking_lot::Mutex::new(None);
    #[memoize(cache = CACHE)]
    fn slow(n: u64) -> u64 {
        let ran = RAN.hit();
        if let Some((started, go_on)) = GATE.lock().take() {
            started.send(()).unwrap();
            go_on.recv().unwrap();
        }
        1000 * n + ran
    }
    let server = plain_with(&["--maxmemory", "6mb", "--maxmemory-policy", "allkeys-random"]);
    CACHE.init(patient(config(&server, "e:"))).unwrap();
    let mut raw = raw(&url(&server));
    for round in 0..6 {
        let (started, has_started) = mpsc::channel();
        let (let_go, go_on) = mpsc::channel();
        *GATE.lock() = Some((started, go_on));
        let computing = std::thread::spawn(move || slow(round));
        has_started.recv().unwrap();
        if round % 2 == 0 {
            delete_memoized!(slow, round).unwrap();
        } else {
            delete_memoized!(slow).unwrap();
        }
        flood(&mut raw);
        let_go.send(()).unwrap();
        let old = computing.join().unwrap();
        assert_ne!(slow(round), old, "round {round}");
    }
    let evicted: String = run(&mut raw, &["INFO", "stats"]);
    assert!(!evicted.contains("evicted_keys:0\r"), "nothing was evicted");
}

#[test]
fn a_full_server_refuses_values_and_still_deletes() {
    let server = plain_with(&["--maxmemory", "6mb", "--maxmemory-policy", "noeviction"]);
    let store = backend(config(&server, ""));
    store.set("k", b"v", None).unwrap();
    let filler = vec![0; 256 * 1024];
    let error = (0..100).find_map(|i| store.set(&format!("flood{i}"), &filler, None).err()).unwrap();
    assert_eq!(error.kind(), cachekit::ErrorKind::Full, "{error}");
    assert!(error.to_string().contains("maxmemory"), "{error}");
    assert_eq!(store.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(store.fetch("k", &[]).unwrap().entry.as_deref(), Some(&b"v"[..]), "a hit writes nothing");
    assert!(store.delete("k").unwrap());
}
