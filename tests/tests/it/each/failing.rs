//! Calls whose body fails, or returns what can't be told apart.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use cachekit::{delete_memoized, memoize, stats};
use cachekit_tests::{Gate, World, block_on, each_keeping, everywhere};
use parking_lot::Mutex;

use super::{Ran, User, ids};

#[test]
fn an_err_fails_the_call_and_stores_nothing() {
    static RAN: Ran = Ran::new();
    static FAILS: AtomicBool = AtomicBool::new(false);
    #[memoize(each = ids)]
    fn users(ids: &[u64]) -> Result<HashMap<u64, User>, String> {
        let users = RAN.all(ids);
        if FAILS.load(Ordering::SeqCst) { Err("down".to_owned()) } else { Ok(users) }
    }
    #[memoize(each = ids)]
    async fn listed(ids: &[u64]) -> Result<Vec<u64>, String> {
        RAN.all(ids);
        Err::<(), _>("down".to_owned())?;
        Ok(ids.to_vec())
    }
    everywhere(|_| {
        RAN.take();
        let known = users(&[1]).unwrap();
        FAILS.store(true, Ordering::SeqCst);
        assert_eq!(users(&[1, 2, 3]), Err("down".to_owned()));
        assert_eq!(users(&[1]), Ok(known), "a hit");
        FAILS.store(false, Ordering::SeqCst);
        assert_eq!(ids(&users(&[1, 2, 3]).unwrap()), [1, 2, 3]);
        assert_eq!(RAN.take(), [vec![1], vec![2, 3], vec![2, 3]]);
        assert_eq!(block_on(listed(&[1, 2])), Err("down".to_owned()));
        assert_eq!(block_on(listed(&[1, 2])), Err("down".to_owned()));
        assert_eq!(RAN.take(), [[1, 2], [1, 2]]);
    });
}

#[test]
fn a_list_of_another_length_is_not_stored_and_the_body_runs_with_all_ids() {
    static RAN: Ran = Ran::new();
    static SHORT: AtomicBool = AtomicBool::new(false);
    #[memoize(each = ids)]
    fn listed(ids: &[u64], scale: u64) -> Vec<u64> {
        RAN.all(ids);
        let skipped = usize::from(SHORT.load(Ordering::SeqCst));
        ids.iter().skip(skipped).map(|id| id * scale).collect()
    }
    everywhere(|_| {
        RAN.take();
        SHORT.store(false, Ordering::SeqCst);
        assert_eq!(listed(&[1, 2], 10), [10, 20]);
        SHORT.store(true, Ordering::SeqCst);
        assert_eq!(listed(&[1, 2, 3, 4], 10), [20, 30, 40]);
        assert_eq!(listed(&[3, 4], 10), [40]);
        SHORT.store(false, Ordering::SeqCst);
        assert_eq!(listed(&[1, 2, 3, 4], 10), [10, 20, 30, 40]);
        assert_eq!(RAN.take(), [vec![1, 2], vec![3, 4], vec![1, 2, 3, 4], vec![3, 4], vec![3, 4]]);
        assert_eq!(stats!(listed).errors, 2, "each is logged");
    });
}

#[test]
fn a_body_that_panics_hands_over_and_nothing_hangs() {
    static RAN: Ran = Ran::new();
    static GATE: Gate = Gate::new();
    static PANICS: AtomicBool = AtomicBool::new(false);
    #[memoize(each = ids)]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        let users = RAN.all(ids);
        GATE.pass();
        assert!(!PANICS.swap(false, Ordering::SeqCst), "as the test wants it");
        users
    }
    each_keeping(|world| {
        RAN.take();
        let (tell, told) = mpsc::channel();
        let slow = GATE.hold(
            world,
            || users(&[1, 2]),
            || {
                PANICS.store(true, Ordering::SeqCst);
                // On its way to wait, or waiting, when the body goes on.
                world.spawn(move || tell.send(users(&[2, 1])).unwrap());
                std::thread::yield_now();
            },
        );
        assert!(slow.is_err());
        assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap().len(), 2);
        assert_eq!(users(&[1, 2]).len(), 2);
        assert_eq!(RAN.take().len(), 2);
    });
}

mod stale {
    use super::*;

    static RAN: Ran = Ran::new();
    static GATE: Gate = Gate::new();
    static FAILS: AtomicBool = AtomicBool::new(false);
    /// The tests share the functions.
    static ONE_TEST: Mutex<()> = Mutex::new(());

    fn ask(ids: &[u64]) -> Result<HashMap<u64, User>, String> {
        let users = RAN.all(ids);
        GATE.pass();
        if FAILS.load(Ordering::SeqCst) { Err("down".to_owned()) } else { Ok(users) }
    }

