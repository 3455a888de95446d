//! Promise 2 while the servers change under a computation: slots move, a replica takes over, the memory is full, keys and
//! scripts are lost.

use std::sync::mpsc;
use std::time::Duration;

use cachekit::{Cache, Config, ErrorKind, delete_memoized, memoize};
use cachekit_tests::Calls;
use cachekit_tests::redis::{Cluster, Watched, config, plain, plain_with, raw, run, try_cli, until, url};
use parking_lot::Mutex;

fn patient(config: Config) -> Config {
    let long = Duration::from_secs(20);
    config.operation_timeout(long).connect_timeout(long)
}

/// A function, and a way to have something happen while it computes.
macro_rules! slow {
    () => {
        static CACHE: Cache = Cache::new();
        static RAN: Calls = Calls::new();
        static GATE: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>> = Mutex::new(None);

        #[memoize(cache = CACHE)]
        fn slow(n: u64) -> u64 {
            let ran = RAN.hit();
            let gate = GATE.lock().take();
            if let Some((started, go_on)) = gate {
                started.send(()).unwrap();
                go_on.recv().unwrap();
            }
            1000 * n + ran
        }

        fn during(n: u64, happens: impl FnOnce()) -> u64 {
            let (started, has_started) = mpsc::channel();
            let (let_go, go_on) = mpsc::channel();
            *GATE.lock() = Some((started, go_on));
            let computing = std::thread::spawn(move || slow(n));
            has_started.recv().unwrap();
            happens();
            let_go.send(()).unwrap();
            computing.join().unwrap()
        }
    };
}

#[test]
fn slots_that_move_bring_nothing_back() {
    slow!();
    let cluster = Cluster::start();
    CACHE.init(patient(Config::redis(cluster.url()).key_prefix("m:"))).unwrap();
    let move_all = || {
        let mut moved = Vec::new();
        for (node, key) in cluster.keys("m:*") {
            let slot = cluster.slot(&key);
            if !moved.contains(&slot) {
                cluster.move_slot(slot, node, (node + 1) % 3);
                moved.push(slot);
            }
        }
        assert!(moved.len() >= 2, "an entry or its lease, and a version");
    };
    for round in 0..4 {
        let old = during(round, || {
            if round % 2 == 0 {
                move_all();
            }
            if round < 2 {
                delete_memoized!(slow, round).unwrap();
            } else {
                delete_memoized!(slow).unwrap();
            }
            if round % 2 == 1 {
                // The version or the lease is gone; the others move.
                slow(100 + round);
                move_all();
            }
        });
        let new = slow(round);
        assert_ne!(new, old, "round {round}");
        assert_eq!(slow(round), new, "round {round}");
        move_all();
        assert_eq!(slow(round), new, "the entry has moved");
    }
    assert_eq!(CACHE.stats().errors, 0);
}

#[test]
fn a_failover_brings_nothing_back_whose_deletion_was_replicated() {
    slow!();
    let watched = Watched::start();
    CACHE.init(patient(Config::redis(watched.url()).key_prefix("f:"))).unwrap();
    let (call, function) = (slow(1), slow(2));
    let under_way = during(3, || {
        delete_memoized!(slow, 1).unwrap();
        delete_memoized!(slow, 3).unwrap();
        delete_memoized!(slow).unwrap();
        let mut master = raw(&url(&watched.servers[0]));
        // Earlier writes are replicated first.
        run::<()>(&mut master, &["SET", "mark", "x"]);
        assert_eq!(run::<i64>(&mut master, &["WAIT", "1", "20000"]), 1);
        watched.servers[0].kill();
        let replica = watched.servers[1].port().to_string();
        until("the replica is the master", || {
            try_cli(&["-p", &replica, "INFO", "replication"]).is_ok_and(|text| text.contains("role:master"))
        });
    });
    for (n, old) in [(1, call), (2, function), (3, under_way)] {
        until("the new master takes values", || CACHE.set("k", &1u8, 60).is_ok());
        let new = slow(n);
        assert_ne!(new, old, "{n}");
        assert_eq!(slow(n), new, "{n}");
    }
}

