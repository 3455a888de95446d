//! Ids that another call computes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

use cachekit::{delete_memoized, memoize};
use cachekit_tests::{Gate, block_on, each_keeping, everywhere, tasks};

use super::{Ran, User};

#[test]
fn ids_that_another_call_computes_are_waited_for() {
    static RAN: Ran = Ran::new();
    static GATE: Gate = Gate::new();
    #[memoize(each = ids)]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        let users = RAN.all(ids);
        GATE.pass();
        users
    }
    everywhere(|world| {
        RAN.take();
        let (tell, told) = mpsc::channel();
        let slow = GATE.hold(
            world,
            || users(&[1, 2]),
            || {
                world.spawn(move || tell.send(users(&[2, 3, 1, 4])).unwrap());
                // Its own body has run, and what it waits for has not.
                while RAN.0.lock().len() < 2 {
                    std::thread::yield_now();
                }
            },
        );
        let (slow, other) = (slow.unwrap(), told.recv_timeout(Duration::from_secs(10)).unwrap());
        assert_eq!((other[&1].clone(), other[&2].clone()), (slow[&1].clone(), slow[&2].clone()));
        assert_eq!(RAN.take(), [vec![1, 2], vec![3, 4]]);
    });
}

/// Each of two calls claims a part of what the other one misses, at the same time.
#[test]
fn calls_whose_ids_overlap_never_wait_for_each_other() {
    static RAN: Ran = Ran::new();
    #[memoize(each = ids, flight_timeout = "1h")]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    #[memoize(each = ids, flight_timeout = "1h")]
    async fn users_async(ids: &[u64]) -> HashMap<u64, User> {
        let users = RAN.all(ids);
        tokio::task::yield_now().await;
        users
    }
    let forwards: Vec<u64> = (0..20).collect();
    let backwards: Vec<u64> = (10..30).rev().collect();
    each_keeping(|world| {
        RAN.take();
        let barrier = Barrier::new(2);
        for _ in 0..25 {
            delete_memoized!(users).unwrap();
            std::thread::scope(|scope| {
                for list in [&forwards, &backwards] {
                    let barrier = &barrier;
                    world.spawn_in(scope, move || {
                        barrier.wait();
                        assert_eq!(users(list).len(), 20);
                    });
                }
            });
            let mut computed: Vec<u64> = RAN.take().concat();
            computed.sort_unstable();
            // A write of the least backend has two halves, between which a slow thread may be seen more often than a call looks.
            assert!(world.name == "plain" || computed.len() == 30, "each once: {computed:?}");
            computed.dedup();
            assert_eq!(computed, (0..30).collect::<Vec<_>>());

            block_on(delete_memoized!(users_async)).unwrap();
            let lists = [forwards.clone(), backwards.clone()];
            let lens = tasks(lists.map(|list| world.wrap(async move { users_async(&list).await.len() })));
            assert_eq!(lens, [20, 20]);
            RAN.take();
        }
    });
}

/// The body asks for an id that its own call computes.
#[test]
fn a_body_that_asks_for_its_own_ids_computes_them() {
    static DEPTH: AtomicU64 = AtomicU64::new(0);
    #[memoize(each = ids, flight_timeout = "1h")]
    fn sums(ids: &[u64]) -> HashMap<u64, u64> {
        if DEPTH.fetch_add(1, Ordering::SeqCst) == 0 {
            assert_eq!(sums(&[1])[&1], 2);
            assert_eq!(sums(&[3, 9])[&3], 6);
        }
        ids.iter().map(|id| (*id, 2 * id)).collect()
    }
    each_keeping(|_| {
        DEPTH.store(0, Ordering::SeqCst);
        assert_eq!(sums(&[1, 2, 3])[&2], 4);
        assert_eq!(sums(&[9])[&9], 18);
    });
}