    #[memoize(each = ids, timeout = "10s", stale_if_error = "1m")]
    fn users(ids: &[u64]) -> Result<HashMap<u64, User>, String> {
        ask(ids)
    }

    #[memoize(each = ids, timeout = "10s", stale_if_error = "1m")]
    async fn listed(ids: Vec<u64>) -> Result<Vec<User>, String> {
        let users = ask(&ids)?;
        Ok(ids.iter().map(|id| users[id].clone()).collect())
    }

    #[memoize(each = ids, timeout = "10s", stale_while_revalidate = "20s", stale_if_error = "1m", local)]
    fn both(ids: &[u64]) -> Result<HashMap<u64, User>, String> {
        ask(ids)
    }

    fn in_order(ids: &[u64], users: &HashMap<u64, User>) -> Vec<User> {
        ids.iter().map(|id| users[id].clone()).collect()
    }

    type Call = fn(&[u64]) -> Result<Vec<User>, String>;

    const CALLS: [Call; 3] = [
        |ids| users(ids).map(|users| in_order(ids, &users)),
        |ids| block_on(listed(ids.to_vec())),
        |ids| both(ids).map(|users| in_order(ids, &users)),
    ];

    /// Stores values of these ids, and lets them go stale.
    fn stale(world: &World, call: Call, ids: &[u64]) -> Vec<User> {
        world.advance(Duration::from_secs(1000));
        FAILS.store(false, Ordering::SeqCst);
        let good = call(ids).unwrap();
        world.advance(Duration::from_secs(31));
        FAILS.store(true, Ordering::SeqCst);
        RAN.take();
        good
    }

    #[test]
    fn on_an_err_each_id_has_its_last_good_value() {
        let _one = ONE_TEST.lock();
        everywhere(|world| {
            for call in CALLS {
                let good = stale(world, call, &[1, 2]);
                assert_eq!(call(&[2, 1, 2]), Ok(vec![good[1].clone(), good[0].clone(), good[1].clone()]));
                assert_eq!(RAN.take(), [[2, 1]]);
                assert_eq!(call(&[2]), Ok(good[1..].to_vec()), "for a pause the body isn't run");
                call(&[1, 3]).expect_err("an id without a value");
                assert_eq!(RAN.take(), [[3]], "the other one has a pause");
                world.advance(Duration::from_secs(1));
                assert_eq!(call(&[1, 2]), Ok(good.clone()));
                assert_eq!(RAN.take(), [[1, 2]]);
                world.advance(Duration::from_secs(1));
                call(&[1, 3]).expect_err("the ids that fail together fail the call");
                assert_eq!(RAN.take(), [[1, 3]]);
                assert_eq!(call(&[1, 2]), Ok(good.clone()), "2 fails, 1 has a pause");
                assert_eq!(RAN.take(), [[2]]);
                world.advance(Duration::from_secs(40));
                call(&[1]).expect_err("its time is over");
                FAILS.store(false, Ordering::SeqCst);
                assert_ne!(call(&[1, 2]), Ok(good));
            }
            assert!(stats!(users).stale > 0);
        });
    }

    #[test]
    fn a_value_that_is_deleted_while_its_successor_fails_does_not_come_back() {
        let _one = ONE_TEST.lock();
        everywhere(|world| {
            let deletions: [fn(); 3] = [
                || delete_memoized!(users, &[2]).unwrap(),
                || block_on(delete_memoized!(listed, vec![2])).unwrap(),
                || delete_memoized!(both, &[2]).unwrap(),
            ];
            for (call, delete) in CALLS.into_iter().zip(deletions) {
                let good = stale(world, call, &[1, 2]);
                let failed = GATE.hold(world, move || call(&[1, 2]), delete).unwrap();
                failed.expect_err("2 was deleted while the body ran");
                assert_eq!(call(&[1]), Ok(good[..1].to_vec()), "1 was not");
                call(&[2]).expect_err("it is gone");
            }
        });
    }

    #[test]
    fn a_call_that_waits_for_one_that_fails_is_served() {
        let _one = ONE_TEST.lock();
        everywhere(|world| {
            for call in CALLS {
                let good = stale(world, call, &[1, 2]);
                let (tell, told) = mpsc::channel();
                let expected = good[1..].to_vec();
                let slow = GATE.hold(
                    world,
                    move || call(&[1, 2]),
                    // It waits, or finds the pause, or, with a window, the value.
                    || _ = world.spawn(move || tell.send(call(&[2])).unwrap()),
                );
                assert_eq!(slow.unwrap(), Ok(good));
                assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), Ok(expected));
                assert_eq!(RAN.take(), [[1, 2]]);
            }
        });
    }
}
