//! Values larger than an item.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use cachekit::{Config, ErrorKind};
use cachekit_tests::memcached as servers;
use cachekit_tests::server::Server;

use crate::proxy::Proxy;
use crate::{backend, patient, prefix};

fn config(servers: &[Server]) -> Config {
    let config = Config::memcached(servers.iter().map(servers::address).collect::<Vec<_>>());
    patient(config.cache_type("spreadsaslmemcached").key_prefix(prefix()))
}

fn value(len: usize, seed: u8) -> Vec<u8> {
    (0..=250).cycle().take(len).map(|byte: u8| byte ^ seed).collect()
}

fn items(servers: &[Server]) -> u64 {
    servers.iter().map(|server| servers::statistic(server, "curr_items")).sum()
}

fn sets(servers: &[Server]) -> u64 {
    servers.iter().map(|server| servers::statistic(server, "cmd_set")).sum()
}

/// Values of 1, 2.5 and 20 MiB come back whole, by every operation, from one server and from several.
#[test]
fn large_values_are_whole_for_every_operation() {
    for count in [1, 3] {
        let servers: Vec<Server> = (0..count).map(|_| servers::server(&["-m", "256"])).collect();
        let store = backend(&config(&servers));
        for mib in [2, 5, 40] {
            let large = value(mib << 19, 1);
            store.set("k", &large, None).unwrap();
            assert!(store.get("k").unwrap() == Some(large.clone()), "{mib} halves of a MiB");
            assert!(store.get_many(&["none", "k"]).unwrap() == [None, Some(large.clone())]);
            let fetched = store.fetch("k", &["version"]).unwrap();
            assert!(fetched.entry.as_ref() == Some(&large));
            assert!(!store.add("k", b"small", None).unwrap());
            let other = value(mib << 19, 2);
            assert!(store.put_if("k", &other, None, fetched.token.unwrap()).unwrap());
            assert!(!store.put_if("k", &large, None, fetched.token.unwrap()).unwrap());
            assert!(store.get("k").unwrap() == Some(other));
            assert_eq!(store.delete_many(&["k", "none"]).unwrap(), 1);
            assert_eq!(store.get("k").unwrap(), None);
            assert!(store.add("k", &large, None).unwrap());
            assert!(store.get("k").unwrap() == Some(large));
        }
    }
}

/// A shorter overwrite, a deletion and a refused write leave no parts behind.
#[test]
fn nothing_is_left_behind() {
    let servers = [servers::server(&[]), servers::server(&[])];
    let (store, large) = (backend(&config(&servers)), value(5 << 19, 3));
    store.set("k", b"small", None).unwrap();
    store.get_many(&["a", "b", "c", "d", "e", "f"]).unwrap();
    let least = items(&servers);
    for round in 0..4 {
        store.set("k", &large, None).unwrap();
        assert_eq!(items(&servers), least + 3, "three parts");
        assert!(!store.add("k", &large, None).unwrap());
        assert_eq!(items(&servers), least + 3);
        match round {
            0 => store.set("k", b"small", None).unwrap(),
            1 => store.set_many(&[("k", b"s")], None).unwrap(),
            2 => {
                assert!(store.delete("k").unwrap());
                store.set("k", b"small", None).unwrap();
            }
            _ => {
                let token = store.token("k").unwrap();
                assert!(store.put_if("k", b"small", None, token).unwrap());
                assert!(!store.put_if("k", &large, None, token).unwrap(), "the token was used");
            }
        }
        assert_eq!(items(&servers), least, "round {round}");
    }
}

