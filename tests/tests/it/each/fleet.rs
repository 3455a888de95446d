//! `single_flight = "fleet"`: ids that another process computes. Two caches over one store are two processes to each other.

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use cachekit::{delete_memoized, memoize};
use cachekit_tests::{Gate, Mem, World, block_on};

use super::{Ran, User};

/// Runs a test with each store that can have locks, as two processes see it.
fn with_two(test: impl Fn(&World, &World)) {
    let mem = Mem::new();
    let [one, other] = [(), ()].map(|()| World::full_over(&mem, |config| config));
    test(&one, &other);
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = [(), ()].map(|()| World::in_dir(dir.path(), |config| config));
    test(&one, &other);
}

static RAN: Ran = Ran::new();
static GATE: Gate = Gate::new();
static FAILS: AtomicBool = AtomicBool::new(false);

#[memoize(each = ids, single_flight = "fleet", flight_timeout = "1h", fleet_wait = "30s", timeout = "10s")]
fn users(ids: &[u64]) -> Result<HashMap<u64, User>, String> {
    let users = RAN.all(ids);
    GATE.pass();
    if FAILS.swap(false, Ordering::SeqCst) { Err("down".to_owned()) } else { Ok(users) }
}

#[memoize(each = ids, single_flight = "fleet", flight_timeout = "1h", fleet_wait = "30s", timeout = "10s")]
async fn users_async(ids: Vec<u64>) -> Result<Vec<User>, String> {
    let users = RAN.all(&ids);
    GATE.pass();
    tokio::task::yield_now().await;
    let users = if FAILS.swap(false, Ordering::SeqCst) { Err("down".to_owned()) } else { Ok(users) }?;
    Ok(ids.iter().map(|id| users[id].clone()).collect())
}

type Call = fn(&[u64]) -> Result<Vec<User>, String>;

const CALLS: [Call; 2] = [
    |ids| users(ids).map(|users| ids.iter().map(|id| users[id].clone()).collect()),
    |ids| block_on(users_async(ids.to_vec())),
];

/// A call in the second process, while the body of one in the first is stopped.
fn meanwhile(one: &World, other: &World, call: Call, ids: &'static [u64], bodies: usize) -> [Answer; 2] {
    let (tell, told) = mpsc::channel();
    let first = GATE.hold(
        one,
        move || call(&[1, 2, 3]),
        || {
            other.spawn(move || tell.send(call(ids)).unwrap());
            // Its own body has run, and what it waits for has not.
            while RAN.0.lock().len() < 1 + bodies {
                std::thread::yield_now();
            }
        },
    );
    [first.unwrap(), told.recv_timeout(Duration::from_secs(30)).unwrap()]
}

type Answer = Result<Vec<User>, String>;

/// The tests share the functions.
static ONE_TEST: parking_lot::Mutex<()> = parking_lot::Mutex::new(());

#[test]
fn ids_that_another_process_computes_are_waited_for() {
    let _one = ONE_TEST.lock();
    with_two(|one, other| {
        for call in CALLS {
            RAN.take();
            let [first, second] = meanwhile(one, other, call, &[3, 4, 2], 1).map(Result::unwrap);
            assert_eq!((&second[0], &second[2]), (&first[2], &first[1]));
            assert_eq!(RAN.take(), [vec![1, 2, 3], vec![4]]);
            let _entered = other.enter();
            assert_eq!(call(&[1, 2, 3]), Ok(first));
            assert_eq!(RAN.take(), Vec::<Vec<u64>>::new());
        }
    });
}

#[test]
fn after_an_err_the_other_process_computes() {
    let _one = ONE_TEST.lock();
    with_two(|one, other| {
        for call in CALLS {
            RAN.take();
            let (tell, told) = mpsc::channel();
            let failed = GATE.hold(
                one,
                move || {
                    FAILS.store(true, Ordering::SeqCst);
                    call(&[1, 2, 3])
                },
                || _ = other.spawn(move || tell.send(call(&[2, 3])).unwrap()),
            );
            // One of the two bodies fails, whichever is first.
            let answers = [failed.unwrap(), told.recv_timeout(Duration::from_secs(30)).unwrap()];
            assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1, "{answers:?}");
            let _entered = one.enter();
            block_on(delete_memoized!(users_async)).unwrap();
            delete_memoized!(users).unwrap();
        }
    });
}

/// Each of two processes has the lock of a part of what the other one misses, at the same time.
#[test]
fn processes_whose_ids_overlap_compute_each_once_and_never_wait_for_each_other() {
    let _one = ONE_TEST.lock();
    let forwards: Vec<u64> = (0..20).collect();
    let backwards: Vec<u64> = (10..30).rev().collect();
    with_two(|one, other| {
        for call in CALLS {
            for _ in 0..10 {
                RAN.take();
                let barrier = Barrier::new(2);
                std::thread::scope(|scope| {
                    for (world, list) in [(one, &forwards), (other, &backwards)] {
                        let barrier = &barrier;
                        world.spawn_in(scope, move || {
                            barrier.wait();
                            assert_eq!(call(list).unwrap().len(), 20);
                        });
                    }
                });
                let mut computed: Vec<u64> = RAN.take().concat();
                computed.sort_unstable();
                // On files a write may void the token of a neighbour, whose value is computed again then.
                if one.name == "filesystem" {
                    computed.dedup();
                }
                assert_eq!(computed, (0..30).collect::<Vec<_>>(), "each once on {}", one.name);
                let _entered = one.enter();
                block_on(delete_memoized!(users_async)).unwrap();
                delete_memoized!(users).unwrap();
            }
        }
    });
}

#[test]
fn a_stale_value_is_computed_anew_by_one_process() {
    static RAN: Ran = Ran::new();
    static GATE: Gate = Gate::new();
    #[memoize(each = ids, single_flight = "fleet", fleet_wait = "30s", timeout = "10s", stale_while_revalidate = "1h")]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        let users = RAN.all(ids);
        GATE.pass();
        users
    }
    let mem = Mem::new();
    let [one, other] = [(), ()].map(|()| World::full_over(&mem, |config| config));
    let first = {
        let _entered = one.enter();
        users(&[1, 2])
    };
    // The locks of the first computations are given back by a thread.
    while mem.keys().iter().any(|key| key.ends_with(":flight")) {
        std::thread::yield_now();
    }
    one.advance(Duration::from_secs(11));
    other.advance(Duration::from_secs(11));
    let anew = GATE.hold(
        &one,
        || users(&[1, 2]),
        || {
            let _entered = other.enter();
            assert_eq!(users(&[2, 1]), first, "served meanwhile");
        },
    );
    assert_ne!(anew.unwrap(), first);
    assert_eq!(RAN.take(), [[1, 2], [1, 2]]);
}