/// A full server refuses the lease, or the store; what was there goes on to be hit, and deletions are final.
#[test]
fn a_server_that_becomes_full_brings_nothing_back() {
    slow!();
    let server = plain();
    CACHE.init(patient(config(&server, "full:"))).unwrap();
    let mut raw = raw(&url(&server));
    let mut set_most = |bytes: &str| run::<()>(&mut raw, &["CONFIG", "SET", "maxmemory", bytes]);
    let kept = slow(1);
    for round in 0..2 {
        let old = during(2, || {
            set_most("1");
            if round == 0 {
                delete_memoized!(slow, 2).unwrap();
            }
        });
        assert_eq!(slow(1), kept, "a hit writes nothing");
        assert_ne!(slow(2), old, "it could not be stored");
        set_most("0");
        let new = slow(2);
        assert_ne!(new, old);
        assert_eq!(slow(2), new, "it could be stored");
        set_most("1");
        delete_memoized!(slow, 2).unwrap();
        let other = slow(2);
        assert_ne!(other, new);
        set_most("0");
        assert_ne!(slow(2), other, "without a lease nothing was stored");
        delete_memoized!(slow, 2).unwrap();
    }
}

/// Each loss between the steps of a call: scripts, the lease, the version, or everything.
#[test]
fn what_is_lost_while_a_call_computes_brings_nothing_back() {
    slow!();
    let server = plain_with(&["--maxmemory-policy", "allkeys-random"]);
    CACHE.init(patient(config(&server, "lost:"))).unwrap();
    let mut raw = raw(&url(&server));
    let mut lose = |what: u64| {
        let keys: Vec<String> = run(&mut raw, &["KEYS", "lost:*"]);
        for key in keys.iter().filter(|key| what & (1 + u64::from(key.contains("#version"))) != 0) {
            run::<()>(&mut raw, &["DEL", key]);
        }
        if what & 4 != 0 {
            run::<()>(&mut raw, &["SCRIPT", "FLUSH"]);
        }
    };
    // A deletion by another process changes the server alone: nothing in this one knows of it.
    for what in (0..8).filter(|what| what & 3 != 0) {
        let n = 100 + what;
        let old = during(n, || lose(what));
        let new = slow(n);
        assert_ne!(new, old, "{n}");
        assert_eq!(slow(n), new, "{n}");
    }
    for what in 0..8 {
        for of_function in [false, true] {
            let n = 2 * what + u64::from(of_function);
            let old = during(n, || {
                lose(what);
                if of_function {
                    delete_memoized!(slow).unwrap();
                } else {
                    delete_memoized!(slow, n).unwrap();
                }
                lose(what);
            });
            lose(what & 4);
            let new = slow(n);
            assert_ne!(new, old, "{n}");
            lose(4);
            assert_eq!(slow(n), new, "{n}");
        }
    }
}

#[test]
fn clear_says_when_slots_move() {
    let cluster = Cluster::start();
    let cache = Cache::open(patient(Config::redis(cluster.url()).key_prefix("c:"))).unwrap();
    let keys: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let fill = || keys.iter().for_each(|key| cache.set(key, &1u8, 60).unwrap());
    let left = || keys.iter().filter(|key| cache.contains(key).unwrap()).count();
    fill();
    cache.clear().unwrap();
    assert_eq!(left(), 0);
    fill();
    let (node, key) = cluster.keys("c:*").pop().unwrap();
    let (slot, to) = (cluster.slot(&key), (node + 1) % 3);
    cluster.open_slot(slot, node, to);
    let error = cache.clear().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("slots of the cluster moved"), "{error}");
    fill();
    cluster.move_keys(slot, node, to);
    assert!(cache.clear().is_err());
    cluster.close_slot(slot, node, to);
    fill();
    cache.clear().unwrap();
    assert_eq!(left(), 0);
}
