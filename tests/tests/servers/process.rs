//! Processes that were forked, and those that end at the first panic.

use cachekit::Config;
use cachekit_tests::{Child, forked, memcached, redis, role};

use crate::{backend, patient, runtime};

/// The store that a part of a test is about, for the part played in another process.
fn config() -> Option<Config> {
    let role = role()?;
    let (kind, place) = role.split_once(' ').unwrap();
    Some(patient(if kind == "redis" { Config::redis(place) } else { Config::memcached([place]) }))
}

fn roles() -> [String; 2] {
    static MEMCACHED: std::sync::LazyLock<cachekit_tests::server::Server> =
        std::sync::LazyLock::new(|| memcached::server(&[]));
    let redis = format!("redis {}", redis::url(redis::shared()));
    [redis, format!("memcached {}", memcached::address(&MEMCACHED))]
}

/// Plays a part once for each backend, in a process of its own.
fn play(test: &str) {
    for role in roles() {
        Child::start(test, &role, &[]).finish();
    }
}

/// A process that was forked after the first use has connections of its own: neither reads the other's replies, or waits for
/// threads that it doesn't have.
#[test]
fn a_forked_process_has_connections_of_its_own() {
    let Some(config) = config() else { return play("process::a_forked_process_has_connections_of_its_own") };
    let (store, rt) = (backend(&config), runtime());
    let exchange = |name: &str, round: u32| {
        let (key, value) = (format!("{name} {round}"), format!("{name} {round}"));
        store.set(&key, value.as_bytes(), None).unwrap();
        assert_eq!(store.get(&key).unwrap().as_deref(), Some(value.as_bytes()));
        // Not on the runtime, whose threads the other process hasn't.
        cachekit_tests::block_on(async {
            let tasks = store.asynchronous().unwrap();
            assert_eq!(tasks.get(&key).await.unwrap().as_deref(), Some(value.as_bytes()));
            assert!(tasks.delete(&key).await.unwrap());
        });
    };
    exchange("before", 0);
    rt.block_on(store.asynchronous().unwrap().get("k")).unwrap();
    let child = forked(|| (0..200).for_each(|round| exchange("child", round)));
    (0..200).for_each(|round| exchange("parent", round));
    child.finish();
}

/// A runtime without drivers is served, and no panic is the way to find out: with `panic = "abort"` it would be the end.
#[test]
fn a_runtime_without_drivers_costs_no_panic() {
    let Some(config) = config() else { return play("process::a_runtime_without_drivers_costs_no_panic") };
    std::panic::set_hook(Box::new(|info| {
        eprintln!("{info}");
        std::process::abort();
    }));
    let store = backend(&config);
    let tasks = store.asynchronous().unwrap();
    let bare = tokio::runtime::Builder::new_current_thread;
    let (mut nothing, mut timers, mut sockets) = (bare(), bare(), bare());
    timers.enable_time();
    sockets.enable_io();
    for (n, builder) in (0u8..).zip([&mut nothing, &mut timers, &mut sockets]) {
        let runtime = builder.build().unwrap();
        runtime.block_on(tasks.set("bare", &[n], None)).unwrap();
        assert_eq!(runtime.block_on(tasks.get("bare")).unwrap(), Some(vec![n]));
    }
    cachekit_tests::block_on(tasks.delete("bare")).unwrap();
}