/// Threads that store values of many small parts over each other: what is there in the end is whole, the parts of all other
/// values are gone, and no part was stored again because another writer was faster.
#[test]
fn writers_of_small_parts_at_once_leave_none_behind() {
    // The key and the header of an item of 2 KiB are not a part's.
    const PART: usize = 2048 - 576;
    const THREADS: usize = 8;
    let servers = [servers::server(&[]), servers::server(&[])];
    let store = backend(&config(&servers).options([("max_item_size", "2048")]).pool_size(THREADS));
    let keys = ["a", "b", "c"];
    for key in keys {
        store.set(key, b"small", None).unwrap();
    }
    let least = items(&servers) - 3;
    let before = sets(&servers);
    let (parts, begin) = (AtomicU64::new(0), Barrier::new(THREADS));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, parts, begin) = (&store, &parts, &begin);
            scope.spawn(move || {
                begin.wait();
                for round in 0..20 {
                    let count = 5 + (7 * thread + round) % 20;
                    parts.fetch_add(count as u64, Ordering::Relaxed);
                    store
                        .set(
                            keys[(thread + round) % 3],
                            &value(count * PART, u8::try_from(round).unwrap()),
                            None,
                        )
                        .unwrap();
                }
            });
        }
    });
    let live: usize = keys.iter().map(|key| 1 + store.get(key).unwrap().unwrap().len() / PART).sum();
    assert_eq!(items(&servers), least + live as u64);
    let (parts, sets) = (parts.into_inner(), sets(&servers) - before);
    println!("{sets} stores for {parts} parts of {} values", THREADS * 20);
    assert!(sets < 2 * parts, "{sets} stores for {parts} parts");
    assert_eq!(store.delete_many(&keys).unwrap(), 3);
    assert_eq!(items(&servers), least);
}

/// The parts of all values of one call go out together.
#[test]
fn many_split_values_take_as_many_round_trips_as_one() {
    let server = servers::server(&[]);
    let proxy = Proxy::honest(server.port());
    let config = Config::memcached([proxy.address()]).cache_type("spreadsaslmemcached").key_prefix(prefix());
    let store = backend(&patient(config.options([("max_item_size", "2048")])));
    let split = value(3000, 5);
    let items: Vec<(&str, &[u8])> = ["a", "b", "c", "d"].map(|key| (key, &split[..])).into();
    store.get("k").unwrap();
    let trips = |items| {
        proxy.round_trips();
        store.set_many(items, None).unwrap();
        proxy.round_trips()
    };
    assert_eq!([trips(&items[..1]), trips(&items[1..])], [2, 2], "the parts, then what refers to them");
}

/// A missing part is a miss, for every operation, and the key can be written again.
#[test]
fn a_missing_or_wrong_part_is_a_miss() {
    let servers = [servers::server(&[])];
    let (store, large) = (backend(&config(&servers)), value(5 << 19, 4));
    let url = format!("memcache://{}?protocol=ascii", servers::address(&servers[0]));
    let raw = memcache::connect(url).unwrap();
    for damage in 0..3 {
        store.set("k", &large, None).unwrap();
        let chunks = crate::interop::keys(&servers[0], "#chunk=");
        let chunk = chunks.into_iter().find(|key| key.ends_with(".0")).unwrap();
        match damage {
            0 => assert!(raw.delete(&chunk).unwrap()),
            1 => raw.set(&chunk, &large[..1000], 0).unwrap(),
            _ => raw.set(&chunk, &vec![9u8; 1_000_000][..], 0).unwrap(),
        }
        assert_eq!(store.get("k").unwrap(), None);
        assert_eq!(store.fetch("k", &[]).unwrap().entry, None);
        assert!(store.add("k", b"new", None).unwrap(), "nothing live is there");
        assert_eq!(store.get("k").unwrap().unwrap(), b"new");
        raw.delete(&chunk).unwrap();
    }
}

/// There is a limit, and it is said.
#[test]
fn a_value_over_the_cap_is_a_clear_error() {
    let servers = [servers::server(&[])];
    let store = backend(&config(&servers));
    store.set("k", b"old", None).unwrap();
    let error = store.set("k", &vec![0; (128 << 20) + 1], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.to_string().contains("134217728"), "{error}");
    assert_eq!(store.get("k").unwrap(), None);
}
